//! `apply`: the jobs of a file, as they are.

use std::{io::Write, path::PathBuf, process::ExitCode};

use clap::Args;
use serde_json::json;
use trainer_core::{
    Error, ErrorKind, Job, JobRequest, Result, TrainerClient,
    api::{TrainJob, TrainJobSpec},
    registry::BackendRegistry,
    request::ReviewedJob,
};

use super::{
    app::App,
    arguments::{Form, Format, Target},
    documents,
    failure::{Outcome, note},
    preview, progress,
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
        let reviewed = review(app, &client, &self.file).await?;
        preview::put(&client, &reviewed).await?;
        for reviewed in &reviewed {
            let name = reviewed.name();
            say(format_args!("{name}: {}, runtime {}", shape(reviewed.plan()), reviewed.runtime().name()));
            let (job, what) = apply(&client, reviewed).await?;
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
async fn review<B: BackendRegistry>(
    app: &App<B>,
    client: &TrainerClient<B>,
    file: &std::path::Path,
) -> Result<Vec<ReviewedJob>> {
    let manifest = documents::read(file)?;
    let runtimes = client.runtimes().await?;
    let mut reviewed: Vec<ReviewedJob> = Vec::new();
    for document in &manifest.jobs {
        let accepted = documents::accept(document, &manifest, &runtimes)?
            .map_err(|rejection| documents::refused(rejection, document))?;
        let mut request = app.configured(JobRequest::from_annotated(accepted.job)?);
        request.runtime = accepted.brings_runtime.then_some(accepted.runtime);
        request.progress = progress::on_terminal();
        let job = client.plan(request).await?;
        let place = |job: &ReviewedJob| (job.plan().namespace.clone(), job.name().clone());
        if reviewed.iter().any(|other| place(other) == place(&job)) {
            let (line, column) = document.position("metadata.name");
            let (file, name) = (document.file(), job.name());
            return Err(Error::invalid(format!("{file}:{line}:{column}: there is another job `{name}` in this file")));
        }
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
    let name = reviewed.name();
    if is_same(&there.object, &reviewed.request().job) {
        if let Some(difference) = held_back(&there, reviewed.plan().suspend, B::COMMAND) {
            note(&difference);
        }
        return Ok((there, "unchanged"));
    }
    Err(Error::new(ErrorKind::AlreadyExists, format!("there is another job `{name}`, and it can't be changed"))
        .with_hint(format!("give this one another name, or `trainer delete {name}` first")))
}

/// Whether they are the same job. Stopping and resuming one change only what it is held back by, `spec.suspend`.
fn is_same(there: &TrainJob, wanted: &TrainJob) -> bool {
    let spec = |job: &TrainJob| TrainJobSpec { suspend: None, ..job.spec.clone() };
    spec(there) == spec(wanted)
        && there.metadata.labels == wanted.metadata.labels
        && there.metadata.annotations == wanted.metadata.annotations
}

/// What applying the same job again doesn't change, and what does.
fn held_back(there: &Job, wanted: bool, command: &str) -> Option<String> {
    let Job { name, phase, .. } = there;
    let held = there.object.spec.suspend.unwrap_or_default();
    match (held, wanted) {
        (true, false) => Some(format!("{name} is {phase}: `{command} resume {name}` starts it again")),
        (false, true) if !phase.is_settled() => {
            Some(format!("{name} is {phase}, though the file suspends it: `{command} stop {name}` ends its nodes"))
        }
        _ => None,
    }
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

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use trainer_core::Phase;

    use super::*;

    fn job(suspend: Option<bool>) -> TrainJob {
        let mut job = TrainJob::new(&"alpha".parse().unwrap(), "plain");
        job.spec.suspend = suspend;
        job
    }

    #[test]
    fn a_job_stays_the_same_when_it_is_stopped_and_resumed() {
        for (there, file) in [(Some(true), None), (Some(false), Some(true)), (None, Some(false))] {
            assert!(is_same(&job(there), &job(file)), "{there:?}, {file:?}");
        }
        let mut other = job(None);
        other.spec.active_deadline_seconds = Some(1);
        assert!(!is_same(&job(None), &other));
    }

    #[test]
    fn what_resumes_or_stops_it_is_shown() {
        let hint = |phase, suspend, wanted| {
            let mut there = Job::new("alpha".parse().unwrap(), "u", "local", job(suspend));
            there.phase = phase;
            held_back(&there, wanted, "trainer").unwrap_or_default()
        };
        assert_eq!(hint(Phase::Stopped, Some(true), false), "alpha is Stopped: `trainer resume alpha` starts it again");
        assert!(hint(Phase::Running, Some(false), true).contains("`trainer stop alpha`"));
        for (phase, suspend, wanted) in [
            (Phase::Running, None, false),
            (Phase::Suspended, Some(true), true),
            (Phase::Created, Some(true), true),
            (Phase::Complete, Some(false), true),
        ] {
            assert_eq!(hint(phase, suspend, wanted), "", "{phase}");
        }
    }
}
