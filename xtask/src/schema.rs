//! `cargo xtask schema CHECKOUT`: the compact schema that review checks against, from the CRDs of a checkout of
//! Kubeflow Trainer. Only structure is taken, no prose.
//!
//! The CRDs say what is allowed; the OpenAPI document beside them knows the names of the Go types, which the
//! controller's errors are worded with.

use std::{collections::HashMap, fs, path::Path};

use serde_json::{Map, Value, json};

use crate::{Result, workspace::Workspace};

const TARGET: &str = "trainer-core/src/review/schema/schema.json";

/// Facts that are taken over as they are.
const BOUNDS: [&str; 10] = [
    "required",
    "enum",
    "maxItems",
    "minItems",
    "maxLength",
    "minLength",
    "minimum",
    "maximum",
    "minProperties",
    "default",
];

/// Go types of fields that OpenAPI shows as plain text or maps.
const NAMED_TYPES: [(&str, &str, &str); 21] = [
    ("v1.AppArmorProfile", "type", "v1.AppArmorProfileType"),
    ("v1.AzureDiskVolumeSource", "cachingMode", "v1.AzureDataDiskCachingMode"),
    ("v1.AzureDiskVolumeSource", "kind", "v1.AzureDataDiskKind"),
    ("v1.EmptyDirVolumeSource", "medium", "v1.StorageMedium"),
    ("v1.HostPathVolumeSource", "type", "v1.HostPathType"),
    ("v1.LabelSelectorRequirement", "operator", "v1.LabelSelectorOperator"),
    ("v1.NodeSelectorRequirement", "operator", "v1.NodeSelectorOperator"),
    ("v1.PodSecurityContext", "fsGroupChangePolicy", "v1.PodFSGroupChangePolicy"),
    ("v1.PodSecurityContext", "seLinuxChangePolicy", "v1.PodSELinuxChangePolicy"),
    ("v1.PodSecurityContext", "supplementalGroupsPolicy", "v1.SupplementalGroupsPolicy"),
    ("v1.ResourceRequirements", "limits", "v1.ResourceList"),
    ("v1.ResourceRequirements", "requests", "v1.ResourceList"),
    ("v1.SeccompProfile", "type", "v1.SeccompProfileType"),
    ("v1.SecurityContext", "procMount", "v1.ProcMountType"),
    ("v1.Toleration", "effect", "v1.TaintEffect"),
    ("v1.Toleration", "operator", "v1.TolerationOperator"),
    ("v1.VolumeMount", "mountPropagation", "v1.MountPropagationMode"),
    ("v1.VolumeMount", "recursiveReadOnly", "v1.RecursiveReadOnlyMode"),
    ("v1.VolumeResourceRequirements", "limits", "v1.ResourceList"),
    ("v1.VolumeResourceRequirements", "requests", "v1.ResourceList"),
    ("v1alpha1.MPIMLPolicySource", "mpiImplementation", "v1alpha1.MPIImplementation"),
];

pub(crate) fn write(checkout: &Path, workspace: &Workspace) -> Result {
    let openapi: Value = serde_json::from_str(&read(checkout, "api/openapi-spec/swagger.json")?)?;
    let types = Types(&openapi["components"]["schemas"]);
    let job = crd(checkout, "trainjobs")?;
    let runtime = crd(checkout, "trainingruntimes")?;
    let documents = [types.document(&job, Some("TrainJob")), types.document(&runtime, None)];
    let mut shared = Shared::default();
    documents.iter().for_each(|document| shared.count(document));
    let [job, runtime] = documents.map(|document| shared.shorten(&document, ""));
    let schema = json!({ "definitions": shared.definitions, "trainJob": job, "trainingRuntime": runtime });
    fs::write(workspace.root.join(TARGET), pretty(&schema, 0) + "\n")?;
    println!("wrote {TARGET}");
    Ok(())
}

fn read(checkout: &Path, file: &str) -> Result<String> {
    fs::read_to_string(checkout.join(file)).map_err(|error| format!("{file} of the checkout: {error}").into())
}

fn crd(checkout: &Path, plural: &str) -> Result<Value> {
    let text = read(checkout, &format!("manifests/base/crds/trainer.kubeflow.org_{plural}.yaml"))?;
    let mut crd: Value = serde_saphyr::from_str(&text)?;
    Ok(crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"].take())
}

/// The OpenAPI document's schemas by Go type.
struct Types<'a>(&'a Value);

impl Types<'_> {
    /// The schema of a kind, less its metadata, which the API server checks itself.
    fn document(&self, crd: &Value, kind: Option<&str>) -> Value {
        let name = kind.and_then(|kind| self.0.as_object()?.keys().find(|name| name.ends_with(&format!(".{kind}"))));
        let reference = name.map(|name| json!({ "$ref": name }));
        let mut document = self.convert(crd, reference.as_ref(), None);
        if let Some(Value::Object(properties)) = document.get_mut("properties") {
            properties.remove("metadata");
        }
        document
    }

    /// `typed` is the same place in the OpenAPI document, `field` the Go type and name of the field that holds it.
    fn convert(&self, crd: &Value, typed: Option<&Value>, field: Option<(&str, &str)>) -> Value {
        let reference = typed.and_then(|typed| {
            typed["$ref"]
                .as_str()
                .or_else(|| typed["allOf"][0]["$ref"].as_str())
                .and_then(|name| name.rsplit('/').next())
        });
        let typed = reference.map_or(typed, |name| self.0.get(name));
        let go = reference.map(|name| {
            let words: Vec<&str> = name.rsplitn(3, '.').collect();
            format!("{}.{}", words[1], words[0])
        });

        let mut node = Map::new();
        node.insert("type".to_owned(), json!(kind(crd)));
        if let Some(go) = go.as_ref().filter(|_| crd["type"] == "object") {
            node.insert("go".to_owned(), json!(go));
        }
        let named = NAMED_TYPES.iter().find(|(owner, name, _)| field == Some((*owner, *name)));
        if let Some((.., name)) = named {
            node.insert("go".to_owned(), json!(name));
        }
        for bound in BOUNDS {
            if let Some(value) = crd.get(bound) {
                node.insert(bound.to_owned(), value.clone());
            }
        }
        match crd["x-kubernetes-list-type"].as_str() {
            Some("map") => node.insert("keys".to_owned(), crd["x-kubernetes-list-map-keys"].clone()),
            Some("set") => node.insert("set".to_owned(), json!(true)),
            _ => None,
        };
        let typed_at = |key: &str| typed.and_then(|typed| typed.get(key));
        if let Some(properties) = crd["properties"].as_object() {
            let of = |(name, property): (&String, &Value)| {
                let typed = typed_at("properties").and_then(|properties| properties.get(name));
                (name.clone(), self.convert(property, typed, go.as_deref().map(|go| (go, name.as_str()))))
            };
            node.insert("properties".to_owned(), properties.iter().map(of).collect());
        }
        if crd["items"].is_object() {
            node.insert("items".to_owned(), self.convert(&crd["items"], typed_at("items"), None));
        }
        if crd["additionalProperties"].is_object() {
            let values = &crd["additionalProperties"];
            node.insert("values".to_owned(), self.convert(values, typed_at("additionalProperties"), None));
        }
        Value::Object(node)
    }
}

fn kind(crd: &Value) -> &str {
    if crd["x-kubernetes-int-or-string"] == true {
        return if crd["pattern"].is_string() { "quantity" } else { "int-or-string" };
    }
    match (crd["type"].as_str().unwrap_or("object"), crd["format"].as_str()) {
        ("integer", Some(format)) => format,
        ("string", Some("date-time")) => "date-time",
        (kind, _) => kind,
    }
}

/// Schemas that occur more than once, by a name.
#[derive(Default)]
struct Shared {
    uses: HashMap<String, usize>,
    names: HashMap<String, String>,
    definitions: Map<String, Value>,
}

impl Shared {
    fn count(&mut self, node: &Value) {
        let uses = self.uses.entry(node.to_string()).or_default();
        *uses += 1;
        if *uses == 1 {
            let properties = node["properties"].as_object().into_iter().flatten().map(|(_, property)| property);
            properties.chain(node.get("items")).chain(node.get("values")).for_each(|child| self.count(child));
        }
    }

    /// A type's name for a plain type, a reference for what is shared, else the schema itself.
    fn shorten(&mut self, node: &Value, field: &str) -> Value {
        let key = node.to_string();
        if node.as_object().is_some_and(|node| node.len() == 1) {
            return node["type"].clone();
        }
        if self.uses.get(&key).is_none_or(|uses| *uses == 1) || key.len() <= 40 {
            return self.body(node, field);
        }
        let name = match self.names.get(&key) {
            Some(name) => name.clone(),
            None => {
                let body = self.body(node, field);
                let name = self.fresh_name(node, field);
                self.definitions.insert(name.clone(), body);
                self.names.insert(key, name.clone());
                name
            }
        };
        json!(format!("#{name}"))
    }

    fn body(&mut self, node: &Value, field: &str) -> Value {
        let mut body = node.clone();
        if let Some(Value::Object(properties)) = body.get_mut("properties") {
            for (name, property) in properties {
                *property = self.shorten(property, name);
            }
        }
        for child in ["items", "values"] {
            if let Some(child) = body.get_mut(child) {
                *child = self.shorten(child, field);
            }
        }
        body
    }

    fn fresh_name(&self, node: &Value, field: &str) -> String {
        let base = node["go"].as_str().and_then(|go| go.rsplit('.').next()).unwrap_or(field);
        let name = |number: usize| if number == 1 { base.to_owned() } else { format!("{base}{number}") };
        (1..).map(name).find(|name| !self.definitions.contains_key(name)).unwrap_or_default()
    }
}

/// JSON with what fits on a line on one line.
fn pretty(value: &Value, indent: usize) -> String {
    let flat = flat(value);
    if flat.len() + indent <= 116 {
        return flat;
    }
    let pad = " ".repeat(indent + 1);
    let lines =
        |items: Vec<String>| items.into_iter().map(|item| format!("{pad}{item}")).collect::<Vec<_>>().join(",\n");
    let end = " ".repeat(indent);
    match value {
        Value::Object(fields) => {
            let fields = fields.iter().map(|(key, value)| format!("{}: {}", json!(key), pretty(value, indent + 1)));
            format!("{{\n{}\n{end}}}", lines(fields.collect()))
        }
        Value::Array(items) => {
            format!("[\n{}\n{end}]", lines(items.iter().map(|item| pretty(item, indent + 1)).collect()))
        }
        _ => flat,
    }
}

fn flat(value: &Value) -> String {
    match value {
        Value::Object(fields) => {
            let fields: Vec<String> =
                fields.iter().map(|(key, value)| format!("{}: {}", json!(key), flat(value))).collect();
            format!("{{{}}}", fields.join(", "))
        }
        Value::Array(items) => format!("[{}]", items.iter().map(flat).collect::<Vec<_>>().join(", ")),
        scalar => scalar.to_string(),
    }
}
