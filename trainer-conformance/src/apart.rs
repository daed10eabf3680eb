//! A place for the suite where nobody else's jobs are.

use std::{
    env,
    hash::{BuildHasher, RandomState},
    io,
    process::{Command, ExitCode},
};

use crate::Secret;

/// The variable that the suite's jobs may use and not reveal. Its presence tells the inner process.
const VARIABLE: &str = "TRAINER_CONFORMANCE_SECRET";

/// Runs `suite` in a process of its own, this executable once more: with a working directory and a
/// state folder (`XDG_STATE_HOME`) that vanish afterwards, and with a secret in its environment.
///
/// # Errors
/// If the folder can't be made or the process not be started.
pub fn apart(suite: impl FnOnce(Secret) -> ExitCode) -> io::Result<ExitCode> {
    if let Ok(value) = env::var(VARIABLE) {
        return Ok(suite(Secret { variable: VARIABLE.to_owned(), value }));
    }
    let place = tempfile::tempdir()?;
    // Another process, because changing the environment of this one is unsafe.
    let status = Command::new(env::current_exe()?)
        .args(env::args_os().skip(1))
        .current_dir(place.path())
        .env("XDG_STATE_HOME", place.path().join("state"))
        .env(VARIABLE, format!("{:016x}", RandomState::new().hash_one(VARIABLE)))
        .status()?;
    Ok(if status.success() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
