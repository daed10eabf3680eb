//! The reaper: outlives the supervisor by a moment, to end and to record what it left. Nodes that are meant to outlive
//! their supervisor it leaves alone.

use std::{
    ffi::OsStr,
    path::Path,
    process::{ExitCode, Stdio},
    time::Duration,
};

use rustix::process::{
    Pid, Signal, WaitOptions, WaitStatus, getpid, getppid, set_child_subreaper, set_parent_process_death_signal, setsid,
};
use trainer_core::{Result, job::NodeExit};

use super::{Role, close_stdout, reexec, take_lock};
use crate::{
    jobs::{JobFolder, Status, conclude},
    process::{self, Mark, Snapshot},
};

/// How long processes may take to die of SIGKILL.
const DYING: Duration = Duration::from_secs(10);

pub(super) fn run(backend: &OsStr, path: &Path) -> ExitCode {
    match reap(backend, path) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            super::say(&format!("the reaper failed: {error}"));
            ExitCode::FAILURE
        }
    }
}

fn reap(backend: &OsStr, path: &Path) -> std::io::Result<()> {
    // Fails only for a process that leads its group already, and then there is no terminal to lose.
    let _ = setsid();
    set_child_subreaper(Some(getpid()))?;
    let lock = take_lock()?;
    std::env::set_current_dir("/")?;
    let supervisor = reexec(None, Role::Supervise)
        .args([backend, path.as_os_str()])
        .arg(getpid().as_raw_pid().to_string())
        .stdin(Stdio::from(lock.share()?))
        .spawn()?;
    close_stdout();
    let end = wait_for(i32::try_from(supervisor.id()).ok().and_then(Pid::from_raw));

    let folder = JobFolder::at(path);
    let Ok(submission) = folder.submission() else { return Ok(()) };
    let status = folder.status();
    let own = getpid().as_raw_pid();
    if status.as_ref().is_ok_and(Status::is_outlived) {
        // The next command starts another supervisor for what goes on.
        process::kill_all(DYING, || Snapshot::take().helpers(&submission.uid, own));
        return Ok(());
    }
    let mark = Mark { uid: &submission.uid, node: None };
    process::kill_all(DYING, || process::members(mark, Some(own), &[]));
    if let Ok(status) = status
        && !status.phase.is_settled()
    {
        let how = end.map_or_else(|| NodeExit::Lost.to_string(), |end| describe(end).to_string());
        let _: Result<_> = conclude(&folder, status, &format!("its supervisor {how}"), &lock);
    }
    Ok(())
}

/// Collects every child that ends, our own and those that were left to us, until the supervisor does.
fn wait_for(supervisor: Option<Pid>) -> Option<WaitStatus> {
    loop {
        match rustix::process::wait(WaitOptions::empty()) {
            Ok(Some((pid, status))) if Some(pid) == supervisor => return Some(status),
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(_) => return None,
        }
    }
}

fn describe(end: WaitStatus) -> NodeExit {
    match end.terminating_signal() {
        Some(signal) => NodeExit::Signal(signal),
        None => NodeExit::Code(end.exit_status().unwrap_or_default()),
    }
}

/// Has the kernel send SIGTERM to this process, the supervisor, when its reaper dies: it ends its job then, or itself if its nodes go on without it.
/// `false`: it is dead already.
pub(super) fn tie_to(reaper: &OsStr) -> bool {
    set_parent_process_death_signal(Some(Signal::TERM)).is_ok()
        && getppid().is_some_and(|parent| OsStr::new(&parent.as_raw_pid().to_string()) == reaper)
}
