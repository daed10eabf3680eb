//! `resources` of a container, and what the policies count by them.

use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::template::null_is_default;
use crate::api::{Quantity, Rest};

/// `resources` of a container.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Resources {
    #[serde(deserialize_with = "null_is_default")]
    pub(crate) limits: Rest,
    #[serde(deserialize_with = "null_is_default")]
    pub(crate) requests: Rest,
    #[serde(deserialize_with = "null_is_default")]
    pub(crate) claims: Vec<Value>,
}

/// Processes on a node, as `PET_NPROC_PER_NODE` says it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ProcessCount {
    /// One for each GPU.
    Auto {
        /// How many GPUs are asked for.
        gpus: i64,
    },
    /// So many.
    Fixed(i64),
}

impl Resources {
    /// GPUs: the first resource whose name contains `gpu`, of the requests or else of the limits.
    pub(crate) fn gpus(&self) -> i64 {
        let count = |resources: &Rest| {
            let gpu = resources.iter().find(|(name, _)| name.to_lowercase().contains("gpu"));
            gpu.and_then(|(_, amount)| Quantity::from_value(amount).ok()).map_or(0, Quantity::ceil)
        };
        match count(&self.requests) {
            0 => count(&self.limits).max(0),
            requested => requested,
        }
    }

    /// CPUs, rounded up: requested, or else the limit.
    pub(super) fn cpus(&self) -> i64 {
        let count = |resources: &Rest| resources.get("cpu").and_then(|amount| Quantity::from_value(amount).ok());
        let requested = count(&self.requests).filter(|amount| !amount.is_zero());
        requested.or_else(|| count(&self.limits)).map_or(0, Quantity::ceil)
    }

    /// As an object with canonical quantities; null if there is nothing in it.
    pub(super) fn to_value(&self) -> Value {
        let mut object = Map::new();
        for (name, amounts) in [("limits", &self.limits), ("requests", &self.requests)] {
            if !amounts.is_empty() {
                object.insert(
                    name.to_owned(),
                    amounts.iter().map(|(key, amount)| (key.clone(), canonical(amount))).collect(),
                );
            }
        }
        if !self.claims.is_empty() {
            object.insert("claims".to_owned(), json!(self.claims));
        }
        if object.is_empty() { Value::Null } else { Value::Object(object) }
    }
}

fn canonical(amount: &Value) -> Value {
    let text = amount.as_str().map_or_else(|| amount.to_string(), str::to_owned);
    Quantity::canonical(text.trim()).map_or_else(|_| amount.clone(), Value::String)
}
