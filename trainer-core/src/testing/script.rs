//! What a test lets a job go through.

use std::time::Duration;

use crate::{NodeIndex, Phase};

/// What happens to a job once it has been submitted, one thing after another.
#[derive(Clone, Debug, Default)]
pub struct Script {
    pub(super) acts: Vec<Act>,
}

#[derive(Clone, Debug)]
pub(super) enum Act {
    Phase(Phase, Option<String>),
    Line(NodeIndex, Vec<u8>),
    Pause(Duration),
    Outage(Duration),
    EndWatches,
}

impl Script {
    /// A script in which nothing happens: the job stays `Created`.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The job enters `phase`.
    #[must_use]
    pub fn phase(self, phase: Phase) -> Self {
        self.act(Act::Phase(phase, None))
    }

    /// The job fails for this reason.
    #[must_use]
    pub fn fail(self, reason: impl Into<String>) -> Self {
        self.act(Act::Phase(Phase::Failed, Some(reason.into())))
    }

    /// A node writes a line, without its line end, to standard output.
    #[must_use]
    pub fn line(self, node: u32, line: impl Into<Vec<u8>>) -> Self {
        self.act(Act::Line(NodeIndex(node), line.into()))
    }

    /// Nothing happens for a while, in tokio's time: a test with a paused clock doesn't wait.
    #[must_use]
    pub fn pause(self, time: Duration) -> Self {
        self.act(Act::Pause(time))
    }

    /// The engine doesn't answer for a while where this job is concerned: its watches break, and
    /// whatever is asked about it is `Unreachable`. The script goes on meanwhile.
    #[must_use]
    pub fn outage(self, time: Duration) -> Self {
        self.act(Act::Outage(time))
    }

    /// The watches of the job end, though the job is still there.
    #[must_use]
    pub fn end_watches(self) -> Self {
        self.act(Act::EndWatches)
    }

    fn act(mut self, act: Act) -> Self {
        self.acts.push(act);
        self
    }
}
