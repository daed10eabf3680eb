//! The supervisor proper: attempts of a gang, until the job has settled.

mod attempt;
mod blame;
mod control;
mod node;
mod record;

use std::{path::Path, process::ExitCode, time::Duration};

use tokio::time::{Instant, timeout_at};
use trainer_core::{Error, ErrorKind, Phase, Result, job::Severity, plan::LaunchPlan};

use self::{
    attempt::{AttemptEnd, Failure},
    control::{Control, Interrupt},
    record::Record,
};
use crate::{
    jobs::{self, JobFolder},
    launcher::Launcher,
    tree,
};

/// Between SIGTERM and SIGKILL where neither the request nor the job says; Kubernetes' default.
const DEFAULT_GRACE: Duration = Duration::from_secs(30);

/// Before the next attempt.
const PAUSE: Duration = Duration::from_secs(1);

/// Between SIGTERM and SIGKILL as the job says: the longest of its steps.
pub(crate) fn grace(plan: &LaunchPlan) -> Duration {
    let seconds = plan.steps.iter().filter_map(|step| step.pod.get("terminationGracePeriodSeconds")?.as_u64());
    seconds.max().map_or(DEFAULT_GRACE, Duration::from_secs)
}

/// Runs the job in the folder at `path` until it has settled, on what `connect` makes of it.
///
/// # Errors
/// `Io` if its state can't be read or written; `Unsupported` inside of a runtime; what `connect` says.
pub fn supervise<L: Launcher>(path: &Path, connect: impl FnOnce(&JobFolder) -> Result<L>) -> Result<ExitCode> {
    if tokio::runtime::Handle::try_current().is_ok() {
        return Err(Error::unsupported(
            "a runtime is running already: call `trainer::init()` before it starts, not in a `main` under `#[tokio::main]`",
        ));
    }
    let folder = JobFolder::at(path);
    let launcher = connect(&folder)?;
    // Of one thread: see the crate's invariants.
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Error::new(ErrorKind::Io, format!("failed to start a runtime: {error}")))?;
    let phase = runtime.block_on(run(folder, launcher))?;
    Ok(if phase == Phase::Complete { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

async fn run<L: Launcher>(folder: JobFolder, mut launcher: L) -> Result<Phase> {
    let mut record = Record::open(folder)?;
    let mut control = Control::listen(&record)?;
    // From here on a signal finds its handler, and everybody may know who supervises.
    record.take_charge()?;
    tree::report_ready();

    let (phase, reason) = match settle(&mut record, &mut launcher, &mut control).await {
        Ok(outcome) => outcome,
        Err(error) => (Phase::Failed, Some(error.to_string())),
    };
    if let Err(error) = launcher.clean_up().await {
        record.event(Severity::Warning, "CleanUpFailed", "job", error.to_string());
    }
    record.clear_strays();
    if record.folder.intent().is_some_and(|intent| intent.delete) {
        // Removed here, so that a deletion is completed also if whoever asked for it has died.
        jobs::remove(&record.folder);
    } else {
        record.settle(phase, reason).await?;
    }
    Ok(phase)
}

/// Attempt after attempt, to the phase that the job ends in and the reason for it.
async fn settle<L: Launcher>(
    record: &mut Record,
    launcher: &mut L,
    control: &mut Control,
) -> Result<(Phase, Option<String>)> {
    // How often each step has failed, by its index.
    let mut failures = vec![0_u32; record.plan().steps.len()];
    loop {
        record.begin_attempt();
        let world = launcher.world(&record.attempt()).await?;
        let end = attempt::run(record, launcher, control, &world).await;
        let failure = match end {
            // Whoever asked for the stop was told that it would stop.
            AttemptEnd::Complete if let Some(intent) = record.folder.intent() => {
                return Ok(stopped(&Interrupt::Intent(intent)));
            }
            AttemptEnd::Complete => return Ok((Phase::Complete, None)),
            AttemptEnd::Interrupted(interrupt) => return Ok(stopped(&interrupt)),
            AttemptEnd::Failed(failure) => failure,
        };
        let Failure { step, reason, interrupt, .. } = failure;
        let (limit, count) = match (record.plan().steps.get(step), failures.get_mut(step)) {
            (Some(planned), Some(count)) => (planned.backoff_limit, count),
            _ => return Ok((Phase::Failed, Some(reason))),
        };
        if *count >= limit {
            return Ok((Phase::Failed, Some(reason)));
        }
        *count += 1;
        if let Some(interrupt) = interrupt {
            return Ok(stopped(&interrupt));
        }
        record.event(
            Severity::Warning,
            "Restarting",
            "job",
            format!("attempt {} failed: {reason}", record.attempt().number),
        );
        record.enter(Phase::Restarting, Some(reason));
        if let Ok(interrupt) = timeout_at(Instant::now() + PAUSE, control.next()).await {
            return Ok(stopped(&interrupt));
        }
    }
}

/// What an interrupted job is.
fn stopped(interrupt: &Interrupt) -> (Phase, Option<String>) {
    match interrupt {
        Interrupt::Intent(intent) => (Phase::Stopped, Some(format!("stopped by {}", intent.by))),
        Interrupt::Deadline(limit) => {
            (Phase::Failed, Some(format!("DeadlineExceeded: the job ran longer than its {} s", limit.as_secs())))
        }
        Interrupt::Ended(how) => (Phase::Failed, Some(how.clone())),
    }
}
