//! What a client sees of a job: phases, steps, nodes, events, log lines.

use std::{fmt, pin::Pin, str::FromStr};

use futures_core::Stream;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{Error, JobName, NodeIndex, Result, api::TrainJob};

/// Where a job, a step or a node stands. Always derived from evidence.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Phase {
    /// Accepted; nothing of it runs yet.
    Created,
    /// Waits for a queue to admit it.
    Queued,
    /// Held back by its owner: `spec.suspend`.
    Suspended,
    /// Runs.
    Running,
    /// An attempt failed; the next one is being started.
    Restarting,
    /// Being ended on request.
    Stopping,
    /// Ended on request, and kept: it can be resumed.
    Stopped,
    /// Ended well.
    Complete,
    /// Ended badly; [`Job::reason`] says how.
    Failed,
    /// Being removed.
    Deleting,
    /// The evidence is lost or out of reach; [`Job::reason`] says why.
    Unknown,
}

impl Phase {
    /// Every phase.
    pub const ALL: [Self; 11] = [
        Self::Created,
        Self::Queued,
        Self::Suspended,
        Self::Running,
        Self::Restarting,
        Self::Stopping,
        Self::Stopped,
        Self::Complete,
        Self::Failed,
        Self::Deleting,
        Self::Unknown,
    ];

    /// Whether nothing will change any more unless somebody asks for it.
    #[must_use]
    pub const fn is_settled(self) -> bool {
        matches!(self, Self::Complete | Self::Failed | Self::Stopped | Self::Suspended)
    }

    /// Whether the job has ended for good (a stopped one can be resumed).
    #[must_use]
    pub const fn is_finished(self) -> bool {
        matches!(self, Self::Complete | Self::Failed)
    }

    /// The word for it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Created => "Created",
            Self::Queued => "Queued",
            Self::Suspended => "Suspended",
            Self::Running => "Running",
            Self::Restarting => "Restarting",
            Self::Stopping => "Stopping",
            Self::Stopped => "Stopped",
            Self::Complete => "Complete",
            Self::Failed => "Failed",
            Self::Deleting => "Deleting",
            Self::Unknown => "Unknown",
        }
    }
}

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromStr for Phase {
    type Err = Error;

    fn from_str(word: &str) -> Result<Self> {
        Self::ALL.into_iter().find(|phase| phase.as_str().eq_ignore_ascii_case(word)).ok_or_else(|| {
            let all: Vec<_> = Self::ALL.iter().map(|phase| phase.as_str()).collect();
            Error::invalid(format!("unknown phase `{word}`")).with_hint(format!("the phases are {}", all.join(", ")))
        })
    }
}

/// A job as a backend reports it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Job {
    /// Its name.
    pub name: JobName,
    /// Its identity: another job of the same name has another.
    pub uid: String,
    /// The name of the backend that it runs on.
    pub backend: String,
    /// The object as submitted, with its status in the form of the Kubernetes API.
    pub object: TrainJob,
    /// Where it stands.
    pub phase: Phase,
    /// Why, in one line, where there is something to say: the cause of a failure, who stopped it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Its steps, in the order of the plan.
    pub steps: Vec<Step>,
    /// How often the gang has been started, counted from 1; 0 before the first time.
    pub attempt: u32,
    /// When it was submitted.
    pub created: Timestamp,
    /// When its first node was started.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub started: Option<Timestamp>,
    /// When it ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub finished: Option<Timestamp>,
}

impl Job {
    /// A job that has just been accepted.
    pub fn new(name: JobName, uid: impl Into<String>, backend: impl Into<String>, object: TrainJob) -> Self {
        Self {
            name,
            uid: uid.into(),
            backend: backend.into(),
            object,
            phase: Phase::Created,
            reason: None,
            steps: Vec::new(),
            attempt: 0,
            created: Timestamp::now(),
            started: None,
            finished: None,
        }
    }
}

/// A replicated job of the plan: an initializer, the launcher, the nodes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Step {
    /// Its name in the runtime, `node` for instance.
    pub name: String,
    /// Where it stands.
    pub phase: Phase,
    /// Its nodes, by index.
    pub nodes: Vec<Node>,
}

/// One launch: a pod, a container, a local process tree.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Node {
    /// Which one of its step.
    pub index: NodeIndex,
    /// Where it stands.
    pub phase: Phase,
    /// How it ended, if it has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exit: Option<NodeExit>,
    /// What else there is to say: a pending reason, the exception of the program.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// How a node ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum NodeExit {
    /// The program exited with this code.
    Code(i32),
    /// The program was ended by this signal.
    Signal(i32),
    /// The program was ended because it exceeded its memory.
    OutOfMemory,
    /// Nobody saw it end.
    Lost,
}

impl NodeExit {
    /// Whether it ended well.
    #[must_use]
    pub const fn is_success(self) -> bool {
        matches!(self, Self::Code(0))
    }
}

impl fmt::Display for NodeExit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Code(code) => write!(f, "exited with code {code}"),
            Self::Signal(signal) => write!(f, "was ended by signal {signal}{}", signal_name(*signal)),
            Self::OutOfMemory => f.write_str("ran out of memory"),
            Self::Lost => f.write_str("disappeared without a trace"),
        }
    }
}

fn signal_name(signal: i32) -> &'static str {
    match signal {
        1 => " (SIGHUP)",
        2 => " (SIGINT)",
        3 => " (SIGQUIT)",
        4 => " (SIGILL)",
        6 => " (SIGABRT)",
        7 => " (SIGBUS)",
        8 => " (SIGFPE)",
        9 => " (SIGKILL)",
        11 => " (SIGSEGV)",
        13 => " (SIGPIPE)",
        15 => " (SIGTERM)",
        _ => "",
    }
}

/// Something that happened to a job.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Event {
    /// When, for the last time.
    pub time: Timestamp,
    /// Whether somebody should look at it.
    pub severity: Severity,
    /// One word in camel case: `Started`, `NodeFailed`.
    pub reason: String,
    /// What it happened to: `job`, `node-1`.
    pub object: String,
    /// What happened.
    pub message: String,
    /// How often.
    pub count: u32,
}

/// How much an [`Event`] matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Severity {
    /// As it should be.
    Normal,
    /// Not as it should be.
    Warning,
}

/// One item of a log.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum LogItem {
    /// A line, or the part of one that has arrived so far.
    Line(LogLine),
    /// Lines are missing here; the text says why.
    Gap(String),
}

/// A line that a node wrote.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogLine {
    /// When it arrived.
    pub time: Timestamp,
    /// The step that wrote it.
    pub step: String,
    /// The node of that step.
    pub node: NodeIndex,
    /// Which of its outputs.
    pub stream: OutputStream,
    /// The bytes, as written, without the line end. Not necessarily UTF-8.
    pub bytes: Vec<u8>,
    /// Whether the line goes on in the next item of this node and stream.
    pub partial: bool,
}

/// Which output of a program.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OutputStream {
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
}

/// A stream that a backend returns: the one box that a call costs.
pub type BoxStream<T> = Pin<Box<dyn Stream<Item = Result<T>> + Send>>;

/// States of a job: the present one first, then each change, until the job is gone.
pub type JobStream = BoxStream<Job>;

/// Log items, in the order of their arrival.
pub type LogStream = BoxStream<LogItem>;

/// Which part of a log.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LogQuery {
    /// Go on until the job has settled, from before it starts.
    pub follow: bool,
    /// Only the last lines of each node, this many.
    pub tail: Option<usize>,
    /// Only lines from then on.
    pub since: Option<Timestamp>,
    /// Only these nodes; empty means all.
    pub nodes: Vec<NodeIndex>,
    /// Only this step.
    pub step: Option<String>,
}

/// Which jobs, and how many at a time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListQuery {
    /// At most so many in a page.
    pub limit: usize,
    /// Where the page before ended.
    pub after: Option<PageToken>,
}

impl Default for ListQuery {
    fn default() -> Self {
        Self { limit: 500, after: None }
    }
}

/// Where a page ended. Only its backend can read it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct PageToken(pub String);

/// A part of a list.
#[derive(Clone, Debug, PartialEq)]
pub struct Page<T> {
    /// The items.
    pub items: Vec<T>,
    /// Where to go on, if there is more.
    pub next: Option<PageToken>,
}

/// How to end the nodes of a job.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StopRequest {
    /// Time between SIGTERM and SIGKILL; `None` leaves it to the job (`terminationGracePeriodSeconds`, else 30 s).
    pub grace: Option<std::time::Duration>,
}
