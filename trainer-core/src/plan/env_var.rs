//! How the controller copies a job's variable, and what it loses on the way.

use serde_json::{Map, Value, json};

use crate::api::{EnvVar, Rest};

/// The variable as it arrives in the container: without the `apiVersion` of a `fieldRef`, and
/// without a `fileKeyRef`, which leaves an empty `valueFrom`.
pub(super) fn as_applied(variable: &EnvVar) -> EnvVar {
    let (value, value_from) = match &variable.value_from {
        Some(from) => (None, Some(source_as_applied(from))),
        None => (Some(variable.value.clone().unwrap_or_default()), None),
    };
    EnvVar { name: variable.name.clone(), value, value_from, rest: Rest::new() }
}

fn source_as_applied(from: &Value) -> Value {
    let mut source = Map::new();
    let mut keep = |kind: &str, always: &[&str], optional: &[&str]| {
        let Some(reference) = from.get(kind).filter(|reference| !reference.is_null()) else { return };
        let mut kept = Map::new();
        for key in always {
            kept.insert((*key).to_owned(), reference.get(*key).cloned().unwrap_or_else(|| json!("")));
        }
        for key in optional {
            if let Some(value) = reference.get(*key).filter(|value| !value.is_null()) {
                kept.insert((*key).to_owned(), value.clone());
            }
        }
        source.insert(kind.to_owned(), Value::Object(kept));
    };
    keep("fieldRef", &["fieldPath"], &[]);
    keep("resourceFieldRef", &["resource"], &["containerName", "divisor"]);
    keep("configMapKeyRef", &["key", "name"], &["optional"]);
    keep("secretKeyRef", &["key", "name"], &["optional"]);
    Value::Object(source)
}
