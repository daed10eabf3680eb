//! Jobs that another machine, or another state folder of this one, supervises: read and deleted, never judged or adopted.

use std::{collections::HashMap, path::Path};

use bollard::models::{ContainerSummary, ContainerSummaryStateEnum as State};
use trainer_core::{
    Job, JobName, Phase, Result,
    api::TrainJob,
    job::{ListQuery, Node, NodeExit, Page, PageToken, Step},
};
use trainer_supervisor::Machine;

use super::{
    anchor,
    engine::Engine,
    labels::{self, Facts},
    objects,
};

/// The job that the engine has under this name; `None`: it has none, or what there is was left by a job of `state`, the
/// state folder of the caller, that isn't there any more.
pub(super) async fn get(engine: &Engine, backend: &str, name: &JobName, state: &Path) -> Result<Option<Job>> {
    let Some(facts) = anchor::find(engine, name).await? else { return Ok(None) };
    if is_left_over(&facts, state) {
        objects::remove_all(engine, &facts.uid).await?;
        return Ok(None);
    }
    let nodes = objects::containers(engine, labels::nodes(Some(&facts.uid))).await?;
    Ok(Some(job(backend, facts, &nodes)))
}

/// All jobs that the engine has of others than `state`; what dead jobs of `state` left is removed.
pub(super) async fn list(engine: &Engine, backend: &str, state: &Path) -> Result<Vec<Job>> {
    let anchors = objects::containers(engine, labels::anchors()).await?;
    let facts: Vec<Facts> = anchors.iter().filter_map(|anchor| Facts::of_anchor(anchor.labels.as_ref()?)).collect();
    let (own, foreign): (Vec<_>, Vec<_>) = facts.into_iter().partition(|facts| is_of(facts, state));
    for facts in own.iter().filter(|facts| is_left_over(facts, state)) {
        objects::remove_all(engine, &facts.uid).await?;
    }
    if foreign.is_empty() {
        return Ok(Vec::new());
    }
    let mut nodes: HashMap<String, Vec<ContainerSummary>> = HashMap::new();
    for node in objects::containers(engine, labels::nodes(None)).await? {
        let uid = node.labels.as_ref().and_then(|labels| labels.get(labels::UID)).cloned().unwrap_or_default();
        nodes.entry(uid).or_default().push(node);
    }
    Ok(foreign
        .into_iter()
        .map(|facts| {
            let nodes = nodes.remove(&facts.uid).unwrap_or_default();
            job(backend, facts, &nodes)
        })
        .collect())
}

/// A page of both: `own`, which is one already, and `foreign`, which is everything.
pub(super) fn merge(query: &ListQuery, own: Page<Job>, mut foreign: Vec<Job>) -> Page<Job> {
    let key = |job: &Job| (job.created, job.name.clone());
    if let Some((created, name)) = query.after.as_ref().and_then(|token| token.0.split_once('/')) {
        let created: i128 = created.parse().unwrap_or(i128::MAX);
        foreign.retain(|job| (job.created.as_nanosecond(), job.name.as_str()) < (created, name));
    }
    let mut items = own.items;
    items.append(&mut foreign);
    items.sort_by_key(|job| std::cmp::Reverse(key(job)));
    let more = own.next.is_some() || items.len() > query.limit;
    items.truncate(query.limit);
    let last = items.last().filter(|_| more);
    let next = last.map(|job| PageToken(format!("{}/{}", job.created.as_nanosecond(), job.name)));
    Page { items, next }
}

/// Removes what jobs of `state` left that aren't there any more: their command was killed.
pub(super) async fn sweep(engine: &Engine, name: &JobName, state: &Path) -> Result<()> {
    match anchor::find(engine, name).await? {
        Some(facts) if is_left_over(&facts, state) => objects::remove_all(engine, &facts.uid).await,
        _ => Ok(()),
    }
}

/// Whether the job was submitted from here, into this state folder.
fn is_of(facts: &Facts, state: &Path) -> bool {
    facts.machine.is_here() && Path::new(&facts.state) == state
}

/// Whether the job was submitted from here, and is no more.
fn is_left_over(facts: &Facts, state: &Path) -> bool {
    let folder = trainer_supervisor::JobFolder::of(state, &facts.name);
    is_of(facts, state)
        && match folder.submission() {
            Ok(submission) => submission.uid != facts.uid,
            // A folder that can't be read may be a job's all the same.
            Err(_) => !folder.path().exists(),
        }
}

/// Who supervises a job.
pub(super) fn supervisor(facts: &Facts) -> String {
    let here = Machine::here();
    match (facts.machine.id == here.id, facts.machine.user == here.user) {
        (true, true) => format!("on this machine, in the state folder {}", facts.state),
        (true, false) => format!("on this machine, by the user {}", facts.machine.user),
        (false, _) => format!("on {}", facts.machine.host),
    }
}

/// The job as its containers show it.
fn job(backend: &str, facts: Facts, containers: &[ContainerSummary]) -> Job {
    let whose = supervisor(&facts);
    let object = facts.object.unwrap_or_else(|| TrainJob::new(&facts.name, ""));
    let mut job = Job::new(facts.name, facts.uid, backend, object);
    job.created = facts.created;
    job.object.metadata.uid = Some(job.uid.clone());
    job.object.metadata.creation_timestamp = Some(facts.created);
    for container in containers {
        let Some((step, index)) = container.labels.as_ref().and_then(labels::node_of) else { continue };
        let (phase, exit) = standing(container);
        let node = Node { index, phase, exit, reason: None };
        match job.steps.iter_mut().find(|known| known.name == step) {
            Some(step) => step.nodes.push(node),
            None => job.steps.push(Step { name: step, phase: Phase::Unknown, nodes: vec![node] }),
        }
    }
    for step in &mut job.steps {
        step.nodes.sort_by_key(|node| node.index);
        let any = |phase| step.nodes.iter().any(|node| node.phase == phase);
        step.phase = if any(Phase::Running) { Phase::Running } else { Phase::Unknown };
    }
    let runs = job.steps.iter().any(|step| step.phase == Phase::Running);
    // What has ended may be restarted, stopped or complete: only who supervises it knows.
    job.phase = if runs { Phase::Running } else { Phase::Unknown };
    job.reason = Some(format!("supervised {whose}"));
    job
}

fn standing(container: &ContainerSummary) -> (Phase, Option<NodeExit>) {
    match container.state {
        Some(State::RUNNING | State::PAUSED | State::RESTARTING) => (Phase::Running, None),
        Some(State::CREATED) => (Phase::Created, None),
        _ => (Phase::Unknown, exit_code(container.status.as_deref().unwrap_or_default()).map(NodeExit::Code)),
    }
}

/// The code in `Exited (137) 5 minutes ago`.
fn exit_code(status: &str) -> Option<i32> {
    let (_, rest) = status.split_once('(')?;
    rest.split_once(')')?.0.parse().ok()
}
