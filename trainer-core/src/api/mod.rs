//! The objects of the Kubernetes API group `trainer.kubeflow.org/v1alpha1` (Kubeflow Trainer v2.3).
//!
//! Typed where we read or write them; every other field is kept as it came and survives a round trip.

mod quantity;
mod runtime;
mod train_job;

pub use quantity::{NoQuantity, Quantity};
pub use runtime::{Runtime, RuntimeKind, RuntimeSpec};
pub use train_job::{
    Condition, EnvVar, JobStatus, ObjectMeta, RuntimeRef, TrainJob, TrainJobSpec, TrainJobStatus, Trainer,
    TrainerStatus,
};

/// `apiVersion` of every object here.
pub const API_VERSION: &str = "trainer.kubeflow.org/v1alpha1";

/// Fields that we don't read, kept as they came.
pub type Rest = serde_json::Map<String, serde_json::Value>;
