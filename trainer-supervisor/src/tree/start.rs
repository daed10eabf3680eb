//! Starting a job's process tree from a command that may end right afterwards.

use std::{fs::OpenOptions, process::Stdio, time::Duration};

use tokio::{io::AsyncReadExt as _, process::Command, time::timeout};
use trainer_core::{Error, ErrorKind, Phase, Result, prepare};

use super::{Role, entry, reexec};
use crate::jobs::{JobFolder, Lock, Settings, Submission};

/// What a supervisor says when it is in charge.
pub(super) const READY: &str = "ready\n";

/// How long it may take to say so.
const STARTUP: Duration = Duration::from_secs(20);

/// Whether this program, or the configured one, can be run as supervisor.
pub(crate) fn can_supervise(settings: &Settings) -> Result<()> {
    match settings.executable()? {
        Some(executable) if !executable.is_file() => {
            Err(Error::invalid(format!("the supervisor {} is not a program", executable.display())))
        }
        None if !entry::was_called() => Err(Error::unsupported(
            "this program can't supervise jobs: it doesn't hand over to the supervisor when it is run as one",
        )
        .with_hint("call `trainer::init()` first in `main`, or configure `supervisor = \"/path/to/trainer\"`")),
        _ => Ok(()),
    }
}

/// Starts reaper and supervisor, and returns when the supervisor is in charge.
pub(crate) async fn start(folder: &JobFolder, submission: &Submission, lock: &Lock, settings: &Settings) -> Result<()> {
    let log_path = folder.supervisor_log();
    let log = OpenOptions::new()
        .create(true)
        .append(true)
        .open(&log_path)
        .map_err(|error| Error::io("open", &log_path, error))?;
    let mut command = reexec(settings.executable()?.as_deref(), Role::Reap);
    command.arg(&submission.backend).arg(folder.path());
    // Nothing of a job whose program submits this one: its end isn't the end of this one.
    for added in prepare::ADDED {
        command.env_remove(added.name);
    }
    command.env("TRAINER_JOB_UID", &submission.uid);
    let stdin = lock.share().map_err(|error| Error::io("share the lock of", folder.path(), error))?;
    // tokio collects the reaper when it ends, if this process lives that long.
    let mut reaper = Command::from(command)
        .stdin(Stdio::from(stdin))
        .stdout(Stdio::piped())
        .stderr(Stdio::from(log))
        .spawn()
        .map_err(|error| {
            Error::new(ErrorKind::Io, format!("failed to start the supervisor: {error}")).with_source(error)
        })?;

    let mut said = String::new();
    if let Some(stdout) = reaper.stdout.take() {
        let mut stdout = stdout.take(READY.len() as u64);
        let _ = timeout(STARTUP, stdout.read_to_string(&mut said)).await;
    }
    if said == READY {
        return Ok(());
    }
    let _ = reaper.start_kill();
    let _ = reaper.wait().await;
    Err(refusal(folder))
}

fn refusal(folder: &JobFolder) -> Error {
    let recorded = folder.status().ok().filter(|status| status.phase == Phase::Failed).and_then(|status| status.reason);
    let said = || last_words(&std::fs::read_to_string(folder.supervisor_log()).unwrap_or_default());
    let why = recorded.or_else(said).unwrap_or_else(|| "it ended without a word".to_owned());
    Error::new(ErrorKind::Internal, format!("the supervisor did not start: {why}"))
}

/// What a supervisor wrote before it ended; of a panic its message, not the note on backtraces behind it.
fn last_words(log: &str) -> Option<String> {
    let mut lines = log.lines().rev().filter(|line| !line.trim().is_empty());
    lines.find(|line| !line.starts_with("note: ")).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_words_of_a_panic_are_its_message() {
        let panic = "thread 'main' panicked at src/main.rs:3:5:\nno such thing\nnote: run with `RUST_BACKTRACE=1`\n\n";
        assert_eq!(last_words(panic).as_deref(), Some("no such thing"));
        assert_eq!(last_words("\n"), None);
    }
}
