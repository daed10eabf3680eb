//! `metadata` of a document, as the API server checks it.

use serde_json::{Value, json};

use super::{invalid, names, schema};
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
    if let Some(namespace) = metadata["namespace"].as_str().filter(|namespace| !namespace.is_empty()) {
        let objections = names::label_1123(namespace).into_iter();
        found.extend(objections.map(|said| invalid("crd:metadata", "metadata.namespace", json!(namespace), said)));
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
        found.push(Violation::new("crd:name", Some("<nil>".to_owned()), message).kind("Invalid value"));
    };
    if !names::is_label_1035(name) {
        object("metadata.name must match RFC 1035 DNS label format");
    }
    if name.chars().count() > 63 {
        object("metadata.name must be no more than 63 characters");
    }
    found
}

/// The name that the server would have made of `generateName`, or one that is as long.
pub(super) fn generate_name(job: &mut Value) {
    let metadata = &job["metadata"];
    if metadata["name"].as_str().is_some_and(|name| !name.is_empty()) {
        return;
    }
    if let Some(stem) = metadata["generateName"].as_str().filter(|stem| !stem.is_empty()) {
        let kept: String = stem.chars().take(63 - GENERATED.len()).collect();
        job["metadata"]["name"] = Value::from(kept + GENERATED);
    }
}

/// As many letters as the server adds.
const GENERATED: &str = "xxxxx";

/// Wrong types: refused when the document is decoded.
pub(super) fn wrong_type(document: &Value) -> Option<Violation> {
    const TEXT: [&str; 6] = ["generateName", "name", "namespace", "resourceVersion", "selfLink", "uid"];
    let refuse = |value: &Value, owner: &str, path: &str, place: String, wanted: &str| {
        let given = match value {
            Value::Null => return None,
            Value::String(_) => "string",
            Value::Bool(_) => "bool",
            Value::Number(_) => "number",
            Value::Array(_) => "array",
            Value::Object(_) => "object",
        };
        let message = format!("json: cannot unmarshal {given} into Go struct field {owner}.{path} of type {wanted}");
        let violation = Violation::new("crd:types", None, message).at(place);
        let quotes = wanted == "string" && (value.is_number() || value.is_boolean());
        Some(if quotes { violation.hint("write it in quotes") } else { violation })
    };
    let metadata = &document["metadata"];
    let Some(fields) = metadata.as_object() else {
        let owner = document["kind"].as_str().unwrap_or_default();
        return refuse(metadata, owner, "metadata", "metadata".to_owned(), "v1.ObjectMeta");
    };
    fields.iter().find_map(|(field, value)| {
        let path = format!("metadata.{field}");
        let object = |wanted| refuse(value, "ObjectMeta", &path, path.clone(), wanted);
        match field.as_str() {
            "labels" | "annotations" => match value.as_object() {
                None => object("map[string]string"),
                Some(entries) => entries
                    .iter()
                    .filter(|(_, value)| !value.is_string())
                    .find_map(|(key, value)| refuse(value, "ObjectMeta", &path, format!("{path}[{key}]"), "string")),
            },
            text if TEXT.contains(&text) && !value.is_string() => object("string"),
            "generation" if !value.is_i64() => object("int64"),
            "finalizers" if !value.is_array() => object("[]string"),
            "ownerReferences" if !value.is_array() => object("[]v1.OwnerReference"),
            "creationTimestamp" | "deletionTimestamp" if !value.is_null() => {
                let message = schema::metadata_time(value, field)?;
                Some(Violation::new("crd:types", None, message).at(path))
            }
            _ => None,
        }
    })
}
