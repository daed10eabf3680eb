//! The contract: a table of contents.

use std::{path::Path, process::ExitCode, sync::Arc};

use tokio::sync::OnceCell;
use trainer_core::{ErrorKind, job::Severity, prelude::*, registry::read_options};
use trainer_supervisor::{Jobs, Settings, Submission, supervise};

use super::{
    check,
    config::{CONFIG, ContainerConfig, ContainerOptions, OPTIONS},
    endpoint::Selected,
    engine::Engine,
    fields, foreign,
    launch::ContainerLauncher,
    logs, objects,
    prepared::Prepared,
    preview,
    submission::{Setting, containers},
    variables,
};

/// Containers of Docker or Podman.
#[register_backend("container", aliases("docker", "podman"))]
#[derive(Clone, Debug)]
pub struct ContainerBackend {
    jobs: Jobs,
    selected: Selected,
    host: Option<String>,
    image: Option<String>,
    engine: Arc<OnceCell<Engine>>,
}

impl ContainerBackend {
    /// A backend with these settings, on the engine that `selected` asks for. Does no I/O.
    #[must_use]
    pub fn new(selected: Selected, config: ContainerConfig) -> Self {
        let settings = Settings { state_dir: config.state_dir, executable: config.supervisor };
        Self {
            jobs: Jobs::new(Self::NAME, settings),
            selected,
            host: config.host,
            image: config.image,
            engine: Arc::default(),
        }
    }
}

impl ConnectBackend for ContainerBackend {
    type Config = ContainerConfig;
    const CONFIG: &'static [Key] = CONFIG;
    const OPTIONS: &'static [Key] = OPTIONS;
    const FIELDS: &'static [FieldRule] = fields::FIELDS;

    fn connect(selected: &str, config: ContainerConfig) -> Result<Self> {
        Ok(Self::new(Selected::of(selected), config))
    }

    fn supervise(folder: &Path) -> Result<ExitCode> {
        supervise(folder, ContainerLauncher::open)
    }
}

impl TrainerBackend for ContainerBackend {
    async fn check(&self) -> Result<Vec<Finding>> {
        let mut findings = vec![self.jobs.check()];
        findings.extend(check::engine(self.engine().await?));
        Ok(findings)
    }

    fn check_options(&self, options: &JobOptions) -> Result<()> {
        read_options::<ContainerOptions>(Self::NAME, Self::OPTIONS, options).map(drop)
    }

    async fn preview(&self, job: &ReviewedJob) -> Result<LaunchPlan> {
        let substitutions = fields::review(job)?;
        preview::localized(job, &substitutions)
    }

    async fn submit(&self, job: &ReviewedJob) -> Result<Job> {
        let substitutions = fields::review(job)?;
        let request = job.request();
        let options = read_options(Self::NAME, Self::OPTIONS, &request.options)?;
        variables::review(request, containers(job.plan()).map(|(_, container)| container))?;
        let engine = self.engine().await?;
        foreign::sweep(engine, job.name(), &self.jobs.state_root()?).await?;
        let submission = Submission::new(job.name().clone(), request, Self::NAME);
        let claim = self.jobs.claim(submission.clone(), job.plan())?;
        let folder = claim.folder().clone();
        for substitution in &substitutions {
            folder.record_event(Severity::Warning, "Substituted", "job", substitution);
        }
        let image = self.image.as_deref();
        let setting = Setting { engine, job, folder: &folder, submission: &submission, options, image };
        let prepared = setting.prepare().await?;
        let started = claim.start(&prepared).await;
        if started.is_err() {
            prepared.remove_empty_output();
            setting.undo().await;
        }
        started
    }

    async fn get(&self, name: &JobName) -> Result<Job> {
        match self.jobs.get(name).await {
            Err(error) if error.kind() == ErrorKind::NotFound => self.foreign(name).await,
            other => other,
        }
    }

    async fn list(&self, query: &ListQuery) -> Result<Page<Job>> {
        let own = self.jobs.list(query).await?;
        let state = self.jobs.state_root()?;
        let foreign = async { foreign::list(self.engine().await?, Self::NAME, &state).await };
        match foreign.await {
            Ok(foreign) => Ok(foreign::merge(query, own, foreign)),
            // Those of this machine are worth seeing all the same.
            Err(_) if !own.items.is_empty() => Ok(own),
            Err(error) => Err(error),
        }
    }

    async fn watch(&self, name: &JobName) -> Result<JobStream> {
        self.or_elsewhere(name, self.jobs.watch(name)).await
    }

    async fn logs(&self, name: &JobName, query: &LogQuery) -> Result<LogStream> {
        match self.jobs.logs(name, query).await {
            Err(error) if error.kind() == ErrorKind::NotFound && self.jobs.get(name).await.is_err() => {
                let job = self.foreign(name).await?;
                logs::stream(self.engine().await?, &job, query).await
            }
            other => other,
        }
    }

    async fn events(&self, name: &JobName) -> Result<Vec<Event>> {
        self.or_elsewhere(name, self.jobs.events(name)).await
    }

    async fn stop(&self, name: &JobName, request: &StopRequest) -> Result<()> {
        self.or_elsewhere(name, self.jobs.stop(name, request)).await
    }

    async fn resume(&self, name: &JobName) -> Result<()> {
        // What was prepared at the submission holds; images are what they were.
        let resumed = self.jobs.resume(name, async |folder| folder.prepared::<Prepared>());
        self.or_elsewhere(name, resumed).await
    }

    async fn update(&self, job: &ReviewedJob) -> Result<Job> {
        fields::review(job)?;
        let request = job.request();
        let options: ContainerOptions = read_options(Self::NAME, Self::OPTIONS, &request.options)?;
        variables::review(request, containers(job.plan()).map(|(_, container)| container))?;
        self.or_elsewhere(job.name(), async {
            self.jobs.get(job.name()).await?;
            let folder = self.jobs.folder(job.name())?;
            let (submission, before) = (folder.submission()?, folder.prepared::<Prepared>()?);
            let engine = Engine::open(&before.endpoint).await?;
            let image = self.image.as_deref();
            let setting = Setting { engine: &engine, job, folder: &folder, submission: &submission, options, image };
            let images = setting.provide_images().await?;
            let after = Prepared {
                images,
                user: setting.options.user.resolve(&engine),
                options: setting.options.clone(),
                ..before
            };
            self.jobs.update(job, |_| Ok(after)).await
        })
        .await
    }

    async fn delete(&self, name: &JobName, request: &StopRequest) -> Result<()> {
        let folder = self.jobs.folder(name)?;
        let Ok(submission) = folder.submission() else {
            return match self.jobs.delete(name, request).await {
                Err(error) if error.kind() == ErrorKind::NotFound => self.delete_foreign(name).await,
                other => other,
            };
        };
        // Asked before anything is changed: a deletion is complete.
        let engine = match folder.prepared::<Prepared>() {
            Ok(prepared) if submission.backend == Self::NAME => Some(Engine::open(&prepared.endpoint).await?),
            _ => None,
        };
        self.jobs.delete(name, request).await?;
        match engine {
            Some(engine) => objects::remove_all(&engine, &submission.uid).await,
            None => Ok(()),
        }
    }
}

impl ContainerBackend {
    async fn engine(&self) -> Result<&Engine> {
        self.engine.get_or_try_init(|| Engine::find(self.selected, self.host.as_deref())).await
    }

    /// The job that the engine has and the state folder hasn't.
    async fn foreign(&self, name: &JobName) -> Result<Job> {
        let found = foreign::get(self.engine().await?, Self::NAME, name, &self.jobs.state_root()?).await?;
        found.ok_or_else(|| Error::no_such_job(name))
    }

    async fn delete_foreign(&self, name: &JobName) -> Result<()> {
        let job = self.foreign(name).await?;
        objects::remove_all(self.engine().await?, &job.uid).await
    }

    /// `answer`, or who could give it, if the engine has the job and the state folder hasn't.
    async fn or_elsewhere<T>(&self, name: &JobName, answer: impl Future<Output = Result<T>>) -> Result<T> {
        match answer.await {
            Err(error) if error.kind() == ErrorKind::NotFound => {
                match self.jobs.get(name).await {
                    // It is something of the job that isn't there.
                    Ok(_) => Err(error),
                    Err(_) => Err(elsewhere(&self.foreign(name).await?)),
                }
            }
            other => other,
        }
    }
}

fn elsewhere(job: &Job) -> Error {
    let whose = job.reason.as_deref().unwrap_or("supervised elsewhere");
    Error::new(ErrorKind::Unreachable, format!("the job `{}` is {whose}", job.name)).with_hint("do this there")
}
