//! One attempt: steps in order, all nodes of a step at once, and the end of all at the first failure.

use std::{pin::Pin, time::Duration};

use futures_util::{StreamExt as _, future::join_all, stream::FuturesUnordered};
use tokio::{
    sync::watch,
    time::{Instant, sleep_until},
};
use trainer_core::{
    Phase,
    job::Severity,
    plan::{DependencyStatus, LaunchPlan, PlannedStep, SuccessOperator, World, localize},
};

use super::{
    Control, Interrupt, Record,
    blame::{Guilt, SETTLING},
    grace,
    node::{NodeEnd, NodeFiles, follow},
};
use crate::launcher::{Ending, Launcher};

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

pub(super) async fn run<L: Launcher>(
    record: &mut Record,
    launcher: &L,
    control: &mut Control,
    world: &World,
) -> AttemptEnd {
    let plan = localize(record.plan(), world);
    let (ending, _) = watch::channel(None);
    let mut gang = Gang { running: FuturesUnordered::new(), ending, terminate_at: None, kill_at: None, end: None };
    loop {
        if gang.end.is_none() {
            if is_successful(record, &plan) {
                gang.finish(AttemptEnd::Complete, grace(&plan));
            } else {
                gang.launch_due_steps(record, launcher, &plan).await;
            }
        }
        if gang.running.is_empty() {
            break;
        }
        let (terminate_at, kill_at) = (gang.terminate_at, gang.kill_at);
        tokio::select! {
            biased;
            Some(ended) = gang.running.next() => gang.note_end(record, &plan, ended),
            interrupt = control.next() => gang.interrupt(record, interrupt),
            () = at(terminate_at), if terminate_at.is_some() => gang.terminate(grace(&plan)),
            () = at(kill_at), if kill_at.is_some() => gang.kill(),
        }
    }
    // Nothing runs and nothing is due: a plan whose steps wait for each other.
    gang.end.unwrap_or_else(|| {
        let waiting = record.steps().iter().position(|step| step.phase == Phase::Created).unwrap_or_default();
        let reason = "its steps wait for each other".to_owned();
        AttemptEnd::Failed(Failure { step: waiting, reason, guilt: Guilt::of(None), interrupt: None })
    })
}

async fn at(time: Option<Instant>) {
    sleep_until(time.unwrap_or_else(Instant::now)).await;
}

struct Gang {
    running: FuturesUnordered<Pin<Box<dyn Future<Output = NodeEnd>>>>,
    ending: watch::Sender<Option<Ending>>,
    /// While it is set, a node has failed and the others still end by themselves.
    terminate_at: Option<Instant>,
    kill_at: Option<Instant>,
    /// Set once: what happens while the nodes end changes nothing about it, but for who is to blame.
    end: Option<AttemptEnd>,
}

impl Gang {
    async fn launch_due_steps<L: Launcher>(&mut self, record: &mut Record, launcher: &L, plan: &LaunchPlan) {
        for (index, step) in plan.steps.iter().enumerate() {
            let waiting = record.steps().get(index).is_some_and(|step| step.phase == Phase::Created);
            if !waiting || !is_due(step, record) {
                continue;
            }
            if let Err(reason) = self.launch(record, launcher, index, step).await {
                record.event(Severity::Warning, "LaunchFailed", &step.name, reason.clone());
                record.enter_step(index, Phase::Failed);
                let failure = Failure { step: index, reason, guilt: Guilt::of(None), interrupt: None };
                self.finish(AttemptEnd::Failed(failure), Duration::ZERO);
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
        let launches = step.nodes.iter().map(|planned| launcher.launch(&attempt, step, planned));
        let mut outcome = Ok(());
        for (planned, node) in step.nodes.iter().zip(join_all(launches).await) {
            let node = match node {
                Ok(node) => node,
                Err(error) => {
                    let failed = || format!("{} could not be launched: {error}", node_name(step, planned.index.0));
                    outcome = outcome.and_then(|()| Err(failed()));
                    continue;
                }
            };
            let files = NodeFiles {
                log: record.folder.log_file(&step.name, planned.index),
                error: record.folder.error_file(attempt.number, &step.name, planned.index),
            };
            let follow = follow(index, planned.index, node, files, self.ending.subscribe());
            self.running.push(Box::pin(follow));
        }
        outcome
    }

    fn note_end(&mut self, record: &mut Record, plan: &LaunchPlan, ended: NodeEnd) {
        let Some(step) = plan.steps.get(ended.step) else { return };
        let name = node_name(step, ended.node.0);
        let expected = self.end.is_some() && self.terminate_at.is_none();
        let failed = !ended.exit.is_success();
        let cause = ended.cause.filter(|_| failed && !expected);
        let guilt = Guilt::of(cause.as_ref());
        let cause = cause.map(|cause| cause.text);
        record.ended(ended.step, ended.node, ended.exit, expected, cause.clone());
        if !failed || expected {
            return;
        }
        let reason = match cause {
            Some(cause) => format!("{name} {}: {cause}", ended.exit),
            None => format!("{name} {}", ended.exit),
        };
        let object = format!("{}-{}", step.name, ended.node);
        record.event(Severity::Warning, "NodeFailed", &object, reason.clone());
        match &mut self.end {
            Some(AttemptEnd::Failed(first)) => {
                if guilt < first.guilt {
                    (first.step, first.reason, first.guilt) = (ended.step, reason, guilt);
                }
            }
            Some(_) => {}
            None => {
                let failure = Failure { step: ended.step, reason, guilt, interrupt: None };
                self.end = Some(AttemptEnd::Failed(failure));
                self.terminate_at = Some(Instant::now() + SETTLING);
            }
        }
    }

    fn interrupt(&mut self, record: &mut Record, interrupt: Interrupt) {
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
fn is_due(step: &PlannedStep, record: &Record) -> bool {
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
