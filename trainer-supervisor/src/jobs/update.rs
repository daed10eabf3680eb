//! A changed description for a job that doesn't run.

use serde::Serialize;
use tokio::time::Instant;
use trainer_core::{
    Error, ErrorKind, Job, Phase, Result,
    job::{Severity, Step},
    request::ReviewedJob,
};

use super::{JobFolder, Jobs, Status, Submission, control::HANDING_OVER};

impl Jobs {
    /// Puts `job` in the place of the stopped or suspended one of its name, which keeps its identity. `prepare` gives
    /// what the engine needs for the launch, as for [`Claim::start`](crate::Claim::start).
    ///
    /// # Errors
    /// `NotFound`; `Conflict` if it isn't stopped; `Unreachable` if it is supervised elsewhere; what `prepare` says.
    pub async fn update<T: Serialize>(
        &self,
        job: &ReviewedJob,
        prepare: impl FnOnce(&JobFolder) -> Result<T>,
    ) -> Result<Job> {
        let name = job.name();
        let there = self.reachable(name).await?;
        if !is_held(there.phase) {
            return Err(not_held(&there));
        }
        let folder = self.folder(name)?;
        let _lock = folder.lock(Instant::now() + HANDING_OVER).await?.ok_or_else(|| {
            Error::new(ErrorKind::Conflict, format!("the job `{name}` is being changed by somebody else"))
        })?;
        let mut status = folder.status()?;
        if !is_held(status.phase) {
            return Err(not_held(&self.get(name).await?));
        }
        let before = folder.submission()?;
        let submission = Submission {
            uid: before.uid,
            created: before.created,
            ..Submission::new(name.clone(), job.request(), &before.backend)
        };
        folder.write_prepared(&prepare(&folder)?)?;
        folder.write_submission(&submission, job.plan())?;
        // What a node came to stays known where the nodes are the same.
        let planned = Status::new(job.plan());
        if shape(&planned.steps) != shape(&status.steps) {
            status.steps = planned.steps;
            folder.write_status(&status)?;
        }
        folder.record_event(Severity::Normal, "Updated", "job", "the job was changed");
        Ok(status.into_job(submission))
    }
}

fn is_held(phase: Phase) -> bool {
    matches!(phase, Phase::Stopped | Phase::Suspended)
}

fn not_held(job: &Job) -> Error {
    let Job { name, phase, .. } = job;
    let hint = if phase.is_finished() {
        format!("give this one another name, or `trainer delete {name}` first")
    } else {
        format!("`trainer stop {name}` first")
    };
    Error::new(ErrorKind::Conflict, format!("the job `{name}` can't be changed: it is {phase}")).with_hint(hint)
}

fn shape(steps: &[Step]) -> Vec<(&str, usize)> {
    steps.iter().map(|step| (step.name.as_str(), step.nodes.len())).collect()
}
