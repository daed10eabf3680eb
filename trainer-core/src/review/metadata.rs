//! `metadata` of a document, as the API server checks it.

use serde_json::{Value, json};

use super::{invalid, names};
use crate::Violation;

/// Bytes of all annotations together, at most.
const MOST_ANNOTATIONS: usize = 256 * 1024;

/// Name, labels and annotations.
pub(super) fn check(document: &Value) -> Vec<Violation> {
    let metadata = &document["metadata"];
    let mut found = Vec::new();
    match metadata["name"].as_str() {
        None | Some("") if metadata["generateName"].as_str().unwrap_or_default().is_empty() => {
            found.push(
                Violation::new("crd:name", Some("metadata.name".to_owned()), "name or generateName is required")
                    .kind("Required value"),
            );
        }
        None | Some("") => {}
        Some(name) => {
            let objections = names::subdomain(name).into_iter();
            found.extend(objections.map(|objection| invalid("crd:name", "metadata.name", json!(name), objection)));
        }
    }
    for (key, value) in metadata["labels"].as_object().into_iter().flatten() {
        let field = "metadata.labels";
        let place = format!("{field}[{key}]");
        let object = |value, said: String| invalid("crd:metadata", field, value, said).at(place.clone());
        found.extend(names::label_key(key).into_iter().map(|said| object(json!(key), said)));
        let text = value.as_str().unwrap_or_default();
        found.extend(names::label_value(text).into_iter().map(|said| object(value.clone(), said)));
    }
    let mut size = 0;
    for (key, value) in metadata["annotations"].as_object().into_iter().flatten() {
        size += key.len() + value.as_str().unwrap_or_default().len();
        let field = "metadata.annotations";
        let objections = names::label_key(&key.to_lowercase()).into_iter();
        found.extend(
            objections.map(|said| invalid("crd:metadata", field, json!(key), said).at(format!("{field}[{key}]"))),
        );
    }
    if size > MOST_ANNOTATIONS {
        let message = format!("may not be more than {MOST_ANNOTATIONS} bytes");
        found.push(Violation::new("crd:metadata", Some("metadata.annotations".to_owned()), message).kind("Too long"));
    }
    found
}

/// The CRD's own rules on a job's name, which JobSet and pods are named after.
pub(super) fn job_name(job: &Value) -> Vec<Violation> {
    let Some(name) = job["metadata"]["name"].as_str() else { return Vec::new() };
    let mut found = Vec::new();
    let mut object = |message: &str| {
        found.push(
            Violation::new("crd:name", Some("<nil>".to_owned()), message)
                .kind("Invalid value")
                .hint("a name like `llama-ft-2` works"),
        );
    };
    if !names::is_label_1035(name) {
        object("metadata.name must match RFC 1035 DNS label format");
    }
    if name.chars().count() > 63 {
        object("metadata.name must be no more than 63 characters");
    }
    found
}

/// Labels and annotations that aren't text: refused when the document is decoded.
pub(super) fn wrong_type(document: &Value) -> Option<Violation> {
    for field in ["labels", "annotations"] {
        for (_, value) in document["metadata"][field].as_object().into_iter().flatten() {
            let given = match value {
                Value::String(_) | Value::Null => continue,
                Value::Bool(_) => "bool",
                Value::Number(_) => "number",
                Value::Array(_) => "array",
                Value::Object(_) => "object",
            };
            let message = format!(
                "json: cannot unmarshal {given} into Go struct field ObjectMeta.metadata.{field} of type string"
            );
            return Some(Violation::new("crd:types", None, message).hint("write it in quotes"));
        }
    }
    None
}
