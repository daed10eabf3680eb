//! The contract: a table of contents.

use std::{path::Path, process::ExitCode};

use trainer_core::{job::Severity, prelude::*, registry::read_options};
use trainer_supervisor::{JobFolder, Jobs, Settings, Submission, supervise};

use super::{
    config::{CONFIG, LocalConfig, LocalOptions},
    fields,
    launch::{LocalLauncher, Prepared},
    preview, python, secrets, volumes,
};

/// Processes of this machine.
#[register_backend("local")]
#[derive(Clone, Debug)]
pub struct LocalBackend {
    jobs: Jobs,
    environments: python::Environments,
}

impl LocalBackend {
    /// A backend with these settings. Does no I/O.
    #[must_use]
    pub fn new(config: LocalConfig) -> Self {
        let settings = Settings { state_dir: config.state_dir, executable: config.supervisor };
        Self { jobs: Jobs::new(Self::NAME, settings), environments: python::Environments::new(config.cache_dir) }
    }
}

impl ConnectBackend for LocalBackend {
    type Config = LocalConfig;
    const CONFIG: &'static [Key] = CONFIG;
    const FIELDS: &'static [FieldRule] = fields::FIELDS;

    fn connect(_selected: &str, config: LocalConfig) -> Result<Self> {
        Ok(Self::new(config))
    }

    fn supervise(folder: &Path) -> Result<ExitCode> {
        supervise(folder, LocalLauncher::open)
    }
}

impl TrainerBackend for LocalBackend {
    async fn check(&self) -> Result<Vec<Finding>> {
        Ok(vec![self.jobs.check(), python::check().await, python::check_installer().await, fields::check_limits()])
    }

    fn check_options(&self, options: &JobOptions) -> Result<()> {
        read_options::<LocalOptions>(Self::NAME, Self::OPTIONS, options).map(drop)
    }

    fn stops_on_interrupt(&self) -> bool {
        true
    }

    async fn preview(&self, job: &ReviewedJob) -> Result<LaunchPlan> {
        let substitutions = fields::review(job)?;
        preview::localized(job, &substitutions)
    }

    async fn submit(&self, job: &ReviewedJob) -> Result<Job> {
        let substitutions = fields::review(job)?;
        let prepared = Prepared::of(job)?;
        let claim = self.jobs.claim(Submission::new(job.name().clone(), job.request(), Self::NAME), job.plan())?;
        for substitution in substitutions.iter().chain(&fields::replaced_images(job)) {
            claim.folder().record_event(Severity::Warning, "Substituted", "job", substitution);
        }
        let request = job.request();
        let environment = self.environments.provide(&request.packages, &prepared.directory, &request.progress).await?;
        let prepared = prepared.with(environment).create_output()?;
        let started = claim.start(&prepared).await;
        if started.is_err() {
            prepared.output().remove_empty();
        }
        started
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
        self.jobs.resume(name, async |folder| self.prepare_again(folder).await).await
    }

    async fn update(&self, job: &ReviewedJob) -> Result<Job> {
        fields::review(job)?;
        let prepared = Prepared::of(job)?;
        self.jobs.update(job, |folder| Ok(prepared.after(folder.prepared()?))).await
    }

    async fn delete(&self, name: &JobName, request: &StopRequest) -> Result<()> {
        self.jobs.delete(name, request).await
    }
}

impl LocalBackend {
    /// What a resumed job needs: the same as at its submission, as things are now.
    async fn prepare_again(&self, folder: &JobFolder) -> Result<Prepared> {
        let submission = folder.submission()?;
        let plan = folder.plan()?;
        secrets::review(&plan, &submission.secrets, &submission.secret_keys)?;
        volumes::folders(&plan, &submission.mounts, &submission.volumes)?;
        let prepared: Prepared = folder.prepared()?;
        let progress = trainer_core::request::Progress::default();
        let environment = self.environments.provide(&submission.packages, &prepared.directory, &progress).await?;
        Ok(prepared.with(environment))
    }
}
