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
                let fields = value.as_object().into_iter().flatten().map(|(field, _)| field);
                for field in fields.filter(|field| !METADATA.contains(&field.as_str())) {
                    unknown.push(violation(join(key, field), field, METADATA.into_iter()));
                }
            }
            (_, Some(node)) => walk(node.get(), value, key, &mut unknown),
            (_, None) => unknown.push(violation(key.clone(), key, schema.properties.keys().map(String::as_str))),
        }
    }
    unknown
}

fn walk(schema: &Schema, value: &Value, path: &str, unknown: &mut Vec<Violation>) {
    match value {
        Value::Object(fields) if schema.kind == Kind::Object => {
            for (key, value) in fields {
                let path = join(path, key);
                match schema.properties.get(key).or(schema.values.as_ref()) {
                    Some(node) => walk(node.get(), value, &path, unknown),
                    None => unknown.push(violation(path, key, schema.properties.keys().map(String::as_str))),
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

fn violation<'a>(path: String, field: &str, known: impl Iterator<Item = &'a str>) -> Violation {
    let message = format!("unknown field \"{path}\"");
    let violation = Violation::new("crd:unknown", Some(path), message).kind("Unknown field");
    match nearest(field, known) {
        Some(known) => violation.hint(format!("did you mean `{known}`?")),
        None => violation,
    }
}

/// The known name that looks most like `field`, if any looks like it.
fn nearest<'a>(field: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let field = field.to_lowercase();
    let alike = known.map(|known| (known, strsim::jaro_winkler(&field, &known.to_lowercase())));
    alike.filter(|(_, likeness)| *likeness > 0.8).max_by(|a, b| a.1.total_cmp(&b.1)).map(|(known, _)| known)
}
