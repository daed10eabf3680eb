//! `(job, runtime)` → what is to be launched: the neutral plan, and how an engine's world enters it.
//!
//! The neutral plan equals what the controller of Kubeflow Trainer v2.3 puts into pods.

mod launch_plan;
mod localize;

pub use launch_plan::{
    Container, Dependency, DependencyStatus, File, LaunchPlan, Network, PlannedNode, PlannedStep, RuntimeId,
    SuccessOperator, SuccessPolicy,
};
pub use localize::{World, localize};

use crate::{
    Result,
    api::{Runtime, TrainJob},
};

/// What the controller would make of `job` with `runtime`. Expects that [`review`](crate::review) had no objection.
///
/// # Errors
/// `Invalid` if the job could never be launched.
pub fn plan(_job: &TrainJob, _runtime: &Runtime) -> Result<LaunchPlan> {
    Err(crate::Error::unsupported("planning is being built"))
}
