//! Fields that the schema doesn't have: refused under strict validation.

use serde_json::Value;

use super::{Kind, Schema, join};
use crate::Violation;

/// Fields of `metadata` that the API server knows.
const METADATA: [&str; 15] = [
    "annotations",
    "creationTimestamp",
    "deletionGracePeriodSeconds",
    "deletionTimestamp",
    "finalizers",
    "generateName",
    "generation",
    "labels",
    "managedFields",
    "name",
    "namespace",
    "ownerReferences",
    "resourceVersion",
    "selfLink",
    "uid",
];

pub(super) fn fields(schema: &Schema, document: &Value) -> Vec<Violation> {
    let mut unknown = Vec::new();
    for (key, value) in document.as_object().into_iter().flatten() {
        match (key.as_str(), schema.properties.get(key)) {
            ("metadata", _) => {
                let fields = value.as_object().into_iter().flatten();
                unknown.extend(
                    fields
                        .map(|(field, _)| field)
                        .filter(|field| !METADATA.contains(&field.as_str()))
                        .map(|field| join(key, field)),
                );
            }
            (_, Some(node)) => walk(node.get(), value, key, &mut unknown),
            (_, None) => unknown.push(key.clone()),
        }
    }
    unknown
        .into_iter()
        .map(|field| {
            Violation::new("crd:unknown", Some(field.clone()), format!("unknown field \"{field}\""))
                .kind("Unknown field")
        })
        .collect()
}

fn walk(schema: &Schema, value: &Value, path: &str, unknown: &mut Vec<String>) {
    match value {
        Value::Object(fields) if schema.kind == Kind::Object => {
            for (key, value) in fields {
                let path = join(path, key);
                match schema.properties.get(key).or(schema.values.as_ref()) {
                    Some(node) => walk(node.get(), value, &path, unknown),
                    None => unknown.push(path),
                }
            }
        }
        Value::Array(items) => {
            let Some(node) = &schema.items else { return };
            for (index, item) in items.iter().enumerate() {
                walk(node.get(), item, &format!("{path}[{index}]"), unknown);
            }
        }
        _ => {}
    }
}
