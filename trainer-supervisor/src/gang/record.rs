//! The state of the job, in memory and on disk.

use std::time::Duration;

use jiff::Timestamp;
use tokio::time::{Instant, sleep};
use trainer_core::{
    NodeIndex, Phase, Result,
    job::{Node, NodeExit, Severity, Step},
    plan::{LaunchPlan, PlannedStep},
};

use crate::{
    jobs::{self, Incumbent, JobFolder, Status, Submission},
    launcher::Attempt,
    machine,
    process::{self, Mark, ProcessId},
};

/// How long a full disk may keep the end of a job from being recorded.
const RECORDING: Duration = Duration::from_secs(600);

/// The job that is being supervised.
pub(super) struct Record {
    pub(super) folder: JobFolder,
    pub(super) submission: Submission,
    plan: LaunchPlan,
    status: Status,
}

impl Record {
    pub(super) fn open(folder: JobFolder) -> Result<Self> {
        let mut status = folder.status()?;
        status.begun.get_or_insert_with(Timestamp::now);
        Ok(Self { submission: folder.submission()?, plan: folder.plan()?, status, folder })
    }

    pub(super) fn plan(&self) -> &LaunchPlan {
        &self.plan
    }

    /// The present attempt.
    pub(super) fn attempt(&self) -> Attempt<'_> {
        Attempt { number: self.status.attempt, submission: &self.submission, plan: &self.plan, folder: &self.folder }
    }

    /// How long ago the job was started, or resumed last.
    pub(super) fn age(&self) -> Duration {
        let begun = self.status.begun.map(|begun| Timestamp::now().duration_since(begun));
        begun.and_then(|age| age.try_into().ok()).unwrap_or_default()
    }

    /// What became of the supervisor whose nodes went on without it.
    pub(super) fn orphaned_by(&self) -> Option<&'static str> {
        self.status.is_outlived().then(|| jobs::loss(&self.status))
    }

    /// Whether an attempt has begun, and nobody has said what it came to.
    pub(super) fn is_in_attempt(&self) -> bool {
        matches!(self.status.phase, Phase::Running | Phase::Stopping | Phase::Deleting)
    }

    /// Whether somebody has begun to stop the job.
    pub(super) fn is_stopping(&self) -> bool {
        matches!(self.status.phase, Phase::Stopping | Phase::Deleting)
    }

    /// Says who supervises.
    pub(super) fn take_charge(&mut self, nodes_outlive: bool) -> Result<()> {
        self.status.supervisor =
            ProcessId::current().map(|process| Incumbent { process, boot: machine::boot_id(), nodes_outlive });
        self.folder.write_status(&self.status)?;
        self.folder.reserve();
        Ok(())
    }

    pub(super) fn begin_attempt(&mut self) {
        self.status.attempt += 1;
        self.status.reset_nodes(&self.plan);
        self.status.started.get_or_insert_with(Timestamp::now);
        self.enter(Phase::Running, None);
        self.event(Severity::Normal, "Started", "job", format!("attempt {}", self.status.attempt));
    }

    pub(super) fn enter(&mut self, phase: Phase, reason: Option<String>) {
        self.status.enter(phase, reason);
        self.save();
    }

    pub(super) fn enter_step(&mut self, step: usize, phase: Phase) {
        if let Some(step) = self.status.steps.get_mut(step) {
            step.phase = phase;
        }
        self.save();
    }

    /// Counts a failure of the step and enters the pause before the next attempt.
    pub(super) fn restart(&mut self, step: usize, reason: String) {
        if let Some(step) = self.plan.steps.get(step) {
            *self.status.failures.entry(step.name.clone()).or_default() += 1;
        }
        self.enter(Phase::Restarting, Some(reason));
    }

    /// How often a step has failed.
    pub(super) fn failures(&self, step: &PlannedStep) -> u32 {
        self.status.failures.get(&step.name).copied().unwrap_or_default()
    }

    /// Notes that all nodes of a step run.
    pub(super) fn launched(&mut self, step: usize) {
        if let Some(step) = self.status.steps.get_mut(step) {
            step.phase = Phase::Running;
            for node in &mut step.nodes {
                node.phase = Phase::Running;
            }
        }
        self.save();
    }

    /// Notes that a node was found running.
    pub(super) fn found(&mut self, step: usize, node: NodeIndex) {
        if let Some(node) = self.node_mut(step, node) {
            node.phase = Phase::Running;
        }
        self.save();
    }

    /// Notes how a node ended. `expected`: because we ended it.
    pub(super) fn ended(
        &mut self,
        step: usize,
        node: NodeIndex,
        exit: NodeExit,
        expected: bool,
        reason: Option<String>,
    ) {
        if let Some(node) = self.node_mut(step, node) {
            node.phase = match (exit.is_success(), expected) {
                (true, _) => Phase::Complete,
                (false, true) => Phase::Stopped,
                (false, false) => Phase::Failed,
            };
            node.exit = Some(exit);
            node.reason = reason;
        }
        if let Some(step) = self.status.steps.get_mut(step) {
            let any = |phase| step.nodes.iter().any(|node| node.phase == phase);
            step.phase = if step.phase == Phase::Failed || any(Phase::Failed) {
                Phase::Failed
            } else if any(Phase::Running) {
                Phase::Running
            } else if any(Phase::Stopped) || any(Phase::Created) {
                Phase::Stopped
            } else {
                Phase::Complete
            };
        }
        self.save();
    }

    pub(super) fn node_phase(&self, step: usize, node: NodeIndex) -> Option<Phase> {
        let known = self.status.steps.get(step)?.nodes.iter().find(|known| known.index == node)?;
        Some(known.phase)
    }

    pub(super) fn steps(&self) -> &[Step] {
        &self.status.steps
    }

    pub(super) fn event(&self, severity: Severity, reason: &str, object: &str, message: impl Into<String>) {
        self.folder.record_event(severity, reason, object, message);
    }

    /// Ends what escaped its node: everything below the reaper but us.
    pub(super) fn clear_strays(&self) {
        let reaper = rustix::process::getppid().map(rustix::process::Pid::as_raw_pid);
        // Without its reaper a supervisor has another parent, with children of its own.
        let root = reaper.filter(|reaper| *reaper != 1 && self.is_ours(*reaper));
        let spared: Vec<i32> = reaper.into_iter().collect();
        let mark = Mark { uid: &self.submission.uid, node: None };
        if !process::kill_all(Duration::from_secs(5), || process::members(mark, root, &spared)) {
            self.event(Severity::Warning, "ProcessesLeft", "job", "some processes of the job don't end");
        }
    }

    fn is_ours(&self, pid: i32) -> bool {
        process::carries(pid, &self.submission.uid)
    }

    /// Records the end of the job, and insists on it: it is what everything else relies on.
    pub(super) async fn settle(&mut self, phase: Phase, reason: Option<String>) -> Result<()> {
        let severity = if phase == Phase::Failed { Severity::Warning } else { Severity::Normal };
        self.event(severity, phase.as_str(), "job", reason.clone().unwrap_or_else(|| format!("the job is {phase}")));
        self.folder.remove_intent();
        self.status.enter(phase, reason);
        let deadline = Instant::now() + RECORDING;
        loop {
            match self.folder.write_status(&self.status) {
                Err(_) if Instant::now() < deadline => sleep(Duration::from_secs(1)).await,
                other => {
                    self.folder.give_up_reserve();
                    return other;
                }
            }
        }
    }

    fn node_mut(&mut self, step: usize, node: NodeIndex) -> Option<&mut Node> {
        self.status.steps.get_mut(step)?.nodes.iter_mut().find(|known| known.index == node)
    }

    /// A state that can't be written is written with the next one.
    fn save(&self) {
        if let Err(error) = self.folder.write_status(&self.status) {
            self.event(Severity::Warning, "StateNotWritten", "job", error.to_string());
        }
    }
}
