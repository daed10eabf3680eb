//! A container's output on its way to the node's log: each byte once, in bounded memory.

use std::{borrow::Cow, pin::Pin, time::Duration};

use bollard::{container::LogOutput, errors::Error as EngineError, query_parameters::LogsOptions};
use futures_util::{Stream, StreamExt as _};
use tokio::{
    io::{AsyncWriteExt as _, DuplexStream},
    time::timeout,
};
use trainer_supervisor::Seen;

use super::engine::Engine;

/// What an engine sends of a container's output.
pub(super) type Chunks = Pin<Box<dyn Stream<Item = Result<LogOutput, EngineError>> + Send>>;

/// How a stream of chunks ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum StreamEnd {
    /// The engine says that there is no more.
    Closed,
    /// The connection broke.
    Broken,
    /// Nothing has come for a while.
    Silent,
}

/// So many bytes of standard error are looked at.
const FIRST_WORDS: usize = 200;

/// Where the output of a node goes. What its log has already is left out.
pub(super) struct Outlets {
    pipes: [DuplexStream; 2],
    /// How many bytes of the present container have come.
    position: [u64; 2],
    /// How many bytes of the node's output, from its beginning, are in the log already.
    skip: [u64; 2],
    /// How the standard error of the present container begins.
    first_words: Vec<u8>,
}

impl Outlets {
    pub(super) fn new(stdout: DuplexStream, stderr: DuplexStream, seen: Seen) -> Self {
        Self { pipes: [stdout, stderr], position: [0; 2], skip: [seen.stdout, seen.stderr], first_words: Vec::new() }
    }

    /// What comes from now on is the output of another container.
    pub(super) fn begin(&mut self) {
        self.position = [0; 2];
        self.first_words.clear();
    }

    /// How the standard error of the container begins.
    pub(super) fn first_words(&self) -> Cow<'_, str> {
        String::from_utf8_lossy(&self.first_words)
    }

    /// Passes on what comes from `source`, until nothing has come for as long as `patience`.
    pub(super) async fn pump(&mut self, source: &mut Source, patience: Duration) -> StreamEnd {
        loop {
            let (stream, bytes) = match timeout(patience, source.chunks.next()).await {
                Err(_) => return StreamEnd::Silent,
                Ok(None) => return StreamEnd::Closed,
                Ok(Some(Err(_))) => return StreamEnd::Broken,
                Ok(Some(Ok(LogOutput::StdErr { message }))) => (1, message),
                Ok(Some(Ok(LogOutput::StdOut { message } | LogOutput::Console { message }))) => (0, message),
                Ok(Some(Ok(LogOutput::StdIn { .. }))) => continue,
            };
            let fresh = self.fresh(stream, &mut source.at, &bytes);
            if stream == 1 {
                self.first_words.extend(bytes.iter().take(FIRST_WORDS.saturating_sub(self.first_words.len())));
            }
            if let Some(pipe) = self.pipes.get_mut(stream) {
                // Nobody listens any more: the node has been given up.
                let _ = pipe.write_all(fresh).await;
            }
        }
    }

    /// What of `bytes`, which stand at `at` in the container's output, isn't in the log.
    fn fresh<'a>(&mut self, stream: usize, at: &mut [u64; 2], bytes: &'a [u8]) -> &'a [u8] {
        let (Some(at), Some(position), Some(skip)) =
            (at.get_mut(stream), self.position.get_mut(stream), self.skip.get_mut(stream))
        else {
            return bytes;
        };
        let cut = |bytes: &'a [u8], count: u64| {
            bytes.split_at_checked(usize::try_from(count).unwrap_or(usize::MAX)).map_or(&[][..], |(_, rest)| rest)
        };
        let length = bytes.len() as u64;
        let known = (*position).saturating_sub(*at);
        *at += length;
        *position = (*position).max(*at);
        let new = cut(bytes, known);
        let seen = (*skip).min(new.len() as u64);
        *skip -= seen;
        cut(new, seen)
    }

    /// Adds a line of ours to the node's standard error.
    pub(super) async fn say(&mut self, line: &str) {
        let [_, stderr] = &mut self.pipes;
        let _ = stderr.write_all(format!("{line}\n").as_bytes()).await;
    }
}

/// An engine's account of a container's output.
pub(super) struct Source {
    chunks: Chunks,
    /// How many bytes of the container's output stand before what comes next.
    at: [u64; 2],
    is_log: bool,
}

impl Source {
    /// What an attached container writes, from its start.
    pub(super) fn attached(chunks: Chunks) -> Self {
        Self { chunks, at: [0; 2], is_log: false }
    }

    /// The log that the engine keeps of a container, from its beginning.
    pub(super) fn log(engine: &Engine, container: &str, follow: bool) -> Self {
        let options =
            LogsOptions { follow, stdout: true, stderr: true, tail: "all".to_owned(), ..LogsOptions::default() };
        Self { chunks: Box::pin(engine.client.logs(container, Some(options))), at: [0; 2], is_log: true }
    }

    /// Whether it is the engine's log.
    pub(super) fn is_log(&self) -> bool {
        self.is_log
    }
}
