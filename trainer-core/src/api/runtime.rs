//! `TrainingRuntime` and `ClusterTrainingRuntime`.

use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{ObjectMeta, Rest};

/// A training runtime of either kind: the template that a job fills in.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Runtime {
    /// Always [`API_VERSION`](super::API_VERSION).
    pub api_version: String,
    /// Which of the two kinds.
    pub kind: RuntimeKind,
    /// Name, labels, annotations.
    pub metadata: ObjectMeta,
    /// The template.
    #[serde(default)]
    pub spec: RuntimeSpec,
    /// Everything else.
    #[serde(flatten)]
    pub rest: Rest,
}

impl Runtime {
    /// Its name; empty if it has none.
    #[must_use]
    pub fn name(&self) -> &str {
        self.metadata.name.as_deref().unwrap_or_default()
    }

    /// The label `trainer.kubeflow.org/framework`: `torch`, `jax`, …
    #[must_use]
    pub fn framework(&self) -> Option<&str> {
        self.metadata.labels.get("trainer.kubeflow.org/framework").map(String::as_str)
    }
}

/// The kind of a runtime: the same content, in a namespace or for the whole cluster.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum RuntimeKind {
    /// For the whole cluster. The default of `runtimeRef.kind`.
    #[default]
    ClusterTrainingRuntime,
    /// In a namespace.
    TrainingRuntime,
}

impl fmt::Display for RuntimeKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::ClusterTrainingRuntime => "ClusterTrainingRuntime",
            Self::TrainingRuntime => "TrainingRuntime",
        })
    }
}

/// `spec` of a runtime.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RuntimeSpec {
    /// `numNodes`, and at most one of `torch`, `mpi`, `jax`, `xgboost`, `flux`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ml_policy: Option<Value>,
    /// A template of a JobSet (`jobset.x-k8s.io/v1alpha2`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub template: Option<Value>,
    /// Everything else.
    #[serde(flatten)]
    pub rest: Rest,
}
