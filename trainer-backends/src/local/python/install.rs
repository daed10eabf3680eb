//! Making an environment, with uv or with pip.

use std::{
    collections::VecDeque,
    env,
    ffi::OsString,
    fs::{self, File},
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process::Stdio,
};

use tokio::{
    io::{AsyncBufReadExt as _, AsyncRead, BufReader},
    process::Command,
    sync::mpsc,
};
use trainer_core::{
    Error, ErrorKind, Result,
    request::{Packages, Progress, ProgressEvent},
};

use super::Interpreter;

/// What makes environments and fills them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Installer {
    Uv(PathBuf),
    /// The pip of the active Python, installing into the other: saves making a pip first.
    ActivePip,
    /// A pip of the environment's own.
    OwnPip,
}

impl Installer {
    pub(super) fn choose(python: &Interpreter) -> Result<Self> {
        match uv() {
            Some(uv) => Ok(Self::Uv(uv)),
            None if python.pip_serves_others() => Ok(Self::ActivePip),
            None => Ok(Self::OwnPip),
        }
    }

    /// Makes the environment in `folder` with `packages` in it.
    pub(super) async fn run(
        &self,
        python: &Interpreter,
        packages: &Packages,
        folder: &Path,
        directory: &Path,
        lock: &File,
        progress: &Progress,
    ) -> Result<()> {
        self.step("make a Python environment", self.make(python, folder), directory, lock, progress).await.map_err(
            |error| match self {
                Self::Uv(_) => error,
                _ => error.with_hint("install uv, or the venv module of this Python (Debian: python3-venv)"),
            },
        )?;
        layer(python, folder)?;
        let install = self.install(python, packages, folder);
        self.step("install the packages", install, directory, lock, progress).await
    }

    fn make(&self, python: &Interpreter, folder: &Path) -> Command {
        match self {
            Self::Uv(uv) => {
                let mut command = Command::new(uv);
                command.args(["venv", "--system-site-packages", "--python"]).arg(&python.executable).arg(folder);
                command
            }
            Self::ActivePip | Self::OwnPip => {
                let mut command = Command::new(&python.executable);
                command.args(["-m", "venv", "--system-site-packages"]);
                if *self == Self::ActivePip {
                    command.arg("--without-pip");
                }
                command.arg(folder);
                command
            }
        }
    }

    fn install(&self, python: &Interpreter, packages: &Packages, folder: &Path) -> Command {
        let target = folder.join("bin/python");
        let mut command = match self {
            Self::Uv(uv) => {
                let mut command = Command::new(uv);
                command.args(["pip", "install", "--python"]).arg(&target);
                command
            }
            Self::ActivePip => {
                let mut command = Command::new(&python.executable);
                command.args(["-m", "pip", "--python"]).arg(&target).args(["install", "--no-input"]);
                command
            }
            Self::OwnPip => {
                let mut command = Command::new(&target);
                command.args(["-m", "pip", "install", "--no-input"]);
                command
            }
        };
        // A user's setting of `--user` would lead past the environment.
        command.env("PIP_USER", "0").env("PIP_DISABLE_PIP_VERSION_CHECK", "1");
        if let Some(requirements) = &packages.requirements {
            command.arg("-r").arg(requirements);
        }
        command.arg("--").args(&packages.specifiers);
        command
    }

    /// Runs one command, its output as progress, its last lines in the error.
    async fn step(
        &self,
        what: &str,
        mut command: Command,
        directory: &Path,
        lock: &File,
        progress: &Progress,
    ) -> Result<()> {
        let started = |error| Error::new(ErrorKind::Unsupported, format!("failed to {what}: {error}"));
        // It holds the lock as its standard input: if we are killed, nobody touches the folder before it ends.
        let lock = lock.try_clone().map_err(started)?;
        let mut child = command
            .current_dir(directory)
            .stdin(Stdio::from(lock))
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0)
            .kill_on_drop(true)
            .spawn()
            .map_err(started)?;
        let group = Group::of(&child);
        let (sender, mut lines) = mpsc::channel(64);
        let outputs = [
            child.stdout.take().map(|output| Box::new(output) as Box<dyn AsyncRead + Send + Unpin>),
            child.stderr.take().map(|output| Box::new(output) as Box<dyn AsyncRead + Send + Unpin>),
        ];
        for output in outputs.into_iter().flatten() {
            tokio::spawn(send_lines(output, sender.clone()));
        }
        drop(sender);
        let (mut last, mut no_network) = (VecDeque::new(), false);
        while let Some(line) = lines.recv().await {
            no_network |= is_about_network(&line);
            if last.len() == LINES_IN_ERROR {
                last.pop_front();
            }
            last.push_back(line.clone());
            progress.report(ProgressEvent::Said(line));
        }
        let status = child.wait().await.map_err(started)?;
        group.ended();
        if status.success() {
            return Ok(());
        }
        Err(failure(what, last.make_contiguous(), no_network))
    }
}

/// An installer and what it has started: all end with whoever waits for them.
struct Group(Option<rustix::process::Pid>);

impl Group {
    fn of(child: &tokio::process::Child) -> Self {
        Self(child.id().and_then(|id| rustix::process::Pid::from_raw(id.try_into().ok()?)))
    }

    /// Its number may soon be somebody else's.
    fn ended(mut self) {
        self.0 = None;
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        if let Some(group) = self.0 {
            let _ = rustix::process::kill_process_group(group, rustix::process::Signal::KILL);
        }
    }
}

/// What an installer says where it reaches nobody: pip, uv, and the resolvers below them.
fn is_about_network(line: &str) -> bool {
    let said = [
        "NewConnectionError",
        "ConnectTimeoutError",
        "Connection refused",
        "Network is unreachable",
        "Temporary failure in name resolution",
        "Name or service not known",
        "Could not connect",
        "error sending request",
        "dns error",
    ];
    said.iter().any(|words| line.contains(words))
}

/// pip's last error stands for the lines before it; uv's is a tree, and shown whole.
fn failure(what: &str, last: &[String], no_network: bool) -> Error {
    let of_pip = last.iter().rev().find_map(|line| line.strip_prefix("ERROR: "));
    let message = match of_pip {
        Some(line) => format!("failed to {what}: {line}"),
        None => format!("failed to {what}: {}", last.join("\n")),
    };
    if no_network {
        return Error::new(ErrorKind::Unreachable, format!("{message} (the index of packages doesn't answer)"))
            .with_hint("look at the network, or name another index: PIP_INDEX_URL, or UV_INDEX_URL for uv");
    }
    Error::invalid(message).with_hint("look at names and versions, and at the index that is asked (PIP_INDEX_URL)")
}

/// How many lines of an installer that fails are shown.
const LINES_IN_ERROR: usize = 8;

async fn send_lines(output: impl AsyncRead + Unpin, sender: mpsc::Sender<String>) {
    let mut lines = BufReader::new(output).lines();
    while let Ok(Some(line)) = lines.next_line().await {
        let line = line.trim_end().to_owned();
        if !line.is_empty() && sender.send(line).await.is_err() {
            return;
        }
    }
}

/// Lets the environment see the packages of the virtual environment that it is layered on: its own
/// interpreter only looks at those of the Python below both.
fn layer(python: &Interpreter, folder: &Path) -> Result<()> {
    if python.packages.is_empty() {
        return Ok(());
    }
    let lib = folder.join("lib");
    let site = fs::read_dir(&lib)
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.path().join("site-packages"))
        .find(|path| path.is_dir())
        .ok_or_else(|| Error::new(ErrorKind::Internal, format!("{} has no site-packages", lib.display())))?;
    // `addsitedir` reads the `.pth` files there as well: editable installations.
    let lines: String = python
        .packages
        .iter()
        .map(|packages| format!("import site; site.addsitedir({:?})\n", packages.to_string_lossy()))
        .collect();
    let file = site.join("trainer-layer.pth");
    fs::write(&file, lines).map_err(|error| Error::io("write", &file, error))
}

/// uv, if it is on `PATH`.
pub(super) fn uv() -> Option<PathBuf> {
    let path: OsString = env::var_os("PATH").unwrap_or_default();
    let folders: Vec<PathBuf> = env::split_paths(&path).collect();
    find_in(&folders, "uv")
}

pub(super) fn find_in(folders: &[PathBuf], name: &str) -> Option<PathBuf> {
    folders.iter().map(|folder| folder.join(name)).find(|path| {
        fs::metadata(path).is_ok_and(|metadata| metadata.is_file() && metadata.permissions().mode() & 0o111 != 0)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fail(lines: &[&str]) -> Error {
        let lines: Vec<_> = lines.iter().map(|line| (*line).to_owned()).collect();
        failure("install the packages", &lines, lines.iter().any(|line| is_about_network(line)))
    }

    #[test]
    fn pips_last_error_is_the_message() {
        let lines = [
            "ERROR: Could not find a version that satisfies the requirement jaxx (from versions: none)",
            "ERROR: No matching distribution found for jaxx",
            "a notice behind it",
        ];
        let error = fail(&lines);
        assert_eq!(error.to_string(), "failed to install the packages: No matching distribution found for jaxx");
        assert!(error.kind() == ErrorKind::Invalid && error.hint().is_some());
    }

    #[test]
    fn a_network_that_is_not_there_is_told_from_a_package_that_is_not() {
        for line in [
            "WARNING: Retrying (Retry(total=4)) after connection broken by 'NewConnectionError(...)': /simple/jax/",
            "  Caused by: error sending request for url",
        ] {
            let error = fail(&[line, "ERROR: No matching distribution found for jax"]);
            assert_eq!((error.kind(), error.kind().exit_code()), (ErrorKind::Unreachable, 3), "{error}");
        }
    }
}
