//! The trampoline: ties a node's life to its supervisor's, then becomes the node's program.

use std::{
    ffi::{OsStr, OsString},
    os::unix::process::CommandExt as _,
    path::Path,
    process::{Command, ExitCode},
};

use rustix::process::{Signal, getpid, getppid, set_parent_process_death_signal, setsid};

use super::{Role, reexec};

/// The command that becomes `argv` in `directory`, as a child of this process.
pub(crate) fn command(directory: &Path, argv: &[String]) -> Command {
    let mut command = reexec(None, Role::Node);
    command.arg(getpid().as_raw_pid().to_string()).arg(directory).args(argv);
    command
}

#[expect(clippy::print_stderr, reason = "standard error is the node's log")]
pub(super) fn run(parent: &OsStr, directory: &Path, program: &OsStr, arguments: &[OsString]) -> ExitCode {
    // Survives exec, not fork: it covers the program, the reaper covers what the program starts.
    let tied = set_parent_process_death_signal(Some(Signal::KILL));
    // The supervisor may have died before that.
    let alive = getppid().is_some_and(|pid| OsStr::new(&pid.as_raw_pid().to_string()) == parent);
    if tied.is_err() || !alive {
        return ExitCode::FAILURE;
    }
    // A program that signals its whole process group means itself.
    let _ = setsid();
    if let Err(error) = std::env::set_current_dir(directory) {
        eprintln!("failed to enter {}: {error}", directory.display());
        return ExitCode::from(126);
    }
    let error = Command::new(program).args(arguments).exec();
    eprintln!("failed to run `{}`: {error}", program.display());
    // As a shell has it.
    ExitCode::from(if error.kind() == std::io::ErrorKind::NotFound { 127 } else { 126 })
}
