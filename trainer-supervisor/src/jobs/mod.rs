//! The state folder: jobs by name, claimed, looked up and listed without any daemon.
//!
//! Every function here works for one backend; the claim on a name holds for all of the machine's.

mod adopt;
mod claim;
mod control;
mod folder;
mod lost;
mod record;
mod settings;
mod update;
mod watch;

use std::{fs, path::PathBuf, time::Duration};

use trainer_core::{
    Error, ErrorKind, Job, JobName, Phase, Result,
    api::TrainJob,
    backend::Finding,
    job::{Event, JobStream, ListQuery, LogQuery, LogStream, Page, PageToken},
};

pub use claim::Claim;
pub(crate) use claim::remove;
pub(crate) use control::wordless_intent;
pub use folder::JobFolder;
pub(crate) use folder::Lock;
pub(crate) use lost::{conclude, loss};
pub use record::Submission;
pub(crate) use record::{Incumbent, Intent, Status};
pub use settings::Settings;
pub(crate) use watch::Changes;

/// The jobs of one backend in a state folder.
#[derive(Clone, Debug)]
pub struct Jobs {
    backend: &'static str,
    settings: Settings,
    adoptions: adopt::Adoptions,
}

impl Jobs {
    /// The jobs of the backend of this name. Does no I/O.
    #[must_use]
    pub fn new(backend: &'static str, settings: Settings) -> Self {
        Self { backend, settings, adoptions: adopt::Adoptions::default() }
    }

    /// The state folder.
    ///
    /// # Errors
    /// `Invalid` if neither the settings nor the environment says where it is.
    pub fn state_root(&self) -> Result<PathBuf> {
        self.settings.state_root()
    }

    /// Whether state can be kept.
    #[must_use]
    pub fn check(&self) -> Finding {
        let subject = "state folder".to_owned();
        let usable = self.jobs_root().and_then(|root| {
            claim::create_root(&root)?;
            tempfile::tempfile_in(&root).map_err(|error| Error::io("write to", &root, error))?;
            Ok(root)
        });
        match usable {
            Ok(root) => Finding { ok: true, subject, detail: root.display().to_string() },
            Err(error) => Finding { ok: false, subject, detail: error.to_string() },
        }
    }

    /// The job as it stands.
    ///
    /// # Errors
    /// `NotFound`, `Io`.
    pub async fn get(&self, name: &JobName) -> Result<Job> {
        let (jobs, name) = (self.clone(), name.clone());
        blocking(move || jobs.look_up(&name)?.map_or_else(|| Err(Error::no_such_job(&name)), Ok)).await
    }

    /// A page of this backend's jobs, newest first.
    ///
    /// # Errors
    /// `Io`, `Invalid` for a token that isn't ours.
    pub async fn list(&self, query: &ListQuery) -> Result<Page<Job>> {
        let (jobs, query) = (self.clone(), query.clone());
        blocking(move || jobs.page(&query)).await
    }

    /// The job as it stands, then each change, until it is gone.
    ///
    /// # Errors
    /// `NotFound`, `Io`.
    pub async fn watch(&self, name: &JobName) -> Result<JobStream> {
        let first = self.get(name).await?;
        Ok(watch::stream(self.clone(), first))
    }

    /// What its nodes wrote.
    ///
    /// # Errors
    /// `NotFound`, also for a step or node that the job doesn't have; `Io`.
    pub async fn logs(&self, name: &JobName, query: &LogQuery) -> Result<LogStream> {
        let job = self.get(name).await?;
        crate::logs::stream(self.clone(), &job, query)
    }

    /// What happened to it, oldest first.
    ///
    /// # Errors
    /// `NotFound`, `Io`.
    pub async fn events(&self, name: &JobName) -> Result<Vec<Event>> {
        self.get(name).await?;
        let folder = self.folder(name)?;
        blocking(move || folder.events()).await
    }

    /// The folder of a job of this name, whether there is one or not.
    ///
    /// # Errors
    /// As [`state_root`](Self::state_root).
    pub fn folder(&self, name: &JobName) -> Result<JobFolder> {
        Ok(JobFolder::of(&self.state_root()?, name))
    }

    fn jobs_root(&self) -> Result<PathBuf> {
        Ok(self.settings.state_root()?.join(folder::JOBS))
    }

    /// The job of this backend as it stands; one that lost its supervisor is judged, or gets another.
    pub(crate) fn look_up(&self, name: &JobName) -> Result<Option<Job>> {
        let folder = self.folder(name)?;
        if !folder.path().exists() {
            return Ok(None);
        }
        match self.read(&folder) {
            // Deleted while we looked.
            Err(_) if !folder.path().exists() => Ok(None),
            other => other,
        }
    }

    fn read(&self, folder: &JobFolder) -> Result<Option<Job>> {
        let submission = folder.submission()?;
        if submission.backend != self.backend {
            return Ok(None);
        }
        let mut status = match folder.status() {
            // It is still being submitted, or its submission came to nothing: no job yet.
            Err(error) if error.kind() == ErrorKind::Io && !folder.path().join("status.json").exists() => {
                return Ok(None);
            }
            other => other?,
        };
        if !status.phase.is_settled() {
            if !submission.machine.is_here() {
                let reason = format!(
                    "supervised on {}, not reachable from here; last seen {}",
                    submission.machine.host, status.phase
                );
                status.phase = Phase::Unknown;
                status.reason = Some(reason);
            } else if let Some(lock) = folder.try_lock()? {
                status = self.take_care(folder, &submission, &lock)?;
            }
        }
        Ok(Some(status.into_job(submission)))
    }

    /// Sees to a job that nobody supervises, which the lock proves: where its nodes go on, somebody does from here on,
    /// else it is judged.
    fn take_care(&self, folder: &JobFolder, submission: &Submission, lock: &Lock) -> Result<Status> {
        if folder.status()?.is_outlived() {
            self.adoptions.adopt(folder, submission, lock, &self.settings)
        } else {
            lost::judge(folder, submission, lock)
        }
    }

    fn page(&self, query: &ListQuery) -> Result<Page<Job>> {
        let after = query.after.as_ref().map(parse_token).transpose()?;
        let root = self.jobs_root()?;
        claim::sweep(&root);
        let mut found: Vec<(jiff::Timestamp, JobName)> = Vec::new();
        let entries = match fs::read_dir(&root) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                return Ok(Page { items: Vec::new(), next: None });
            }
            other => other.map_err(|error| Error::io("read", &root, error))?,
        };
        for entry in entries.flatten() {
            let Some(name) = entry.file_name().to_str().and_then(|name| name.parse::<JobName>().ok()) else { continue };
            match JobFolder::at(entry.path()).submission() {
                Ok(submission) if submission.backend == self.backend => found.push((submission.created, name)),
                Ok(_) => {}
                // It can't be told whose it is: everybody shows it.
                Err(_) => found.push((modified(&entry), name)),
            }
        }
        found.sort_by(|a, b| b.cmp(a));

        let start = after.map_or(0, |last| found.partition_point(|entry| *entry >= last));
        let mut items = Vec::new();
        let mut next = None;
        let mut last_seen = None;
        for (created, name) in found.into_iter().skip(start) {
            if items.len() == query.limit {
                next = last_seen;
                break;
            }
            match self.look_up(&name) {
                Ok(Some(job)) => items.push(job),
                Ok(None) => {}
                Err(error) => items.push(unreadable(self.backend, &name, created, &error)),
            }
            last_seen = Some(PageToken(format!("{}/{name}", created.as_nanosecond())));
        }
        Ok(Page { items, next })
    }
}

fn modified(entry: &fs::DirEntry) -> jiff::Timestamp {
    let modified = entry.metadata().and_then(|metadata| metadata.modified()).ok();
    modified.and_then(|time| jiff::Timestamp::try_from(time).ok()).unwrap_or(jiff::Timestamp::UNIX_EPOCH)
}

fn parse_token(token: &PageToken) -> Result<(jiff::Timestamp, JobName)> {
    let parse = || {
        let (created, name) = token.0.split_once('/')?;
        Some((jiff::Timestamp::from_nanosecond(created.parse().ok()?).ok()?, name.parse().ok()?))
    };
    parse().ok_or_else(|| Error::invalid("the page token isn't one of this backend's"))
}

/// A job whose folder is damaged, or written by a later version of this program.
fn unreadable(backend: &str, name: &JobName, created: jiff::Timestamp, error: &Error) -> Job {
    let mut job = Job::new(name.clone(), "", backend, TrainJob::new(name, ""));
    job.created = created;
    job.phase = Phase::Unknown;
    job.reason = Some(error.to_string());
    job
}

/// Runs file work where it doesn't hold up the caller's other tasks.
pub(crate) async fn blocking<T: Send + 'static>(work: impl FnOnce() -> Result<T> + Send + 'static) -> Result<T> {
    tokio::task::spawn_blocking(work)
        .await
        .map_err(|error| Error::new(ErrorKind::Internal, format!("a task of the state folder died: {error}")))?
}

/// How long an unwatched state is polled.
pub(crate) const SLOW_POLL: Duration = Duration::from_secs(2);
