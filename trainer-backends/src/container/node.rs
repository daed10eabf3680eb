//! A node: containers one after another (those of its initialization, then the program), from the launch to the end,
//! whatever becomes of the connection to the engine meanwhile.

use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicUsize, Ordering},
};

use bollard::query_parameters::AttachContainerOptions;
use tokio::{io::duplex, sync::watch};
use trainer_core::{
    Result,
    job::{NodeExit, OutputStream, Severity},
};
use trainer_supervisor::{Ending, JobFolder, LaunchedNode, Output, Seen};

use super::{
    ending,
    engine::Engine,
    output::{Chunks, Outlets},
    watching::{Life, Stage},
};

/// How much output may wait to be written into a node's log.
const PIPE: usize = 256 * 1024;

/// A node that was launched, or taken over. Dropping it doesn't end it.
pub(super) struct ContainerNode {
    engine: Engine,
    course: Arc<Course>,
    outputs: Vec<(OutputStream, Output)>,
    exit: watch::Receiver<Option<NodeExit>>,
}

/// How far a node is, and what was asked of it.
pub(super) struct Course {
    /// Its containers by their identity, in the order in which they run.
    pub(super) stages: Vec<Stage>,
    pub(super) current: AtomicUsize,
    /// Somebody asked it to end: no further container of it is started.
    pub(super) is_ending: AtomicBool,
    /// We killed it.
    pub(super) is_killed: AtomicBool,
}

/// What the log of a node and its job is told by.
pub(super) struct Diary {
    pub(super) folder: JobFolder,
    /// `node-1`.
    pub(super) object: String,
}

impl Diary {
    pub(super) fn note(&self, severity: Severity, reason: &str, message: impl Into<String>) {
        self.folder.record_event(severity, reason, &self.object, message);
    }
}

impl ContainerNode {
    /// Starts the first of the containers, which have been created, and sees the node through to its end.
    ///
    /// # Errors
    /// The engine's, if the container doesn't start.
    pub(super) async fn start(engine: Engine, stages: Vec<Stage>, diary: Diary) -> Result<Self> {
        let first = match stages.first() {
            Some(first) => start(&engine, &first.id).await?,
            None => Box::pin(futures_util::stream::empty()),
        };
        Ok(Self::follow(engine, stages, diary, Seen::default(), Some(first)))
    }

    /// Takes the node over, where an earlier supervisor left it.
    pub(super) fn take_over(engine: Engine, stages: Vec<Stage>, diary: Diary, seen: Seen) -> Self {
        Self::follow(engine, stages, diary, seen, None)
    }

    fn follow(engine: Engine, stages: Vec<Stage>, diary: Diary, seen: Seen, first: Option<Chunks>) -> Self {
        let (stdout, to_stdout) = duplex(PIPE);
        let (stderr, to_stderr) = duplex(PIPE);
        let course = Arc::new(Course {
            stages,
            current: AtomicUsize::new(0),
            is_ending: AtomicBool::new(false),
            is_killed: AtomicBool::new(false),
        });
        let (tell, exit) = watch::channel(None);
        let life = Life { engine: engine.clone(), course: Arc::clone(&course), diary };
        let outlets = Outlets::new(to_stdout, to_stderr, seen);
        tokio::spawn(async move {
            let how = life.live(outlets, first).await;
            tell.send_replace(Some(how));
        });
        let outputs = vec![
            (OutputStream::Stdout, Box::pin(stdout) as Output),
            (OutputStream::Stderr, Box::pin(stderr) as Output),
        ];
        Self { engine, course, outputs, exit }
    }
}

/// Starts a container, and listens to it from before its first byte.
pub(super) async fn start(engine: &Engine, container: &str) -> Result<Chunks> {
    let options =
        AttachContainerOptions { stdout: true, stderr: true, stream: true, ..AttachContainerOptions::default() };
    let attached =
        engine.ask("listen to a container", engine.client.attach_container(container, Some(options))).await?;
    engine.ask("start a container", engine.client.start_container(container, None)).await?;
    Ok(attached.output)
}

impl LaunchedNode for ContainerNode {
    fn outputs(&mut self) -> Vec<(OutputStream, Output)> {
        std::mem::take(&mut self.outputs)
    }

    async fn wait(&mut self) -> Result<NodeExit> {
        let exit = self.exit.wait_for(Option::is_some).await.ok().and_then(|exit| *exit);
        Ok(exit.unwrap_or(NodeExit::Lost))
    }

    /// Doesn't wait for the engine: all nodes are signalled at the same time.
    async fn signal(&mut self, ending: Ending) -> Result<()> {
        self.course.is_ending.store(true, Ordering::Relaxed);
        if ending == Ending::Kill {
            self.course.is_killed.store(true, Ordering::Relaxed);
        }
        let (engine, course, exit) = (self.engine.clone(), Arc::clone(&self.course), self.exit.clone());
        tokio::spawn(async move {
            let current = course.current.load(Ordering::Relaxed);
            let Some(stage) = course.stages.get(current) else { return };
            // An engine that is being restarted answers later; the node has not ended meanwhile, or says so then.
            while exit.borrow().is_none() && ending::signal(&engine, &stage.id, ending).await.is_err() {
                tokio::time::sleep(std::time::Duration::from_secs(1)).await;
            }
        });
        Ok(())
    }
}
