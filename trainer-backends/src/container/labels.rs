//! What is written on everything that a job makes in an engine: the facts about it that never change. By them any client
//! of the engine finds all of a job, and nothing of anyone else's.

use std::{collections::HashMap, path::Path};

use jiff::Timestamp;
use trainer_core::{JobName, NodeIndex, api::TrainJob};
use trainer_supervisor::{Machine, Submission};

/// The identity of the job; every object of a job has it.
pub(super) const UID: &str = "trainer.dev/uid";
/// What the object is to the job: [`ANCHOR`] or [`NODE`].
const ROLE: &str = "trainer.dev/role";
const JOB: &str = "trainer.dev/job";
const STEP: &str = "trainer.dev/step";
const NODE_INDEX: &str = "trainer.dev/node";
const ATTEMPT: &str = "trainer.dev/attempt";
const INIT: &str = "trainer.dev/init";
const CREATED: &str = "trainer.dev/created";
const OBJECT: &str = "trainer.dev/trainjob";
const MACHINE: &str = "trainer.dev/machine";
const HOST: &str = "trainer.dev/host";
const USER: &str = "trainer.dev/user";
const STATE: &str = "trainer.dev/state";

const ANCHOR: &str = "anchor";
const NODE: &str = "node";

/// A TrainJob whose text is longer is left out: engines return all labels with every list.
const LONGEST_OBJECT: usize = 64 * 1024;

pub(super) type Labels = HashMap<String, String>;

/// The labels of everything that the job makes. `state`: the state folder that it is in.
pub(super) fn of_job(submission: &Submission, state: &Path) -> Labels {
    let Machine { id, host, user } = &submission.machine;
    [
        (UID, submission.uid.clone()),
        (JOB, submission.name.to_string()),
        (CREATED, submission.created.to_string()),
        (MACHINE, id.clone()),
        (HOST, host.clone()),
        (USER, user.to_string()),
        (STATE, state.display().to_string()),
    ]
    .map(|(label, value)| (label.to_owned(), value))
    .into()
}

/// The labels of the container that holds the job's name.
pub(super) fn of_anchor(submission: &Submission, state: &Path) -> Labels {
    let mut labels = of_job(submission, state);
    labels.insert(ROLE.to_owned(), ANCHOR.to_owned());
    let object = serde_json::to_string(&submission.job).ok().filter(|object| object.len() <= LONGEST_OBJECT);
    labels.extend(object.map(|object| (OBJECT.to_owned(), object)));
    labels
}

/// The labels of a container of a node. `init`: which of its init containers it is; `None`: the program.
pub(super) fn of_node(job: &Labels, attempt: u32, step: &str, node: NodeIndex, init: Option<usize>) -> Labels {
    let mut labels = job.clone();
    labels.insert(ROLE.to_owned(), NODE.to_owned());
    labels.insert(ATTEMPT.to_owned(), attempt.to_string());
    labels.insert(STEP.to_owned(), step.to_owned());
    labels.insert(NODE_INDEX.to_owned(), node.to_string());
    labels.extend(init.map(|init| (INIT.to_owned(), init.to_string())));
    labels
}

/// Whether the object is one of the job with this identity.
pub(super) fn is_of(labels: &Labels, uid: &str) -> bool {
    labels.get(UID).is_some_and(|own| own == uid)
}

/// Whether the container is of this attempt.
pub(super) fn is_of_attempt(labels: &Labels, attempt: u32) -> bool {
    labels.get(ATTEMPT).is_some_and(|own| *own == attempt.to_string())
}

/// The filter for the objects of one job.
pub(super) fn filter(uid: &str) -> HashMap<String, Vec<String>> {
    HashMap::from([("label".to_owned(), vec![format!("{UID}={uid}")])])
}

/// The filter for the anchors of all jobs.
pub(super) fn anchors() -> HashMap<String, Vec<String>> {
    HashMap::from([("label".to_owned(), vec![format!("{ROLE}={ANCHOR}")])])
}

/// The filter for the containers of all nodes, of one job or of all jobs.
pub(super) fn nodes(uid: Option<&str>) -> HashMap<String, Vec<String>> {
    let mut labels = vec![format!("{ROLE}={NODE}")];
    labels.extend(uid.map(|uid| format!("{UID}={uid}")));
    HashMap::from([("label".to_owned(), labels)])
}

/// What the labels of an anchor say.
#[derive(Clone, Debug)]
pub(super) struct Facts {
    pub(super) name: JobName,
    pub(super) uid: String,
    pub(super) created: Timestamp,
    pub(super) machine: Machine,
    /// The state folder that it is in, on that machine.
    pub(super) state: String,
    pub(super) object: Option<TrainJob>,
}

impl Facts {
    /// `None`: the container isn't of a job.
    pub(super) fn of_anchor(labels: &Labels) -> Option<Self> {
        let text = |label: &str| labels.get(label).cloned();
        Some(Self {
            name: text(JOB)?.parse().ok()?,
            uid: text(UID)?,
            created: text(CREATED)?.parse().ok()?,
            machine: Machine { id: text(MACHINE)?, host: text(HOST)?, user: text(USER)?.parse().ok()? },
            state: text(STATE)?,
            object: text(OBJECT).and_then(|object| serde_json::from_str(&object).ok()),
        })
    }
}

/// Which node the labels of its container name; `None` for an init container's too.
pub(super) fn node_of(labels: &Labels) -> Option<(String, NodeIndex)> {
    if labels.contains_key(INIT) {
        return None;
    }
    Some((labels.get(STEP)?.clone(), NodeIndex(labels.get(NODE_INDEX)?.parse().ok()?)))
}
