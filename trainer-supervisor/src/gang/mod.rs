//! The supervisor proper: attempts of a gang, until the job has settled.

mod adopt;
mod attempt;
mod blame;
mod control;
mod node;
mod record;

use std::{path::Path, process::ExitCode, time::Duration};

use tokio::time::{Instant, timeout_at};
use trainer_core::{
    Error, ErrorKind, Phase, Result,
    job::Severity,
    plan::{LaunchPlan, localize},
};

use self::{
    attempt::{AttemptEnd, Failure, Gang},
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

/// Runs the job in the folder at `path` until it has settled, on what `connect` makes of it. What an earlier supervisor
/// has left of it, whose nodes outlived it, is taken over.
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
    runtime.block_on(run(folder, launcher))
}

async fn run<L: Launcher>(folder: JobFolder, mut launcher: L) -> Result<ExitCode> {
    let mut record = Record::open(folder)?;
    let mut control = Control::listen(&record)?;
    let orphaned_by = record.orphaned_by();
    // From here on a signal finds its handler, and everybody may know who supervises.
    record.take_charge(L::NODES_OUTLIVE_SUPERVISOR)?;
    let adopted = match orphaned_by {
        Some(loss) => adopt(&mut record, &mut launcher, loss).await?,
        None => None,
    };
    tree::report_ready();

    let (phase, reason) = match settle(&mut record, &mut launcher, &mut control, adopted).await {
        Ok(Outcome::Settled(phase, reason)) => (phase, reason),
        Ok(Outcome::LeftAlone(why)) => {
            record.event(Severity::Warning, "Unsupervised", "job", format!("{why}; its nodes go on"));
            return Ok(ExitCode::FAILURE);
        }
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
    Ok(if phase == Phase::Complete { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// What a supervisor's work came to.
enum Outcome {
    /// The phase that the job ends in, and the reason for it.
    Settled(Phase, Option<String>),
    /// The nodes go on without it.
    LeftAlone(String),
}

/// Takes over what an earlier supervisor left, whose nodes went on without it: the gang, if an attempt is under way.
async fn adopt<L: Launcher>(record: &mut Record, launcher: &mut L, loss: &str) -> Result<Option<Gang>> {
    let gang = if record.is_in_attempt() { Some(Gang::adopt(record, launcher).await?) } else { None };
    record.event(Severity::Normal, "Adopted", "job", format!("{loss}; another supervisor has taken over"));
    Ok(gang)
}

/// Attempt after attempt, until the job has settled.
async fn settle<L: Launcher>(
    record: &mut Record,
    launcher: &mut L,
    control: &mut Control,
    mut adopted: Option<Gang>,
) -> Result<Outcome> {
    loop {
        // What came while nobody supervised.
        let pending = control.pending();
        let gang = match (adopted.take(), pending) {
            (Some(mut gang), pending) => {
                // On a full disk a stop was asked for without a word.
                let unwritten = || record.is_stopping().then(|| Interrupt::Intent(jobs::wordless_intent()));
                if let Some(interrupt) = pending.or_else(unwritten) {
                    gang.interrupt(record, interrupt);
                }
                gang
            }
            (None, Some(interrupt)) => return Ok(stopped::<L>(&interrupt)),
            (None, None) => {
                record.begin_attempt();
                let world = launcher.world(&record.attempt()).await?;
                Gang::new(localize(record.plan(), &world))
            }
        };
        let failure = match gang.run(record, launcher, control).await {
            // Whoever asked for the stop was told that it would stop.
            AttemptEnd::Complete if let Some(intent) = record.folder.intent() => {
                return Ok(stopped::<L>(&Interrupt::Intent(intent)));
            }
            AttemptEnd::Complete => return Ok(Outcome::Settled(Phase::Complete, None)),
            AttemptEnd::Interrupted(interrupt) => return Ok(stopped::<L>(&interrupt)),
            AttemptEnd::Failed(failure) => failure,
        };
        let Failure { step, reason, interrupt, .. } = failure;
        let may_restart = record.plan().steps.get(step).is_some_and(|step| record.failures(step) < step.backoff_limit);
        if !may_restart {
            return Ok(Outcome::Settled(Phase::Failed, Some(reason)));
        }
        if let Some(interrupt) = interrupt {
            return Ok(stopped::<L>(&interrupt));
        }
        record.event(
            Severity::Warning,
            "Restarting",
            "job",
            format!("attempt {} failed: {reason}", record.attempt().number),
        );
        record.restart(step, reason);
        if let Ok(interrupt) = timeout_at(Instant::now() + PAUSE, control.next()).await {
            return Ok(stopped::<L>(&interrupt));
        }
    }
}

/// What becomes of an interrupted job.
fn stopped<L: Launcher>(interrupt: &Interrupt) -> Outcome {
    let (phase, reason) = match interrupt {
        Interrupt::Intent(intent) => (Phase::Stopped, format!("stopped by {}", intent.by)),
        Interrupt::Deadline(limit) => {
            (Phase::Failed, format!("DeadlineExceeded: the job ran longer than its {} s", limit.as_secs()))
        }
        Interrupt::Ended(how) if L::NODES_OUTLIVE_SUPERVISOR => return Outcome::LeftAlone(how.clone()),
        Interrupt::Ended(how) => (Phase::Failed, how.clone()),
    };
    Outcome::Settled(phase, Some(reason))
}
