//! What can interrupt a job from outside of it.

use std::time::Duration;

use rustix::process::{Pid, getppid};
use tokio::{
    signal::unix::{Signal, SignalKind, signal},
    time::{Instant, sleep_until},
};
use trainer_core::{Error, Result};

use super::Record;
use crate::jobs::{Intent, JobFolder, wordless_intent};

/// Something that ends the job before its nodes do.
#[derive(Clone, Debug)]
pub(super) enum Interrupt {
    /// Somebody wants it stopped.
    Intent(Intent),
    /// It has run for as long as it may.
    Deadline(Duration),
    /// The supervisor is to end, or has lost its reaper. Nodes that outlive it go on.
    Ended(String),
}

/// Listens for interrupts.
#[derive(Debug)]
pub(super) struct Control {
    folder: JobFolder,
    wake: Signal,
    stop: Signal,
    terminate: Signal,
    interrupt: Signal,
    hang_up: Signal,
    reaper: Option<Pid>,
    deadline: Option<(Instant, Duration)>,
    /// The intent that was passed on last: one that hasn't changed is no interrupt.
    known: Option<Intent>,
    /// Whether the folder has been looked at for an intent of before we listened.
    looked: bool,
}

impl Control {
    pub(super) fn listen(record: &Record) -> Result<Self> {
        let on =
            |kind| signal(kind).map_err(|error| Error::io("listen to the signals of", record.folder.path(), error));
        let limit = record.plan().active_deadline_seconds.and_then(|seconds| u64::try_from(seconds).ok());
        let limit = limit.filter(|seconds| *seconds > 0).map(Duration::from_secs);
        Ok(Self {
            folder: record.folder.clone(),
            wake: on(SignalKind::user_defined1())?,
            stop: on(SignalKind::user_defined2())?,
            terminate: on(SignalKind::terminate())?,
            interrupt: on(SignalKind::interrupt())?,
            hang_up: on(SignalKind::hangup())?,
            reaper: getppid(),
            // An earlier supervisor may have begun to count.
            deadline: limit.map(|limit| (Instant::now() + limit.saturating_sub(record.age()), limit)),
            known: None,
            looked: false,
        })
    }

    /// The next interrupt. Dropping the future and asking again loses nothing.
    pub(super) async fn next(&mut self) -> Interrupt {
        loop {
            if !self.looked {
                self.looked = true;
                if let Some(interrupt) = self.new_intent() {
                    return interrupt;
                }
            }
            let deadline = self.deadline;
            let due = deadline.map_or_else(Instant::now, |(due, _)| due);
            tokio::select! {
                _ = self.wake.recv() => self.looked = false,
                _ = self.stop.recv() => return Interrupt::Intent(wordless_intent()),
                _ = self.terminate.recv() => return Interrupt::Ended(self.who_ended_us()),
                _ = self.interrupt.recv() => return Interrupt::Ended("its supervisor was interrupted".to_owned()),
                // The session has no terminal; whoever sends this means nothing by it.
                _ = self.hang_up.recv() => {}
                () = sleep_until(due), if deadline.is_some() => {
                    self.deadline = None;
                    return Interrupt::Deadline(deadline.map(|(_, limit)| limit).unwrap_or_default());
                }
            }
        }
    }

    /// The interrupt that has come already, if one has.
    pub(super) fn pending(&mut self) -> Option<Interrupt> {
        let overdue = |(due, _): &mut (Instant, Duration)| *due <= Instant::now();
        self.new_intent().or_else(|| self.deadline.take_if(overdue).map(|(_, limit)| Interrupt::Deadline(limit)))
    }

    fn new_intent(&mut self) -> Option<Interrupt> {
        let intent = self.folder.intent()?;
        if self.known.as_ref() == Some(&intent) {
            return None;
        }
        self.known = Some(intent.clone());
        Some(Interrupt::Intent(intent))
    }

    fn who_ended_us(&self) -> String {
        if getppid() == self.reaper {
            "its supervisor was asked to end (SIGTERM)".to_owned()
        } else {
            "its supervisor lost its reaper, which was killed".to_owned()
        }
    }
}
