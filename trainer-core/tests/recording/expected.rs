//! The recorded JobSet in the form of the neutral plan.

use serde_json::{Value, json};
use trainer_core::api::{Runtime, TrainJob};

const ANCESTOR: &str = "trainer.kubeflow.org/trainjob-ancestor-step";
const JOB_FIELDS: [&str; 3] = ["completionMode", "podFailurePolicy", "activeDeadlineSeconds"];

/// What `plan` should say.
pub(crate) fn plan(answer: &Value, job: &TrainJob, runtime: &Runtime) -> Value {
    let name = job.metadata.name.as_deref().unwrap();
    let warnings: Vec<&Value> =
        ["runtime", "job"].iter().flat_map(|part| answer[part]["warnings"].as_array().unwrap()).collect();
    let mut plan = json!({
        "apiVersion": "trainer.dev/v1",
        "kind": "Plan",
        "job": name,
        "namespace": "default",
        "runtime": {"kind": runtime.kind, "name": runtime.name()},
        "warnings": warnings,
        "activeDeadlineSeconds": job.spec.active_deadline_seconds,
    });
    let created = &answer["created"];
    if created.is_null() {
        plan["steps"] = json!([]);
        return plan;
    }
    let mut jobset = created["jobset"].as_object().unwrap().clone();
    let network = jobset.remove("network").unwrap();
    let subdomain = network["subdomain"].as_str().unwrap_or(name);
    if let Some(service) = created["service"].as_object() {
        assert_eq!(service["name"], *subdomain);
    }
    plan["network"] = json!({
        "subdomain": subdomain,
        "publishNotReadyAddresses": network["publishNotReadyAddresses"],
    });
    if network["enableDNSHostnames"] == false {
        plan["network"]["enableDNSHostnames"] = json!(false);
    }
    let success = jobset.remove("successPolicy").unwrap();
    plan["successPolicy"] = json!({
        "operator": success["operator"],
        "steps": success["targetReplicatedJobs"].as_array().cloned().unwrap_or_default(),
    });
    if jobset["startupPolicy"]["startupPolicyOrder"] == "AnyOrder" {
        jobset.remove("startupPolicy");
    }
    let steps = jobset.remove("replicatedJobs").unwrap();
    plan["steps"] = steps.as_array().unwrap().iter().map(|recorded| step(recorded, name, subdomain)).collect();
    plan["files"] = files(&created["configMaps"]);
    plan["secrets"] = secrets(&created["secrets"]);
    plan["podGroups"] = pod_groups(&created["podGroups"]);
    for (key, value) in jobset {
        plan[key] = value;
    }
    plan
}

fn step(recorded: &Value, job: &str, subdomain: &str) -> Value {
    let mut fields = recorded.as_object().unwrap().clone();
    let mut take = |key: &str| fields.remove(key).unwrap_or_default();
    let name = take("name");
    let count = take("parallelism").as_u64().unwrap();
    assert_eq!(take("completions"), count);
    let replicas = take("replicas").as_u64().unwrap();
    let containers = take("containers");
    let init_containers = take("initContainers");
    let nodes: Vec<Value> = (0..replicas)
        .flat_map(|replica| (0..count).map(move |pod| (replica, pod)))
        .enumerate()
        .map(|(index, (replica, pod))| {
            let hostname = format!("{job}-{}-{replica}-{pod}", name.as_str().unwrap());
            json!({
                "index": index,
                "address": format!("{hostname}.{subdomain}"),
                "hostname": hostname,
                "initContainers": all(&init_containers, |recorded| container(recorded, pod)),
                "containers": all(&containers, |recorded| container(recorded, pod)),
            })
        })
        .collect();
    let labels = take("jobLabels");
    let mut step = json!({
        "name": name,
        "ancestor": labels[ANCESTOR],
        "nodeCount": count * replicas,
        "backoffLimit": take("backoffLimit").as_u64().unwrap_or(6),
        "restartPolicy": take("restartPolicy"),
        "dependsOn": take("dependsOn").as_array().cloned().unwrap_or_default(),
        "nodes": nodes,
        "jobLabels": labels,
        "job": {},
        "pod": {},
    });
    if replicas != 1 {
        step["replicas"] = json!(replicas);
    }
    for key in ["jobAnnotations", "podLabels", "podAnnotations", "volumes", "groupName"] {
        if let Some(value) = fields.remove(key) {
            step[key] = value;
        }
    }
    for (key, value) in fields {
        step[if JOB_FIELDS.contains(&key.as_str()) { "job" } else { "pod" }][key] = value;
    }
    step
}

fn container(recorded: &Value, pod: u64) -> Value {
    let mut fields = recorded.as_object().unwrap().clone();
    let mut take = |key: &str| fields.remove(key).unwrap_or_default();
    let ports = take("ports");
    let mut container = json!({
        "name": take("name"),
        "command": all(&take("command"), Value::clone),
        "args": all(&take("args"), Value::clone),
        "ports": all(&ports, |port| port["containerPort"].clone()),
        "env": all(&take("env"), |recorded| variable(recorded, pod)),
        "envFrom": all(&take("envFrom"), Value::clone),
        "volumeMounts": all(&take("volumeMounts"), Value::clone),
    });
    if all(&ports, Value::clone).iter().any(|port| port.as_object().unwrap().len() > 1) {
        container["portDetails"] = ports;
    }
    for (key, value) in fields {
        container[key] = value;
    }
    container
}

fn variable(recorded: &Value, pod: u64) -> Value {
    let path = &recorded["valueFrom"]["fieldRef"]["fieldPath"];
    if path == "metadata.annotations['batch.kubernetes.io/job-completion-index']" {
        return json!({"name": recorded["name"], "value": pod.to_string()});
    }
    recorded.clone()
}

fn files(config_maps: &Value) -> Value {
    let mut files = Vec::new();
    for (name, keys) in config_maps.as_object().unwrap() {
        for (key, content) in keys.as_object().unwrap() {
            files.push(match content {
                Value::String(content) => json!({"name": name, "key": key, "content": content}),
                settings => json!({"name": name, "key": key, "content": "", "settings": settings}),
            });
        }
    }
    files.into()
}

fn secrets(recorded: &Value) -> Value {
    let mut secrets = Vec::new();
    for (name, secret) in recorded.as_object().unwrap() {
        let mut secret = secret.clone();
        secret["name"] = json!(name);
        secrets.push(secret);
    }
    secrets.into()
}

fn pod_groups(recorded: &Value) -> Value {
    let mut groups = Vec::new();
    for (name, group) in recorded.as_object().into_iter().flatten() {
        let (name, version) = name.split_once(' ').unwrap();
        let mut group = group.clone();
        group["name"] = json!(name);
        group["apiVersion"] = json!(version);
        groups.push(group);
    }
    groups.into()
}

fn all<T>(list: &Value, map: impl Fn(&Value) -> T) -> Vec<T> {
    list.as_array().into_iter().flatten().map(map).collect()
}

/// Without what the recording leaves out or what only our plan says.
pub(crate) fn normal(mut plan: Value) -> Value {
    plan.as_object_mut().unwrap().remove("notes");
    if plan["steps"] == json!([]) {
        for key in ["network", "successPolicy", "suspend", "files", "secrets", "podGroups"] {
            plan.as_object_mut().unwrap().remove(key);
        }
    }
    for step in plan["steps"].as_array_mut().unwrap() {
        if step["groupName"] == "default" {
            step.as_object_mut().unwrap().remove("groupName");
        }
        if step["job"]["completionMode"] == "Indexed" {
            step["job"].as_object_mut().unwrap().remove("completionMode");
        }
        for list in ["initContainers", "containers"] {
            for node in step["nodes"].as_array_mut().unwrap() {
                for container in node[list].as_array_mut().unwrap() {
                    normal_container(container);
                }
            }
        }
    }
    without_empty(&mut plan);
    plan
}

fn normal_container(container: &mut Value) {
    if container["image"] == "<default flux view image>" {
        container["image"] = json!("ghcr.io/converged-computing/flux-view-ubuntu:tag-jammy");
    }
    for variable in container["env"].as_array_mut().unwrap() {
        if variable["value"] == "" {
            variable.as_object_mut().unwrap().remove("value");
        }
        let reference = &mut variable["valueFrom"]["resourceFieldRef"];
        if let Value::Object(reference) = reference {
            reference.retain(|key, value| !(key == "containerName" && value == "" || key == "divisor" && value == "0"));
        }
        without_null(variable);
    }
    for port in container["portDetails"].as_array_mut().into_iter().flatten() {
        if port["protocol"] == "TCP" {
            port.as_object_mut().unwrap().remove("protocol");
        }
    }
}

fn without_null(value: &mut Value) {
    if let Value::Object(fields) = value {
        fields.values_mut().for_each(without_null);
        fields.retain(|_, value| !value.is_null() && *value != json!({"resourceFieldRef": null}));
        if fields.get("valueFrom").is_some_and(|from| *from == json!({})) {
            fields.remove("valueFrom");
        }
    }
}

/// Empty lists and maps at the levels of plan, step and container say nothing.
fn without_empty(plan: &mut Value) {
    let strip = |value: &mut Value| {
        value
            .as_object_mut()
            .unwrap()
            .retain(|_, value| !value.is_null() && *value != json!([]) && *value != json!({}));
    };
    for step in plan["steps"].as_array_mut().unwrap() {
        for node in step["nodes"].as_array_mut().unwrap() {
            for list in ["initContainers", "containers"] {
                node[list].as_array_mut().unwrap().iter_mut().for_each(strip);
            }
        }
        strip(step);
    }
    for list in ["files", "secrets", "podGroups"] {
        if let Some(Value::Array(items)) = plan.get_mut(list) {
            items.sort_by_key(|item| {
                (item["name"].to_string(), item["key"].to_string(), item["apiVersion"].to_string())
            });
        }
    }
    strip(plan);
}
