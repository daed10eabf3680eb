//! How phases look, what a job's end means for the exit code, and how it is said.

use std::process::ExitCode;

use clap::builder::styling::{AnsiColor, Style};
use trainer_core::{Job, Phase};

use super::human;

/// The job has failed.
const FAILED: u8 = 1;
/// The job was stopped.
const STOPPED: u8 = 6;

/// The colour of a phase.
pub(super) fn style(phase: Phase) -> Style {
    match phase {
        Phase::Running => AnsiColor::Cyan.on_default(),
        Phase::Complete => AnsiColor::Green.on_default(),
        Phase::Failed | Phase::Unknown => AnsiColor::Red.on_default(),
        Phase::Stopped | Phase::Suspended | Phase::Restarting | Phase::Stopping => AnsiColor::Yellow.on_default(),
        _ => Style::new(),
    }
}

/// Where the job stands, since when, and why: `alpha: Failed after 12s: node-2 exited with code 3`.
pub(super) fn outcome(job: &Job) -> String {
    let style = style(job.phase);
    let took = match (job.started, job.finished) {
        (Some(from), Some(to)) if job.phase.is_settled() => format!(" after {}", human::span(from, to)),
        _ => String::new(),
    };
    let attempt = if job.phase == Phase::Running && job.attempt > 1 {
        format!(" (attempt {})", job.attempt)
    } else {
        String::new()
    };
    let reason = job.reason.as_ref().map(|reason| format!(": {reason}")).unwrap_or_default();
    format!("{}: {style}{}{style:#}{took}{attempt}{reason}", job.name, job.phase)
}

/// The exit code that stands for the end of `job`.
pub(super) fn exit_code(job: &Job) -> ExitCode {
    match job.phase {
        Phase::Complete => ExitCode::SUCCESS,
        Phase::Stopped | Phase::Suspended => ExitCode::from(STOPPED),
        _ => ExitCode::from(FAILED),
    }
}

/// The exit code where a phase that was waited for can't come any more, even if the job has ended well.
pub(super) fn missed(job: &Job) -> ExitCode {
    if job.phase == Phase::Complete { ExitCode::from(FAILED) } else { exit_code(job) }
}

/// How many nodes the job has.
pub(super) fn nodes(job: &Job) -> usize {
    job.steps.iter().map(|step| step.nodes.len()).sum()
}
