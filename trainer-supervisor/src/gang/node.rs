//! One node from its launch to its end.

use std::{cell::RefCell, fs, path::PathBuf, time::Duration};

use futures_util::future::join_all;
use jiff::Timestamp;
use serde::Deserialize;
use tokio::{sync::watch, time::timeout};
use trainer_core::{NodeIndex, job::NodeExit, plan::PlannedStep};

use super::blame::Cause;
use crate::{
    launcher::{Attempt, Ending, LaunchedNode},
    logs::{LastWords, NodeLog, pump},
};

/// After the end of a node, how long its outputs may stay open: somebody else has them then.
const DRAINING: Duration = Duration::from_secs(5);

/// After SIGKILL, how long an end may take; a process that hangs in the kernel takes longer.
const DYING: Duration = Duration::from_secs(60);

/// How a node ended.
pub(super) struct NodeEnd {
    pub(super) step: usize,
    pub(super) node: NodeIndex,
    pub(super) exit: NodeExit,
    /// What it said of the cause.
    pub(super) cause: Option<Cause>,
}

/// What belongs to a node beside itself.
pub(super) struct NodeFiles {
    pub(super) log: NodeLog,
    /// What is in its log already.
    pub(super) last_words: LastWords,
    pub(super) error: PathBuf,
}

impl NodeFiles {
    /// Of a node that is going to be launched.
    pub(super) fn begin(attempt: &Attempt<'_>, step: &PlannedStep, node: NodeIndex) -> Self {
        // Before the launch: whoever takes the node over must find where its output begins.
        let log = NodeLog::begin(attempt.folder.log_file(&step.name, node), attempt.number);
        let error = attempt.folder.error_file(attempt.number, &step.name, node);
        Self { log, last_words: LastWords::default(), error }
    }
}

/// Follows `node` until it has ended and its outputs are in its log.
pub(super) async fn follow(
    step: usize,
    index: NodeIndex,
    mut node: impl LaunchedNode,
    files: NodeFiles,
    mut ending: watch::Receiver<Option<Ending>>,
) -> NodeEnd {
    let log = RefCell::new(files.log);
    let last_words = RefCell::new(files.last_words);
    let outputs = node.outputs();
    let pumps = join_all(outputs.into_iter().map(|(stream, output)| pump(output, stream, &log, &last_words)));
    tokio::pin!(pumps);

    let mut life = Box::pin(live(&mut node, &mut ending));
    let mut drained = false;
    let exit = loop {
        tokio::select! {
            exit = &mut life => break exit,
            _ = &mut pumps, if !drained => drained = true,
        }
    };
    drop(life);
    node.clear().await;
    if !drained {
        let _ = timeout(DRAINING, pumps).await;
    }
    let exception = read_exception(&files.error);
    let said = || last_words.borrow().cause().map(|text| Cause { text: text.to_owned(), time: None });
    let cause = exception.or_else(said);
    NodeEnd { step, node: index, exit, cause }
}

/// Waits for the end of the node, and brings it about when told to.
async fn live(node: &mut impl LaunchedNode, ending: &mut watch::Receiver<Option<Ending>>) -> NodeExit {
    loop {
        let told = *ending.borrow_and_update();
        if let Some(told) = told {
            // It may have ended by itself meanwhile.
            let _ = node.signal(told).await;
        }
        if told == Some(Ending::Kill) {
            return match timeout(DYING, node.wait()).await {
                Ok(Ok(exit)) => exit,
                _ => NodeExit::Lost,
            };
        }
        tokio::select! {
            exit = node.wait() => return exit.unwrap_or(NodeExit::Lost),
            changed = ending.changed() => if changed.is_err() {
                return node.wait().await.unwrap_or(NodeExit::Lost);
            },
        }
    }
}

/// The exception that torchrun, or a program that uses its protocol, left in the error file.
fn read_exception(path: &PathBuf) -> Option<Cause> {
    #[derive(Deserialize)]
    struct Report {
        message: Message,
    }
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Message {
        Detailed {
            message: String,
            #[serde(default, rename = "extraInfo")]
            extra: Extra,
        },
        Plain(String),
    }
    #[derive(Default, Deserialize)]
    struct Extra {
        /// Seconds since 1970, as text in some versions.
        #[serde(default)]
        timestamp: serde_json::Value,
    }
    const LARGEST: u64 = 1024 * 1024;
    if fs::metadata(path).ok()?.len() > LARGEST {
        return None;
    }
    let report: Report = serde_json::from_slice(&fs::read(path).ok()?).ok()?;
    let (message, time) = match report.message {
        Message::Detailed { message, extra } => (message, extra.timestamp),
        Message::Plain(message) => (message, serde_json::Value::Null),
    };
    let seconds = time.as_i64().or_else(|| time.as_str()?.parse().ok());
    let text = message.lines().rev().find(|line| !line.trim().is_empty())?.trim().to_owned();
    Some(Cause { text, time: seconds.and_then(|seconds| Timestamp::from_second(seconds).ok()) })
}
