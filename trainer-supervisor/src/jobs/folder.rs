//! The folder of a job: which file is where, and how it is read and written.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Write as _},
    os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
    time::Duration,
};

use rustix::fs::{FlockOperation, flock};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use tokio::time::{Instant, sleep};
use trainer_core::{
    Error, ErrorKind, JobName, NodeIndex, Result,
    job::{Event, Severity},
    plan::LaunchPlan,
};

use super::record::{Intent, Status, Submission};

/// The version of every file in a job's folder.
const VERSION: u32 = 1;

/// Where jobs are, in a state folder.
pub(super) const JOBS: &str = "jobs";

const REQUEST: &str = "request.json";
const PLAN: &str = "plan.json";
const STATUS: &str = "status.json";
const INTENT: &str = "intent.json";
const PREPARED: &str = "prepared.json";
const EVENTS: &str = "events.jsonl";
const LOCK: &str = "lock";
const RESERVE: &str = "reserve";

/// Bytes that are kept for the end of a job to be recorded on a full disk.
const RESERVED: usize = 64 * 1024;

/// The folder of one job.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JobFolder {
    path: PathBuf,
}

#[derive(Serialize, Deserialize)]
struct Versioned<T> {
    version: u32,
    #[serde(flatten)]
    content: T,
}

/// What an engine prepared may be of any form, a text for instance.
#[derive(Serialize, Deserialize)]
struct Prepared<T> {
    prepared: T,
}

/// Whether a write must survive a crash of the machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Durability {
    Process,
    Machine,
}

impl JobFolder {
    /// The folder at `path`.
    pub fn at(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into() }
    }

    /// The folder of the job of this name in a state folder.
    #[must_use]
    pub fn of(state_root: &Path, name: &JobName) -> Self {
        Self::at(state_root.join(JOBS).join(name.as_str()))
    }

    /// Its path.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The state folder that it is in.
    #[must_use]
    pub fn state_root(&self) -> PathBuf {
        self.path.parent().and_then(Path::parent).map(Path::to_path_buf).unwrap_or_default()
    }

    /// What was submitted.
    ///
    /// # Errors
    /// `Io` if the file can't be read, `Invalid` if it isn't what we write.
    pub fn submission(&self) -> Result<Submission> {
        self.read(REQUEST)
    }

    /// The neutral plan.
    ///
    /// # Errors
    /// As [`submission`](Self::submission).
    pub fn plan(&self) -> Result<LaunchPlan> {
        self.read(PLAN)
    }

    /// What the engine found or made before the launch; see [`Claim::start`](crate::Claim::start).
    ///
    /// # Errors
    /// As [`submission`](Self::submission).
    pub fn prepared<T: DeserializeOwned>(&self) -> Result<T> {
        self.read(PREPARED).map(|Prepared { prepared }| prepared)
    }

    /// Whether somebody supervises the job, or is submitting it.
    #[must_use]
    pub fn is_supervised(&self) -> bool {
        match File::open(self.path.join(LOCK)) {
            // A shared lock: two who look don't take each other for a supervisor.
            Ok(lock) => flock(&lock, FlockOperation::NonBlockingLockShared).is_err(),
            Err(_) => false,
        }
    }

    /// The file for the exception of a node's failed rank (`TORCHELASTIC_ERROR_FILE`).
    #[must_use]
    pub fn error_file(&self, attempt: u32, step: &str, node: NodeIndex) -> PathBuf {
        self.path.join("errors").join(format!("{attempt}-{step}-{node}.json"))
    }

    /// Adds an event. What can't be written is lost: no job fails over its diary.
    pub fn record_event(&self, severity: Severity, reason: &str, object: &str, message: impl Into<String>) {
        let event = Event {
            time: jiff::Timestamp::now(),
            severity,
            reason: reason.to_owned(),
            object: object.to_owned(),
            message: message.into(),
            count: 1,
        };
        let Ok(mut line) = serde_json::to_vec(&Versioned { version: VERSION, content: event }) else { return };
        line.push(b'\n');
        if let Ok(mut file) = OpenOptions::new().append(true).create(true).open(self.path.join(EVENTS)) {
            let _ = file.write_all(&line);
        }
    }

    pub(crate) fn events(&self) -> Result<Vec<Event>> {
        let path = self.path.join(EVENTS);
        let text = match fs::read(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            other => other.map_err(|error| Error::io("read", &path, error))?,
        };
        // The last line may be in the course of being written.
        Ok(text.split(|byte| *byte == b'\n').filter_map(|line| serde_json::from_slice(line).ok()).collect())
    }

    pub(crate) fn status(&self) -> Result<Status> {
        self.read(STATUS)
    }

    pub(crate) fn write_status(&self, status: &Status) -> Result<()> {
        let durability = if status.phase.is_settled() { Durability::Machine } else { Durability::Process };
        match self.write(STATUS, status, durability) {
            Err(error) if status.phase.is_settled() && is_disk_full(&error) => {
                self.give_up_reserve();
                self.write(STATUS, status, durability)
            }
            other => other,
        }
    }

    /// Keeps room for the last status. Without it a full disk may keep the end of the job from being recorded.
    pub(crate) fn reserve(&self) {
        // Not zeros: some file systems store none.
        let _ = fs::write(self.path.join(RESERVE), vec![b'.'; RESERVED]);
    }

    pub(crate) fn give_up_reserve(&self) {
        let _ = fs::remove_file(self.path.join(RESERVE));
    }

    /// Empties the logs of a job that is being deleted; they are open in its supervisor, so removing them frees nothing.
    pub(crate) fn empty_logs(&self) {
        for entry in fs::read_dir(self.logs()).into_iter().flatten().flatten() {
            let _ = OpenOptions::new().write(true).truncate(true).open(entry.path());
        }
    }

    pub(crate) fn intent(&self) -> Option<Intent> {
        self.read(INTENT).ok()
    }

    pub(crate) fn write_intent(&self, intent: &Intent) -> Result<()> {
        self.write(INTENT, intent, Durability::Machine)
    }

    pub(crate) fn remove_intent(&self) {
        let _ = fs::remove_file(self.path.join(INTENT));
    }

    pub(crate) fn write_prepared(&self, prepared: &impl Serialize) -> Result<()> {
        self.write(PREPARED, &Prepared { prepared }, Durability::Process)
    }

    /// Everything that never changes while the job runs.
    pub(crate) fn write_submission(&self, submission: &Submission, plan: &LaunchPlan) -> Result<()> {
        self.write(REQUEST, submission, Durability::Process)?;
        self.write(PLAN, plan, Durability::Process)?;
        let path = self.path.join("job.yaml");
        let yaml = serde_saphyr::to_string(&submission.job)
            .map_err(|error| Error::new(ErrorKind::Internal, format!("the job can't be written as YAML: {error}")))?;
        fs::write(&path, yaml).map_err(|error| Error::io("write", &path, error))?;
        for folder in ["logs", "errors"] {
            let path = self.path.join(folder);
            fs::create_dir_all(&path).map_err(|error| Error::io("create", &path, error))?;
        }
        Ok(())
    }

    pub(crate) fn logs(&self) -> PathBuf {
        self.path.join("logs")
    }

    pub(crate) fn log_file(&self, step: &str, node: NodeIndex) -> PathBuf {
        self.logs().join(format!("{step}-{node}.log"))
    }

    /// What the supervisor itself has to say.
    pub(crate) fn supervisor_log(&self) -> PathBuf {
        self.path.join("supervisor.log")
    }

    pub(crate) fn exists(&self) -> bool {
        self.path.join(REQUEST).exists()
    }

    /// Creates the folder, for its owner alone, with its lock held.
    pub(crate) fn create(&self) -> Result<Lock> {
        fs::DirBuilder::new().mode(0o700).create(&self.path).map_err(|error| Error::io("create", &self.path, error))?;
        let path = self.path.join(LOCK);
        let file = OpenOptions::new()
            .create_new(true)
            .write(true)
            .mode(0o600)
            .open(&path)
            .map_err(|error| Error::io("create", &path, error))?;
        flock(&file, FlockOperation::NonBlockingLockExclusive)
            .map_err(|error| Error::io("lock", &path, error.into()))?;
        Ok(Lock { file })
    }

    /// Takes the lock if nobody has it.
    pub(crate) fn try_lock(&self) -> Result<Option<Lock>> {
        match self.open_lock()? {
            Some(file) if self.take(&file)? => Ok(self.is_current(&file).then_some(Lock { file })),
            _ => Ok(None),
        }
    }

    /// Takes the lock as soon as it is free. `None` if it isn't before `deadline`, or if the folder was removed by
    /// whoever had it; they have ended then.
    pub(crate) async fn lock(&self, deadline: Instant) -> Result<Option<Lock>> {
        let Some(file) = self.open_lock()? else { return Ok(None) };
        let mut pause = Duration::from_millis(1);
        while !self.take(&file)? {
            if Instant::now() >= deadline {
                return Ok(None);
            }
            sleep(pause).await;
            pause = (pause * 2).min(Duration::from_millis(50));
        }
        Ok(self.is_current(&file).then_some(Lock { file }))
    }

    fn open_lock(&self) -> Result<Option<File>> {
        let path = self.path.join(LOCK);
        match OpenOptions::new().write(true).open(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            other => other.map(Some).map_err(|error| Error::io("open", &path, error)),
        }
    }

    fn take(&self, file: &File) -> Result<bool> {
        match flock(file, FlockOperation::NonBlockingLockExclusive) {
            Err(rustix::io::Errno::WOULDBLOCK) => Ok(false),
            other => other.map(|()| true).map_err(|error| Error::io("lock", self.path.join(LOCK), error.into())),
        }
    }

    /// Whether `file` is still the lock: the folder may have been removed, and another of its name created.
    fn is_current(&self, file: &File) -> bool {
        match (file.metadata(), fs::metadata(self.path.join(LOCK))) {
            (Ok(held), Ok(named)) => (held.dev(), held.ino()) == (named.dev(), named.ino()),
            _ => false,
        }
    }

    fn read<T: DeserializeOwned>(&self, name: &str) -> Result<T> {
        let path = self.path.join(name);
        let text = fs::read(&path).map_err(|error| Error::io("read", &path, error))?;
        let broken =
            |error: serde_json::Error| Error::invalid(format!("{} can't be understood: {error}", path.display()));
        #[derive(Deserialize)]
        struct Header {
            version: u32,
        }
        let header: Header = serde_json::from_slice(&text).map_err(broken)?;
        if header.version != VERSION {
            return Err(Error::unsupported(format!(
                "{} has version {}, this program knows version {VERSION}",
                path.display(),
                header.version
            ))
            .with_hint("update this program"));
        }
        serde_json::from_slice(&text).map_err(broken)
    }

    /// Writes a file so that a reader sees the old or the new content, whole.
    fn write(&self, name: &str, content: &impl Serialize, durability: Durability) -> Result<()> {
        let path = self.path.join(name);
        let text = serde_json::to_vec_pretty(&Versioned { version: VERSION, content })
            .map_err(|error| Error::new(ErrorKind::Internal, format!("{name} can't be written as JSON: {error}")))?;
        let write = || -> io::Result<()> {
            let mut file = tempfile::Builder::new().prefix(".").tempfile_in(&self.path)?;
            file.write_all(&text)?;
            if durability == Durability::Machine {
                file.as_file().sync_all()?;
            }
            file.persist(&path)?;
            if durability == Durability::Machine {
                File::open(&self.path)?.sync_all()?;
            }
            Ok(())
        };
        write().map_err(|error| Error::io("write", &path, error))
    }
}

/// Whether a write failed for want of room.
pub(crate) fn is_disk_full(error: &Error) -> bool {
    let cause = std::error::Error::source(error).and_then(|source| source.downcast_ref::<io::Error>());
    cause.is_some_and(|cause| matches!(cause.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded))
}

/// The right to supervise a job, or to judge one that nobody supervises. Given up when its last holder
/// closes it or dies; a child process that inherits the file holds it too.
#[derive(Debug)]
pub(crate) struct Lock {
    file: File,
}

impl Lock {
    /// The lock that a child was given.
    pub(crate) fn inherited(file: File) -> Self {
        Self { file }
    }

    /// The same lock for a child: it is held until both have closed it.
    pub(crate) fn share(&self) -> io::Result<File> {
        self.file.try_clone()
    }
}
