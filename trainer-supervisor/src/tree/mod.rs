//! The process tree of a job: reaper → supervisor → a trampoline for each node, which becomes the program.
//!
//! All of them are this executable, run again. The reaper has a session of its own and is the
//! child subreaper: whatever a program leaves behind ends up below it. Whoever loses its parent ends
//! its own: the kernel kills nodes with their supervisor, the reaper ends and records what a killed
//! supervisor left, the supervisor what a killed reaper left. If all are killed at once, the next
//! command does it ([`crate::Jobs::get`]).
//!
//! Where nodes outlive their supervisor ([`crate::Launcher::NODES_OUTLIVE_SUPERVISOR`]), none of these deaths ends
//! them: reaper and supervisor just go, and the next command starts others.

mod entry;
mod reaper;
mod start;
mod trampoline;

use std::{fs::File, os::unix::process::CommandExt as _, path::Path, process::Command};

pub use entry::entry;
pub(crate) use start::{can_supervise, start};
pub(crate) use trampoline::command as node_command;

use crate::jobs::Lock;

/// The hidden first argument.
const REEXEC: &str = "__trainer-supervisor";

/// What a re-run executable is to do: the hidden second argument.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Role {
    Reap,
    Supervise,
    Node,
}

impl Role {
    fn as_str(self) -> &'static str {
        match self {
            Self::Reap => "reap",
            Self::Supervise => "supervise",
            Self::Node => "node",
        }
    }

    fn parse(word: &str) -> Option<Self> {
        [Self::Reap, Self::Supervise, Self::Node].into_iter().find(|role| role.as_str() == word)
    }
}

/// `executable`, or the running one, in `role`. Through `/proc/self/exe` it is the running one even
/// if its file has been replaced meanwhile.
fn reexec(executable: Option<&Path>, role: Role) -> Command {
    let mut command = Command::new(executable.unwrap_or(Path::new("/proc/self/exe")));
    command.arg0("trainer-supervisor").arg(REEXEC).arg(role.as_str());
    command
}

/// Takes the lock over that came as standard input, so that no child of ours inherits it unasked.
fn take_lock() -> std::io::Result<Lock> {
    let file = File::from(rustix::io::fcntl_dupfd_cloexec(rustix::stdio::stdin(), 3)?);
    rustix::stdio::dup2_stdin(File::open("/dev/null")?)?;
    Ok(Lock::inherited(file))
}

/// Lets go of standard output, on which whoever starts a job waits for word.
fn close_stdout() {
    if let Ok(null) = File::options().write(true).open("/dev/null") {
        let _ = rustix::stdio::dup2_stdout(null);
    }
}

/// Says why a part of the tree ends; standard error is the supervisor's log.
#[expect(clippy::print_stderr, reason = "standard error is the supervisor's log")]
fn say(why: &str) {
    eprintln!("{why}");
}

/// Says that the job is supervised from now on.
pub(crate) fn report_ready() {
    let _ = rustix::io::write(rustix::stdio::stdout(), start::READY.as_bytes());
    close_stdout();
}
