//! `apply`: the jobs of a file, as they are.

use std::{
    io::Write,
    path::{Path, PathBuf},
    process::ExitCode,
};

use clap::Args;
use serde_json::json;
use trainer_core::{
    Error, ErrorKind, Job, JobRequest, Phase, Result, TrainerClient,
    api::{TrainJob, TrainJobSpec},
    client::WaitRequest,
    job::StopRequest,
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

/// Start the TrainJobs of a file; of one that is there already, change what may change
#[derive(Args)]
#[command(
    after_help = "All jobs of the file are reviewed before the first is started. `trainer logs -f NAME` follows one.
A job that is there and the same is left alone. `suspend: true` stops one that runs, `suspend: false` resumes one that
is stopped; what else may change does so while the job is stopped.

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
        preview::put(&client, reviewed.iter().filter(|(_, action)| action.launches()).map(|(job, _)| job)).await?;
        // Whoever reads along may go away: the jobs are started all the same. What was done before an error is said.
        let mut told = Ok(());
        let mut taken = Ok(());
        for (reviewed, action) in &reviewed {
            let name = reviewed.name();
            say(format_args!("{name}: {}, runtime {}", shape(reviewed.plan()), reviewed.runtime().name()));
            let job = match action.take(&client, reviewed).await {
                Ok(job) => job,
                Err(error) => {
                    taken = Err(error);
                    break;
                }
            };
            if let Action::Leave = action
                && let Some(difference) = held_back(&job, B::COMMAND)
            {
                note(&difference);
            }
            app.remember(&job);
            if self.form.format.is_none() && told.is_ok() {
                told = writeln!(out(), "{name} {}", action.done());
            }
            applied.push(job);
        }
        let written = write(&applied, self.form);
        taken?;
        written?;
        told?;
        Ok(ExitCode::SUCCESS)
    }
}

/// Every job of the file, reviewed, and what is to be done about it.
async fn review<B: BackendRegistry>(
    app: &App<B>,
    client: &TrainerClient<B>,
    file: &Path,
) -> Result<Vec<(ReviewedJob, Action)>> {
    let manifest = documents::read(file)?;
    let runtimes = client.runtimes().await?;
    let mut reviewed: Vec<(ReviewedJob, Action)> = Vec::new();
    for document in &manifest.jobs {
        let accepted = documents::accept(document, &manifest, &runtimes)??;
        let mut request = app.configured(JobRequest::from_annotated(accepted.job)?);
        request.runtime = accepted.brings_runtime.then_some(accepted.runtime);
        request.progress = progress::on_terminal();
        let job = client.plan(request).await?;
        // A client sees one namespace.
        if reviewed.iter().any(|(other, _)| other.name() == job.name()) {
            let (line, column) = document.position("metadata.name");
            let (file, name) = (document.file(), job.name());
            return Err(Error::invalid(format!("{file}:{line}:{column}: there is another job `{name}` in this file")));
        }
        let there = match client.get(job.name()).await {
            Ok(there) => Some(there),
            Err(error) if error.kind() == ErrorKind::NotFound => None,
            Err(error) => return Err(error),
        };
        let action = Action::of(there.as_ref(), &job.request().job);
        if let (Action::Change { .. }, Some(there)) = (action, &there) {
            documents::accept_change(document, &there.object, job.runtime())?;
        }
        reviewed.push((job, action));
    }
    Ok(reviewed)
}

/// What a file asks for, as things are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Action {
    Create,
    Leave,
    Resume,
    Stop,
    Change { stop: bool, resume: bool },
}

impl Action {
    /// `there` is the job of that name, if there is one. What the file doesn't say about `suspend` stays as it is.
    fn of(there: Option<&Job>, wanted: &TrainJob) -> Self {
        let Some(there) = there else { return Self::Create };
        let is_held = there.object.spec.suspend == Some(true);
        let resume = is_held && wanted.spec.suspend == Some(false);
        let stop = !is_held && wanted.spec.suspend == Some(true) && !there.phase.is_settled();
        match (is_same(&there.object, wanted), resume, stop) {
            (false, ..) => Self::Change { stop, resume },
            (true, true, _) => Self::Resume,
            (true, _, true) => Self::Stop,
            (true, ..) => Self::Leave,
        }
    }

    /// Whether it has the engine take the job over, as it is in the file.
    fn launches(self) -> bool {
        matches!(self, Self::Create | Self::Change { .. })
    }

    fn done(self) -> &'static str {
        match self {
            Self::Create => "created",
            Self::Leave => "unchanged",
            Self::Resume => "resumed",
            Self::Stop => "stopped",
            Self::Change { .. } => "changed",
        }
    }

    /// Does it; returns the job as it stands then.
    async fn take<B: BackendRegistry>(self, client: &TrainerClient<B>, reviewed: &ReviewedJob) -> Result<Job> {
        let name = reviewed.name();
        if let Self::Stop | Self::Change { stop: true, .. } = self {
            client.stop(name, &StopRequest::default()).await?;
            client.wait(name, &WaitRequest::default()).await?;
        }
        match self {
            Self::Create => return client.submit_reviewed(reviewed).await,
            Self::Change { .. } => drop(client.update(reviewed).await?),
            Self::Leave | Self::Resume | Self::Stop => {}
        }
        if let Self::Resume | Self::Change { resume: true, .. } = self {
            client.resume(name).await?;
        }
        client.get(name).await
    }
}

/// Whether they are the same job. Stopping and resuming one change only what it is held back by, `spec.suspend`.
fn is_same(there: &TrainJob, wanted: &TrainJob) -> bool {
    let spec = |job: &TrainJob| TrainJobSpec { suspend: None, ..job.spec.clone() };
    spec(there) == spec(wanted)
        && there.metadata.labels == wanted.metadata.labels
        && there.metadata.annotations == wanted.metadata.annotations
}

/// How a job goes on that the file leaves as it is.
fn held_back(there: &Job, command: &str) -> Option<String> {
    let Job { name, phase, .. } = there;
    let held = matches!(phase, Phase::Stopped | Phase::Suspended);
    held.then(|| format!("{name} is {phase}: `{command} resume {name}` starts it, and so does `suspend: false`"))
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

    use super::*;

    fn job(suspend: Option<bool>) -> TrainJob {
        let mut job = TrainJob::new(&"alpha".parse().unwrap(), "plain");
        job.spec.suspend = suspend;
        job
    }

    fn there(phase: Phase, suspend: Option<bool>) -> Job {
        let mut there = Job::new("alpha".parse().unwrap(), "u", "local", job(suspend));
        there.phase = phase;
        there
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
    fn suspend_stops_and_resumes_where_the_file_says_it() {
        let (held, goes) = (Some(true), Some(false));
        for (phase, there_is, file, action) in [
            (Phase::Stopped, held, goes, Action::Resume),
            (Phase::Suspended, held, goes, Action::Resume),
            (Phase::Stopped, held, None, Action::Leave),
            (Phase::Suspended, held, held, Action::Leave),
            (Phase::Running, goes, held, Action::Stop),
            (Phase::Created, None, held, Action::Stop),
            (Phase::Running, None, None, Action::Leave),
            (Phase::Complete, goes, held, Action::Leave),
        ] {
            assert_eq!(Action::of(Some(&there(phase, there_is)), &job(file)), action, "{phase}, {file:?}");
        }
        assert_eq!(Action::of(None, &job(None)), Action::Create);
    }

    #[test]
    fn whatever_else_differs_is_a_change() {
        let labelled = |suspend| {
            let mut job = job(suspend);
            job.metadata.labels.insert("team".to_owned(), "vision".to_owned());
            job
        };
        for (phase, there_is, file, stop, resume) in [
            (Phase::Stopped, Some(true), None, false, false),
            (Phase::Stopped, Some(true), Some(false), false, true),
            (Phase::Running, None, Some(true), true, false),
            (Phase::Running, None, None, false, false),
        ] {
            let action = Action::of(Some(&there(phase, there_is)), &labelled(file));
            assert_eq!(action, Action::Change { stop, resume }, "{phase}, {file:?}");
        }
    }

    #[test]
    fn what_starts_a_held_job_is_shown() {
        let hint = |phase| held_back(&there(phase, None), "trainer").unwrap_or_default();
        assert!(hint(Phase::Stopped).starts_with("alpha is Stopped: `trainer resume alpha` starts it"));
        assert_eq!(hint(Phase::Running), "");
    }
}
