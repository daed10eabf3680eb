//! A node in its window.

use std::{fs, path::Path, time::Duration};

use rustix::{
    fs::{CWD, FileType, Mode, mknodat},
    process::{Pid, Signal, kill_process_group},
};
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    net::unix::pipe::{OpenOptions, Receiver, Sender},
    sync::Mutex,
    time::timeout,
};
use trainer::{
    Error, ErrorKind, Result,
    job::{NodeExit, OutputStream},
    plan::Container,
    supervisor::{Ending, LaunchedNode, Output},
};

use crate::tmux::Server;

/// How long a window may take to open.
const OPENING: Duration = Duration::from_secs(10);

/// A node that runs in a window.
pub(crate) struct Window {
    leader: Pid,
    exit: BufReader<Receiver>,
    outputs: Vec<(OutputStream, Output)>,
    /// What is known of its end so far.
    status: String,
    killed: bool,
}

impl Window {
    pub(crate) async fn open(
        server: &Mutex<Server>,
        title: &str,
        directory: &Path,
        pipes: &Path,
        container: &Container,
    ) -> Result<Self> {
        fs::create_dir_all(pipes).map_err(|error| Error::io("create", pipes, error))?;
        // Our own writing ends keep the pipes from looking finished before they are begun.
        let (stdout, _begun) = pipe(&pipes.join("stdout"))?;
        let (stderr, _begun_too) = pipe(&pipes.join("stderr"))?;
        let (exit, begun_as_well) = pipe(&pipes.join("exit"))?;
        let mut exit = BufReader::new(exit);

        let folder = pipes.to_string_lossy();
        let mut argv = vec!["sh", "-c", include_str!("node.sh"), "sh", &*folder];
        argv.extend(container.command.iter().chain(&container.args).map(String::as_str));
        let variables = container
            .env
            .iter()
            .map(|variable| format!("{}={}", variable.name, variable.value.as_deref().unwrap_or_default()));
        let leader = server.lock().await.open(title, directory, variables, &argv).await?;
        let leader =
            Pid::from_raw(leader).ok_or_else(|| Error::new(ErrorKind::Internal, "the window has no process"))?;

        let opened = timeout(OPENING, exit.read_line(&mut String::new())).await;
        drop(begun_as_well);
        match opened {
            Ok(Ok(_)) => {
                let outputs: Vec<(_, Output)> =
                    vec![(OutputStream::Stdout, Box::pin(stdout)), (OutputStream::Stderr, Box::pin(stderr))];
                Ok(Self { leader, exit, outputs, status: String::new(), killed: false })
            }
            Ok(Err(error)) => Err(Error::io("read", pipes, error)),
            Err(_) => Err(Error::new(ErrorKind::Unreachable, format!("the window `{title}` doesn't open"))),
        }
    }
}

impl LaunchedNode for Window {
    fn outputs(&mut self) -> Vec<(OutputStream, Output)> {
        std::mem::take(&mut self.outputs)
    }

    async fn wait(&mut self) -> Result<NodeExit> {
        while !self.status.ends_with('\n') {
            // Keeps what it has read if it is dropped.
            let read = self.exit.read_line(&mut self.status).await;
            if read.map_err(|error| Error::io("read", "the exit code of a window", error))? == 0 {
                return Ok(if self.killed { NodeExit::Signal(Signal::KILL.as_raw()) } else { NodeExit::Lost });
            }
        }
        Ok(match self.status.trim().parse() {
            // As shells say it.
            Ok(code @ 129..=192) => NodeExit::Signal(code - 128),
            Ok(code) => NodeExit::Code(code),
            Err(_) => NodeExit::Lost,
        })
    }

    async fn signal(&mut self, ending: Ending) -> Result<()> {
        let signal = match ending {
            Ending::Terminate => Signal::TERM,
            Ending::Kill => Signal::KILL,
        };
        self.killed |= ending == Ending::Kill;
        // The window leads a session and a group of its own. One that is gone needs no signal.
        let _ = kill_process_group(self.leader, signal);
        Ok(())
    }
}

fn pipe(path: &Path) -> Result<(Receiver, Sender)> {
    let failed = |error| Error::io("create the pipe", path, error);
    mknodat(CWD, path, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).map_err(|error| failed(error.into()))?;
    let receiver = OpenOptions::new().open_receiver(path).map_err(failed)?;
    let sender = OpenOptions::new().open_sender(path).map_err(failed)?;
    Ok((receiver, sender))
}
