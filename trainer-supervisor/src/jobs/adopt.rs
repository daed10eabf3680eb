//! Jobs whose nodes went on without their supervisor get another one.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use trainer_core::{Error, ErrorKind, Phase, Result};

use super::{JobFolder, Lock, Settings, Status, Submission, loss};
use crate::tree;

/// After a supervisor couldn't be started, how long none is tried: whoever watches a job looks at it all the time.
const PAUSE: Duration = Duration::from_secs(10);

/// What came of the tries to start supervisors, by the identity of the job.
#[derive(Clone, Debug, Default)]
pub(super) struct Adoptions {
    failed: Arc<Mutex<HashMap<String, Failure>>>,
}

#[derive(Debug)]
struct Failure {
    time: Instant,
    reason: String,
}

impl Adoptions {
    /// Starts a supervisor for a job that has none, and says how the job stands then. Where that isn't possible it is
    /// [`Phase::Unknown`], and nothing is lost. Not for a task of a runtime: it waits.
    pub(super) fn adopt(
        &self,
        folder: &JobFolder,
        submission: &Submission,
        lock: &Lock,
        settings: &Settings,
    ) -> Result<Status> {
        let reason = match self.recent_failure(&submission.uid) {
            Some(reason) => reason,
            None => match start(folder, submission, lock, settings) {
                Ok(()) => return folder.status(),
                Err(error) => self.note_failure(&submission.uid, error.to_string()),
            },
        };
        let mut status = folder.status()?;
        let last = status.phase;
        status.reason = Some(format!("nobody supervises it, last seen {last}: {}, and {reason}", loss(&status)));
        status.phase = Phase::Unknown;
        Ok(status)
    }

    fn recent_failure(&self, uid: &str) -> Option<String> {
        let failed = self.failed.lock().unwrap_or_else(PoisonError::into_inner);
        failed.get(uid).filter(|failure| failure.time.elapsed() < PAUSE).map(|failure| failure.reason.clone())
    }

    fn note_failure(&self, uid: &str, reason: String) -> String {
        let failure = Failure { time: Instant::now(), reason: reason.clone() };
        self.failed.lock().unwrap_or_else(PoisonError::into_inner).insert(uid.to_owned(), failure);
        reason
    }
}

/// In a runtime of its own: whoever looks at a job may have none, or one that is being shut down.
fn start(folder: &JobFolder, submission: &Submission, lock: &Lock, settings: &Settings) -> Result<()> {
    tree::can_supervise(settings)?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Error::new(ErrorKind::Io, format!("failed to start a runtime: {error}")))?;
    runtime.block_on(tree::start(folder, submission, lock, settings))
}
