//! What may not change once a job is created.

use serde_json::Value;

use super::patches;
use crate::Violation;

/// The CRD's transition rules: they compare where there was a value and is one. Adding and removing pass.
pub(super) fn immutable_fields(old: &Value, new: &Value) -> Vec<Violation> {
    let mut found = Vec::new();
    for field in ["activeDeadlineSeconds", "initializer", "managedBy", "runtimeRef", "trainer"] {
        compare(&old["spec"][field], &new["spec"][field], &format!("spec.{field}"), &mut found);
    }
    let managed = |job: &Value| job["spec"]["runtimePatches"].as_array().cloned().unwrap_or_default();
    for (index, patch) in managed(new).iter().enumerate() {
        if let Some(before) = managed(old).iter().find(|before| before["manager"] == patch["manager"]) {
            pods(before, patch, &format!("spec.runtimePatches[{index}]"), &mut found);
        }
    }
    found
}

fn pods(old: &Value, new: &Value, path: &str, found: &mut Vec<Violation>) {
    let steps = |patch: &Value| {
        patch["trainingRuntimeSpec"]["template"]["spec"]["replicatedJobs"].as_array().cloned().unwrap_or_default()
    };
    for (index, step) in steps(new).iter().enumerate() {
        let Some(before) = steps(old).into_iter().find(|before| before["name"] == step["name"]) else { continue };
        let pod = |step: &Value| step["template"]["spec"]["template"]["spec"].clone();
        for field in [
            "containers",
            "imagePullSecrets",
            "initContainers",
            "securityContext",
            "serviceAccountName",
            "terminationGracePeriodSeconds",
            "volumes",
        ] {
            let path = format!(
                "{path}.trainingRuntimeSpec.template.spec.replicatedJobs[{index}].template.spec.template.spec.{field}"
            );
            compare(&pod(&before)[field], &pod(step)[field], &path, found);
        }
    }
}

fn compare(old: &Value, new: &Value, field: &str, found: &mut Vec<Violation>) {
    if old.is_null() || new.is_null() || same(old, new) {
        return;
    }
    let violation = Violation::new("crd:immutable", Some(field.to_owned()), "field is immutable").kind("Invalid value");
    // The server prints a value only where it is a plain one.
    let plain = !new.is_object() && !new.is_array();
    found.push(if plain { violation.value(new.clone()) } else { violation });
}

/// As CEL compares: the order of a list whose items have names doesn't count.
fn same(old: &Value, new: &Value) -> bool {
    match (old, new) {
        (Value::Object(old), Value::Object(new)) => {
            old.len() == new.len()
                && old.iter().all(|(key, value)| new.get(key).is_some_and(|other| same(value, other)))
        }
        (Value::Array(old), Value::Array(new)) if old.len() == new.len() => {
            let named = |list: &[Value]| list.iter().all(|item| item["name"].is_string());
            if named(old) && named(new) {
                let find = |name: &Value| new.iter().find(|other| other["name"] == *name);
                old.iter().all(|item| find(&item["name"]).is_some_and(|other| same(item, other)))
            } else {
                old.iter().zip(new).all(|(old, new)| same(old, new))
            }
        }
        (old, new) => old == new,
    }
}

/// V15: patches change only while the job is held back, before or after the change.
pub(super) fn patches_change(old: &Value, new: &Value) -> Option<Violation> {
    let held = |job: &Value| job["spec"]["suspend"] == true;
    let changed = patches::differ(old["spec"].get("runtimePatches"), new["spec"].get("runtimePatches"));
    (changed && !held(old) && !held(new)).then(|| {
        let message = "RuntimePatches can only be modified when the TrainJob is suspended before or after the update";
        Violation::new("V15", Some("spec.runtimePatches".to_owned()), message).kind("Forbidden")
    })
}
