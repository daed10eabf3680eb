//! One attempt: steps in order, all nodes of a step at once, and the end of all at the first failure.

use std::{pin::Pin, rc::Rc, time::Duration};

use futures_util::{StreamExt as _, future::join_all, stream::FuturesUnordered};
use tokio::{
    sync::watch,
    time::{Instant, sleep_until},
};
use trainer_core::{
    NodeIndex, Phase,
    job::{NodeExit, Severity},
    plan::{DependencyStatus, LaunchPlan, PlannedStep, SuccessOperator},
};

use super::{
    Control, Interrupt, Record,
    blame::{Cause, Guilt, SETTLING},
    grace,
    node::{NodeEnd, NodeFiles, follow},
};
use crate::launcher::{Ending, LaunchedNode, Launcher};

/// What an attempt came to.
pub(super) enum AttemptEnd {
    Complete,
    Failed(Failure),
    Interrupted(Interrupt),
}

/// A failure, and who is to blame for it.
pub(super) struct Failure {
    /// Index of the step.
    pub(super) step: usize,
    pub(super) reason: String,
    guilt: Guilt,
    /// What came while the other nodes were being ended.
    pub(super) interrupt: Option<Interrupt>,
}

async fn at(time: Option<Instant>) {
    sleep_until(time.unwrap_or_else(Instant::now)).await;
}

/// The nodes of an attempt.
pub(super) struct Gang {
    /// As it is executed.
    pub(super) plan: Rc<LaunchPlan>,
    pub(super) running: FuturesUnordered<Pin<Box<dyn Future<Output = NodeEnd>>>>,
    pub(super) ending: watch::Sender<Option<Ending>>,
    /// While it is set, a node has failed and the others still end by themselves.
    terminate_at: Option<Instant>,
    kill_at: Option<Instant>,
    /// Set once: what happens while the nodes end changes nothing about it, but for who is to blame.
    end: Option<AttemptEnd>,
}

impl Gang {
    /// Of which nothing runs.
    pub(super) fn new(plan: LaunchPlan) -> Self {
        let (ending, _) = watch::channel(None);
        let running = FuturesUnordered::new();
        Self { plan: Rc::new(plan), running, ending, terminate_at: None, kill_at: None, end: None }
    }

    /// From step to step, until nothing runs any more.
    pub(super) async fn run<L: Launcher>(
        mut self,
        record: &mut Record,
        launcher: &L,
        control: &mut Control,
    ) -> AttemptEnd {
        let plan = Rc::clone(&self.plan);
        loop {
            if self.end.is_none() {
                if is_successful(record, &plan) {
                    self.finish(AttemptEnd::Complete, grace(&plan));
                } else {
                    self.launch_due_steps(record, launcher, &plan).await;
                }
            }
            if self.running.is_empty() {
                break;
            }
            let (terminate_at, kill_at) = (self.terminate_at, self.kill_at);
            tokio::select! {
                biased;
                Some(ended) = self.running.next() => self.note_end(record, &plan, ended),
                interrupt = control.next() => match interrupt {
                    Interrupt::Ended(_) if L::NODES_OUTLIVE_SUPERVISOR => return AttemptEnd::Interrupted(interrupt),
                    interrupt => self.interrupt(record, interrupt),
                },
                () = at(terminate_at), if terminate_at.is_some() => self.terminate(grace(&plan)),
                () = at(kill_at), if kill_at.is_some() => self.kill(),
            }
        }
        // Nothing runs and nothing is due: a plan whose steps wait for each other.
        self.end.unwrap_or_else(|| {
            let waiting = record.steps().iter().position(|step| step.phase == Phase::Created).unwrap_or_default();
            let reason = "its steps wait for each other".to_owned();
            AttemptEnd::Failed(Failure { step: waiting, reason, guilt: Guilt::of(None), interrupt: None })
        })
    }

    async fn launch_due_steps<L: Launcher>(&mut self, record: &mut Record, launcher: &L, plan: &LaunchPlan) {
        for (index, step) in plan.steps.iter().enumerate() {
            let waiting = record.steps().get(index).is_some_and(|step| step.phase == Phase::Created);
            if !waiting || !is_due(step, record) {
                continue;
            }
            if let Err(reason) = self.launch(record, launcher, index, step).await {
                record.event(Severity::Warning, "LaunchFailed", &step.name, reason.clone());
                record.enter_step(index, Phase::Failed);
                self.fail_launch(index, reason);
                return;
            }
            record.launched(index);
        }
    }

    async fn launch<L: Launcher>(
        &mut self,
        record: &Record,
        launcher: &L,
        index: usize,
        step: &PlannedStep,
    ) -> Result<(), String> {
        let attempt = record.attempt();
        let waiting: Vec<_> =
            step.nodes.iter().filter(|node| record.node_phase(index, node.index) == Some(Phase::Created)).collect();
        let files: Vec<_> = waiting.iter().map(|node| NodeFiles::begin(&attempt, step, node.index)).collect();
        let launches = waiting.iter().map(|node| launcher.launch(&attempt, step, node));
        let mut outcome = Ok(());
        for ((planned, node), files) in waiting.iter().zip(join_all(launches).await).zip(files) {
            match node {
                Ok(node) => self.follow(index, planned.index, node, files),
                Err(error) => {
                    let failed = || format!("{} could not be launched: {error}", node_name(step, planned.index.0));
                    outcome = outcome.and_then(|()| Err(failed()));
                }
            }
        }
        outcome
    }

    pub(super) fn follow(
        &mut self,
        step: usize,
        index: NodeIndex,
        node: impl LaunchedNode + 'static,
        files: NodeFiles,
    ) {
        self.running.push(Box::pin(follow(step, index, node, files, self.ending.subscribe())));
    }

    /// The step couldn't be launched: what runs is ended.
    pub(super) fn fail_launch(&mut self, step: usize, reason: String) {
        let failure = Failure { step, reason, guilt: Guilt::of(None), interrupt: None };
        self.finish(AttemptEnd::Failed(failure), Duration::ZERO);
    }

    fn note_end(&mut self, record: &mut Record, plan: &LaunchPlan, ended: NodeEnd) {
        let Some(step) = plan.steps.get(ended.step) else { return };
        let expected = self.end.is_some() && self.terminate_at.is_none();
        let failed = !ended.exit.is_success();
        // What a program said last before it ran out of memory isn't why.
        let says_why = failed && !expected && ended.exit != NodeExit::OutOfMemory;
        let cause = ended.cause.filter(|_| says_why);
        record.ended(ended.step, ended.node, ended.exit, expected, cause.as_ref().map(|cause| cause.text.clone()));
        if !failed || expected {
            return;
        }
        let reason = describe(step, ended.node, ended.exit, cause.as_ref());
        let object = format!("{}-{}", step.name, ended.node);
        record.event(Severity::Warning, "NodeFailed", &object, reason.clone());
        self.blame(ended.step, reason, Guilt::of(cause.as_ref()));
    }

    /// The attempt has failed over a node, or over one of several.
    pub(super) fn blame(&mut self, step: usize, reason: String, guilt: Guilt) {
        match &mut self.end {
            Some(AttemptEnd::Failed(first)) => {
                if guilt < first.guilt {
                    (first.step, first.reason, first.guilt) = (step, reason, guilt);
                }
            }
            Some(_) => {}
            None => {
                let failure = Failure { step, reason, guilt, interrupt: None };
                self.end = Some(AttemptEnd::Failed(failure));
                self.terminate_at = Some(Instant::now() + SETTLING);
            }
        }
    }

    pub(super) fn interrupt(&mut self, record: &mut Record, interrupt: Interrupt) {
        let grace = match &interrupt {
            Interrupt::Intent(intent) => {
                intent.grace_milliseconds.map_or_else(|| grace(record.plan()), Duration::from_millis)
            }
            Interrupt::Deadline(_) => grace(record.plan()),
            // Whoever ends supervisors won't wait for long.
            Interrupt::Ended(_) => Duration::from_secs(2),
        };
        if let Interrupt::Intent(intent) = &interrupt {
            let phase = if intent.delete { Phase::Deleting } else { Phase::Stopping };
            record.enter(phase, Some(format!("stopped by {}", intent.by)));
            record.event(Severity::Normal, "Stopping", "job", format!("stopped by {}", intent.by));
        }
        match &mut self.end {
            None => self.finish(AttemptEnd::Interrupted(interrupt), grace),
            Some(end) => {
                if let AttemptEnd::Failed(failure) = end {
                    failure.interrupt = Some(interrupt);
                }
                if self.terminate_at.is_some() {
                    return self.terminate(grace);
                }
                // Whoever asks again may be in more of a hurry.
                let sooner = Instant::now() + grace;
                self.kill_at = self.kill_at.map(|planned| planned.min(sooner));
            }
        }
    }

    /// Settles what the attempt came to, and ends what still runs.
    fn finish(&mut self, end: AttemptEnd, grace: Duration) {
        self.end = Some(end);
        if self.running.is_empty() {
            return;
        }
        self.terminate(grace);
    }

    fn terminate(&mut self, grace: Duration) {
        self.terminate_at = None;
        if grace.is_zero() {
            self.kill();
        } else {
            self.ending.send_replace(Some(Ending::Terminate));
            self.kill_at = Some(Instant::now() + grace);
        }
    }

    fn kill(&mut self) {
        self.kill_at = None;
        self.ending.send_replace(Some(Ending::Kill));
    }
}

/// Whether a step has nothing to wait for any more.
pub(super) fn is_due(step: &PlannedStep, record: &Record) -> bool {
    step.depends_on.iter().all(|dependency| {
        let phase = record.steps().iter().find(|other| other.name == dependency.name).map(|other| other.phase);
        match dependency.status {
            DependencyStatus::Complete => phase == Some(Phase::Complete),
            DependencyStatus::Ready => matches!(phase, Some(Phase::Running | Phase::Complete)),
        }
    })
}

/// Whether the steps that decide have succeeded.
fn is_successful(record: &Record, plan: &LaunchPlan) -> bool {
    let policy = &plan.success_policy;
    let mut deciding =
        record.steps().iter().filter(|step| policy.steps.is_empty() || policy.steps.contains(&step.name));
    match policy.operator {
        SuccessOperator::All => deciding.all(|step| step.phase == Phase::Complete),
        SuccessOperator::Any => deciding.any(|step| step.phase == Phase::Complete),
    }
}

/// `node 2`; with the step where that isn't the obvious one.
fn node_name(step: &PlannedStep, node: u32) -> String {
    match (step.name.as_str(), step.node_count) {
        ("node", _) => format!("node {node}"),
        (name, 1) => format!("step {name}"),
        (name, _) => format!("step {name}, node {node}"),
    }
}

/// Which node failed, how, and over what.
pub(super) fn describe(step: &PlannedStep, node: NodeIndex, exit: NodeExit, cause: Option<&Cause>) -> String {
    let name = node_name(step, node.0);
    match cause {
        Some(cause) => format!("{name} {exit}: {}", cause.text),
        None => format!("{name} {exit}"),
    }
}
