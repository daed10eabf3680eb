//! `spec.runtimePatches`: V10 and V14. V11–V13 never fire in this release: the patches are merged before the
//! names are looked at, so every name is found.

use serde_json::{Value, json};

use super::{invalid, names};
use crate::{Violation, api::TrainJob};

const OWN_ENV: [&str; 3] = ["dataset-initializer", "model-initializer", "node"];

pub(super) fn check(job: &TrainJob) -> Vec<Violation> {
    let mut found = Vec::new();
    let Some(patches) = &job.spec.runtime_patches else { return found };
    for patch in patches.as_array().into_iter().flatten() {
        manager(patch["manager"].as_str().unwrap_or_default(), &mut found);
        let steps = &patch["trainingRuntimeSpec"]["template"]["spec"]["replicatedJobs"];
        for step in steps.as_array().into_iter().flatten() {
            let containers = &step["template"]["spec"]["template"]["spec"]["containers"];
            for container in containers.as_array().into_iter().flatten() {
                let has_env = container["env"].as_array().is_some_and(|env| !env.is_empty());
                if has_env && OWN_ENV.iter().any(|name| container["name"] == *name) {
                    let message = "must not have envs for the dataset-initializer, model-initializer, node containers";
                    found.push(invalid("V14", "spec.runtimePatches", patches.clone(), message));
                }
            }
        }
    }
    found
}

/// V10: domain and path are judged apart.
fn manager(manager: &str, found: &mut Vec<Violation>) {
    let mut object = |value: &str, message: String| {
        found.push(invalid("V10", "spec.runtimePatches.manager", json!(value), message));
    };
    let (domain, path) = manager.split_once('/').unwrap_or((manager, ""));
    if domain.is_empty() || path.is_empty() {
        return object(manager, "must be a domain-prefixed path (such as \"acme.io/foo\")".to_owned());
    }
    for objection in names::subdomain(domain) {
        object(domain, objection);
    }
    let allowed = |c: char| c.is_ascii_alphanumeric() || r"/-._~%!$&'()*+,;=:".contains(c);
    if !path.chars().all(allowed) {
        object(path, r"Invalid path (regex used for validation is '[A-Za-z0-9/\-._~%!$&'()*+,;=:]+')".to_owned());
    }
}

/// Whether two lists of patches say the same, apart from their times.
pub(super) fn differ(old: Option<&Value>, new: Option<&Value>) -> bool {
    let timeless = |patches: Option<&Value>| -> Vec<Value> {
        let patches = patches.and_then(Value::as_array).cloned().unwrap_or_default();
        patches
            .into_iter()
            .map(|mut patch| {
                if let Some(fields) = patch.as_object_mut() {
                    fields.remove("time");
                }
                patch
            })
            .collect()
    };
    timeless(old) != timeless(new)
}
