//! Taking an attempt over from a supervisor that has ended, whose nodes went on.

use std::future::ready;

use futures_util::future::try_join_all;
use trainer_core::{
    Error, NodeIndex, Phase, Result,
    job::{Node, NodeExit, Step},
    plan::{PlannedStep, localize},
};

use super::{
    Record,
    attempt::{Gang, describe, is_due},
    blame::{Cause, Guilt},
    node::{NodeEnd, NodeFiles},
};
use crate::{
    launcher::{Attempt, Launcher},
    logs::{Kept, NodeLog},
};

impl Gang {
    /// The gang of the present attempt, as it is by now.
    pub(super) async fn adopt<L: Launcher>(record: &mut Record, launcher: &mut L) -> Result<Self> {
        let world = launcher.world(&record.attempt()).await?;
        let mut gang = Self::new(localize(record.plan(), &world));
        let plan = gang.plan.clone();
        let launcher = &*launcher;

        let attempt = record.attempt();
        let mut left = Vec::new();
        for (index, (step, known)) in plan.steps.iter().zip(record.steps()).enumerate() {
            let may_be_there = |node: &Node| may_be_there(node, known, is_due(step, record));
            let nodes = step.nodes.iter().zip(&known.nodes).filter(|(_, known)| may_be_there(known));
            left.extend(nodes.map(|(planned, known)| (index, step, planned, known.phase)));
        }
        let attempt = &attempt;
        let found = try_join_all(left.iter().map(async |(_, step, planned, _)| {
            let kept = Kept::of(&attempt.folder.log_file(&step.name, planned.index), attempt.number);
            let node = launcher.adopt(attempt, step, planned, kept.seen).await?;
            Ok::<_, Error>(node.map(|node| (node, files(attempt, step, planned.index, kept))))
        }))
        .await?;

        for ((index, _, planned, phase), found) in left.into_iter().zip(found) {
            match found {
                Some((node, files)) => {
                    record.found(index, planned.index);
                    gang.follow(index, planned.index, node, files);
                }
                None if phase == Phase::Running => {
                    let text = "it was removed while nobody supervised it".to_owned();
                    let cause = Some(Cause { text, time: None });
                    let end = NodeEnd { step: index, node: planned.index, exit: NodeExit::Lost, cause };
                    gang.running.push(Box::pin(ready(end)));
                }
                // Its launch had not begun.
                None => {}
            }
        }
        gang.recall_failures(record);
        Ok(gang)
    }

    /// What failed before, and was recorded, is why the attempt is ending.
    fn recall_failures(&mut self, record: &Record) {
        let plan = self.plan.clone();
        for (index, (step, known)) in plan.steps.iter().zip(record.steps()).enumerate() {
            let failed: Vec<_> = known.nodes.iter().filter(|node| node.phase == Phase::Failed).collect();
            for node in &failed {
                let cause = node.reason.clone().map(|text| Cause { text, time: None });
                let exit = node.exit.unwrap_or(NodeExit::Lost);
                self.blame(index, describe(step, node.index, exit, cause.as_ref()), Guilt::of(cause.as_ref()));
            }
            if known.phase == Phase::Failed && failed.is_empty() {
                self.fail_launch(index, format!("the step `{}` could not be launched", step.name));
            }
        }
    }
}

/// Whether the node was launched, or may have been: all nodes of a step are launched before it is recorded.
fn may_be_there(node: &Node, step: &Step, is_due: bool) -> bool {
    match node.phase {
        Phase::Running => true,
        Phase::Created => step.phase == Phase::Failed || (step.phase == Phase::Created && is_due),
        _ => false,
    }
}

fn files(attempt: &Attempt<'_>, step: &PlannedStep, node: NodeIndex, kept: Kept) -> NodeFiles {
    let mut log = NodeLog::open(attempt.folder.log_file(&step.name, node));
    if kept.seen.is_none() {
        log.mark_gap("what was written while nobody supervised the job may be missing here");
    }
    let error = attempt.folder.error_file(attempt.number, &step.name, node);
    NodeFiles { log, last_words: kept.last_words, error }
}
