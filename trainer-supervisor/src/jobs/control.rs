//! Stop, resume, delete.

use std::time::Duration;

use jiff::Timestamp;
use rustix::process::Signal;
use serde::Serialize;
use tokio::time::Instant;
use trainer_core::{
    Error, ErrorKind, Job, JobName, Phase, Result,
    job::{Severity, StopRequest},
};

use super::{Intent, JobFolder, Jobs, Lock, blocking, claim, folder::is_disk_full};
use crate::{
    gang::grace,
    machine::{self, Machine},
    tree,
};

/// Beyond its grace period, how long the end of a job may take before a deletion gives up on it.
const ENDING: Duration = Duration::from_secs(60);

/// How long the end of a supervisor may take, once it has recorded the end of its job.
pub(super) const HANDING_OVER: Duration = Duration::from_secs(10);

impl Jobs {
    /// Ends the job's nodes and keeps the job. Returns when the request is on disk.
    ///
    /// # Errors
    /// `NotFound`; `Conflict` if it has finished; `Unreachable` if it is supervised elsewhere, or by nobody: it is stopped
    /// as soon as it is supervised again then.
    pub async fn stop(&self, name: &JobName, request: &StopRequest) -> Result<()> {
        let job = self.reachable(name).await?;
        if job.phase.is_finished() {
            return Err(finished(&job));
        }
        if job.phase.is_settled() {
            return Ok(());
        }
        let (jobs, name, mut intent) = (self.clone(), name.clone(), intent(request, false));
        blocking(move || {
            let folder = jobs.folder(&name)?;
            // A stop takes no deletion back.
            intent.delete = folder.intent().is_some_and(|known| known.delete);
            tell(&folder, &intent)?;
            match jobs.look_up(&name)? {
                // It ended while we asked.
                Some(job) if job.phase.is_finished() => {
                    folder.remove_intent();
                    Err(finished(&job))
                }
                Some(job) if job.phase == Phase::Unknown => Err(unsupervised(&job, "stopped")),
                _ => Ok(()),
            }
        })
        .await
    }

    /// Starts a stopped or suspended job again. `prepare` gives what the engine needs for the launch, as
    /// for [`Claim::start`](crate::Claim::start).
    ///
    /// # Errors
    /// `NotFound`; `Conflict` if it isn't stopped; what `prepare` says.
    pub async fn resume<T: Serialize>(
        &self,
        name: &JobName,
        prepare: impl AsyncFnOnce(&JobFolder) -> Result<T>,
    ) -> Result<()> {
        let job = self.reachable(name).await?;
        if !matches!(job.phase, Phase::Stopped | Phase::Suspended) {
            return Err(not_stopped(&job));
        }
        tree::can_supervise(&self.settings)?;
        let folder = self.folder(name)?;
        let lock = folder.lock(Instant::now() + HANDING_OVER).await?.ok_or_else(|| {
            Error::new(ErrorKind::Conflict, format!("the job `{name}` is being changed by somebody else"))
        })?;
        let before = folder.status()?;
        if !matches!(before.phase, Phase::Stopped | Phase::Suspended) {
            return Err(not_stopped(&self.get(name).await?));
        }
        let submission = folder.submission()?;
        folder.write_prepared(&prepare(&folder).await?)?;
        folder.remove_intent();
        let mut status = before.clone();
        status.reset_nodes(&folder.plan()?);
        status.finished = None;
        status.begun = None;
        status.failures.clear();
        status.enter(Phase::Created, None);
        folder.write_status(&status)?;
        folder.record_event(Severity::Normal, "Resumed", "job", format!("resumed by {}", caller()));
        let started = tree::start(&folder, &submission, &lock, &self.settings).await;
        if started.is_err() {
            folder.write_status(&before)?;
        }
        started
    }

    /// Ends the job if need be and removes its folder. Returns when it is gone.
    ///
    /// # Errors
    /// `NotFound`; `Unreachable` if it is supervised elsewhere, or by nobody: it is removed as soon as it is supervised
    /// again then; `Timeout` if its processes don't end.
    pub async fn delete(&self, name: &JobName, request: &StopRequest) -> Result<()> {
        let folder = self.folder(name)?;
        let job = match self.reachable(name).await {
            Ok(job) => Some(job),
            // A damaged folder can be removed; what it ran can no longer be told.
            Err(error) if error.kind() == ErrorKind::Invalid => None,
            Err(error) => return Err(error),
        };
        let planned = || folder.plan().map(|plan| grace(&plan)).unwrap_or_default();
        let limit = request.grace.unwrap_or_else(planned) + ENDING;
        let deadline = Instant::now() + limit;
        if job.as_ref().is_some_and(|job| !job.phase.is_settled() || folder.is_supervised()) {
            tell(&folder, &intent(request, true))?;
        }
        loop {
            let late = Instant::now() >= deadline;
            let Some(lock) = folder.lock(deadline).await?.filter(|_| !late) else {
                if !folder.path().exists() {
                    return Ok(());
                }
                return Err(Error::new(ErrorKind::Timeout, format!("the job `{name}` did not end within {limit:?}"))
                    .with_hint("its processes may hang in the kernel; `trainer delete` can be repeated"));
            };
            let (jobs, folder, job) = (self.clone(), folder.clone(), job.clone());
            if blocking(move || jobs.remove_ended(&folder, job, &lock)).await? {
                return Ok(());
            }
        }
    }

    /// Removes the folder of a job that nobody supervises. `false`: somebody does from here on, who was told to remove it.
    fn remove_ended(&self, folder: &JobFolder, job: Option<Job>, lock: &Lock) -> Result<bool> {
        // Of a damaged folder nobody can tell. The supervisor of another may have been killed while we waited.
        if let Some(mut job) = job {
            let status = match folder.submission().and_then(|submission| self.take_care(folder, &submission, lock)) {
                Err(_) if !folder.path().exists() => return Ok(true),
                other => other?,
            };
            if status.phase == Phase::Unknown {
                job.reason = status.reason;
                return Err(unsupervised(&job, "deleted"));
            }
            if !status.phase.is_settled() {
                return Ok(false);
            }
        }
        claim::remove(folder);
        Ok(true)
    }

    /// The job, if it is on this machine and this user's, or has ended.
    pub(super) async fn reachable(&self, name: &JobName) -> Result<Job> {
        let job = self.get(name).await?;
        let machine = self.folder(name)?.submission()?.machine;
        if machine.is_here() {
            return Ok(job);
        }
        let here = Machine::here();
        let (whose, hint) = if machine.id == here.id {
            (format!("belongs to the user {}", machine.user), "ask its owner".to_owned())
        } else {
            (format!("is supervised on {}", machine.host), format!("run this on {}", machine.host))
        };
        Err(Error::new(ErrorKind::Unreachable, format!("the job `{name}` {whose}")).with_hint(hint))
    }
}

/// Has the supervisor do as `intent` says. One that doesn't run yet will look for it when it does. On a full disk the
/// supervisor is told without a word: it stops the job, with the job's own grace.
fn tell(folder: &JobFolder, intent: &Intent) -> Result<()> {
    let mut written = folder.write_intent(intent);
    if intent.delete && written.as_ref().is_err_and(is_disk_full) {
        folder.empty_logs();
        written = folder.write_intent(intent);
    }
    match written {
        Ok(()) => {
            signal_supervisor(folder, Signal::USR1);
            Ok(())
        }
        Err(error) if is_disk_full(&error) && signal_supervisor(folder, Signal::USR2) => Ok(()),
        Err(error) => Err(error),
    }
}

/// `false`: there is none.
fn signal_supervisor(folder: &JobFolder, signal: Signal) -> bool {
    let supervisor = folder.status().ok().and_then(|status| status.supervisor);
    let supervisor = supervisor.filter(|supervisor| supervisor.boot == machine::boot_id());
    supervisor.is_some_and(|supervisor| supervisor.process.signal(signal))
}

/// What a supervisor is told that gets the signal and no intent.
pub(crate) fn wordless_intent() -> Intent {
    intent(&StopRequest::default(), false)
}

fn intent(request: &StopRequest, delete: bool) -> Intent {
    Intent {
        delete,
        grace_milliseconds: request.grace.map(|grace| u64::try_from(grace.as_millis()).unwrap_or(u64::MAX)),
        by: caller(),
        time: Timestamp::now(),
    }
}

fn caller() -> String {
    let here = Machine::here();
    let user = std::env::var("USER").or_else(|_| std::env::var("LOGNAME")).ok();
    let user = user.or_else(|| name_of(here.user, &std::fs::read_to_string("/etc/passwd").ok()?));
    format!("{}@{}", user.unwrap_or_else(|| here.user.to_string()), here.host)
}

/// The name that `accounts`, as in /etc/passwd, have for the user of this number.
fn name_of(user: u32, accounts: &str) -> Option<String> {
    accounts.lines().find_map(|line| {
        let mut fields = line.split(':');
        let (name, _password, number) = (fields.next()?, fields.next()?, fields.next()?);
        (number.parse() == Ok(user)).then(|| name.to_owned())
    })
}

fn unsupervised(job: &Job, what: &str) -> Error {
    let reason = job.reason.as_deref().unwrap_or_default();
    Error::new(ErrorKind::Unreachable, format!("the job `{}` can't be {what} yet: {reason}", job.name))
        .with_hint(format!("it will be as soon as it is supervised: `trainer get {}` tries again", job.name))
}

fn finished(job: &Job) -> Error {
    Error::new(ErrorKind::Conflict, format!("the job `{}` has ended: it is {}", job.name, job.phase))
        .with_hint(format!("`trainer delete {}` removes it", job.name))
}

fn not_stopped(job: &Job) -> Error {
    let hint = if job.phase.is_finished() { "submit it again" } else { "stop it first" };
    Error::new(ErrorKind::Conflict, format!("the job `{}` isn't stopped: it is {}", job.name, job.phase))
        .with_hint(hint)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_without_variables_has_a_name_all_the_same() {
        let accounts = "root:x:0:0::/:/bin/sh\n\nada:x:1000:1000::/ada:/bin/sh\n";
        assert_eq!(name_of(1000, accounts).as_deref(), Some("ada"));
        assert_eq!(name_of(0, accounts).as_deref(), Some("root"));
        assert_eq!(name_of(7, accounts), None);
    }
}
