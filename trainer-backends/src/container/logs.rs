//! Logs of a job that somebody else supervises, as its engine keeps them: of the present attempt only.

use std::pin::Pin;

use bollard::{container::LogOutput, query_parameters::LogsOptions};
use futures_util::{
    Stream, StreamExt as _,
    stream::{self, Peekable},
};
use jiff::Timestamp;
use trainer_core::{
    Error, ErrorKind, Job, NodeIndex, Result,
    job::{LogItem, LogLine, LogQuery, LogStream, OutputStream},
};

use super::{engine::Engine, labels, objects};

/// What the nodes of `job` wrote and, if asked for, will write.
///
/// # Errors
/// `NotFound` for a step or node that the job doesn't have; the engine's.
pub(super) async fn stream(engine: &Engine, job: &Job, query: &LogQuery) -> Result<LogStream> {
    let wanted = |step: &str, node: NodeIndex| {
        query.step.as_ref().is_none_or(|wanted| wanted == step)
            && (query.nodes.is_empty() || query.nodes.contains(&node))
    };
    let mut nodes = Vec::new();
    for container in objects::containers(engine, labels::nodes(Some(&job.uid))).await? {
        let Some((step, node)) = container.labels.as_ref().and_then(labels::node_of) else { continue };
        if let Some(id) = container.id.filter(|_| wanted(&step, node)) {
            nodes.push(lines(engine, &id, step, node, query));
        }
    }
    if nodes.is_empty() && (query.step.is_some() || !query.nodes.is_empty()) {
        return Err(Error::new(ErrorKind::NotFound, format!("the job `{}` has no such node", job.name))
            .with_hint(format!("`trainer get {}` shows its steps and nodes", job.name)));
    }
    Ok(if query.follow { Box::pin(stream::select_all(nodes)) } else { Box::pin(in_order(nodes)) })
}

type Lines = Pin<Box<dyn Stream<Item = Result<LogItem>> + Send>>;

/// The log of one node.
fn lines(engine: &Engine, container: &str, step: String, node: NodeIndex, query: &LogQuery) -> Lines {
    let since = query.since;
    let options = LogsOptions {
        follow: query.follow,
        stdout: true,
        stderr: true,
        timestamps: true,
        // Of whole seconds; the rest is left out below.
        since: since.and_then(|since| i32::try_from(since.as_second()).ok()).unwrap_or_default(),
        tail: query.tail.map_or_else(|| "all".to_owned(), |lines| lines.to_string()),
        ..LogsOptions::default()
    };
    let asked = engine.clone();
    let entries = engine.client.logs(container, Some(options));
    Box::pin(entries.filter_map(move |entry| {
        let item = match entry {
            Err(error) => Some(Err(asked.failed("read the log of a container", error))),
            Ok(entry) => read(&entry, &step, node)
                .filter(|line| since.is_none_or(|since| line.time >= since))
                .map(|line| Ok(LogItem::Line(line))),
        };
        std::future::ready(item)
    }))
}

/// An entry is a time, a blank, and a line or a part of one.
fn read(entry: &LogOutput, step: &str, node: NodeIndex) -> Option<LogLine> {
    let stream = if matches!(entry, LogOutput::StdErr { .. }) { OutputStream::Stderr } else { OutputStream::Stdout };
    let bytes = entry.as_ref();
    let end = bytes.iter().position(|byte| *byte == b' ')?;
    let (time, text) = bytes.split_at_checked(end)?;
    let time: Timestamp = std::str::from_utf8(time).ok()?.parse().ok()?;
    let text = text.get(1..)?;
    let (bytes, partial) = text.strip_suffix(b"\n").map_or((text, true), |line| (line, false));
    Some(LogLine { time, step: step.to_owned(), node, stream, bytes: bytes.to_vec(), partial })
}

/// The earliest first.
fn in_order(nodes: Vec<Lines>) -> impl Stream<Item = Result<LogItem>> + Send {
    let nodes: Vec<Peekable<Lines>> = nodes.into_iter().map(futures_util::StreamExt::peekable).collect();
    stream::unfold(nodes, async |mut nodes| {
        let mut earliest: Option<(usize, Timestamp)> = None;
        for (index, node) in nodes.iter_mut().enumerate() {
            let time = match Pin::new(node).peek().await {
                None => continue,
                Some(Ok(LogItem::Line(line))) => line.time,
                Some(_) => Timestamp::MIN,
            };
            if earliest.is_none_or(|(_, known)| time < known) {
                earliest = Some((index, time));
            }
        }
        let item = nodes.get_mut(earliest?.0)?.next().await?;
        Some((item, nodes))
    })
}
