//! The contract: all but the launch is the supervisor's.

use std::{path::Path, process::ExitCode};

use serde::Deserialize;
use trainer::{
    job::Severity,
    plan::World,
    prelude::*,
    registry::read_options,
    supervisor::{Jobs, Settings, Submission, loopback, supervise},
};

use crate::{
    fields::FIELDS,
    launch::{Prepared, TmuxLauncher, refuse_what_a_window_lacks},
    tmux,
};

/// Windows of tmux on this machine.
#[register_backend("tmux")]
#[derive(Clone, Debug)]
pub struct TmuxBackend {
    jobs: Jobs,
}

/// `[backends.tmux]`: nothing to set.
#[derive(Debug, Default, Deserialize)]
pub struct TmuxConfig {}

/// What a job may ask for: nothing.
#[derive(Debug, Default, Deserialize)]
pub struct TmuxOptions {}

impl ConnectBackend for TmuxBackend {
    type Config = TmuxConfig;
    const FIELDS: &'static [FieldRule] = FIELDS;

    fn connect(_selected: &str, _config: TmuxConfig) -> Result<Self> {
        Ok(Self { jobs: Jobs::new(Self::NAME, Settings::default()) })
    }

    fn supervise(folder: &Path) -> Result<ExitCode> {
        supervise(folder, TmuxLauncher::open)
    }
}

impl TrainerBackend for TmuxBackend {
    async fn check(&self) -> Result<Vec<Finding>> {
        Ok(vec![self.jobs.check(), tmux::check().await])
    }

    fn check_options(&self, options: &JobOptions) -> Result<()> {
        read_options::<TmuxOptions>(Self::NAME, Self::OPTIONS, options).map(drop)
    }

    async fn preview(&self, job: &ReviewedJob) -> Result<LaunchPlan> {
        let differences = refuse_what_a_window_lacks(job)?;
        let mut preview = loopback::preview(job.plan(), World::default())?;
        preview.warnings.extend(differences);
        Ok(preview)
    }

    async fn submit(&self, job: &ReviewedJob) -> Result<Job> {
        let differences = refuse_what_a_window_lacks(job)?;
        let prepared = Prepared::of(job)?;
        let claim = self.jobs.claim(Submission::new(job.name().clone(), job.request(), Self::NAME), job.plan())?;
        for difference in &differences {
            claim.folder().record_event(Severity::Warning, "Substituted", "job", difference);
        }
        claim.start(&prepared).await
    }

    async fn get(&self, name: &JobName) -> Result<Job> {
        self.jobs.get(name).await
    }

    async fn list(&self, query: &ListQuery) -> Result<Page<Job>> {
        self.jobs.list(query).await
    }

    async fn watch(&self, name: &JobName) -> Result<JobStream> {
        self.jobs.watch(name).await
    }

    async fn logs(&self, name: &JobName, query: &LogQuery) -> Result<LogStream> {
        self.jobs.logs(name, query).await
    }

    async fn events(&self, name: &JobName) -> Result<Vec<Event>> {
        self.jobs.events(name).await
    }

    async fn stop(&self, name: &JobName, request: &StopRequest) -> Result<()> {
        self.jobs.stop(name, request).await
    }

    async fn resume(&self, name: &JobName) -> Result<()> {
        self.jobs.resume(name, async |folder| folder.prepared::<Prepared>()).await
    }

    async fn update(&self, job: &ReviewedJob) -> Result<Job> {
        refuse_what_a_window_lacks(job)?;
        let prepared = Prepared::of(job)?;
        self.jobs.update(job, |_| Ok(prepared)).await
    }

    async fn delete(&self, name: &JobName, request: &StopRequest) -> Result<()> {
        self.jobs.delete(name, request).await
    }
}
