//! `list`: the jobs there are.

use std::{io::Write, process::ExitCode};

use clap::Args;
use futures_util::TryStreamExt;
use serde_json::json;
use trainer_core::{Job, registry::BackendRegistry};

use super::{
    app::App,
    arguments::{Form, Format, Target},
    failure::{Outcome, report},
    human, phase,
    table::{self, Cell},
    terminal::{out, say, write_json, write_yaml},
};

/// List jobs, newest first
#[derive(Args)]
pub(super) struct List {
    /// Those of every backend of this binary
    #[arg(long, conflicts_with = "backend")]
    all_backends: bool,

    #[command(flatten)]
    form: Form,

    #[command(flatten)]
    target: Target,
}

impl List {
    pub(super) async fn run<B: BackendRegistry>(self, app: &App<B>) -> Outcome {
        let jobs = if self.all_backends {
            everywhere(app, &self.target).await?
        } else {
            app.client(&self.target)?.list_all().try_collect().await?
        };
        match self.form.format {
            Some(Format::Json) => write_json(&as_list(&jobs))?,
            Some(Format::Yaml) => write_yaml(&as_list(&jobs))?,
            Some(Format::Name) => jobs.iter().try_for_each(|job| writeln!(out(), "{}", job.name))?,
            Some(Format::Wide) => write_table(&jobs, COLUMNS)?,
            None if jobs.is_empty() => say(format_args!("no jobs")),
            None => {
                let [name, phase, nodes, age, backend, ..] = COLUMNS;
                write_table(&jobs, [name, phase, nodes, age, backend])?;
            }
        }
        Ok(ExitCode::SUCCESS)
    }
}

/// The jobs of every backend that answers; the errors of the others are said, and decide if none answers.
async fn everywhere<B: BackendRegistry>(app: &App<B>, target: &Target) -> Outcome<Vec<Job>> {
    let (mut jobs, mut answered, mut last_error) = (Vec::new(), false, None);
    for known in B::KNOWN.iter().filter(|known| known.enabled) {
        let found = match app.client_of(known.name, &target.settings) {
            Ok(client) => client.list_all().try_collect::<Vec<_>>().await,
            Err(error) => Err(error),
        };
        match found {
            Ok(found) => {
                answered = true;
                jobs.extend(found);
            }
            Err(error) => {
                if let Some(earlier) = last_error.replace(error) {
                    report(&earlier, B::COMMAND);
                }
            }
        }
    }
    match last_error {
        Some(error) if !answered => return Err(error.into()),
        Some(error) => report(&error, B::COMMAND),
        None => {}
    }
    jobs.sort_by_key(|job| std::cmp::Reverse(job.created));
    Ok(jobs)
}

fn as_list(jobs: &[Job]) -> serde_json::Value {
    let items: Vec<_> = jobs.iter().map(|job| &job.object).collect();
    json!({ "apiVersion": "v1", "kind": "List", "items": items })
}

/// A column: its heading, and what a job has in it.
type Column = (&'static str, fn(&Job) -> Cell);

const COLUMNS: [Column; 9] = [
    ("NAME", |job| Cell::plain(job.name.as_str())),
    ("PHASE", |job| Cell::styled(job.phase.as_str(), phase::style(job.phase))),
    ("NODES", |job| Cell::plain(phase::nodes(job).to_string())),
    ("AGE", |job| Cell::plain(human::age(job.created))),
    ("BACKEND", |job| Cell::plain(&job.backend)),
    ("RUNTIME", |job| Cell::plain(&job.object.spec.runtime_ref.name)),
    ("TOOK", |job| Cell::plain(human::took(job))),
    ("ATTEMPT", |job| Cell::plain(job.attempt.to_string())),
    ("REASON", |job| Cell::plain(job.reason.as_deref().unwrap_or_default())),
];

fn write_table<const N: usize>(jobs: &[Job], columns: [Column; N]) -> Outcome<()> {
    let rows = jobs.iter().map(|job| columns.map(|(_, cell)| cell(job)));
    Ok(table::write(out(), columns.map(|(heading, _)| heading), rows)?)
}
