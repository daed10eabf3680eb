//! The life of a node's containers, as a task of its own: their output is passed on, and their end is told by what the
//! engine says of them, never by a connection that broke.

use std::{
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use bollard::models::ContainerState;
use tokio::time::{Instant, sleep};
use trainer_core::{
    ErrorKind,
    job::{NodeExit, Severity},
};

use super::{
    engine::Engine,
    memory, node,
    node::{Course, Diary},
    objects,
    output::{Chunks, Outlets, Source, StreamEnd},
};

/// A container of a node.
#[derive(Clone, Debug)]
pub(super) struct Stage {
    /// Its identity in the engine.
    pub(super) id: String,
    /// The program that it runs; empty: the image's.
    pub(super) program: String,
    /// Whether its memory is limited.
    pub(super) is_limited: bool,
}

/// Without output for so long, the engine is asked whether the container still runs.
const PATIENCE: Duration = Duration::from_secs(10);

/// How long an engine may take to notice that a container has ended whose output has.
const NOTICING: Duration = Duration::from_secs(2);

/// Between two questions to an engine that doesn't answer, or gives no sense.
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// The life of one node.
pub(super) struct Life {
    pub(super) engine: Engine,
    pub(super) course: Arc<Course>,
    pub(super) diary: Diary,
}

/// What the engine says of a container.
enum State {
    Fresh,
    Running,
    Ended(ContainerState),
    Gone,
}

impl Life {
    /// Sees the containers through. `first`: the output of the first one, which has been started; without it they are
    /// wherever an earlier supervisor left them.
    pub(super) async fn live(self, mut outlets: Outlets, first: Option<Chunks>) -> NodeExit {
        let mut started = first.map(Source::attached);
        let is_adopted = started.is_none();
        let mut exit = NodeExit::Lost;
        for (index, stage) in self.course.stages.iter().enumerate() {
            self.course.current.store(index, Ordering::Relaxed);
            outlets.begin();
            let source = match started.take() {
                Some(source) => source,
                None if is_adopted && !matches!(self.state(stage).await.0, State::Fresh) => {
                    Source::log(&self.engine, &stage.id, true)
                }
                None if self.course.is_ending.load(Ordering::Relaxed) => return exit,
                None => match node::start(&self.engine, &stage.id).await {
                    Ok(chunks) => Source::attached(chunks),
                    Err(error) => {
                        outlets.say(&error.to_string()).await;
                        return NodeExit::Code(NOT_STARTED);
                    }
                },
            };
            exit = self.follow(stage, source, &mut outlets).await;
            if !exit.is_success() {
                break;
            }
        }
        exit
    }

    /// Passes the output of one container on until it has ended.
    async fn follow(&self, stage: &Stage, mut source: Source, outlets: &mut Outlets) -> NodeExit {
        let mut pause = Duration::from_millis(100);
        let mut engine_was_away = false;
        loop {
            let end = outlets.pump(&mut source, PATIENCE).await;
            let closed = Instant::now();
            let mut look = Duration::from_millis(5);
            // The end of the output is nearly always the end of the container; the engine is a little later.
            let (state, was_away) = loop {
                let (state, was_away) = self.state(stage).await;
                let waits = end != StreamEnd::Silent && !was_away && closed.elapsed() < NOTICING;
                if !matches!(state, State::Running) || !waits {
                    break (state, was_away);
                }
                sleep(look).await;
                look = (look * 2).min(Duration::from_millis(100));
            };
            engine_was_away |= was_away;
            match state {
                State::Running | State::Fresh if end == StreamEnd::Silent && !was_away => {}
                State::Running | State::Fresh => {
                    sleep(pause).await;
                    pause = (pause * 2).min(LONGEST_PAUSE);
                    source = Source::log(&self.engine, &stage.id, true);
                }
                State::Ended(state) => {
                    if end != StreamEnd::Closed || was_away || source.is_log() {
                        // Something may have been written while nobody listened; and who follows a log of Docker's is
                        // not told of a last line without its end.
                        outlets.pump(&mut Source::log(&self.engine, &stage.id, false), NOTICING).await;
                    }
                    if outlets.first_words().contains(NO_PROGRAM) {
                        outlets.say(&format!("there is no program `{}` in the image", stage.program)).await;
                        return NodeExit::Code(NOT_FOUND);
                    }
                    return self.exit(stage, &state, engine_was_away).await;
                }
                State::Gone => {
                    self.diary.note(Severity::Warning, "ContainerRemoved", "its container was removed");
                    return NodeExit::Lost;
                }
            }
        }
    }

    /// How a container stands, as soon as its engine says so; and whether it took more than one question.
    async fn state(&self, stage: &Stage) -> (State, bool) {
        let mut pause = Duration::from_millis(50);
        let mut said = false;
        loop {
            match objects::inspect(&self.engine, &stage.id).await {
                Ok(None) => return (State::Gone, said),
                Ok(Some(container)) => {
                    let state = container.state.unwrap_or_default();
                    let state = if state.running == Some(true) || state.restarting == Some(true) {
                        State::Running
                    } else if is_fresh(&state) {
                        State::Fresh
                    } else {
                        State::Ended(state)
                    };
                    if said {
                        self.diary.note(Severity::Normal, "EngineAnswers", "the container engine answers again");
                    }
                    return (state, said);
                }
                Err(error) => {
                    if !said && error.kind() == ErrorKind::Unreachable {
                        said = true;
                        self.diary.note(Severity::Warning, "EngineUnreachable", error.to_string());
                    }
                    sleep(pause).await;
                    pause = (pause * 2).min(LONGEST_PAUSE);
                }
            }
        }
    }

    /// How a container that has ended did.
    async fn exit(&self, stage: &Stage, state: &ContainerState, engine_was_away: bool) -> NodeExit {
        let code = i32::try_from(state.exit_code.unwrap_or_default()).unwrap_or(-1);
        if let Some(error) = state.error.as_deref().filter(|error| !error.is_empty()) {
            self.diary.note(Severity::Warning, "ContainerFailed", error);
        }
        if code != 0 && !self.course.is_killed.load(Ordering::Relaxed) {
            if engine_was_away {
                let message = "the container engine was restarted, and the node had ended when it came back";
                self.diary.note(Severity::Warning, "EngineRestarted", message);
            } else if let Some(evidence) = memory::evidence(stage, state, code).await {
                self.diary.note(Severity::Warning, "OutOfMemory", evidence);
                return NodeExit::OutOfMemory;
            }
        }
        match code {
            129..=159 => NodeExit::Signal(code - 128),
            code => NodeExit::Code(code),
        }
    }
}

/// What Podman's init says of a program that isn't there, without its name, before it ends with the code 1.
const NO_PROGRAM: &str = "failed to exec pid1: No such file or directory";

/// The exit code for a program that isn't there, as shells and Docker have it.
const NOT_FOUND: i32 = 127;

/// The exit code of a container that could not be started, as the `docker` command has it.
const NOT_STARTED: i32 = 125;

/// Whether it has never run.
fn is_fresh(state: &ContainerState) -> bool {
    use bollard::models::ContainerStateStatusEnum as Status;
    let started = state.started_at.as_deref().is_some_and(|time| !time.starts_with("0001-"));
    matches!(state.status, Some(Status::CREATED)) && !started
}
