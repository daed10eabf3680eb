//! A node that is a process of this machine, with everything that it starts.

use std::{
    collections::HashSet, ffi::OsString, ops::RangeInclusive, os::unix::process::ExitStatusExt as _, path::PathBuf,
    process::Stdio, time::Duration,
};

use rustix::process::Signal;
use tokio::{
    process::{Child, Command},
    time::Instant,
};
use trainer_core::{
    Error, ErrorKind, NodeIndex, Result,
    job::{NodeExit, OutputStream},
};

use crate::{
    launcher::{Ending, LaunchedNode, Output},
    process::{self, Mark, Member, ProcessId, Snapshot},
    tree,
};

/// How often a node that is ending is looked at, once its first process has ended: seldom after a while, because a
/// look is at every process of the machine.
const POLL: RangeInclusive<Duration> = Duration::from_millis(10)..=Duration::from_millis(320);

/// How long what is left of a node is killed.
const KILLING: Duration = Duration::from_secs(2);

/// What to run as a node.
#[derive(Clone, Debug)]
pub struct ProcessSpec {
    /// The program and its arguments; not empty.
    pub argv: Vec<String>,
    /// All of its environment. Has `TRAINER_JOB_UID`, `TRAINER_STEP` and `TRAINER_NODE`, by which the
    /// processes of the node are found.
    pub environment: Vec<(OsString, OsString)>,
    /// Its working directory.
    pub directory: PathBuf,
    /// Identity of the job.
    pub uid: String,
    /// Step of the node.
    pub step: String,
    /// Index of the node.
    pub node: NodeIndex,
}

/// A node that is a process of this machine. It dies with the supervisor.
#[derive(Debug)]
pub struct NodeProcess {
    child: Child,
    pid: Option<i32>,
    uid: String,
    step: String,
    node: NodeIndex,
    /// Those that have been asked to end; `None` before anybody was.
    asked: Option<HashSet<ProcessId>>,
}

impl NodeProcess {
    /// Starts the process.
    ///
    /// # Errors
    /// `Io` if the system refuses another process. A program that doesn't exist is found out by the
    /// process itself, which then exits with code 127.
    pub fn spawn(spec: ProcessSpec) -> Result<Self> {
        let mut command = tree::node_command(&spec.directory, &spec.argv);
        command.env_clear().envs(spec.environment);
        let child =
            Command::from(command).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().map_err(
                |error| Error::new(ErrorKind::Io, format!("failed to start a process: {error}")).with_source(error),
            )?;
        let pid = child.id().and_then(|pid| i32::try_from(pid).ok());
        Ok(Self { child, pid, uid: spec.uid, step: spec.step, node: spec.node, asked: None })
    }

    /// Asks those of `members` that `meant` says, and none twice: a second signal would cut short what the first began.
    fn ask(&mut self, members: &[Member], meant: impl Fn(&Member) -> bool) {
        let asked = self.asked.get_or_insert_default();
        for member in members {
            if meant(member) && asked.insert(member.id) {
                member.id.signal(Signal::TERM);
            }
        }
    }

    /// Kills what is left, again and again until nothing is: a process may fork while it is being killed.
    async fn kill(&self) {
        let deadline = Instant::now() + KILLING;
        loop {
            let members = self.members(*POLL.start()).await;
            if members.is_empty() || Instant::now() > deadline {
                return;
            }
            for member in &members {
                member.id.signal(Signal::KILL);
            }
        }
    }

    async fn members(&self, pause: Duration) -> Vec<Member> {
        let snapshot = Snapshot::within(pause).await;
        let mark = Mark { uid: &self.uid, node: Some((&self.step, self.node.0)) };
        // Once it has been waited for, its number may be another's.
        let root = if self.child.id().is_some() { self.pid } else { None };
        snapshot.members(mark, root, &[])
    }
}

impl LaunchedNode for NodeProcess {
    fn outputs(&mut self) -> Vec<(OutputStream, Output)> {
        let stdout = self.child.stdout.take().map(|output| (OutputStream::Stdout, Box::pin(output) as Output));
        let stderr = self.child.stderr.take().map(|output| (OutputStream::Stderr, Box::pin(output) as Output));
        stdout.into_iter().chain(stderr).collect()
    }

    async fn wait(&mut self) -> Result<NodeExit> {
        let status = self.child.wait().await.map_err(|error| {
            Error::new(ErrorKind::Io, format!("failed to wait for a process: {error}")).with_source(error)
        })?;
        // A shell that was asked to end is gone before the program that it runs has written its last checkpoint.
        let mut pause = *POLL.start();
        while self.asked.is_some() {
            let members = self.members(pause).await;
            if members.is_empty() {
                break;
            }
            self.ask(&members, |member| process::is_orphan(member, &members));
            pause = (pause * 2).min(*POLL.end());
        }
        Ok(match (status.code(), status.signal()) {
            (Some(code), _) => NodeExit::Code(code),
            (None, Some(signal)) => NodeExit::Signal(signal),
            (None, None) => NodeExit::Lost,
        })
    }

    async fn signal(&mut self, ending: Ending) -> Result<()> {
        match ending {
            Ending::Terminate => {
                self.asked.get_or_insert_default();
                let members = self.members(*POLL.start()).await;
                self.ask(&members, process::is_program);
            }
            Ending::Kill => self.kill().await,
        }
        Ok(())
    }

    /// What its program started and left, in whichever session, ends with it, as in a container.
    async fn clear(&mut self) {
        self.kill().await;
    }
}
