//! `spec.runtimePatches`: strategic merge of the patches into the runtime's template, in their order.

use serde_json::{Map, Value};

use super::template::Metadata;
use crate::api::Rest;

/// Lists whose items are merged by a key, by the name of the field that holds them. Any other list is replaced.
///
/// As in the Go types of Kubernetes 1.36 and JobSet 0.12 (`patchMergeKey`), for what a patch may contain.
const MERGE_KEYS: &[(&str, &str)] = &[
    ("replicatedJobs", "name"),
    ("containers", "name"),
    ("initContainers", "name"),
    ("volumes", "name"),
    ("env", "name"),
    ("volumeMounts", "mountPath"),
    ("imagePullSecrets", "name"),
    ("schedulingGates", "name"),
];

/// Merges `patches` into the template's `metadata` and `spec`.
pub(super) fn apply(patches: Option<&Value>, metadata: &mut Metadata, spec: &mut Rest) {
    let order: Vec<Value> = names_of_steps(spec);
    for patch in patches.and_then(Value::as_array).into_iter().flatten() {
        let template = &patch["trainingRuntimeSpec"]["template"];
        for (kept, given) in [
            (&mut metadata.labels, &template["metadata"]["labels"]),
            (&mut metadata.annotations, &template["metadata"]["annotations"]),
        ] {
            kept.extend(given.as_object().cloned().unwrap_or_default());
        }
        if let Value::Object(patch) = as_sent(&template["spec"]) {
            merge_maps(spec, patch);
        }
    }
    // Steps that the runtime doesn't have are counted as its first one, so they go to the front.
    if let Some(Value::Array(steps)) = spec.get_mut("replicatedJobs") {
        steps.sort_by_key(|step| order.iter().position(|name| *name == step["name"]).unwrap_or(0));
    }
}

fn names_of_steps(spec: &Rest) -> Vec<Value> {
    let steps = spec.get("replicatedJobs").and_then(Value::as_array);
    steps.into_iter().flatten().map(|step| step["name"].clone()).collect()
}

/// The patch as the controller writes it from its types: what is null or empty is not in it.
fn as_sent(patch: &Value) -> Value {
    match patch {
        Value::Object(fields) => Value::Object(
            fields
                .iter()
                .filter(|(key, value)| !is_omitted(key, value))
                .map(|(key, value)| (key.clone(), as_sent(value)))
                .collect(),
        ),
        Value::Array(items) => Value::Array(items.iter().map(as_sent).collect()),
        other => other.clone(),
    }
}

fn is_omitted(key: &str, value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Array(items) => items.is_empty(),
        Value::String(text) => text.is_empty() && key == "value",
        Value::Bool(false) => key == "readOnly",
        _ => false,
    }
}

fn merge_maps(original: &mut Map<String, Value>, patch: Map<String, Value>) {
    for (key, change) in patch {
        match (original.get_mut(&key), change) {
            (Some(Value::Object(fields)), Value::Object(changes)) => merge_maps(fields, changes),
            (Some(Value::Array(items)), Value::Array(changes)) => match merge_key(&key) {
                Some(merge_key) => *items = merge_lists(std::mem::take(items), changes, merge_key),
                None => *items = changes,
            },
            (Some(value), change) => *value = change,
            (None, change) => {
                original.insert(key, change);
            }
        }
    }
}

fn merge_key(list: &str) -> Option<&'static str> {
    MERGE_KEYS.iter().find(|(name, _)| *name == list).map(|(_, key)| *key)
}

/// The patch's items in their order; an item that only the original has stands before the first item
/// of the patch that it precedes in the original, otherwise after all of them.
fn merge_lists(original: Vec<Value>, patch: Vec<Value>, key: &str) -> Vec<Value> {
    let order: Vec<Value> = original.iter().map(|item| item[key].clone()).collect();
    let place = |item: &Value| order.iter().position(|name| *name == item[key]);
    let (mut known, only_original): (Vec<_>, Vec<_>) =
        original.into_iter().partition(|item| patch.iter().any(|change| change[key] == item[key]));
    let mut changed = patch.into_iter().map(|change| match known.iter().position(|item| item[key] == change[key]) {
        None => change,
        Some(index) => {
            let mut item = known.swap_remove(index);
            if let (Value::Object(fields), Value::Object(changes)) = (&mut item, change) {
                merge_maps(fields, changes);
            }
            item
        }
    });
    let mut only_original = only_original.into_iter().peekable();
    let mut merged = Vec::new();
    for item in changed.by_ref() {
        while let Some(before) =
            only_original.next_if(|other| place(other).zip(place(&item)).is_some_and(|(other, item)| other < item))
        {
            merged.push(before);
        }
        merged.push(item);
    }
    merged.extend(only_original);
    merged
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn merged(original: &Value, patch: &Value) -> Value {
        let mut original = original.as_object().cloned().unwrap_or_default();
        merge_maps(&mut original, as_sent(patch).as_object().cloned().unwrap_or_default());
        original.into()
    }

    #[test]
    fn lists_with_a_key_are_merged_and_others_replaced() {
        let original = json!({
            "imagePullSecrets": [{"name": "a"}],
            "tolerations": [{"key": "a"}],
            "containers": [{"name": "c", "env": [{"name": "A", "value": "1"}, {"name": "B", "value": "2"}]}],
        });
        let patch = json!({
            "imagePullSecrets": [{"name": "b"}],
            "tolerations": [{"key": "b"}],
            "containers": [{"name": "c", "env": [{"name": "B", "value": "3"}]}],
        });
        let expected = json!({
            "imagePullSecrets": [{"name": "b"}, {"name": "a"}],
            "tolerations": [{"key": "b"}],
            "containers": [{"name": "c", "env": [{"name": "A", "value": "1"}, {"name": "B", "value": "3"}]}],
        });
        assert_eq!(merged(&original, &patch), expected);
    }

    #[test]
    fn what_go_leaves_out_of_a_patch_changes_nothing() {
        let original =
            json!({"serviceAccountName": "s", "containers": [{"name": "c", "env": [{"name": "A", "value": "1"}]}]});
        let patch = json!({"volumes": null, "containers": [{"name": "c", "env": [{"name": "A", "value": ""}], "volumeMounts": []}]});
        assert_eq!(merged(&original, &patch), original);
        assert_eq!(merged(&original, &json!({"serviceAccountName": ""}))["serviceAccountName"], "");
    }
}
