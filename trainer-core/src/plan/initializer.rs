//! `spec.initializer`: where dataset and model come from.

use serde::Deserialize;
use serde_json::{Value, json};

use super::{assembly::Assembly, env_var::as_applied, upsert};
use crate::api::EnvVar;

pub(super) fn apply(assembly: &mut Assembly, initializer: Option<&Value>) {
    for (kind, name) in [("dataset", "dataset-initializer"), ("model", "model-initializer")] {
        let source = initializer.and_then(|initializer| initializer.get(kind)).filter(|source| !source.is_null());
        let source = source.and_then(|source| Source::deserialize(source).ok());
        for step in assembly.steps.iter_mut().filter(|step| step.ancestor.as_deref() == Some(name)) {
            step.replicas = 1;
            let Some(source) = &source else { continue };
            for container in step.containers.iter_mut().filter(|container| container.name == name) {
                if let Some(uri) = &source.storage_uri {
                    upsert::env(&mut container.env, [EnvVar::new("STORAGE_URI", uri.as_str())]);
                }
                upsert::env(&mut container.env, source.env.iter().flatten().map(as_applied));
                if let Some(secret) = &source.secret_ref {
                    container.env_from.push(json!({"secretRef": {"name": secret.name.as_deref().unwrap_or_default()}}));
                }
            }
        }
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Source {
    storage_uri: Option<String>,
    env: Option<Vec<EnvVar>>,
    secret_ref: Option<SecretRef>,
}

#[derive(Deserialize)]
struct SecretRef {
    name: Option<String>,
}
