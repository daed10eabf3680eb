//! A runtime's own rules: the CRD's, V25 and V26.

use serde_json::{Value, json};

use super::{flux, invalid, metadata, schema, torch};
use crate::{Violation, plan::assembly::ANCESTOR};

/// What the server objects to when the runtime is created; only the first layer that objects is heard.
pub(super) fn check(document: &Value) -> Vec<Violation> {
    let schema = schema::training_runtime();
    let unknown = schema.unknown_fields(document);
    if !unknown.is_empty() {
        return unknown;
    }
    if let Some(violation) = metadata::wrong_type(document) {
        return vec![violation];
    }
    let runtime = schema.with_defaults(document);
    let mut found = metadata::check(&runtime);
    let structure = schema.check(&runtime);
    found.extend(structure.violations);
    if !structure.too_broken_for_rules {
        found.extend(rules(&runtime));
    }
    if found.is_empty() && !opted_out(&runtime) {
        found = steps(&runtime);
    }
    found
}

/// Whether the webhook is kept from the runtime by its label.
pub(super) fn opted_out(runtime: &Value) -> bool {
    runtime["metadata"]["labels"]["trainer.kubeflow.org/webhook-validation"] == "disabled"
}

/// The CRD's CEL rules.
fn rules(runtime: &Value) -> Vec<Violation> {
    let mut found = Vec::new();
    let mut object = |rule: &str, field: &str, message: &str| {
        found.push(Violation::new(rule, Some(field.to_owned()), message).kind("Invalid value"));
    };
    let policy = &runtime["spec"]["mlPolicy"];
    let frameworks = ["torch", "mpi", "jax", "xgboost", "flux"];
    if frameworks.iter().filter(|name| !policy[**name].is_null()).count() > 1 {
        object("crd:mlPolicy.one", "spec.mlPolicy", "Only one of the policy can be configured");
    }
    let jobset = &runtime["spec"]["template"]["spec"];
    let list = |value: &Value| value.as_array().cloned().unwrap_or_default();
    let in_order = jobset["startupPolicy"]["startupPolicyOrder"] == "InOrder";
    if in_order && list(&jobset["replicatedJobs"]).iter().any(|step| !step["dependsOn"].is_null()) {
        let message = "StartupPolicy and DependsOn APIs are mutually exclusive";
        object("crd:runtime.jobset", "spec.template.spec", message);
    }
    for (index, policy) in list(&jobset["volumeClaimPolicies"]).iter().enumerate() {
        let named = |template: &Value| template["metadata"]["namespace"].as_str().is_some_and(|name| !name.is_empty());
        if list(&policy["templates"]).iter().any(named) {
            let field = format!("spec.template.spec.volumeClaimPolicies[{index}]");
            object("crd:runtime.jobset", &field, "namespace cannot be set for VolumeClaimPolicies templates");
        }
    }
    found.extend(flux::processes(runtime));
    found.extend(torch::injection_targets(runtime));
    found
}

/// V25 and V26: a step with a role in Kubeflow is one Job, and has the container of that role.
fn steps(runtime: &Value) -> Vec<Violation> {
    let mut found = Vec::new();
    let steps = &runtime["spec"]["template"]["spec"]["replicatedJobs"];
    for (index, step) in steps.as_array().into_iter().flatten().enumerate() {
        let field = format!("spec.template.spec.replicatedJobs[{index}]");
        let Some(role) = step["template"]["metadata"]["labels"][ANCESTOR].as_str() else { continue };
        let container = match role {
            "trainer" => "node",
            "dataset-initializer" | "model-initializer" => role,
            _ => continue,
        };
        if step["replicas"] != 1 {
            found.push(invalid("V25", &format!("{field}.replicas"), step["replicas"].clone(), "always must be 1"));
        }
        let containers = step["template"]["spec"]["template"]["spec"]["containers"].as_array();
        let mut containers = containers.cloned().unwrap_or_default();
        if containers.iter().all(|other| other["name"] != container) {
            for container in &mut containers {
                // As the controller prints its own type.
                if container["resources"].is_null() {
                    container["resources"] = json!({});
                }
            }
            let message = format!("must contain the required container for the ancestor: {role}");
            let field = format!("{field}.template.spec.template.spec.containers");
            found.push(invalid("V26", &field, Value::Array(containers), message));
        }
    }
    found
}
