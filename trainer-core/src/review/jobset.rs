//! What JobSet v0.12 refuses, after the job itself was accepted.

use serde_json::{Value, json};

use super::{invalid, names};
use crate::{
    Violation,
    plan::assembly::{Assembly, Draft, Step},
};

/// Ports that collide once the controller has put each list into itself.
pub(super) fn merge(assembly: &Assembly) -> Vec<Violation> {
    let mut found = Vec::new();
    for (step, list, container) in all_containers(assembly) {
        let identity =
            |port: &Value| (port["containerPort"].clone(), port["protocol"].as_str().unwrap_or("TCP").to_owned());
        let mut seen = Vec::new();
        let twice = container.ports.iter().map(identity).find(|port| {
            let known = seen.contains(port);
            seen.push(port.clone());
            known
        });
        if let Some((number, protocol)) = twice {
            let field = format!(
                ".spec.replicatedJobs[name={:?}].template.spec.template.spec.{list}[name={:?}].ports",
                step.name, container.name
            );
            let message = format!("duplicate entries for key [containerPort={number},protocol={protocol:?}]");
            found.push(Violation::new("jobset:ports", Some(field), message));
        }
    }
    found
}

/// The JobSet's schema.
pub(super) fn structure(assembly: &Assembly) -> Vec<Violation> {
    let mut found = Vec::new();
    for (index, step) in assembly.steps.iter().enumerate() {
        if step.containers.is_empty() {
            let field = format!("spec.replicatedJobs[{index}].template.spec.template.spec.containers");
            let message = format!("{field} in body must be of type array: \"null\"");
            found.push(
                invalid("jobset:containers", &field, json!("null"), message)
                    .hint(format!("the runtime has no step `{}`: a patch that names it adds an empty one", step.name)),
            );
        }
    }
    found
}

/// The JobSet's webhook.
pub(super) fn check(assembly: &Assembly) -> Vec<Violation> {
    let mut found = Vec::new();
    if assembly.steps.first().is_some_and(|step| !dependencies(step).is_empty()) {
        found.push(object("jobset:dependsOn", "DependsOn can't be set for the first ReplicatedJob".to_owned()));
    }
    found.extend(subdomain(assembly));
    for (index, step) in assembly.steps.iter().enumerate() {
        if step.replicas < 0 {
            let field = format!("spec.replicatedJobs[{index}].replicas");
            found.push(invalid("jobset:replicas", &field, json!(step.replicas), "must be greater than or equal to 0"));
        }
        let before: Vec<&str> = assembly.steps[..=index].iter().map(|step| step.name.as_str()).collect();
        found.extend(step_names(assembly, step, index));
        for name in dependencies(step) {
            if !before.contains(&name) || name == step.name {
                let message = format!("replicatedJob: {} cannot depend on replicatedJob: {name}", step.name);
                found.push(object("jobset:dependsOn", message));
            }
        }
    }
    found.extend(policies(assembly));
    found.extend(coordinator(assembly));
    found.extend(claims(assembly));
    found
}

fn object(rule: &str, message: String) -> Violation {
    Violation::new(rule, Some("<nil>".to_owned()), message).kind("Internal error")
}

fn dependencies(step: &Step) -> Vec<&str> {
    let list = step.fields.get("dependsOn").and_then(Value::as_array);
    list.into_iter().flatten().map(|other| other["name"].as_str().unwrap_or_default()).collect()
}

/// It is a service's name too.
fn subdomain(assembly: &Assembly) -> Vec<Violation> {
    let Some(name) = assembly.spec.get("network").and_then(|network| network["subdomain"].as_str()) else {
        return Vec::new();
    };
    if name.is_empty() {
        return Vec::new();
    }
    let field = "spec.network.subdomain";
    let as_service = names::label_1035(name).into_iter().map(|said| match said.as_str() {
        TOO_LONG => ".spec.network.subdomain is too long, must be less than 63 characters".to_owned(),
        _ => said,
    });
    names::subdomain(name)
        .into_iter()
        .chain(as_service)
        .map(|said| invalid("jobset:subdomain", field, json!(name), said))
        .collect()
}

const TOO_LONG: &str = "must be no more than 63 characters";

/// Names of Jobs and pods are made of the job's, the step's and numbers, and are DNS labels.
fn step_names(assembly: &Assembly, step: &Step, index: usize) -> Vec<Violation> {
    let field = format!("spec.replicatedJobs[{index}].name");
    let job = format!("{}-{}-{}", assembly.job, step.name, i64::from(step.replicas) - 1);
    let too_long = |what: &str| {
        format!("JobSet name is too long, {what} names generated for this JobSet will exceed 63 characters")
    };
    let mut said: Vec<String> = Vec::new();
    for (name, what) in [(Some(job.clone()), "job"), (longest_pod(step, &job), "pod")] {
        for objection in name.iter().flat_map(|name| names::label_1035(name)) {
            said.push(if objection == TOO_LONG { too_long(what) } else { objection });
        }
    }
    if let Some(group) = step.fields.get("groupName").and_then(Value::as_str) {
        said.extend(names::label_1035(group));
    }
    let room = 63_usize.saturating_sub(longest_pod(step, &job).unwrap_or(job.clone()).len() - assembly.job.len());
    said.into_iter()
        .map(|message| {
            let violation = invalid("jobset:name", &field, json!(job), &*message);
            if message.contains("too long") {
                violation.hint(format!(
                    "a job with a step `{}` of this size may have a name of {room} characters",
                    step.name
                ))
            } else {
                violation
            }
        })
        .collect()
}

/// With a suffix that Kubernetes adds. Without an index only the Job's name counts.
fn longest_pod(step: &Step, job: &str) -> Option<String> {
    let indexed = step.job_fields.get("completionMode").is_none_or(|mode| mode != "NonIndexed");
    indexed.then(|| format!("{job}-{}-abcde", i64::from(step.count) - 1))
}

/// Policies may only name steps that there are.
fn policies(assembly: &Assembly) -> Vec<Violation> {
    let known = |name: &str| assembly.steps.iter().any(|step| step.name == name);
    let targets = |policy: &Value| -> Vec<String> {
        let list = policy["targetReplicatedJobs"].as_array();
        list.into_iter().flatten().filter_map(Value::as_str).filter(|name| !known(name)).map(str::to_owned).collect()
    };
    let mut found = Vec::new();
    if let Some(policy) = assembly.spec.get("successPolicy") {
        for name in targets(policy) {
            let message = format!("invalid replicatedJob name '{name}' does not appear in .spec.ReplicatedJobs");
            found.push(object("jobset:successPolicy", message));
        }
    }
    let rules = assembly.spec.get("failurePolicy").and_then(|policy| policy["rules"].as_array());
    for name in rules.into_iter().flatten().flat_map(targets) {
        let message =
            format!("invalid replicatedJob name '{name}' in failure policy does not appear in .spec.ReplicatedJobs");
        found.push(object("jobset:failurePolicy", message));
    }
    found
}

fn coordinator(assembly: &Assembly) -> Option<Violation> {
    let coordinator = assembly.spec.get("coordinator").filter(|coordinator| !coordinator.is_null())?;
    let name = coordinator["replicatedJob"].as_str().unwrap_or_default();
    let (job, pod) = (coordinator["jobIndex"].as_i64().unwrap_or(0), coordinator["podIndex"].as_i64().unwrap_or(0));
    let refuse = |message: String| Some(object("jobset:coordinator", message));
    let Some(step) = assembly.steps.iter().find(|step| step.name == name) else {
        return refuse(format!("coordinator replicatedJob {name} does not exist"));
    };
    if job < 0 || job >= step.replicas.into() {
        return refuse(format!("coordinator job index {job} is invalid for replicatedJob {name}"));
    }
    if pod < 0 || pod >= step.count.into() {
        return refuse(format!("coordinator pod index {pod} is invalid for replicatedJob {name} job index {job}"));
    }
    None
}

/// Each claim is mounted by some container, no volume has its name, and its own name is a label.
fn claims(assembly: &Assembly) -> Vec<Violation> {
    let mut found = Vec::new();
    let policies = assembly.spec.get("volumeClaimPolicies").and_then(Value::as_array);
    let templates = policies.into_iter().flatten().filter_map(|policy| policy["templates"].as_array()).flatten();
    for template in templates {
        let name = template["metadata"]["name"].as_str().unwrap_or_default();
        let claim = format!("{name}-{}", assembly.job);
        let mut refuse = |message: String| {
            found.push(
                Violation::new("jobset:claims", Some("spec.replicatedJobs".to_owned()), message).kind("Invalid value"),
            );
        };
        for objection in names::label_1035(&claim) {
            refuse(format!("the claim {claim}: {objection}"));
        }
        let mut mounts = all_containers(assembly).into_iter().flat_map(|(.., container)| &container.volume_mounts);
        if !mounts.any(|mount| mount["name"] == name) {
            refuse(format!(
                "replicatedJob containers don't have a matching volumeMount: {name} from VolumeClaimPolicies"
            ));
        }
        if assembly.steps.iter().flat_map(|step| &step.volumes).any(|volume| volume["name"] == name) {
            refuse(format!("a volume of a replicatedJob has the name {name} of VolumeClaimPolicies"));
        }
    }
    found
}

/// Every container with its step and the list that it is in.
fn all_containers<'a>(assembly: &'a Assembly) -> Vec<(&'a Step, &'static str, &'a Draft)> {
    let of = |step: &'a Step| {
        let Step { init_containers, containers, .. } = step;
        let init = init_containers.iter().map(move |container| (step, "initContainers", container));
        init.chain(containers.iter().map(move |container| (step, "containers", container)))
    };
    assembly.steps.iter().flat_map(of).collect()
}
