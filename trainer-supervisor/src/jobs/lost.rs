//! Jobs whose supervisor is gone: what is left of them is ended, and the loss is recorded.

use std::time::Duration;

use trainer_core::{
    Phase, Result,
    job::{NodeExit, Severity},
};

use super::{JobFolder, Lock, Status, Submission, folder::is_disk_full};
use crate::{
    machine,
    process::{self, Mark},
};

/// How long processes may take to die of SIGKILL.
const DYING: Duration = Duration::from_secs(10);

/// Judges an unsettled job that nobody supervises. The lock proves that nobody does.
pub(super) fn judge(folder: &JobFolder, submission: &Submission, lock: &Lock) -> Result<Status> {
    let status = folder.status()?;
    if status.phase.is_settled() {
        return Ok(status);
    }
    let cause = loss(&status);
    if !process::kill_all(DYING, || process::members(Mark { uid: &submission.uid, node: None }, None, &[])) {
        folder.record_event(Severity::Warning, "ProcessesLeft", "job", "some processes of the job don't end");
    }
    conclude(folder, status, cause, lock)
}

/// What became of whoever supervised.
pub(crate) fn loss(status: &Status) -> &'static str {
    match &status.supervisor {
        None => "the command that submitted it was killed",
        Some(supervisor) if supervisor.boot != machine::boot_id() => "the machine was restarted",
        Some(_) => "its supervisor was killed",
    }
}

/// Records that a job ended without its supervisor.
pub(crate) fn conclude(folder: &JobFolder, mut status: Status, cause: &str, _lock: &Lock) -> Result<Status> {
    for step in &mut status.steps {
        for node in &mut step.nodes {
            if node.phase == Phase::Running {
                node.phase = Phase::Failed;
                node.exit = Some(NodeExit::Lost);
            }
        }
        if step.phase == Phase::Running {
            step.phase = Phase::Failed;
        }
    }
    match folder.intent() {
        Some(intent) => status.enter(Phase::Stopped, Some(format!("stopped by {}; {cause} meanwhile", intent.by))),
        None => status.enter(Phase::Failed, Some(format!("{cause}, and its nodes with it"))),
    }
    match folder.write_status(&status) {
        Ok(()) => folder.remove_intent(),
        // Whoever looks next comes to the same.
        Err(error) if is_disk_full(&error) => return Ok(status),
        Err(error) => return Err(error),
    }
    folder.give_up_reserve();
    folder.record_event(Severity::Warning, "SupervisorLost", "job", cause);
    Ok(status)
}
