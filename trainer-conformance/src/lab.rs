//! What a trial works with: clients, jobs with names of their own, and what became of them.

use std::{
    collections::HashMap,
    hash::{BuildHasher, RandomState},
    path::Path,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use futures_util::{StreamExt, TryStreamExt};
use libtest_mimic::Failed;
use serde_json::Value;
use trainer_core::{
    ErrorKind, Job, JobName, JobRequest, Phase, Result, TrainerBackend, TrainerClient,
    api::{EnvVar, TrainJob, Trainer},
    client::{WaitOutcome, WaitRequest},
    job::{LogQuery, StopRequest},
    plan::literal,
    request::Source,
    runtimes::RuntimeCatalog,
};

use crate::{
    engine::{Engine, Secret},
    transcript::Transcript,
};

/// The place of one trial. Every job that it names is deleted when the trial is over.
pub(crate) struct Lab<B> {
    engine: Engine<B>,
    client: TrainerClient<B>,
    trial: &'static str,
    names: Arc<Mutex<Vec<JobName>>>,
}

impl<B: TrainerBackend> Lab<B> {
    pub(crate) fn open(engine: Engine<B>, trial: &'static str) -> Result<Self> {
        let client = TrainerClient::new((engine.connect)()?);
        Ok(Self { engine, client, trial, names: Arc::default() })
    }

    pub(crate) fn client(&self) -> &TrainerClient<B> {
        &self.client
    }

    /// A client that knows nothing of the first one.
    pub(crate) fn connect(&self) -> Result<TrainerClient<B>> {
        Ok(TrainerClient::new((self.engine.connect)()?))
    }

    pub(crate) fn secret(&self) -> Result<Secret, Failed> {
        self.engine.secret.clone().ok_or_else(|| "the engine has no secret".into())
    }

    /// A name that nobody else uses. A job that takes it is deleted at the end.
    pub(crate) fn name(&self) -> JobName {
        let unique = RandomState::new().hash_one(self.trial);
        let words: String = self.trial.replace('_', "-").chars().take(20).collect();
        let name = format!("{words}-{:08x}", unique as u32).parse().unwrap_or_else(|error| panic!("{error}"));
        self.names.lock().unwrap_or_else(PoisonError::into_inner).push(JobName::clone(&name));
        name
    }

    /// A job of one node that runs `argv` under the runtime `plain`.
    pub(crate) fn job(&self, argv: &[&str]) -> Draft<B> {
        let name = self.name();
        let mut job = TrainJob::new(&name, "plain");
        job.spec.trainer = Some(Trainer {
            command: Some(argv.iter().map(|word| literal(word).into_owned()).collect()),
            num_nodes: Some(1),
            ..Trainer::default()
        });
        Draft { client: self.client.clone(), name, request: JobRequest::new(job) }
    }

    /// A job of one node that runs a shell script.
    pub(crate) fn sh(&self, script: &str) -> Draft<B> {
        self.job(&["sh", "-c", script])
    }

    /// A job of one node that runs a Python program.
    pub(crate) fn python(&self, program: &str) -> Draft<B> {
        self.job(&["python3", "-c", program])
    }

    /// `failure`, and how the jobs of the trial stand.
    pub(crate) async fn report(&self, failure: &str) -> String {
        let mut report = failure.to_owned();
        for name in self.names() {
            let Ok(job) = self.client.get(&name).await else { continue };
            let reason = job.reason.map(|reason| format!(": {reason}")).unwrap_or_default();
            report += &format!("\n  job {name} is {}{reason}", job.phase);
            if let Ok(log) = transcript(&self.client, &name, &LogQuery::default()).await {
                report += &format!("\n{log}");
            }
        }
        report
    }

    /// Deletes every job of the trial.
    pub(crate) async fn close(&self) -> Result<(), Failed> {
        for name in self.names() {
            match self.client.delete(&name, &AT_ONCE).await {
                Err(error) if error.kind() != ErrorKind::NotFound => {
                    return Err(format!("{name} can't be deleted: {error}").into());
                }
                _ => {}
            }
        }
        Ok(())
    }

    fn names(&self) -> Vec<JobName> {
        self.names.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl<B> Clone for Lab<B> {
    fn clone(&self) -> Self {
        Self {
            engine: self.engine.clone(),
            client: self.client.clone(),
            trial: self.trial,
            names: Arc::clone(&self.names),
        }
    }
}

pub(crate) const AT_ONCE: StopRequest = StopRequest { grace: Some(Duration::ZERO) };

/// A job that has not been submitted yet.
pub(crate) struct Draft<B> {
    client: TrainerClient<B>,
    pub(crate) name: JobName,
    pub(crate) request: JobRequest,
}

impl<B: TrainerBackend> Draft<B> {
    /// The same once more, for a change.
    pub(crate) fn again(&self) -> Self {
        Self { client: self.client.clone(), name: self.name.clone(), request: self.request.clone() }
    }

    pub(crate) fn nodes(mut self, nodes: i32) -> Self {
        self.trainer().num_nodes = Some(nodes);
        self
    }

    pub(crate) fn runtime(mut self, name: &str) -> Self {
        self.request.job.spec.runtime_ref.name = name.to_owned();
        self
    }

    pub(crate) fn env(mut self, name: &str, value: &str) -> Self {
        self.trainer().env.get_or_insert_default().push(EnvVar::new(name, value));
        self
    }

    pub(crate) fn source(mut self, directory: &Path) -> Self {
        self.request.source = Some(Source { directory: directory.to_owned(), commit: None, dirty: false });
        self
    }

    pub(crate) fn suspended(mut self) -> Self {
        self.request.job.spec.suspend = Some(true);
        self
    }

    /// Allows so many attempts after the first.
    pub(crate) fn retries(self, limit: u32) -> Self {
        self.step("", "backoffLimit", limit.into())
    }

    /// Sets the time between SIGTERM and SIGKILL.
    pub(crate) fn grace(self, seconds: u32) -> Self {
        self.step("/template/spec", "terminationGracePeriodSeconds", seconds.into())
    }

    /// Changes the runtime's step, in a copy of the built-in one that the request carries.
    fn step(mut self, place: &str, field: &str, value: Value) -> Self {
        let reference = &self.request.job.spec.runtime_ref;
        let runtime = self.request.runtime.get_or_insert_with(|| {
            RuntimeCatalog::builtin().find(reference).unwrap_or_else(|error| panic!("{error}")).clone()
        });
        let place = format!("/spec/replicatedJobs/0/template/spec{place}");
        let step = runtime.spec.template.as_mut().and_then(|template| template.pointer_mut(&place));
        step.unwrap_or_else(|| panic!("the runtime has no {place}"))[field] = value;
        self
    }

    pub(crate) fn trainer(&mut self) -> &mut Trainer {
        self.request.job.spec.trainer.get_or_insert_default()
    }

    pub(crate) async fn submit(self) -> Result<Submitted<B>> {
        self.client.submit(self.request).await?;
        Ok(Submitted { client: self.client, name: self.name })
    }

    /// Submits it and waits until it completes.
    pub(crate) async fn complete(self) -> Result<Submitted<B>, Failed> {
        let submitted = self.submit().await?;
        submitted.reaches(Phase::Complete).await?;
        Ok(submitted)
    }

    /// Submits it and waits until it fails.
    pub(crate) async fn fail(self) -> Result<(Submitted<B>, Job), Failed> {
        let submitted = self.submit().await?;
        let job = submitted.reaches(Phase::Failed).await?;
        Ok((submitted, job))
    }
}

/// A job that an engine has.
pub(crate) struct Submitted<B> {
    pub(crate) client: TrainerClient<B>,
    pub(crate) name: JobName,
}

impl<B: TrainerBackend> Submitted<B> {
    pub(crate) async fn get(&self) -> Result<Job> {
        self.client.get(&self.name).await
    }

    pub(crate) async fn reaches(&self, phase: Phase) -> Result<Job, Failed> {
        let request = WaitRequest { phases: vec![phase], ..WaitRequest::default() };
        match self.client.wait(&self.name, &request).await? {
            WaitOutcome::Reached(job) => Ok(job),
            WaitOutcome::Missed(job) => Err(format!("{} became {}, not {phase}", self.name, job.phase).into()),
        }
    }

    /// What it has written so far.
    pub(crate) async fn log(&self) -> Result<Transcript, Failed> {
        self.log_of(&LogQuery::default()).await
    }

    pub(crate) async fn log_of(&self, query: &LogQuery) -> Result<Transcript, Failed> {
        transcript(&self.client, &self.name, query).await
    }

    /// Waits until so many lines with `text` have been written.
    pub(crate) async fn says(&self, text: &str, times: usize) -> Result<(), Failed> {
        let follow = LogQuery { follow: true, ..LogQuery::default() };
        let mut items = self.client.logs(&self.name, &follow).await?;
        let mut transcript = Transcript::default();
        while let Some(item) = items.next().await {
            transcript.add(item?)?;
            let said = transcript.lines.iter().filter(|line| String::from_utf8_lossy(&line.bytes).contains(text));
            if said.count() >= times {
                return Ok(());
            }
        }
        Err(format!("the log ended before `{text}` was said {times} times").into())
    }

    pub(crate) async fn stop(&self) -> Result<Job, Failed> {
        self.client.stop(&self.name, &StopRequest::default()).await?;
        self.reaches(Phase::Stopped).await
    }
}

async fn transcript<B: TrainerBackend>(
    client: &TrainerClient<B>,
    name: &JobName,
    query: &LogQuery,
) -> Result<Transcript, Failed> {
    let items: Vec<_> = client.logs(name, query).await?.try_collect().await?;
    Transcript::of(items)
}

/// Variables that a node printed with `env`.
pub(crate) fn variables(lines: &[String]) -> HashMap<&str, &str> {
    lines.iter().filter_map(|line| line.split_once('=')).collect()
}
