//! What is on disk of a job, in types.

use std::{collections::BTreeMap, path::PathBuf};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use trainer_core::{
    Job, JobName, JobRequest, Phase,
    api::{Condition, JobStatus, TrainJob, TrainJobStatus},
    job::{Node, Step},
    plan::{LaunchPlan, PlannedStep},
    request::{Mount, Packages, SecretKeys, Source, Volumes},
};

use crate::{machine::Machine, process::ProcessId};

/// `request.json`: what was submitted, by whom and where. Changes only while the job is stopped.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Submission {
    /// Name of the job.
    pub name: JobName,
    /// Identity of the job.
    pub uid: String,
    /// Name of the backend that runs it.
    pub backend: String,
    /// When it was submitted.
    pub created: Timestamp,
    /// Where, and for whom, it runs.
    pub machine: Machine,
    /// The job.
    pub job: TrainJob,
    /// The working directory and where it comes from.
    pub source: Option<Source>,
    /// Where output goes, if the request says so.
    pub output: Option<PathBuf>,
    /// Python packages.
    pub packages: Packages,
    /// Data to mount.
    pub mounts: Vec<Mount>,
    /// What the names of volumes and claims stand for.
    #[serde(default)]
    pub volumes: Volumes,
    /// Names of secret variables.
    pub secrets: Vec<String>,
    /// Which keys of a cluster's Secrets stand for which variables.
    #[serde(default)]
    pub secret_keys: SecretKeys,
    /// The backend's per-job options.
    pub options: Map<String, Value>,
}

impl Submission {
    /// The submission of `request` under `name` to the backend of this name, from here and now.
    #[must_use]
    pub fn new(name: JobName, request: &JobRequest, backend: &str) -> Self {
        Self {
            name,
            uid: uuid::Uuid::new_v4().to_string(),
            backend: backend.to_owned(),
            created: Timestamp::now(),
            machine: Machine::here(),
            job: request.job.clone(),
            source: request.source.clone(),
            output: request.output.clone(),
            packages: request.packages.clone(),
            mounts: request.mounts.clone(),
            volumes: request.volumes.clone(),
            secrets: request.secrets.clone(),
            secret_keys: request.secret_keys.clone(),
            options: request.options.clone(),
        }
    }
}

/// `status.json`: where the job stands, as its supervisor sees it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Status {
    pub(crate) phase: Phase,
    pub(crate) reason: Option<String>,
    pub(crate) steps: Vec<Step>,
    pub(crate) attempt: u32,
    pub(crate) started: Option<Timestamp>,
    pub(crate) finished: Option<Timestamp>,
    pub(crate) conditions: Vec<Condition>,
    pub(crate) supervisor: Option<Incumbent>,
    /// When it was started, or resumed last: its deadline counts from here.
    #[serde(default)]
    pub(crate) begun: Option<Timestamp>,
    /// How often each step has failed since then.
    #[serde(default)]
    pub(crate) failures: BTreeMap<String, u32>,
}

/// The living process that supervises a job.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Incumbent {
    #[serde(flatten)]
    pub(crate) process: ProcessId,
    pub(crate) boot: String,
    /// Whether its nodes go on when it ends.
    #[serde(default)]
    pub(crate) nodes_outlive: bool,
}

impl Status {
    /// A job of this plan, of which nothing runs.
    pub(crate) fn new(plan: &LaunchPlan) -> Self {
        Self {
            phase: Phase::Created,
            reason: None,
            steps: plan.steps.iter().map(idle_step).collect(),
            attempt: 0,
            started: None,
            finished: None,
            conditions: Vec::new(),
            supervisor: None,
            begun: None,
            failures: BTreeMap::new(),
        }
    }

    /// Whether a job that nobody supervises goes on nevertheless.
    pub(crate) fn is_outlived(&self) -> bool {
        !self.phase.is_settled() && self.supervisor.as_ref().is_some_and(|supervisor| supervisor.nodes_outlive)
    }

    /// Every node as before its first launch.
    pub(crate) fn reset_nodes(&mut self, plan: &LaunchPlan) {
        self.steps = plan.steps.iter().map(idle_step).collect();
    }

    /// Enters `phase` and keeps the conditions of the Kubernetes API in step with it.
    pub(crate) fn enter(&mut self, phase: Phase, reason: Option<String>) {
        match phase {
            Phase::Complete => {
                self.set_condition("Complete", "True", "AllJobsCompleted", "jobset completed successfully");
            }
            Phase::Failed => {
                let message = reason.as_deref().unwrap_or("jobset failed due to one or more job failures");
                let word = if message.starts_with("DeadlineExceeded") { "DeadlineExceeded" } else { "FailedJobs" };
                self.set_condition("Failed", "True", word, message);
            }
            Phase::Stopped | Phase::Suspended => {
                self.set_condition("Suspended", "True", "Suspended", "TrainJob is suspended");
            }
            Phase::Created if self.conditions.iter().any(|condition| condition.kind == "Suspended") => {
                self.set_condition("Suspended", "False", "Resumed", "TrainJob is resumed");
            }
            _ => {}
        }
        if phase.is_settled() {
            self.finished = (phase != Phase::Suspended).then(Timestamp::now);
            self.supervisor = None;
        }
        self.phase = phase;
        self.reason = reason;
    }

    fn set_condition(&mut self, kind: &str, status: &str, reason: &str, message: &str) {
        let condition = Condition {
            kind: kind.to_owned(),
            status: status.to_owned(),
            reason: reason.to_owned(),
            message: message.to_owned(),
            last_transition_time: Timestamp::now(),
            rest: trainer_core::api::Rest::new(),
        };
        match self.conditions.iter_mut().find(|known| known.kind == kind) {
            Some(known) => *known = condition,
            None => self.conditions.push(condition),
        }
    }

    /// The job as a client sees it.
    pub(crate) fn into_job(self, submission: Submission) -> Job {
        let mut job = Job::new(submission.name, submission.uid, submission.backend, submission.job);
        job.object.metadata.uid = Some(job.uid.clone());
        job.object.metadata.creation_timestamp = Some(submission.created);
        // A stop is what the API calls suspend.
        if matches!(self.phase, Phase::Suspended | Phase::Stopping | Phase::Stopped) {
            job.object.spec.suspend = Some(true);
        } else if job.object.spec.suspend == Some(true) {
            job.object.spec.suspend = Some(false);
        }
        job.object.status = Some(TrainJobStatus {
            jobs_status: self.steps.iter().map(step_counts).collect(),
            conditions: self.conditions,
            ..TrainJobStatus::default()
        });
        job.phase = self.phase;
        job.reason = self.reason;
        job.steps = self.steps;
        job.attempt = self.attempt;
        job.created = submission.created;
        job.started = self.started;
        job.finished = self.finished;
        job
    }
}

fn idle_step(step: &PlannedStep) -> Step {
    let nodes =
        step.nodes.iter().map(|node| Node { index: node.index, phase: Phase::Created, exit: None, reason: None });
    Step { name: step.name.clone(), phase: Phase::Created, nodes: nodes.collect() }
}

/// A step is one Kubernetes Job; the counts are of Jobs.
fn step_counts(step: &Step) -> JobStatus {
    let one = |yes: bool| i32::from(yes);
    JobStatus {
        name: step.name.clone(),
        ready: one(step.phase == Phase::Running),
        succeeded: one(step.phase == Phase::Complete),
        failed: one(step.phase == Phase::Failed),
        active: one(step.phase == Phase::Running),
        suspended: one(step.phase == Phase::Stopped),
    }
}

/// `intent.json`: what somebody wants of the supervisor.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Intent {
    /// Whether the job is to be removed afterwards.
    pub(crate) delete: bool,
    /// Between SIGTERM and SIGKILL; `None`: as the job says.
    pub(crate) grace_milliseconds: Option<u64>,
    /// Who wants it: `user@host`.
    pub(crate) by: String,
    pub(crate) time: Timestamp,
}
