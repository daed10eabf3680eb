//! What an engine does for the supervisor.

use std::{collections::BTreeMap, future::Future, pin::Pin};

use tokio::io::AsyncRead;
use trainer_core::{
    NodeIndex, Result,
    api::EnvVar,
    job::{NodeExit, OutputStream},
    plan::{LaunchPlan, PlannedNode, PlannedStep, World},
    prepare::{self, NodeFacts},
};

use crate::jobs::{JobFolder, Submission};

/// An engine without a controller: it launches nodes one by one, and the supervisor does the rest.
///
/// The supervisor runs on one thread; nothing here needs to be `Send`.
pub trait Launcher {
    /// A node that it launched.
    type Node: LaunchedNode + 'static;

    /// Whether nodes go on when their supervisor ends. The next command starts another one then, which takes them over
    /// with [`adopt`](Self::adopt). Dropping a [`Node`](Self::Node) must not end such a node.
    const NODES_OUTLIVE_SUPERVISOR: bool = false;

    /// The world that an attempt runs in. Asked once for each attempt, before its first launch; what the
    /// attempt before held (ports, for instance) can be given up. Asked again, and to be answered alike, by a
    /// supervisor that takes the attempt over.
    fn world(&mut self, attempt: &Attempt<'_>) -> impl Future<Output = Result<World>>;

    /// Launches one node. `node` is as the attempt's world makes it. The nodes of a step are launched at the same time.
    fn launch(
        &self,
        attempt: &Attempt<'_>,
        step: &PlannedStep,
        node: &PlannedNode,
    ) -> impl Future<Output = Result<Self::Node>>;

    /// Takes over a node that an earlier supervisor launched in this attempt, also one that has ended since; `None`:
    /// there is no such node. Its outputs go on behind what was `seen` of them; where that isn't known, with what
    /// comes from now on.
    ///
    /// An error leaves everything as it is: the supervisor ends, and the next command tries again.
    fn adopt(
        &self,
        attempt: &Attempt<'_>,
        step: &PlannedStep,
        node: &PlannedNode,
        seen: Option<Seen>,
    ) -> impl Future<Output = Result<Option<Self::Node>>> {
        let _ = (attempt, step, node, seen);
        async { Ok(None) }
    }

    /// Removes what it made for this job, when no node of it runs any more.
    fn clean_up(&mut self) -> impl Future<Output = Result<()>> {
        async { Ok(()) }
    }
}

/// A running node.
pub trait LaunchedNode {
    /// Its outputs. Asked once, right after the launch or the adoption; they end some time after the node.
    fn outputs(&mut self) -> Vec<(OutputStream, Output)>;

    /// Waits for the end of the node. Dropping the future and asking again loses nothing.
    fn wait(&mut self) -> impl Future<Output = Result<NodeExit>>;

    /// Signals everything in the node.
    fn signal(&mut self, ending: Ending) -> impl Future<Output = Result<()>>;

    /// Ends what is left in the node after [`wait`](Self::wait) has returned. An engine that ends a node as a whole
    /// has nothing to do.
    fn clear(&mut self) -> impl Future<Output = ()> {
        async {}
    }
}

/// How many bytes of each output of a node are in its log. One more than there were, where an output ended in the middle
/// of a line.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Seen {
    /// Of its standard output.
    pub stdout: u64,
    /// Of its standard error.
    pub stderr: u64,
}

/// An output of a node.
pub type Output = Pin<Box<dyn AsyncRead>>;

/// How a node is ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// Asked: SIGTERM to its programs.
    Terminate,
    /// Forced: SIGKILL to everything.
    Kill,
}

/// A start of the whole gang.
#[derive(Clone, Copy, Debug)]
pub struct Attempt<'a> {
    /// Which, from 1.
    pub number: u32,
    /// The job.
    pub submission: &'a Submission,
    /// Its neutral plan.
    pub plan: &'a LaunchPlan,
    /// Its folder.
    pub folder: &'a JobFolder,
}

impl Attempt<'_> {
    /// What is added to the environment of every node ([`World::additions`]), with output folder and error
    /// files at the paths where `output_dir` and `error_file` say that a node sees them.
    pub fn additions(
        &self,
        output_dir: Option<&str>,
        error_file: impl Fn(&PlannedStep, &PlannedNode) -> Option<String>,
    ) -> BTreeMap<(String, NodeIndex), Vec<EnvVar>> {
        let nodes = self.plan.steps.iter().flat_map(|step| step.nodes.iter().map(move |node| (step, node)));
        nodes
            .map(|(step, node)| {
                let error_file = error_file(step, node);
                let facts = NodeFacts {
                    job: &self.submission.name,
                    uid: &self.submission.uid,
                    attempt: self.number,
                    step: &step.name,
                    node: node.index,
                    output_dir,
                    error_file: error_file.as_deref(),
                };
                ((step.name.clone(), node.index), prepare::additions(&facts))
            })
            .collect()
    }
}
