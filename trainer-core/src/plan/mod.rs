//! `(job, runtime)` → what is to be launched: the neutral plan, and how an engine's world enters it.
//!
//! The neutral plan equals what the controller of Kubeflow Trainer v2.3 puts into pods. It is made in
//! three moves: the runtime's template with the job's patches (`template.rs`), the policy
//! (`torch.rs`, `jax.rs`, … one file each), and the spreading over nodes (`nodes.rs`).

pub(crate) mod assembly;
mod env_var;
pub(crate) mod expand;
pub(crate) mod flux;
mod gang;
mod initializer;
mod jax;
mod launch_plan;
mod localize;
mod mpi;
mod nodes;
mod patches;
mod plain;
pub(crate) mod policy;
pub(crate) mod resources;
pub(crate) mod template;
mod torch;
pub(crate) mod torchtune;
mod upsert;
mod xgboost;

pub use expand::literal;
pub use launch_plan::{
    Container, Dependency, DependencyStatus, File, LaunchPlan, Network, PlannedNode, PlannedStep, RuntimeId, Secret,
    SuccessOperator, SuccessPolicy,
};
pub use localize::{World, localize};

use crate::{
    Error, Result,
    api::{Runtime, TrainJob},
    review,
};

/// What the controller would make of `job` with `runtime`. Expects that [`review`] had no objection.
///
/// # Errors
/// `Invalid` if the job could never be launched.
pub fn plan(job: &TrainJob, runtime: &Runtime) -> Result<LaunchPlan> {
    let mut assembly = assembly::assemble(job, runtime)?
        .map_err(|violation| Error::invalid(violation.message.clone()).with_violations(vec![*violation]))?;
    let mut notes = Vec::new();
    if let Some(controller) = job.spec.managed_by.as_deref().filter(|_| assembly::is_managed_elsewhere(job)) {
        assembly.steps.clear();
        notes.push(format!("nothing is launched: the job is managed by {controller}"));
    }
    if job.spec.trainer.is_none() {
        notes
            .push("spec.trainer is absent, so no variable of the framework is set; `trainer: {}` is enough".to_owned());
    }
    let mut plan = nodes::spread(assembly, job, runtime)?;
    plan.warnings = review::warnings(runtime);
    plan.notes = notes;
    Ok(plan)
}
