//! The logs of a job's nodes as one stream, in the order of time.

use trainer_core::{
    Error, ErrorKind, Job, Result,
    job::{LogItem, LogQuery, LogStream},
};

use super::{cri, node_reader::NodeReader};
use crate::{
    jobs::{Changes, JobFolder, Jobs},
    stream::{Sink, from_thread},
};

/// What the nodes of `job` wrote and, if asked for, will write.
pub(crate) fn stream(jobs: Jobs, job: &Job, query: &LogQuery) -> Result<LogStream> {
    let folder = jobs.folder(&job.name)?;
    let mut nodes = Vec::new();
    for step in &job.steps {
        let step_wanted = query.step.as_ref().is_none_or(|wanted| *wanted == step.name);
        let wanted = |node| query.nodes.is_empty() || query.nodes.contains(&node);
        nodes.extend(
            step.nodes
                .iter()
                .filter(|node| step_wanted && wanted(node.index))
                .map(|node| (step.name.clone(), node.index)),
        );
    }
    if let Some(step) = query.step.as_ref().filter(|step| !job.steps.iter().any(|known| known.name == **step)) {
        let known: Vec<_> = job.steps.iter().map(|step| step.name.as_str()).collect();
        return Err(Error::new(ErrorKind::NotFound, format!("the job `{}` has no step `{step}`", job.name))
            .with_hint(format!("its steps are {}", known.join(", "))));
    }
    if let Some(node) = query.nodes.iter().find(|wanted| !nodes.iter().any(|(_, node)| node == *wanted)) {
        return Err(Error::new(ErrorKind::NotFound, format!("the job `{}` has no node {node}", job.name))
            .with_hint("nodes are counted from 0"));
    }
    let (job, query) = (job.clone(), query.clone());
    Ok(from_thread("trainer-logs", move |sink| {
        if let Err(error) = read(&jobs, &job, &folder, &nodes, &query, &sink) {
            sink.send(Err(error));
        }
    }))
}

fn read(
    jobs: &Jobs,
    job: &Job,
    folder: &JobFolder,
    nodes: &[(String, trainer_core::NodeIndex)],
    query: &LogQuery,
    sink: &Sink<LogItem>,
) -> Result<()> {
    let logs = folder.logs();
    // Before the first look, so that nothing happens unseen between the two.
    let changes = query.follow.then(|| Changes::of(&[&logs, folder.path()]));
    let failed = |error| Error::io("read", &logs, error);
    let mut readers: Vec<NodeReader> =
        nodes.iter().map(|(step, node)| NodeReader::new(folder.log_file(step, *node), step, *node)).collect();
    if let Some(lines) = query.tail {
        for reader in &mut readers {
            reader.keep_last(lines).map_err(failed)?;
        }
    }
    let since = query.since.map(|since| cri::time(since).into_bytes());
    loop {
        // Before reading, so that what is written before the end is read.
        let over = match &changes {
            None => true,
            Some(_) => jobs.look_up(&job.name)?.is_none_or(|now| now.uid != job.uid || now.phase.is_settled()),
        };
        if !drain(&mut readers, since.as_deref(), sink).map_err(failed)? || over {
            return Ok(());
        }
        if let Some(changes) = &changes
            && !changes.wait(sink)
        {
            return Ok(());
        }
    }
}

/// Sends what has been written, the earliest first. `false`: nobody listens any more.
fn drain(readers: &mut [NodeReader], since: Option<&[u8]>, sink: &Sink<LogItem>) -> std::io::Result<bool> {
    loop {
        let mut earliest: Option<(usize, Vec<u8>)> = None;
        for (index, reader) in readers.iter_mut().enumerate() {
            if let Some(head) = reader.peek()?
                && earliest.as_ref().is_none_or(|(_, time)| head.time < *time)
            {
                earliest = Some((index, head.time.clone()));
            }
        }
        let Some((index, time)) = earliest else { return Ok(true) };
        let Some(item) = readers.get_mut(index).and_then(NodeReader::take) else { return Ok(true) };
        let wanted = since.is_none_or(|since| time.as_slice() >= since);
        if wanted && !sink.send(Ok(item)) {
            return Ok(false);
        }
    }
}
