//! The `tmux` command. Arguments are lists all the way: tmux runs what follows the options without a shell.

use std::{
    borrow::Cow,
    path::{Path, PathBuf},
    process::Stdio,
};

use tokio::process::Command;
use trainer::{Error, ErrorKind, Result, backend::Finding};

const SOCKET: &str = "tmux.socket";

/// Whether there is a tmux.
pub(crate) async fn check() -> Finding {
    let version = run(Command::new("tmux").arg("-V")).await;
    let (ok, detail) = match version {
        Ok(version) => (true, version),
        Err(error) => (false, format!("{error}; install tmux")),
    };
    Finding { ok, subject: "tmux".to_owned(), detail }
}

/// The server of one job. Its socket is in the job's folder.
pub(crate) struct Server {
    folder: PathBuf,
    started: bool,
}

impl Server {
    pub(crate) fn of(folder: &Path) -> Self {
        Self { folder: folder.to_owned(), started: false }
    }

    /// What a person types to look at it.
    pub(crate) fn attach(&self) -> String {
        format!("cd {} && tmux -S {SOCKET} attach", self.folder.display())
    }

    /// Opens a window in which `argv` runs, and returns the process that leads its session.
    pub(crate) async fn open(
        &mut self,
        title: &str,
        directory: &Path,
        variables: impl Iterator<Item = String>,
        argv: &[&str],
    ) -> Result<i32> {
        let mut command = self.command();
        if self.started {
            command.args(["new-window", "-d"]);
        } else {
            // What has ended stays to be looked at, and the server with it.
            command.args(["start-server", ";", "set-option", "-g", "remain-on-exit", "on", ";"]);
            command.args(["new-session", "-d", "-x", "160", "-y", "48"]);
        }
        command.args(["-P", "-F", "#{pane_pid}", "-n", title, "-c"]).arg(directory);
        for variable in variables {
            command.arg("-e").arg(word(&variable).as_ref());
        }
        command.arg("--").args(argv.iter().map(|argument| word(argument).into_owned()));
        let pid = run(&mut command).await?;
        self.started = true;
        pid.parse().map_err(|_| Error::new(ErrorKind::Internal, format!("tmux says `{pid}`, which is no process")))
    }

    /// Ends the server, if it runs, and all windows with it.
    pub(crate) async fn kill(&mut self) -> Result<()> {
        if std::mem::take(&mut self.started) { run(self.command().arg("kill-server")).await.map(drop) } else { Ok(()) }
    }

    fn command(&self) -> Command {
        let mut command = Command::new("tmux");
        // Neither the user's settings nor the server that the user is in. The kernel's limit on the path of a
        // socket holds for the path as it is given: a relative one is always short enough.
        command.current_dir(&self.folder).args(["-S", SOCKET, "-f", "/dev/null"]).env_remove("TMUX");
        command
    }
}

/// To tmux a `;` at the end of a word ends the command, unless a backslash is before it.
fn word(argument: &str) -> Cow<'_, str> {
    match argument.strip_suffix(';') {
        Some(start) => format!("{start}\\;").into(),
        None => argument.into(),
    }
}

async fn run(command: &mut Command) -> Result<String> {
    let failed = |why: String| Error::new(ErrorKind::Unreachable, format!("tmux failed: {why}"));
    let output = command.stdin(Stdio::null()).output().await.map_err(|error| failed(error.to_string()))?;
    if output.status.success() {
        Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
    } else {
        Err(failed(String::from_utf8_lossy(&output.stderr).trim().to_owned()))
    }
}
