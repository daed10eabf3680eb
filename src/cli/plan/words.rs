//! Parts of a plan in few words.

use serde_json::Value;
use trainer_core::{
    api::{EnvVar, Rest},
    plan::{DependencyStatus, LaunchPlan, PlannedStep, Secret, SuccessOperator},
};

use crate::cli::run::quoted;

/// What the whole of the job does otherwise than usual, a line each.
pub(super) fn of_job(plan: &LaunchPlan) -> Vec<String> {
    let mut lines = Vec::new();
    if let Some(seconds) = plan.active_deadline_seconds {
        lines.push(format!("ends after {seconds}s at the latest"));
    }
    let policy = &plan.success_policy;
    match (policy.operator, policy.steps.join(", ")) {
        (SuccessOperator::All, steps) if steps.is_empty() => {}
        (SuccessOperator::All, steps) => lines.push(format!("succeeds when all of {steps} has succeeded")),
        (SuccessOperator::Any, steps) if steps.is_empty() => lines.push("succeeds when any step has succeeded".into()),
        (SuccessOperator::Any, steps) => lines.push(format!("succeeds when any of {steps} has succeeded")),
    }
    for (field, value) in &plan.rest {
        match field.as_str() {
            "failurePolicy" => lines.extend(failure_policy(value)),
            "startupPolicy" if value["startupPolicyOrder"] == "InOrder" => {
                lines.push("starts its steps in this order, each when the one before is ready".to_owned());
            }
            "ttlSecondsAfterFinished" => lines.push(format!("is removed {value}s after its end")),
            "volumeClaimPolicies" | "startupPolicy" => {}
            other => lines.push(format!("{other} {}", compact(value))),
        }
    }
    lines
}

fn failure_policy(policy: &Value) -> Vec<String> {
    let restarts = policy["maxRestarts"].as_u64().unwrap_or_default();
    let whole = match restarts {
        0 => "fails when a step fails".to_owned(),
        1 => "starts again as a whole once when a step fails".to_owned(),
        more => format!("starts again as a whole up to {more} times when a step fails"),
    };
    let rules = policy["rules"].as_array().into_iter().flatten().map(|rule| {
        let list = |field: &str| -> Vec<&str> {
            rule[field].as_array().into_iter().flatten().filter_map(Value::as_str).collect()
        };
        let (steps, reasons) = (list("targetReplicatedJobs").join(", "), list("onJobFailureReasons").join(", "));
        let steps = if steps.is_empty() { "a step" } else { &steps };
        let because = if reasons.is_empty() { String::new() } else { format!(" with {reasons}") };
        format!("when {steps} fails{because}: {}", compact(&rule["action"]))
    });
    [whole].into_iter().chain(rules).collect()
}

/// How often a step is tried, and what else is unusual about its Job.
pub(super) fn of_step(step: &PlannedStep) -> String {
    let nodes = if step.node_count == 1 { "node" } else { "nodes" };
    let copies = if step.replicas == 1 { String::new() } else { format!(" in {} copies", step.replicas) };
    let retries = match step.backoff_limit {
        0 => "no retries".to_owned(),
        1 => "1 retry".to_owned(),
        count => format!("{count} retries"),
    };
    format!("{} {nodes}{copies}, {retries}", step.node_count)
}

/// When a step starts, and the fields of its Job and pods, a line each.
pub(super) fn about_step(step: &PlannedStep) -> Vec<String> {
    let starts = step.depends_on.iter().map(|dependency| {
        let status = match dependency.status {
            DependencyStatus::Ready => "ready",
            DependencyStatus::Complete => "complete",
        };
        format!("starts when {} is {status}", dependency.name)
    });
    let fields = |of: &str, fields: &Rest| -> Vec<String> {
        fields.iter().map(|(name, value)| format!("{of} {name} {}", compact(value))).collect()
    };
    starts.chain(fields("Job", &step.job)).chain(fields("pod", &step.pod)).collect()
}

/// A variable and where its value comes from.
pub(super) fn variable(EnvVar { name, value, value_from, .. }: &EnvVar) -> String {
    let Some(from) = value_from else {
        return format!("{name}={}", value.as_ref().map(|value| quoted([value.as_str()])).unwrap_or_default());
    };
    let key = |kind: &str| Some((from.get(kind)?["name"].as_str()?, from[kind]["key"].as_str()?));
    match (key("secretKeyRef"), key("configMapKeyRef"), from["fieldRef"]["fieldPath"].as_str()) {
        (Some((secret, key)), ..) => format!("{name} is the key {key} of the Secret {secret}"),
        (_, Some((map, key)), _) => format!("{name} is the key {key} of the ConfigMap {map}"),
        (_, _, Some(field)) => format!("{name} is the pod's {field}"),
        _ => format!("{name} from {from}"),
    }
}

/// A whole source of variables.
pub(super) fn variables(source: &Value) -> String {
    let prefix = source["prefix"].as_str().map(|prefix| format!(", each with {prefix} before it")).unwrap_or_default();
    match (source["secretRef"]["name"].as_str(), source["configMapRef"]["name"].as_str()) {
        (Some(secret), _) => format!("all keys of the Secret {secret}{prefix}"),
        (_, Some(map)) => format!("all keys of the ConfigMap {map}{prefix}"),
        _ => source.to_string(),
    }
}

/// Amounts that are requested and limited.
pub(super) fn resources(resources: &Value) -> Vec<String> {
    let amounts = |kind: &str| {
        let amounts = resources[kind].as_object().filter(|amounts| !amounts.is_empty())?;
        Some(amounts.iter().map(|(name, amount)| format!("{name} {}", compact(amount))).collect::<Vec<_>>().join(", "))
    };
    match (amounts("requests"), amounts("limits")) {
        (Some(requests), Some(limits)) if requests == limits => vec![requests],
        (requests, limits) => {
            let requests = requests.map(|amounts| format!("at least {amounts}"));
            requests.into_iter().chain(limits.map(|amounts| format!("at most {amounts}"))).collect()
        }
    }
}

/// What is mounted at a path: `/data  the claim corpus, read-only`.
pub(super) fn mount(plan: &LaunchPlan, step: &PlannedStep, mount: &Value) -> String {
    let name = mount["name"].as_str().unwrap_or_default();
    let volume = step.volumes.iter().find(|volume| volume["name"] == name);
    let mut what = match volume {
        Some(volume) => source(volume),
        // One of the JobSet's own.
        None => format!("the claim {name}-{}", plan.job),
    };
    let part = mount["subPath"].as_str().or(mount["subPathExpr"].as_str());
    if let Some(part) = part.filter(|part| !part.is_empty()) {
        what = format!("{part} of {what}");
    }
    let claim_is_read_only = volume.is_some_and(|volume| volume["persistentVolumeClaim"]["readOnly"] == true);
    let read_only = if claim_is_read_only || mount["readOnly"] == true { ", read-only" } else { "" };
    format!("{}  {what}{read_only}", mount["mountPath"].as_str().unwrap_or_default())
}

/// What a volume is.
fn source(volume: &Value) -> String {
    let text = |pointer: &str| volume.pointer(pointer).and_then(Value::as_str);
    if let Some(claim) = text("/persistentVolumeClaim/claimName") {
        return format!("the claim {claim}");
    }
    if let Some(secret) = text("/secret/secretName") {
        return format!("the Secret {secret}");
    }
    if let Some(map) = text("/configMap/name") {
        return format!("the ConfigMap {map}");
    }
    if let Some(path) = text("/hostPath/path") {
        return format!("{path} of the host");
    }
    if let Some(empty) = volume.get("emptyDir") {
        let medium = if empty["medium"] == "Memory" { "memory" } else { "an empty folder" };
        let limit = empty["sizeLimit"].as_str().map(|limit| format!(" of at most {limit}")).unwrap_or_default();
        return format!("{medium}{limit}");
    }
    let kind = volume.as_object().and_then(|fields| fields.iter().find(|(name, _)| *name != "name"));
    kind.map(|(kind, value)| format!("{kind} {}", compact(value))).unwrap_or_default()
}

/// The claims that the JobSet makes: `claim initializer-alpha: 20Gi, ReadWriteOnce`.
pub(super) fn claims(plan: &LaunchPlan) -> Vec<String> {
    let policies = plan.rest.get("volumeClaimPolicies").and_then(Value::as_array).into_iter().flatten();
    let templates = policies.flat_map(|policy| {
        let kept = policy["retentionPolicy"]["whenDeleted"] == "Retain";
        policy["templates"].as_array().into_iter().flatten().map(move |template| (template, kept))
    });
    templates
        .map(|(template, kept)| {
            let name = template["metadata"]["name"].as_str().unwrap_or_default();
            let size = template.pointer("/spec/resources/requests/storage").map(compact);
            let modes = template["spec"]["accessModes"].as_array().into_iter().flatten().map(compact);
            let end = if kept { "stays when the job is deleted" } else { "deleted with the job" };
            let facts: Vec<String> = size.into_iter().chain(modes).chain([end.to_owned()]).collect();
            format!("claim {name}-{}: {}", plan.job, facts.join(", "))
        })
        .collect()
}

/// `Secret alpha-mpi-ssh-auth (kubernetes.io/ssh-auth): ssh-privatekey, ssh-publickey`.
pub(super) fn secret(Secret { name, kind, keys, .. }: &Secret) -> String {
    format!("Secret {name} ({kind}): {}", keys.join(", "))
}

/// A value on one line: a text without quotes.
pub(super) fn compact(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use serde_json::json;

    use super::*;

    #[test]
    fn a_volume_is_said_in_the_words_of_its_kind() {
        for (volume, words) in [
            (json!({ "name": "v", "persistentVolumeClaim": { "claimName": "c" } }), "the claim c"),
            (json!({ "name": "v", "secret": { "secretName": "s" } }), "the Secret s"),
            (json!({ "name": "v", "configMap": { "name": "m" } }), "the ConfigMap m"),
            (json!({ "name": "v", "hostPath": { "path": "/h" } }), "/h of the host"),
            (json!({ "name": "v", "emptyDir": {} }), "an empty folder"),
            (json!({ "name": "v", "emptyDir": { "medium": "Memory", "sizeLimit": "1Gi" } }), "memory of at most 1Gi"),
            (json!({ "name": "v", "image": { "reference": "i" } }), r#"image {"reference":"i"}"#),
        ] {
            assert_eq!(source(&volume), words);
        }
    }

    #[test]
    fn amounts_are_said_once_where_they_are_equal() {
        let both = json!({ "requests": { "cpu": "4" }, "limits": { "cpu": "4" } });
        assert_eq!(resources(&both), ["cpu 4"]);
        let other = json!({ "requests": { "cpu": 1 }, "limits": { "cpu": "4", "memory": "1Gi" } });
        assert_eq!(resources(&other), ["at least cpu 1", "at most cpu 4, memory 1Gi"]);
        assert_eq!(resources(&json!({})), [""; 0]);
    }

    #[test]
    fn where_a_variable_comes_from_is_said() {
        let said = |from| variable(&serde_json::from_value(json!({ "name": "A", "valueFrom": from })).unwrap());
        assert_eq!(said(json!({ "secretKeyRef": { "name": "s", "key": "k" } })), "A is the key k of the Secret s");
        assert_eq!(
            said(json!({ "configMapKeyRef": { "name": "m", "key": "k" } })),
            "A is the key k of the ConfigMap m"
        );
        assert_eq!(said(json!({ "fieldRef": { "fieldPath": "status.podIP" } })), "A is the pod's status.podIP");
        assert_eq!(variable(&EnvVar::new("A", "two words")), "A='two words'");
    }
}
