//! `TrainJob`.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{API_VERSION, Rest};
use crate::{Error, JobName, Result};

/// A training job as a user describes it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TrainJob {
    /// Always [`API_VERSION`].
    pub api_version: String,
    /// Always `TrainJob`.
    pub kind: String,
    /// Name, labels, annotations.
    pub metadata: ObjectMeta,
    /// What to run.
    #[serde(default)]
    pub spec: TrainJobSpec,
    /// What came of it; written by whoever runs it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<TrainJobStatus>,
    /// Everything else.
    #[serde(flatten)]
    pub rest: Rest,
}

impl TrainJob {
    /// A job of this name that uses the cluster-wide runtime `runtime`.
    pub fn new(name: &JobName, runtime: impl Into<String>) -> Self {
        Self {
            api_version: API_VERSION.to_owned(),
            kind: "TrainJob".to_owned(),
            metadata: ObjectMeta { name: Some(name.to_string()), ..ObjectMeta::default() },
            spec: TrainJobSpec {
                runtime_ref: RuntimeRef { name: runtime.into(), ..RuntimeRef::default() },
                ..TrainJobSpec::default()
            },
            status: None,
            rest: Rest::new(),
        }
    }

    /// Its name.
    ///
    /// # Errors
    /// `Invalid` for what is no name of a job; `Unsupported` if a server is to make one up.
    pub fn job_name(&self) -> Result<JobName> {
        let name = self.metadata.name.as_deref().unwrap_or_default();
        if name.is_empty() && self.metadata.rest.contains_key("generateName") {
            return Err(Error::unsupported("generateName is not supported here").with_hint("give a `metadata.name`"));
        }
        name.parse()
    }
}

/// `metadata` of an object.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ObjectMeta {
    /// Its name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Its namespace; engines without namespaces keep it as it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
    /// Its identity, given by the engine.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uid: Option<String>,
    /// When the engine accepted it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub creation_timestamp: Option<Timestamp>,
    /// Words to select by.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty", deserialize_with = "null_is_empty")]
    pub labels: BTreeMap<String, String>,
    /// Other facts.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty", deserialize_with = "null_is_empty")]
    pub annotations: BTreeMap<String, String>,
    /// Everything else.
    #[serde(flatten)]
    pub rest: Rest,
}

fn null_is_empty<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<BTreeMap<String, String>, D::Error> {
    Option::<BTreeMap<String, String>>::deserialize(deserializer).map(Option::unwrap_or_default)
}

/// `spec` of a [`TrainJob`].
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TrainJobSpec {
    /// The runtime that it builds on.
    #[serde(default)]
    pub runtime_ref: RuntimeRef,
    /// Where dataset and model come from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub initializer: Option<Value>,
    /// What differs from the runtime in the trainer's step. Without it no engine sets `PET_*`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trainer: Option<Trainer>,
    /// What differs from the runtime elsewhere.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub runtime_patches: Option<Value>,
    /// Hold it back, or end its nodes and keep it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub suspend: Option<bool>,
    /// Seconds that it may run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub active_deadline_seconds: Option<i64>,
    /// Which controller runs it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub managed_by: Option<String>,
    /// Everything else.
    #[serde(flatten)]
    pub rest: Rest,
}

/// `spec.runtimeRef`: which runtime. An absent kind means `ClusterTrainingRuntime`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RuntimeRef {
    /// Name of the runtime.
    #[serde(default)]
    pub name: String,
    /// API group of the runtime.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub api_group: Option<String>,
    /// `ClusterTrainingRuntime` or `TrainingRuntime`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    /// Everything else.
    #[serde(flatten)]
    pub rest: Rest,
}

/// `spec.trainer`: what differs from the runtime in the trainer's step.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Trainer {
    /// Replaces the runtime's image.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image: Option<String>,
    /// Replaces the runtime's command; an empty list clears it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub command: Option<Vec<String>>,
    /// Replaces the runtime's arguments; an empty list clears them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub args: Option<Vec<String>>,
    /// Added to the runtime's environment.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub env: Option<Vec<EnvVar>>,
    /// Number of nodes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub num_nodes: Option<i32>,
    /// What each node needs: `requests`, `limits` (Kubernetes quantities).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resources_per_node: Option<Value>,
    /// Processes on each node.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub num_proc_per_node: Option<i32>,
    /// Everything else.
    #[serde(flatten)]
    pub rest: Rest,
}

/// A variable of a container's environment.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct EnvVar {
    /// Its name.
    #[serde(default)]
    pub name: String,
    /// Its value.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<String>,
    /// Where its value comes from, if not from here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value_from: Option<Value>,
    /// Everything else.
    #[serde(flatten)]
    pub rest: Rest,
}

impl EnvVar {
    /// A variable with a literal value.
    pub fn new(name: impl Into<String>, value: impl Into<String>) -> Self {
        Self { name: name.into(), value: Some(value.into()), ..Self::default() }
    }
}

/// `status` of a [`TrainJob`].
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TrainJobStatus {
    /// `Suspended`, `Complete`, `Failed`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub conditions: Vec<Condition>,
    /// Counts of Kubernetes Jobs (not pods) by step.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub jobs_status: Vec<JobStatus>,
    /// What the program reports of its progress.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trainer_status: Option<TrainerStatus>,
    /// Everything else.
    #[serde(flatten)]
    pub rest: Rest,
}

/// `metav1.Condition`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Condition {
    /// `Suspended`, `Complete` or `Failed`.
    #[serde(rename = "type")]
    pub kind: String,
    /// `True`, `False` or `Unknown`.
    pub status: String,
    /// One word in camel case.
    pub reason: String,
    /// A sentence.
    #[serde(default)]
    pub message: String,
    /// Since when.
    pub last_transition_time: Timestamp,
    /// Everything else.
    #[serde(flatten)]
    pub rest: Rest,
}

/// Counts of a step's Kubernetes Jobs.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct JobStatus {
    /// Name of the step.
    pub name: String,
    /// Ready ones.
    pub ready: i32,
    /// Succeeded ones.
    pub succeeded: i32,
    /// Failed ones.
    pub failed: i32,
    /// Active ones.
    pub active: i32,
    /// Suspended ones.
    pub suspended: i32,
}

/// `status.trainerStatus`: progress as the program reports it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TrainerStatus {
    /// 0 to 100.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub progress_percentage: Option<i32>,
    /// Seconds left.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub estimated_remaining_seconds: Option<i64>,
    /// `{name, value}`, both text.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub metrics: Vec<Value>,
    /// When it was reported.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_updated_time: Option<Timestamp>,
    /// Everything else.
    #[serde(flatten)]
    pub rest: Rest,
}
