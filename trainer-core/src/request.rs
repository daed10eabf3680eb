//! What a user asks for, and the same after review.

mod secret_keys;
mod volumes;

use std::{fmt, path::PathBuf, sync::Arc};

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

pub use self::{
    secret_keys::{FromCaller, SecretKey, SecretKeys},
    volumes::{MountedVolume, Volume, VolumeSource, Volumes},
};
use crate::{
    JobName,
    api::{Runtime, TrainJob},
    plan::LaunchPlan,
};

/// A job, its runtime, and what a TrainJob can't say: files, packages, secrets, engine options.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct JobRequest {
    /// The job.
    pub job: TrainJob,
    /// The runtime, if the request carries it; otherwise it is looked up by `job.spec.runtimeRef`.
    pub runtime: Option<Runtime>,
    /// The working directory.
    pub source: Option<Source>,
    /// Where output goes; absent: the engine's usual place.
    pub output: Option<PathBuf>,
    /// Python packages on top of what is there.
    pub packages: Packages,
    /// Data to mount.
    pub mounts: Vec<Mount>,
    /// What the names of volumes, and of a cluster's claims, stand for.
    pub volumes: Volumes,
    /// Names of variables whose values are secret. Values are never kept.
    pub secrets: Vec<String>,
    /// Which keys of a cluster's Secrets hold secret variables.
    pub secret_keys: SecretKeys,
    /// What is asked of the backend beyond that.
    pub options: JobOptions,
    /// Where long steps of the submission are reported.
    pub progress: Progress,
}

impl JobRequest {
    /// A request for `job` and nothing else.
    #[must_use]
    pub fn new(job: TrainJob) -> Self {
        Self {
            job,
            runtime: None,
            source: None,
            output: None,
            packages: Packages::default(),
            mounts: Vec::new(),
            volumes: Volumes::default(),
            secrets: Vec::new(),
            secret_keys: SecretKeys::default(),
            options: JobOptions::new(),
            progress: Progress::default(),
        }
    }
}

/// A job's options for its backend, `-O key=value`, as they were given.
pub type JobOptions = Map<String, Value>;

/// The user's files.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Source {
    /// The working directory, absolute.
    pub directory: PathBuf,
    /// Git commit, if it is in a repository.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub commit: Option<String>,
    /// Whether there are changes that are not in the commit.
    #[serde(default)]
    pub dirty: bool,
}

/// Python packages that a job needs.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Packages {
    /// Requirement specifiers (PEP 508).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub specifiers: Vec<String>,
    /// A requirements.txt, absolute.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub requirements: Option<PathBuf>,
}

impl Packages {
    /// Whether nothing is asked for.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.specifiers.is_empty() && self.requirements.is_none()
    }
}

/// Data that a node sees under a path of its own.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Mount {
    /// Its name in the configuration's `[volumes]`.
    pub name: String,
    /// Where the node sees it.
    pub path: String,
}

/// Something that takes a while during a submission.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ProgressEvent {
    /// It began: "installing 3 packages".
    Began(String),
    /// One line of what it says.
    Said(String),
    /// It is done.
    Done,
}

/// Where [`ProgressEvent`]s go; nowhere by default.
#[derive(Clone, Default)]
pub struct Progress(Option<Arc<dyn Fn(ProgressEvent) + Send + Sync>>);

impl Progress {
    /// Reports to `listener`.
    pub fn to(listener: impl Fn(ProgressEvent) + Send + Sync + 'static) -> Self {
        Self(Some(Arc::new(listener)))
    }

    /// Reports `event`.
    pub fn report(&self, event: ProgressEvent) {
        if let Some(listener) = &self.0 {
            listener(event);
        }
    }
}

impl fmt::Debug for Progress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Progress").field(&self.0.is_some()).finish()
    }
}

impl PartialEq for Progress {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

/// A request that review had no objection to, with its plan. Only
/// [`TrainerClient::plan`](crate::TrainerClient::plan) makes one, so no backend sees anything else.
#[derive(Clone, Debug, PartialEq)]
pub struct ReviewedJob {
    pub(crate) name: JobName,
    pub(crate) request: JobRequest,
    pub(crate) runtime: Runtime,
    pub(crate) plan: LaunchPlan,
}

impl ReviewedJob {
    /// Name of the job.
    #[must_use]
    pub fn name(&self) -> &JobName {
        &self.name
    }

    /// What was asked for.
    #[must_use]
    pub fn request(&self) -> &JobRequest {
        &self.request
    }

    /// The runtime that it was reviewed with.
    #[must_use]
    pub fn runtime(&self) -> &Runtime {
        &self.runtime
    }

    /// The neutral plan.
    #[must_use]
    pub fn plan(&self) -> &LaunchPlan {
        &self.plan
    }
}
