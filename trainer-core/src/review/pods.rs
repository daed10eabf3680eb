//! What the API server refuses when a Job is made from the JobSet: the JobSet's own schema doesn't look that far.

use serde_json::{Value, json};

use super::{invalid, names};
use crate::{
    Violation,
    api::{EnvVar, Quantity},
    plan::{
        assembly::{Assembly, Draft, Step},
        resources::Resources,
    },
};

const SOURCES: [&str; 5] = ["configMapKeyRef", "fieldRef", "fileKeyRef", "resourceFieldRef", "secretKeyRef"];

/// Objections to every step's Job, with paths in that Job.
pub(super) fn check(assembly: &Assembly) -> Vec<Violation> {
    let of = |step: &Step| {
        let object = format!("the Job made for step `{}`", step.name);
        job(assembly, step).into_iter().map(move |violation| violation.of(object.clone()))
    };
    assembly.steps.iter().flat_map(of).collect()
}

fn job(assembly: &Assembly, step: &Step) -> Vec<Violation> {
    let mut found = Vec::new();
    if step.count < 0 {
        for field in ["spec.parallelism", "spec.completions"] {
            found.push(invalid("job:count", field, json!(step.count), "must be greater than or equal to 0"));
        }
    }
    for field in ["activeDeadlineSeconds", "backoffLimit", "maxFailedIndexes", "ttlSecondsAfterFinished"] {
        if let Some(number) =
            step.job_fields.get(field).filter(|number| number.as_i64().is_some_and(|number| number < 0))
        {
            let message = "must be greater than or equal to 0";
            found.push(invalid("job:count", &format!("spec.{field}"), number.clone(), message));
        }
    }
    let pod = "spec.template.spec";
    let restarts = step.pod_fields.get("restartPolicy").and_then(Value::as_str).unwrap_or("OnFailure");
    if !["OnFailure", "Never"].contains(&restarts) {
        let message = "supported values: \"OnFailure\", \"Never\"";
        found.push(
            Violation::new("job:restartPolicy", Some(format!("{pod}.restartPolicy")), message)
                .kind("Unsupported value")
                .value(json!(restarts)),
        );
    }
    found.extend(check_volumes(step, pod));
    let mounted = volumes(assembly, step);
    let mut seen: Vec<&str> = Vec::new();
    for (list, containers) in [("containers", &step.containers), ("initContainers", &step.init_containers)] {
        for (index, container) in containers.iter().enumerate() {
            let path = format!("{pod}.{list}[{index}]");
            if seen.contains(&container.name.as_str()) {
                let field = format!("{path}.name");
                let message = format!("Duplicate value: {:?}", container.name);
                found.push(Violation::new("job:name", Some(field), message).kind("Duplicate value"));
            }
            seen.push(&container.name);
            check_container(container, &path, &mounted, &mut found);
        }
    }
    found.extend(tolerations(step, pod));
    found
}

/// Names that a container may mount: the step's volumes, and the claims that JobSet adds.
fn volumes(assembly: &Assembly, step: &Step) -> Vec<String> {
    let policies = assembly.spec.get("volumeClaimPolicies").and_then(Value::as_array);
    let claims = policies.into_iter().flatten().filter_map(|policy| policy["templates"].as_array()).flatten();
    let claims = claims.map(|template| template["metadata"]["name"].as_str());
    let volumes = step.volumes.iter().map(|volume| volume["name"].as_str());
    volumes.chain(claims).flatten().map(str::to_owned).collect()
}

/// Each volume has a name and one source. That a name is there once is the schema's affair.
fn check_volumes(step: &Step, pod: &str) -> Vec<Violation> {
    let mut found = Vec::new();
    for (index, volume) in step.volumes.iter().enumerate() {
        let path = format!("{pod}.volumes[{index}]");
        let name = volume["name"].as_str().unwrap_or_default();
        for said in names::label_1123(name) {
            found.push(invalid("job:volume", &format!("{path}.name"), json!(name), said));
        }
        let fields = volume.as_object().into_iter().flatten();
        match fields.filter(|(key, value)| *key != "name" && !value.is_null()).count() {
            0 => found
                .push(Violation::new("job:volume", Some(path), "must specify a volume type").kind("Required value")),
            1 => {}
            _ => found.push(
                Violation::new("job:volume", Some(path), "may not specify more than 1 volume type").kind("Forbidden"),
            ),
        }
    }
    found
}

fn check_container(container: &Draft, path: &str, mounted: &[String], found: &mut Vec<Violation>) {
    if container.image.as_deref().unwrap_or_default().is_empty() {
        let violation = Violation::new("job:image", Some(format!("{path}.image")), "Required value");
        found.push(
            violation
                .kind("Required value")
                .hint(format!("the runtime has no container `{}` with an image in this step", container.name)),
        );
    }
    for said in names::label_1123(&container.name) {
        found.push(invalid("job:name", &format!("{path}.name"), json!(container.name), said));
    }
    for (index, variable) in container.env.iter().enumerate() {
        check_variable(variable, &format!("{path}.env[{index}]"), found);
    }
    check_resources(&container.resources, &format!("{path}.resources"), found);
    for (index, mount) in container.volume_mounts.iter().enumerate() {
        let name = mount["name"].as_str().unwrap_or_default();
        if mounted.iter().all(|volume| volume != name) {
            let field = format!("{path}.volumeMounts[{index}].name");
            found.push(Violation::new("job:volume", Some(field), format!("Not found: {name:?}")).kind("Not found"));
        }
    }
}

/// What a container may ask for: devices in whole numbers, and no more than their limit.
fn check_resources(resources: &Resources, path: &str, found: &mut Vec<Violation>) {
    let amount = |value: &Value| Quantity::from_value(value).unwrap_or_default();
    for (list, amounts) in [("limits", &resources.limits), ("requests", &resources.requests)] {
        for (name, value) in amounts {
            let field = format!("{path}.{list}[{name}]");
            let mut object = |value: Value, message: &str| found.push(invalid("job:resources", &field, value, message));
            if is_native(name) && !is_standard(name) {
                object(json!(name), "must be a standard resource type or fully qualified");
            }
            if amount(value).is_less_than(Quantity::default()) {
                object(value.clone(), "must be greater than or equal to 0");
            }
            if !is_native(name) && !amount(value).is_whole() {
                object(value.clone(), "must be an integer");
            }
        }
    }
    for (name, value) in &resources.requests {
        let field = format!("{path}.requests");
        match resources.limits.get(name) {
            Some(limit) if is_native(name) && amount(limit).is_less_than(amount(value)) => {
                let message = format!("must be less than or equal to {name} limit of {}", amount(limit));
                found.push(invalid("job:resources", &field, value.clone(), message));
            }
            Some(limit) if !is_native(name) && !amount(limit).equals(amount(value)) => {
                let message = format!("must be equal to {name} limit of {}", amount(limit));
                found.push(invalid("job:resources", &field, value.clone(), message));
            }
            None if !is_native(name) => {
                let message = "Limit must be set for non overcommitable resources";
                let violation = Violation::new("job:resources", Some(format!("{path}.limits")), message);
                found.push(violation.kind("Required value").hint(format!("ask for {name} in limits")));
            }
            _ => {}
        }
    }
}

/// Kubernetes' own resources, as against devices (`nvidia.com/gpu`).
fn is_native(name: &str) -> bool {
    !name.contains('/') || name.contains("kubernetes.io/")
}

fn is_standard(name: &str) -> bool {
    ["cpu", "memory", "ephemeral-storage"].contains(&name) || name.starts_with("hugepages-")
}

fn check_variable(variable: &EnvVar, path: &str, found: &mut Vec<Violation>) {
    let sound = !variable.name.is_empty() && variable.name.chars().all(|c| (' '..='~').contains(&c) && c != '=');
    if !sound {
        let message =
            "a valid environment variable name must consist only of printable ASCII characters other than '='";
        found.push(invalid("job:env", &format!("{path}.name"), json!(variable.name), message));
    }
    let Some(from) = &variable.value_from else { return };
    let field = format!("{path}.valueFrom");
    let sources = SOURCES.iter().filter(|source| !from[**source].is_null()).count();
    if variable.value.as_deref().is_some_and(|value| !value.is_empty()) && sources > 0 {
        found.push(invalid("job:env", &field, json!(""), "may not be specified when `value` is not empty"));
    }
    if sources == 0 {
        let message = "must specify one of: `fieldRef`, `resourceFieldRef`, `configMapKeyRef` or `secretKeyRef`";
        found.push(invalid("job:env", &field, json!(""), message).hint("a fileKeyRef is lost on the way to the pod"));
    } else if sources > 1 {
        found.push(invalid("job:env", &field, json!(""), "may not have more than one field specified at a time"));
    }
}

fn tolerations(step: &Step, pod: &str) -> Vec<Violation> {
    let mut found = Vec::new();
    let list = step.pod_fields.get("tolerations").and_then(Value::as_array);
    for (index, toleration) in list.into_iter().flatten().enumerate() {
        let path = format!("{pod}.tolerations[{index}]");
        let text = |field: &str| toleration[field].as_str().unwrap_or_default();
        if !["", "Equal", "Exists"].contains(&text("operator")) {
            let violation = Violation::new(
                "job:toleration",
                Some(format!("{path}.operator")),
                "supported values: \"Equal\", \"Exists\"",
            );
            found.push(violation.kind("Unsupported value").value(json!(text("operator"))));
        }
        if text("key").is_empty() && !["Exists"].contains(&text("operator")) {
            let message = "operator must be Exists when `key` is empty, which means \"match all values and all keys\"";
            found.push(invalid("job:toleration", &format!("{path}.operator"), json!(text("operator")), message));
        }
        if text("operator") == "Exists" && !text("value").is_empty() {
            let message = "value must be empty when `operator` is 'Exists'";
            found.push(invalid("job:toleration", &format!("{path}.operator"), json!(text("value")), message));
        }
        if !["", "NoSchedule", "PreferNoSchedule", "NoExecute"].contains(&text("effect")) {
            let message = "supported values: \"NoSchedule\", \"PreferNoSchedule\", \"NoExecute\"";
            let violation = Violation::new("job:toleration", Some(format!("{path}.effect")), message);
            found.push(violation.kind("Unsupported value").value(json!(text("effect"))));
        }
    }
    found
}
