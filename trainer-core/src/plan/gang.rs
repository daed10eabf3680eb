//! `spec.podGroupPolicy`: the marks by which a gang scheduler knows the job's pods.

use serde_json::{Map, Value, json};

use super::assembly::Assembly;
use crate::api::Quantity;

pub(super) fn enforce(assembly: &mut Assembly, policy: Option<&Value>) {
    let Some(policy) = policy else { return };
    let job = assembly.job.clone();
    if let Some(coscheduling) = policy.get("coscheduling").filter(|policy| !policy.is_null()) {
        for step in &mut assembly.steps {
            step.pod_labels.insert("scheduling.x-k8s.io/pod-group".to_owned(), json!(job));
        }
        let timeout = coscheduling.get("scheduleTimeoutSeconds").filter(|timeout| !timeout.is_null());
        let mut group = pod_group(assembly, "scheduling.x-k8s.io/v1alpha1");
        group.insert("scheduleTimeoutSeconds".to_owned(), timeout.cloned().unwrap_or(json!(60)));
        assembly.pod_groups.push(Value::Object(group));
    }
    if let Some(volcano) = policy.get("volcano").filter(|policy| !policy.is_null()) {
        for step in &mut assembly.steps {
            step.pod_annotations.insert("scheduling.k8s.io/group-name".to_owned(), json!(job));
        }
        let mut group = pod_group(assembly, "scheduling.volcano.sh/v1beta1");
        if let Some(queue) = assembly.annotations.get("scheduling.volcano.sh/queue-name") {
            group.insert("queue".to_owned(), queue.clone());
        }
        let class = assembly.steps.iter().rev().find_map(|step| step.pod_fields.get("priorityClassName"));
        if let Some(class) = class {
            group.insert("priorityClassName".to_owned(), class.clone());
        }
        if let Some(topology) = volcano.get("networkTopology").filter(|topology| !topology.is_null()) {
            group.insert(
                "networkTopology".to_owned(),
                json!({
                    "mode": topology.get("mode").cloned().unwrap_or(json!("hard")),
                    "highestTierAllowed": topology.get("highestTierAllowed").cloned().unwrap_or(json!(1)),
                }),
            );
        }
        assembly.pod_groups.push(Value::Object(group));
    }
}

fn pod_group(assembly: &Assembly, api_version: &str) -> Map<String, Value> {
    let members: i64 = assembly.steps.iter().map(|step| i64::from(step.count)).sum();
    let mut group = Map::new();
    group.insert("name".to_owned(), json!(assembly.job));
    group.insert("apiVersion".to_owned(), json!(api_version));
    group.insert("minMember".to_owned(), json!(members));
    group.insert("minResources".to_owned(), requests(assembly));
    group
}

/// What all pods request together: containers side by side, init containers one after another.
fn requests(assembly: &Assembly) -> Value {
    let mut total: Vec<(String, Quantity)> = Vec::new();
    for step in &assembly.steps {
        let mut pod: Vec<(String, Quantity)> = Vec::new();
        for container in &step.containers {
            for (name, amount) in &container.resources.requests {
                let Ok(amount) = Quantity::from_value(amount) else { continue };
                combine(&mut pod, name, amount, Quantity::plus);
            }
        }
        for container in &step.init_containers {
            for (name, amount) in &container.resources.requests {
                let Ok(amount) = Quantity::from_value(amount) else { continue };
                combine(&mut pod, name, amount, |a, b| if a.is_less_than(b) { b } else { a });
            }
        }
        for (name, amount) in pod {
            combine(&mut total, &name, amount.times(step.count.into()), Quantity::plus);
        }
    }
    total.into_iter().map(|(name, amount)| (name, json!(amount.to_string()))).collect()
}

fn combine(
    amounts: &mut Vec<(String, Quantity)>,
    name: &str,
    amount: Quantity,
    with: impl Fn(Quantity, Quantity) -> Quantity,
) {
    match amounts.iter_mut().find(|(other, _)| other == name) {
        Some((_, sum)) => *sum = with(*sum, amount),
        None => amounts.push((name.to_owned(), amount)),
    }
}
