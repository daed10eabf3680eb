//! `spec.initializer`: the form of a storageUri, and V4–V9: what the runtime must have for it.

use serde_json::{Value, json};

use super::{invalid, runtime_ref::reference_value};
use crate::{Violation, api::TrainJob, plan::assembly::Assembly};

const KINDS: [(&str, &str, &str); 2] =
    [("dataset", "dataset-initializer", "datasetConfig"), ("model", "model-initializer", "modelConfig")];

/// The CRD's rule on `storageUri`.
pub(super) fn storage_uris(job: &Value) -> Vec<Violation> {
    let mut found = Vec::new();
    for (kind, ..) in KINDS {
        if let Some(uri) = job["spec"]["initializer"][kind]["storageUri"].as_str()
            && !uri.is_empty()
            && !is_uri(uri)
        {
            let field = format!("spec.initializer.{kind}.storageUri");
            let message = "storageUri may be empty, or it must be a valid URI (scheme://...)";
            found.push(invalid("crd:storageUri", &field, json!(uri), message));
        }
    }
    found
}

/// `scheme://rest`, with no line break in the rest.
fn is_uri(text: &str) -> bool {
    let Some((scheme, rest)) = text.split_once("://") else { return false };
    scheme.starts_with(|c: char| c.is_ascii_alphabetic())
        && scheme.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '+' | '.' | '-'))
        && !rest.is_empty()
        && !rest.contains('\n')
}

/// V4–V9.
pub(super) fn check(job: &TrainJob, template: &Assembly) -> Vec<Violation> {
    let mut found = Vec::new();
    let Some(initializer) = &job.spec.initializer else { return found };
    for ((kind, name, config), rules) in KINDS.into_iter().zip([["V4", "V5", "V6"], ["V7", "V8", "V9"]]) {
        if initializer.get(kind).is_none_or(Value::is_null) {
            continue;
        }
        let mut object = |rule: &str, message: String| {
            found.push(invalid(rule, "spec.runtimeRef", reference_value(&job.spec.runtime_ref), message));
        };
        let Some(step) = template.steps.iter().rev().find(|step| step.name == name) else {
            object(rules[0], format!("must have {name} job when trainJob is configured with input {config}"));
            continue;
        };
        let mut all = step.init_containers.iter().chain(&step.containers);
        if !all.any(|container| container.name == name) {
            object(rules[1], format!("must have container with name - {name} in the {name} job"));
            continue;
        }
        let steps = template.steps.iter().filter(|step| step.name == name);
        let mut mounts = steps
            .flat_map(|step| step.containers.iter().filter(|container| container.name == name))
            .flat_map(|container| &container.volume_mounts);
        if !mounts.any(|mount| mount["name"] == "initializer") {
            object(
                rules[2],
                format!("must have volumeMount with name - initializer in container {name} of the {name} job"),
            );
        }
    }
    found
}
