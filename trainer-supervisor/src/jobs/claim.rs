//! The claim on a name: the first side effect of a submission, and all of it until it has succeeded.

use std::{
    fs, io,
    path::Path,
    time::{Duration, SystemTime},
};

use serde::Serialize;
use trainer_core::{Error, ErrorKind, Job, Phase, Result, job::Severity, plan::LaunchPlan};

use super::{JobFolder, Jobs, Lock, Settings, Status, Submission};
use crate::tree;

/// A name that is ours, of a job that doesn't exist yet. Dropping it gives the name free again.
#[derive(Debug)]
pub struct Claim {
    folder: JobFolder,
    lock: Lock,
    submission: Submission,
    plan: LaunchPlan,
    settings: Settings,
    accepted: bool,
}

impl Jobs {
    /// Claims the name of the job.
    ///
    /// # Errors
    /// `AlreadyExists` if it has been claimed, by whichever backend; `Io` if the state folder can't be
    /// written; `Unsupported` if this program can't be run as supervisor, or if there is nothing to launch.
    pub fn claim(&self, submission: Submission, plan: &LaunchPlan) -> Result<Claim> {
        if let (true, Some(controller)) = (plan.steps.is_empty(), &submission.job.spec.managed_by) {
            let name = &submission.name;
            return Err(Error::unsupported(format!("the job `{name}` is left to {controller}, which is not here"))
                .with_hint("take `spec.managedBy` out of it, or apply it where that controller is"));
        }
        tree::can_supervise(&self.settings)?;
        let root = self.jobs_root()?;
        create_root(&root)?;
        let folder = JobFolder::at(root.join(submission.name.as_str()));
        if folder.path().exists() {
            remove_abandoned(&folder);
        }
        // The folder appears under its name with its lock held and complete: whoever finds one without
        // a holder of its lock knows that the submission is dead.
        let staged = JobFolder::at(root.join(format!(".new-{}", submission.uid)));
        let lock = staged.create()?;
        let outcome = staged.write_submission(&submission, plan).and_then(|()| {
            // A job's folder is never empty, so this replaces none.
            fs::rename(staged.path(), folder.path()).map_err(|error| match error.kind() {
                io::ErrorKind::DirectoryNotEmpty | io::ErrorKind::AlreadyExists => clash(&folder, &submission),
                _ => Error::io("create", folder.path(), error),
            })
        });
        if let Err(error) = outcome {
            let _ = fs::remove_dir_all(staged.path());
            return Err(error);
        }
        Ok(Claim { folder, lock, submission, plan: plan.clone(), settings: self.settings.clone(), accepted: false })
    }
}

impl Claim {
    /// The folder of the job.
    #[must_use]
    pub fn folder(&self) -> &JobFolder {
        &self.folder
    }

    /// Starts the job, or holds it back if it is suspended. `prepared` is what the engine found or made
    /// for the launch, for [`JobFolder::prepared`].
    ///
    /// # Errors
    /// `Io`, `Internal` if the supervisor doesn't come up; nothing is left then.
    pub async fn start(mut self, prepared: &impl Serialize) -> Result<Job> {
        self.folder.write_prepared(prepared)?;
        let mut status = Status::new(&self.plan);
        if self.plan.suspend {
            status.enter(Phase::Suspended, None);
        }
        self.folder.write_status(&status)?;
        self.folder.record_event(Severity::Normal, "Created", "job", "the job was submitted");
        if !self.plan.suspend {
            tree::start(&self.folder, &self.submission, &self.lock, &self.settings).await?;
            status = self.folder.status()?;
        }
        self.accepted = true;
        Ok(status.into_job(self.submission.clone()))
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        if !self.accepted {
            remove(&self.folder);
        }
    }
}

/// Removes a job's folder so that its name is free at once and whole.
pub(crate) fn remove(folder: &JobFolder) {
    let Some(root) = folder.path().parent() else { return };
    let gone = root.join(format!(".gone-{}", uuid::Uuid::new_v4()));
    if fs::rename(folder.path(), &gone).is_ok() {
        let _ = fs::remove_dir_all(&gone);
    }
}

/// Removes what dead submissions and deletions left in the folder of jobs.
pub(super) fn sweep(root: &Path) {
    const SETTLING: Duration = Duration::from_secs(60);
    for entry in fs::read_dir(root).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let Some(name) = name.to_str() else { continue };
        if name.parse::<trainer_core::JobName>().is_ok() {
            remove_abandoned(&JobFolder::at(entry.path()));
        } else if name.starts_with(".new-") || name.starts_with(".gone-") {
            // Between its creation and its lock a staged folder looks abandoned: an old one is.
            let age = entry.metadata().and_then(|metadata| metadata.modified()).ok();
            let age = age.and_then(|modified| SystemTime::now().duration_since(modified).ok());
            if age.is_some_and(|age| age > SETTLING) && !JobFolder::at(entry.path()).is_supervised() {
                let _ = fs::remove_dir_all(entry.path());
            }
        }
    }
}

/// Removes the folder if its submission died before the job existed.
fn remove_abandoned(folder: &JobFolder) {
    if folder.path().join("status.json").exists() || !folder.exists() {
        return;
    }
    let ours = folder.submission().is_ok_and(|submission| submission.machine.is_here());
    // Held until the folder is gone: nobody else removes it, nor one that takes its name.
    if ours
        && let Ok(Some(_lock)) = folder.try_lock()
        && !folder.path().join("status.json").exists()
    {
        remove(folder);
    }
}

pub(super) fn create_root(root: &Path) -> Result<()> {
    use std::os::unix::fs::DirBuilderExt as _;
    fs::DirBuilder::new().recursive(true).mode(0o700).create(root).map_err(|error| {
        Error::io("create the state folder", root, error)
            .with_hint("XDG_STATE_HOME or the backend's `state_dir` can name another place")
    })
}

fn clash(folder: &JobFolder, submission: &Submission) -> Error {
    let name = &submission.name;
    let whose = match folder.submission() {
        Ok(other) if other.backend != submission.backend => format!(" on the backend `{}`", other.backend),
        _ => String::new(),
    };
    let error = Error::new(ErrorKind::AlreadyExists, format!("there is already a job named `{name}`{whose}"));
    error.with_hint(format!("choose another name with `--name`, or remove it with `trainer delete {name}`"))
}
