//! Staying with a job until it ends: its phases, what its nodes write, its end, and Ctrl-C.

use std::{
    future,
    io::{self, IsTerminal},
    pin::pin,
    process::ExitCode,
    time::Duration,
};

use clap::ValueEnum;
use futures_util::StreamExt;
use jiff::Timestamp;
use tokio::signal::unix::{Signal, SignalKind, signal};
use trainer_core::{
    Error, ErrorKind, Job, JobName, Phase, Result, TrainerClient,
    job::{JobStream, LogQuery, StopRequest},
    registry::BackendRegistry,
};

use super::{
    failure::{Failure, Outcome, report},
    log_lines::{LogForm, LogLines},
    phase,
    terminal::{closed, say},
};

/// The command was interrupted, and the job left as was said.
pub(super) const INTERRUPTED: u8 = 130;

/// What Ctrl-C does to the job.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum OnInterrupt {
    Stop,
    Detach,
}

/// Who asks the command to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Interrupt {
    /// Ctrl-C.
    Key,
    /// SIGTERM: whoever sends it wants the command to be gone, and says nothing of the job.
    Terminate,
}

impl Interrupt {
    /// The exit code of a command that ends by it.
    pub(super) fn exit_code(self) -> ExitCode {
        ExitCode::from(match self {
            Self::Key => INTERRUPTED,
            Self::Terminate => 143,
        })
    }
}

/// What asks the command to end; it then ends nothing by itself.
pub(super) struct Interrupts {
    key: Signal,
    terminate: Signal,
}

impl Interrupts {
    /// The next one.
    pub(super) async fn recv(&mut self) -> Interrupt {
        tokio::select! {
            _ = self.key.recv() => Interrupt::Key,
            _ = self.terminate.recv() => Interrupt::Terminate,
        }
    }
}

/// Listens for interrupts from now on.
///
/// # Errors
/// `Io` if that isn't possible.
pub(super) fn interrupts() -> Result<Interrupts> {
    let listen = |kind| {
        signal(kind).map_err(|error| {
            Error::new(ErrorKind::Io, format!("failed to listen for interrupts: {error}")).with_source(error)
        })
    };
    Ok(Interrupts { key: listen(SignalKind::interrupt())?, terminate: listen(SignalKind::terminate())? })
}

/// Shows `job` from `since` on until it settles, and returns what its end means.
pub(super) async fn follow<B: BackendRegistry>(
    client: &TrainerClient<B>,
    job: &Job,
    since: Option<Timestamp>,
    on_interrupt: Option<OnInterrupt>,
    mut interrupts: Interrupts,
) -> Outcome {
    let usual = if client.backend().stops_on_interrupt() { OnInterrupt::Stop } else { OnInterrupt::Detach };
    let mut leave = Leave { name: &job.name, action: on_interrupt.unwrap_or(usual), pressed: 0, last: Interrupt::Key };
    let shown = show(client, job, since, &mut leave, &mut interrupts).await;
    match shown {
        Ok(Some(last)) if leave.pressed > 0 => {
            say(format_args!("{}", phase::outcome(&last)));
            Ok(ExitCode::from(INTERRUPTED))
        }
        Ok(Some(last)) => {
            say(format_args!("{}", phase::outcome(&last)));
            Ok(phase::exit_code(&last))
        }
        Ok(None) => Ok(leave.last.exit_code()),
        Err(Failure::Closed) => {
            leave.say_that_it_goes_on(B::COMMAND);
            Err(Failure::Closed)
        }
        Err(Failure::Error(error)) if error.kind() != ErrorKind::NotFound => {
            report(&error, B::COMMAND);
            leave.say_that_it_goes_on(B::COMMAND);
            Ok(ExitCode::from(error.kind().exit_code()))
        }
        Err(failure) => Err(failure),
    }
}

/// The job as it settled, or nothing if it was left before that.
async fn show<B: BackendRegistry>(
    client: &TrainerClient<B>,
    job: &Job,
    since: Option<Timestamp>,
    leave: &mut Leave<'_>,
    interrupts: &mut Interrupts,
) -> Outcome<Option<Job>> {
    let name = &job.name;
    let mut states = client.watch(name).await?;
    let mut log = client.logs(name, &LogQuery { follow: true, since, ..LogQuery::default() }).await?;
    let mut lines = LogLines::to_stdout(LogForm::Prefixed, job);
    let mut closed = pin!(closed());
    // That it is created is known from its submission.
    let (mut begun, mut logging, mut told, mut ran, mut settled) = (false, true, (Phase::Created, 0, None), None, None);
    // What was written comes before the end, so the end is told when both are there.
    while logging || settled.is_none() {
        tokio::select! {
            biased;
            by = interrupts.recv() => {
                lines.finish()?;
                if !leave.interrupted(by, client).await? {
                    return Ok(None);
                }
            }
            state = next_state(&mut states, settled.is_some()) => match state {
                None => return Err(gone(name).into()),
                Some(state) => {
                    let state = state?;
                    if state.uid != job.uid {
                        return Err(gone(name).into());
                    }
                    if leave.pressed == 0 && told != news(&state) {
                        lines.finish()?;
                        if let Some(line) = line(ran, &state) {
                            say(format_args!("{line}"));
                        }
                        told = news(&state);
                        ran = if state.phase == Phase::Running { Some(state.attempt) } else { ran };
                    }
                    begun = state.phase != Phase::Created;
                    settled = state.phase.is_settled().then_some(state);
                }
            },
            () = &mut closed => return Err(Failure::Closed),
            // So that it is said to run before what it writes, whichever news comes first.
            item = lines.next(&mut log), if logging && begun => match item? {
                Some(item) => lines.write(item?)?,
                None => logging = false,
            },
        }
    }
    lines.finish()?;
    Ok(settled)
}

/// What is worth a line where it changes.
fn news(job: &Job) -> (Phase, u32, Option<String>) {
    (job.phase, job.attempt, job.reason.clone())
}

/// Where the job stands now. Its end isn't said before what it wrote, but that it ran is, if it was too short to
/// be seen. `ran` is the last attempt that was seen to run.
fn line(ran: Option<u32>, job: &Job) -> Option<String> {
    if !job.phase.is_settled() {
        return Some(phase::outcome(job));
    }
    let unseen = job.started.is_some() && ran != Some(job.attempt);
    unseen.then(|| {
        let mut running = job.clone();
        (running.phase, running.reason) = (Phase::Running, None);
        phase::outcome(&running)
    })
}

/// Nothing more is asked of the watch when the job has settled.
async fn next_state(states: &mut JobStream, settled: bool) -> Option<Result<Job>> {
    if settled { future::pending().await } else { states.next().await }
}

fn gone(name: &JobName) -> Error {
    Error::new(ErrorKind::NotFound, format!("job `{name}` was deleted"))
}

/// What Ctrl-C does, how often it was pressed, and what asked last.
struct Leave<'a> {
    name: &'a JobName,
    action: OnInterrupt,
    pressed: u32,
    last: Interrupt,
}

impl Leave<'_> {
    /// Whether to stay.
    async fn interrupted<B: BackendRegistry>(&mut self, by: Interrupt, client: &TrainerClient<B>) -> Result<bool> {
        self.last = by;
        if by == Interrupt::Terminate {
            self.say_that_it_goes_on(B::COMMAND);
            return Ok(false);
        }
        self.pressed += 1;
        if io::stderr().is_terminal() {
            // The terminal has written ^C.
            say(format_args!(""));
        }
        let name = self.name;
        let grace = match (self.action, self.pressed) {
            (OnInterrupt::Stop, 1) => {
                say(format_args!("{name}: stopping; Ctrl-C again kills it now"));
                None
            }
            (OnInterrupt::Stop, 2) => {
                say(format_args!("{name}: killing"));
                Some(Duration::ZERO)
            }
            _ => {
                self.say_that_it_goes_on(B::COMMAND);
                return Ok(false);
            }
        };
        match client.stop(name, &StopRequest { grace }).await {
            // It ended by itself meanwhile.
            Err(error) if error.kind() == ErrorKind::Conflict => Ok(true),
            stopped => stopped.map(|()| true),
        }
    }

    fn say_that_it_goes_on(&self, command: &str) {
        let name = self.name;
        say(format_args!("{name} goes on: `{command} logs -f {name}` shows it, `{command} stop {name}` stops it"));
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use trainer_core::api::TrainJob;

    use super::*;

    fn job(phase: Phase, attempt: u32) -> Job {
        let name: JobName = "alpha".parse().unwrap();
        let mut job = Job::new(name.clone(), "u", "local", TrainJob::new(&name, "plain"));
        (job.phase, job.attempt, job.started) = (phase, attempt, Some(Timestamp::now()));
        job
    }

    #[test]
    fn that_a_job_ran_is_said_once_for_each_attempt() {
        let said = |ran, phase, attempt| line(ran, &job(phase, attempt)).unwrap_or_default();
        assert!(said(None, Phase::Complete, 1).contains("Running"), "it was too short to be seen");
        assert!(said(Some(1), Phase::Failed, 2).contains("Running"), "its second attempt was");
        assert_eq!(said(Some(1), Phase::Stopped, 1), "", "whatever was said between");
        assert!(said(Some(1), Phase::Stopping, 1).contains("Stopping"));
        let mut never = job(Phase::Stopped, 1);
        never.started = None;
        assert_eq!(line(None, &never), None);
    }
}
