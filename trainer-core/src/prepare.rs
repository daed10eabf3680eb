//! What we add to every job, on every engine alike.

use std::collections::BTreeMap;

use crate::{JobName, NodeIndex, api::EnvVar, request::ReviewedJob};

/// A variable that we add.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Added {
    /// Its name.
    pub name: &'static str,
    /// What it is for.
    pub meaning: &'static str,
}

/// Everything that we add to the environment of a node. What the job sets itself stays.
pub const ADDED: &[Added] = &[
    Added { name: "TRAINER_JOB_NAME", meaning: "name of the job" },
    Added { name: "TRAINER_JOB_UID", meaning: "identity of the job; strays are found by it" },
    Added { name: "TRAINER_ATTEMPT", meaning: "how often the gang has been started, from 1" },
    Added { name: "TRAINER_STEP", meaning: "step of this node" },
    Added { name: "TRAINER_NODE", meaning: "index of this node in its step" },
    Added { name: "TRAINER_OUTPUT_DIR", meaning: "folder for what should outlive the job, the same for all nodes" },
    Added { name: "TORCHELASTIC_ERROR_FILE", meaning: "where torchrun leaves the exception of a failed rank" },
    Added { name: "PYTHONUNBUFFERED", meaning: "output appears when it is written" },
];

/// What an engine knows of a node when it launches it.
#[derive(Clone, Copy, Debug)]
pub struct NodeFacts<'a> {
    /// Name of the job.
    pub job: &'a JobName,
    /// Identity of the job.
    pub uid: &'a str,
    /// Which attempt, from 1.
    pub attempt: u32,
    /// Step of the node.
    pub step: &'a str,
    /// Index of the node in its step.
    pub node: NodeIndex,
    /// Folder for what should outlive the job, as the node sees it.
    pub output_dir: Option<&'a str>,
    /// File for the exception of a failed rank, as the node sees it.
    pub error_file: Option<&'a str>,
}

/// The variables of [`ADDED`] for one node.
#[must_use]
pub fn additions(facts: &NodeFacts<'_>) -> Vec<EnvVar> {
    let attempt = facts.attempt.to_string();
    let node = facts.node.to_string();
    ADDED
        .iter()
        .filter_map(|added| {
            let value = match added.name {
                "TRAINER_JOB_NAME" => facts.job.as_str(),
                "TRAINER_JOB_UID" => facts.uid,
                "TRAINER_ATTEMPT" => &attempt,
                "TRAINER_STEP" => facts.step,
                "TRAINER_NODE" => &node,
                "TRAINER_OUTPUT_DIR" => facts.output_dir?,
                "TORCHELASTIC_ERROR_FILE" => facts.error_file?,
                "PYTHONUNBUFFERED" => "1",
                _ => return None,
            };
            Some(EnvVar::new(added.name, value))
        })
        .collect()
}

/// The variables of [`ADDED`] for every node as a preview shows them, `<…>` for what is only known at launch: see
/// [`World::additions`](crate::plan::World::additions).
#[must_use]
pub fn preview(job: &ReviewedJob, output_dir: Option<&str>) -> BTreeMap<(String, NodeIndex), Vec<EnvVar>> {
    let nodes = job.plan().steps.iter().flat_map(|step| step.nodes.iter().map(move |node| (step, node)));
    nodes
        .map(|(step, node)| {
            let facts = NodeFacts {
                job: job.name(),
                uid: "<uid>",
                attempt: 1,
                step: &step.name,
                node: node.index,
                output_dir,
                error_file: Some("<error file>"),
            };
            ((step.name.clone(), node.index), additions(&facts))
        })
        .collect()
}
