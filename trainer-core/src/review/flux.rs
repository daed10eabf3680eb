//! `mlPolicy.flux`: V22 and the CRD's bound.

use serde_json::{Value, json};

use super::invalid;
use crate::{
    Violation,
    api::TrainJob,
    plan::{assembly::Assembly, flux::INSTALLER, policy::Flux},
};

/// The CRD's rule on the runtime.
pub(super) fn processes(runtime: &Value) -> Option<Violation> {
    let processes = &runtime["spec"]["mlPolicy"]["flux"]["numProcPerNode"];
    let message = "NumProcPerNode in fluxPolicy must be >= 1";
    let field = "spec.mlPolicy.flux.numProcPerNode";
    processes
        .as_i64()
        .filter(|processes| *processes < 1)
        .map(|asked| invalid("crd:flux.numProcPerNode", field, json!(asked), message))
}

pub(super) fn check(job: &TrainJob, template: &Assembly, policy: &Flux) -> Vec<Violation> {
    let mut found = Vec::new();
    let asked = job.spec.trainer.as_ref().and_then(|trainer| trainer.num_proc_per_node);
    let processes = asked.unwrap_or_else(|| policy.processes());
    if processes < 1 {
        let message = "must be greater than or equal to 1 for Flux TrainJob";
        found.push(invalid("V22", "spec.trainer.numProcPerNode", json!(processes), message));
    }
    for step in template.steps.iter().filter(|step| step.name == "node") {
        for _ in step.init_containers.iter().filter(|container| container.name == INSTALLER) {
            let message = "InitContainer 'flux-installer' is reserved";
            found.push(invalid("V22", "spec.trainer.initContainers", json!(INSTALLER), message));
        }
    }
    found
}
