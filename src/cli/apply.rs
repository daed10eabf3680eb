//! `apply`: the jobs of a file, as they are.

use std::{io::Write, path::PathBuf, process::ExitCode};

use clap::Args;
use serde_json::json;
use trainer_core::{
    Error, ErrorKind, Job, JobRequest, Result, TrainerClient, api::TrainJob, registry::BackendRegistry,
    request::ReviewedJob,
};

use super::{
    app::App,
    arguments::{Form, Format, Target},
    documents,
    failure::{Outcome, warn},
    progress,
    run::shape,
    terminal::{out, say, write_json, write_yaml},
};

/// Start the TrainJobs of a file; one that is there already, and the same, is left alone
#[derive(Args)]
#[command(
    after_help = "All jobs of the file are reviewed before the first is started. `trainer logs -f NAME` follows one.

Examples:
  $ trainer apply -f job.yaml
  $ trainer run --dry-run train.py > job.yaml && trainer apply -f job.yaml"
)]
pub(super) struct Apply {
    /// File with TrainJobs, and the runtimes they need if they aren't known; `-` for standard input
    #[arg(short, long)]
    file: PathBuf,

    #[command(flatten)]
    form: Form,

    #[command(flatten)]
    target: Target,
}

impl Apply {
    pub(super) async fn run<B: BackendRegistry>(self, app: &App<B>) -> Outcome {
        let client = app.client(&self.target)?.with_runtimes(app.runtimes()?);
        let mut applied = Vec::new();
        for reviewed in review(&client, &self.file).await? {
            let name = reviewed.name();
            say(format_args!("{name}: {}, runtime {}", shape(reviewed.plan()), reviewed.runtime().name()));
            let (job, what) = apply(&client, &reviewed).await?;
            app.remember(&job);
            if self.form.format.is_none() {
                writeln!(out(), "{name} {what}")?;
            }
            applied.push(job);
        }
        write(&applied, self.form)?;
        Ok(ExitCode::SUCCESS)
    }
}

/// Every job of the file, reviewed.
async fn review<B: BackendRegistry>(client: &TrainerClient<B>, file: &std::path::Path) -> Result<Vec<ReviewedJob>> {
    let manifest = documents::read(file)?;
    let runtimes = client.runtimes().await?;
    let mut reviewed = Vec::new();
    for document in &manifest.jobs {
        let accepted = documents::accept(document, &manifest, &runtimes)?
            .map_err(|rejection| documents::refused(rejection, document))?;
        let mut request = JobRequest::from_annotated(accepted.job)?;
        request.runtime = accepted.brings_runtime.then_some(accepted.runtime);
        request.progress = progress::on_terminal();
        let job = client.plan(request).await?;
        job.plan().warnings.iter().for_each(|warning| warn(warning));
        reviewed.push(job);
    }
    Ok(reviewed)
}

/// Starts the job, or finds the same one there.
async fn apply<B: BackendRegistry>(client: &TrainerClient<B>, reviewed: &ReviewedJob) -> Result<(Job, &'static str)> {
    let clash = match client.submit_reviewed(reviewed).await {
        Ok(job) => return Ok((job, "created")),
        Err(error) if error.kind() == ErrorKind::AlreadyExists => error,
        Err(error) => return Err(error),
    };
    let there = client.get(reviewed.name()).await.map_err(|_| clash)?;
    if is_same(&there.object, &reviewed.request().job) {
        return Ok((there, "unchanged"));
    }
    let name = reviewed.name();
    Err(Error::new(ErrorKind::AlreadyExists, format!("there is another job `{name}`, and it can't be changed"))
        .with_hint(format!("give this one another name, or `trainer delete {name}` first")))
}

fn is_same(there: &TrainJob, wanted: &TrainJob) -> bool {
    there.spec == wanted.spec
        && there.metadata.labels == wanted.metadata.labels
        && there.metadata.annotations == wanted.metadata.annotations
}

fn write(jobs: &[Job], form: Form) -> Outcome<()> {
    let items = || -> Vec<_> { jobs.iter().map(|job| &job.object).collect() };
    let list = || match items()[..] {
        [job] => json!(job),
        ref jobs => json!({ "apiVersion": "v1", "kind": "List", "items": jobs }),
    };
    match form.format {
        Some(Format::Json) => write_json(&list()),
        Some(Format::Yaml) => write_yaml(&list()),
        Some(Format::Name | Format::Wide) => Ok(jobs.iter().try_for_each(|job| writeln!(out(), "{}", job.name))?),
        None => Ok(()),
    }
}
