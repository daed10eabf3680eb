//! `plan`: what would be launched for the jobs of a file.

mod rendering;
mod words;

use std::{io::Write, path::PathBuf, process::ExitCode};

use clap::Args;
use serde_json::{Value, json};
use trainer_core::{
    Error, ErrorKind, JobRequest, TrainerClient,
    plan::{self, LaunchPlan},
    registry::BackendRegistry,
};

use super::{
    app::App,
    arguments::{Form, Format, Target},
    documents::{self, Accepted, Refused},
    failure::{Outcome, report, warn},
    preview,
    terminal::{out, write_json, write_yaml},
};

/// Show what would be launched for the TrainJobs of a file; creates nothing
#[derive(Args)]
#[command(after_help = "Without --backend it shows what the controller of Kubeflow Trainer would make of the job;
no engine is asked. With --backend NAME it shows what that backend would launch.
Exits with 2 if a job is refused.

Examples:
  $ trainer plan -f job.yaml
  $ trainer run --dry-run --nodes 2 -- hostname | trainer plan -f - -o json")]
pub(super) struct Plan {
    /// File with TrainJobs, and the runtimes they need if they aren't known; `-` for standard input
    #[arg(short, long)]
    file: PathBuf,

    #[command(flatten)]
    form: Form,

    #[command(flatten)]
    target: Target,
}

impl Plan {
    pub(super) async fn run<B: BackendRegistry>(self, app: &App<B>) -> Outcome {
        if let (None, Some((key, _))) = (&self.target.backend, self.target.settings.first()) {
            return Err(Error::invalid(format!("`-B {key}` sets up a backend, and none is asked"))
                .with_hint("add `--backend NAME`, or leave it out")
                .into());
        }
        let client = match self.target.backend {
            Some(_) => Some(app.client(&self.target)?.with_runtimes(app.runtimes()?)),
            None => None,
        };
        let runtimes = match &client {
            Some(client) => client.runtimes().await?,
            None => app.runtimes()?,
        };
        let manifest = documents::read(&self.file)?;
        let mut answers = Vec::new();
        for document in &manifest.jobs {
            answers.push(match documents::accept(document, &manifest, &runtimes)? {
                Ok(accepted) => Answer::Plan(Box::new(launch_plan(app, accepted, client.as_ref()).await?)),
                Err(refused) => Answer::Refused(refused),
            });
        }
        let refused = answers.iter().any(|answer| matches!(answer, Answer::Refused(_)));
        match self.form.format {
            Some(Format::Json) => write_json(&as_json(&answers))?,
            Some(Format::Yaml) => write_yaml(&as_json(&answers))?,
            Some(Format::Name) => answers.into_iter().try_for_each(Answer::write_name::<B>)?,
            Some(Format::Wide) | None => answers.into_iter().try_for_each(Answer::write::<B>)?,
        }
        Ok(if refused { ExitCode::from(ErrorKind::Invalid.exit_code()) } else { ExitCode::SUCCESS })
    }
}

enum Answer<'a> {
    Plan(Box<LaunchPlan>),
    Refused(Refused<'a>),
}

impl Answer<'_> {
    fn write<B: BackendRegistry>(self) -> Outcome<()> {
        match self {
            Self::Plan(plan) => {
                preview::say([&*plan]);
                rendering::write(&plan)
            }
            Self::Refused(refused) => {
                say_refusal::<B>(refused);
                Ok(())
            }
        }
    }

    fn write_name<B: BackendRegistry>(self) -> Outcome<()> {
        match self {
            Self::Plan(plan) => Ok(writeln!(out(), "{}", plan.job)?),
            Self::Refused(refused) => {
                say_refusal::<B>(refused);
                Ok(())
            }
        }
    }
}

fn say_refusal<B: BackendRegistry>(refused: Refused<'_>) {
    refused.rejection.warnings.iter().for_each(|warning| warn(warning));
    report(&refused.into(), B::COMMAND);
}

async fn launch_plan<B: BackendRegistry>(
    app: &App<B>,
    accepted: Accepted,
    client: Option<&TrainerClient<B>>,
) -> trainer_core::Result<LaunchPlan> {
    let Some(client) = client else { return plan::plan(&accepted.job, &accepted.runtime) };
    let mut request = app.configured(JobRequest::from_annotated(accepted.job)?);
    request.runtime = Some(accepted.runtime);
    client.preview(&client.plan(request).await?).await
}

/// One answer as it is, several as a list.
fn as_json(answers: &[Answer<'_>]) -> Value {
    let items: Vec<_> = answers
        .iter()
        .map(|answer| match answer {
            Answer::Plan(plan) => json!(plan),
            Answer::Refused(refused) => json!(refused.rejection),
        })
        .collect();
    match &items[..] {
        [item] => item.clone(),
        _ => json!({ "apiVersion": "v1", "kind": "List", "items": items }),
    }
}
