//! V1–V3: the runtime that a job refers to.

use serde_json::{Value, json};

use super::invalid;
use crate::{
    Violation,
    api::{RuntimeRef, TrainJob},
};

const GROUP: &str = "trainer.kubeflow.org";

/// What the reference means, or why there is no such thing.
pub(super) fn check(job: &TrainJob, runtime: Option<&Value>) -> Result<(), Box<Violation>> {
    let reference = &job.spec.runtime_ref;
    let group = reference.api_group.as_deref().unwrap_or_default();
    let kind = reference.kind.as_deref().unwrap_or_default();
    let (field, missing) = match (group, kind) {
        (GROUP, "ClusterTrainingRuntime") => {
            ("spec.RuntimeRef", "specified clusterTrainingRuntime must be created before the TrainJob is created")
        }
        (GROUP, "TrainingRuntime") => {
            ("spec.runtimeRef", "specified trainingRuntime must be created before the TrainJob is created")
        }
        _ => {
            let named = if group.is_empty() { kind.to_owned() } else { format!("{kind}.{group}") };
            let (place, hint) = if reference.name.is_empty() {
                ("spec.runtimeRef.name", "it says which runtime the job builds on: `trainer runtimes` lists them")
            } else {
                let place = if group == GROUP { "spec.runtimeRef.kind" } else { "spec.runtimeRef.apiGroup" };
                (place, "kind is ClusterTrainingRuntime or TrainingRuntime, apiGroup is trainer.kubeflow.org")
            };
            let unknown = Violation::new("V1", None, format!("unsupported runtime: {named}"));
            return Err(Box::new(unknown.at(place).hint(hint)));
        }
    };
    if runtime.is_some_and(|runtime| is_meant(reference, job, runtime)) {
        return Ok(());
    }
    let message = format!("{kind}.{group} {:?} not found: {missing}", reference.name);
    Err(Box::new(invalid("V2", field, reference_value(reference), message)))
}

fn is_meant(reference: &RuntimeRef, job: &TrainJob, runtime: &Value) -> bool {
    let kind = reference.kind.as_deref().unwrap_or_default();
    let namespace = |name: Option<&str>| name.unwrap_or("default").to_owned();
    runtime["kind"] == kind
        && runtime["metadata"]["name"] == reference.name.as_str()
        && (kind == "ClusterTrainingRuntime"
            || namespace(runtime["metadata"]["namespace"].as_str()) == namespace(job.metadata.namespace.as_deref()))
}

/// The reference as the controller prints it.
pub(super) fn reference_value(reference: &RuntimeRef) -> Value {
    json!({"name": reference.name, "apiGroup": reference.api_group, "kind": reference.kind})
}

/// V3: what the server warns of when a cluster's runtime is deprecated, or, behind `Referenced `, a job uses it.
pub(super) fn deprecation(runtime: &Value) -> Option<String> {
    let label = &runtime["metadata"]["labels"]["trainer.kubeflow.org/support"];
    if runtime["kind"] != "ClusterTrainingRuntime" || label != "deprecated" {
        return None;
    }
    let name = runtime["metadata"]["name"].as_str().unwrap_or_default();
    Some(format!(
        "ClusterTrainingRuntime {name:?} is deprecated and will be removed in a future release of Kubeflow Trainer. See runtime deprecation policy: https://trainer.kubeflow.org/en/latest/operator-guides/runtime.html#runtime-deprecation-policy"
    ))
}
