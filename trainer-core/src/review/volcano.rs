//! `podGroupPolicy.volcano`: V23 and V24.

use serde_json::{Value, json};

use super::invalid;
use crate::{Violation, plan::assembly::Assembly};

const QUEUE: &str = "scheduling.volcano.sh/queue-name";

/// Priority classes that every cluster has.
const OF_THE_SYSTEM: [&str; 2] = ["system-cluster-critical", "system-node-critical"];

pub(super) fn check(template: &Assembly, policy: Option<&Value>) -> Vec<Violation> {
    let mut found = Vec::new();
    if policy.and_then(|policy| policy.get("volcano")).is_none_or(Value::is_null) {
        return found;
    }
    if template.annotations.get(QUEUE).is_some_and(|queue| queue == "") {
        let field = format!("spec.annotations[{QUEUE}]");
        found.push(invalid("V23", &field, json!(""), "Volcano queue name must not be empty"));
    }
    for step in &template.steps {
        let Some(class) = step.pod_fields.get("priorityClassName").and_then(Value::as_str) else { continue };
        if OF_THE_SYSTEM.contains(&class) {
            // The controller looks no further then.
            break;
        }
        let message =
            format!("PriorityClass {class:?} doesn't exist: PriorityClass.scheduling.k8s.io {class:?} not found");
        found.push(invalid("V24", "spec.templateSpec.priorityClassName", json!(class), message));
    }
    found
}
