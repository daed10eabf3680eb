//! Where a re-run executable is turned into what it was re-run for.

use std::{
    ffi::OsString,
    path::Path,
    process::ExitCode,
    sync::atomic::{AtomicBool, Ordering},
};

use trainer_core::{Phase, Result};

use super::{REEXEC, Role, reaper, trampoline};
use crate::jobs::JobFolder;

static ENTERED: AtomicBool = AtomicBool::new(false);

/// Makes this process part of a job's process tree, if it was started as that. Call it first in `main`:
/// a `Some` is the exit code of such a process, `None` means that this is an ordinary start.
///
/// `supervise` runs the job in a folder on the backend of a name, as the generated
/// `BackendRegistry::supervise` does.
pub fn entry(supervise: impl FnOnce(&str, &Path) -> Result<ExitCode>) -> Option<ExitCode> {
    ENTERED.store(true, Ordering::Relaxed);
    let mut arguments = std::env::args_os().skip(1);
    if arguments.next()? != REEXEC {
        return None;
    }
    let role = arguments.next().and_then(|word| Role::parse(word.to_str()?));
    let arguments: Vec<OsString> = arguments.collect();
    Some(match (role, arguments.as_slice()) {
        (Some(Role::Reap), [backend, folder]) => reaper::run(backend, Path::new(folder)),
        (Some(Role::Supervise), [backend, folder, parent]) => {
            let folder = Path::new(folder);
            if !reaper::tie_to(parent) {
                super::say("its reaper ended before it began");
                return Some(ExitCode::FAILURE);
            }
            match supervise(&backend.to_string_lossy(), folder) {
                Ok(code) => code,
                Err(error) => record_refusal(folder, &error),
            }
        }
        (Some(Role::Node), [parent, directory, program, arguments @ ..]) => {
            trampoline::run(parent, Path::new(directory), program, arguments)
        }
        _ => ExitCode::from(2),
    })
}

/// Whether [`entry`] was called, so that this executable can be run again.
pub(super) fn was_called() -> bool {
    ENTERED.load(Ordering::Relaxed)
}

/// A supervisor that fails before or beside its job leaves the reason where everybody looks. Nodes that go on without it
/// are the next one's.
fn record_refusal(path: &Path, error: &trainer_core::Error) -> ExitCode {
    super::say(&error.to_string());
    let folder = JobFolder::at(path);
    if let Ok(mut status) = folder.status()
        && !status.phase.is_settled()
        && !status.is_outlived()
    {
        status.enter(Phase::Failed, Some(format!("the supervisor failed: {error}")));
        let _ = folder.write_status(&status);
    }
    ExitCode::from(error.kind().exit_code())
}
