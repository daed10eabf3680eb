//! `mlPolicy.torch`: V16, V17 and the CRD's rule on envInjection. `tune run` has a file of its own.

use serde_json::{Value, json};

use super::{invalid, torchtune};
use crate::{
    Violation,
    api::TrainJob,
    plan::{
        assembly::Assembly,
        policy::{Target, Torch},
    },
};

const RESERVED: [&str; 5] = ["PET_MASTER_ADDR", "PET_MASTER_PORT", "PET_NNODES", "PET_NODE_RANK", "PET_NPROC_PER_NODE"];

/// The CRD's rule: the trainer's own container is given the variables anyway.
pub(super) fn injection_targets(runtime: &Value) -> Vec<Violation> {
    let targets = &runtime["spec"]["mlPolicy"]["torch"]["envInjection"]["targets"];
    let mut found = Vec::new();
    for (index, target) in targets.as_array().into_iter().flatten().enumerate() {
        if target["containerNames"].as_array().into_iter().flatten().any(|name| name == "node") {
            let field = format!("spec.mlPolicy.torch.envInjection.targets[{index}].containerNames");
            let message = "containerNames must not include the main node container because PET_* envs are always injected into it";
            found.push(Violation::new("crd:envInjection", Some(field), message).kind("Invalid value"));
        }
    }
    found
}

pub(super) fn check(job: &TrainJob, template: &mut Assembly, policy: &Torch) -> Vec<Violation> {
    let mut found = Vec::new();
    let targets = policy.env_injection.as_ref().and_then(|injection| injection.targets.as_deref());
    for target in targets.unwrap_or_default() {
        found.extend(missing_containers(target, template));
    }
    found.extend(reserved_env(job, "V16", &RESERVED));
    if torchtune::applies(job) {
        found.extend(torchtune::check(job, template));
    }
    found
}

/// V17.
fn missing_containers(target: &Target, template: &mut Assembly) -> Vec<Violation> {
    let Target { job_name, container_names } = target;
    let missing: Vec<&String> =
        container_names.iter().filter(|name| template.container_of(job_name, name).is_none()).collect();
    missing
        .into_iter()
        .map(|name| {
            let value = json!({"jobName": job_name, "containerNames": container_names});
            let message =
                format!("envInjection target podSet {job_name:?} container {name:?} not found in runtime template");
            invalid("V17", "spec.runtimeRef", value, message)
        })
        .collect()
}

/// Variables that the controller sets itself: V16, V20.
pub(super) fn reserved_env(job: &TrainJob, rule: &str, reserved: &[&str]) -> Option<Violation> {
    let env = job.spec.trainer.as_ref()?.env.as_ref()?;
    let mut clashes: Vec<&str> =
        env.iter().map(|variable| variable.name.as_str()).filter(|name| reserved.contains(name)).collect();
    clashes.sort_unstable();
    if clashes.is_empty() {
        return None;
    }
    let message = format!("must not have reserved envs, invalid envs configured: [{}]", clashes.join(" "));
    Some(invalid(rule, "spec.trainer.env", json!(env), message))
}
