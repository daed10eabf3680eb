//! The structural schemas of the CRDs of Kubeflow Trainer v2.3.0, without prose: `schema.json`.
//!
//! A node is a type's name (`"string"`), a reference (`"#env"`), or an object. Besides what JSON schema has,
//! `keys` are the keys of a list of type map, `values` the schema of a map's values, and `go` the type that
//! the controller decodes a field into, which its errors name.

mod check;
mod decode;
mod defaults;
mod shape;
mod unknown;

use std::{collections::BTreeMap, sync::LazyLock};

use serde::{Deserialize, Deserializer, de::Error as _};
use serde_json::Value;

use crate::Violation;
use decode::WrongType;
pub(super) use decode::metadata_time;
pub(crate) use shape::Shape;

/// Objections to the structure of a document.
#[derive(Debug, Default)]
pub(super) struct Findings {
    pub(super) violations: Vec<Violation>,
    /// Whether the server would have gone on to the CEL rules.
    pub(super) too_broken_for_rules: bool,
}

/// The schema of TrainJob.
pub(crate) fn train_job() -> Document {
    Document(&SCHEMAS.train_job)
}

/// The schema of TrainingRuntime and ClusterTrainingRuntime.
pub(crate) fn training_runtime() -> Document {
    Document(&SCHEMAS.training_runtime)
}

/// The schema of one kind of document.
#[derive(Clone, Copy)]
pub(crate) struct Document(&'static Node);

impl Document {
    /// Fields that the server doesn't know.
    pub(super) fn unknown_fields(self, document: &Value) -> Vec<Violation> {
        unknown::fields(self.0.get(), document)
    }

    /// The document with defaults, and without nulls that mean absent.
    pub(super) fn with_defaults(self, document: &Value) -> Value {
        let mut document = document.clone();
        defaults::fill(self.0.get(), &mut document);
        document
    }

    /// The first field that the controller can't decode, in the words of Go's JSON.
    pub(super) fn decode_error(self, document: &Value) -> Option<WrongType> {
        decode::error(self.0.get(), document)
    }

    /// What may stand at `path`, lists taken for one of their items. `None`: there is no such field.
    pub(crate) fn shape<'a>(self, path: impl IntoIterator<Item = &'a str>) -> Option<Shape> {
        shape::at(self.0.get(), path)
    }

    /// A document in which the field at `path` is set, beside what must be.
    #[cfg(test)]
    pub(crate) fn sample(self, path: &[&str]) -> Value {
        shape::sample(self.0.get(), path)
    }

    /// What violates the schema.
    pub(super) fn check(self, document: &Value) -> Findings {
        check::document(self.0.get(), document)
    }
}

/// `spec` of a runtime with the defaults that the API server fills in.
pub(crate) fn with_runtime_defaults(spec: &Value) -> Value {
    let mut spec = spec.clone();
    if let Some(schema) = training_runtime().0.get().properties.get("spec") {
        defaults::fill(schema.get(), &mut spec);
    }
    spec
}

static SCHEMAS: LazyLock<Schemas> = LazyLock::new(|| {
    // The file is compiled in; `the_schema_is_sound` keeps it parseable.
    serde_json::from_str(include_str!("schema.json")).unwrap_or_default()
});

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Schemas {
    definitions: BTreeMap<String, Schema>,
    train_job: Node,
    training_runtime: Node,
}

/// A schema, or the name of one.
#[derive(Debug)]
enum Node {
    Inline(Box<Schema>),
    Named(String),
}

impl Node {
    fn get(&self) -> &Schema {
        static ANYTHING: LazyLock<Schema> = LazyLock::new(Schema::default);
        match self {
            Self::Inline(schema) => schema,
            Self::Named(name) => SCHEMAS.definitions.get(name).unwrap_or(&ANYTHING),
        }
    }
}

impl Default for Node {
    fn default() -> Self {
        Self::Inline(Box::default())
    }
}

impl<'de> Deserialize<'de> for Node {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match Value::deserialize(deserializer)? {
            Value::String(text) => match text.strip_prefix('#') {
                Some(name) => Ok(Self::Named(name.to_owned())),
                None => {
                    let kind = Kind::deserialize(Value::String(text)).map_err(D::Error::custom)?;
                    Ok(Self::Inline(Box::new(Schema { kind, ..Schema::default() })))
                }
            },
            schema => Ok(Self::Inline(Box::new(Schema::deserialize(schema).map_err(D::Error::custom)?))),
        }
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
struct Schema {
    #[serde(rename = "type")]
    kind: Kind,
    go: Option<String>,
    default: Option<Value>,
    #[serde(rename = "enum")]
    one_of: Vec<String>,
    required: Vec<String>,
    properties: BTreeMap<String, Node>,
    values: Option<Node>,
    items: Option<Node>,
    keys: Vec<String>,
    set: bool,
    max_items: Option<usize>,
    min_items: Option<usize>,
    max_length: Option<usize>,
    min_length: Option<usize>,
    maximum: Option<i64>,
    minimum: Option<i64>,
    min_properties: Option<usize>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Kind {
    #[default]
    Object,
    Array,
    String,
    Boolean,
    Integer,
    Int32,
    Int64,
    Number,
    Quantity,
    #[serde(rename = "int-or-string")]
    IntOrString,
    #[serde(rename = "date-time")]
    DateTime,
}

/// `spec`, `spec.trainer`, … as the server writes a path.
fn join(path: &str, field: &str) -> String {
    if path.is_empty() { field.to_owned() } else { format!("{path}.{field}") }
}

/// What a schema's rule is called: `crd:trainer.env` for `spec.trainer.env[3].name`.
fn rule(path: &str) -> String {
    let path = path.strip_prefix("spec.").unwrap_or(path);
    let words: Vec<&str> = path.split('.').take(2).map(|word| word.split('[').next().unwrap_or(word)).collect();
    format!("crd:{}", words.join("."))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn the_schema_is_sound() {
        let schemas: Schemas = serde_json::from_str(include_str!("schema.json")).unwrap();
        let mut names = Vec::new();
        for schema in schemas.definitions.values().chain([schemas.train_job.get(), schemas.training_runtime.get()]) {
            references(schema, &mut names);
        }
        assert!(!names.is_empty());
        for name in names {
            assert!(schemas.definitions.contains_key(&name), "{name}");
        }
    }

    fn references(schema: &Schema, names: &mut Vec<String>) {
        for node in schema.properties.values().chain(&schema.values).chain(&schema.items) {
            match node {
                Node::Named(name) => names.push(name.clone()),
                Node::Inline(schema) => references(schema, names),
            }
        }
    }
}
