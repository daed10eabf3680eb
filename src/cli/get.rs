//! `get`: one job, from near.

use std::{io::Write, process::ExitCode};

use clap::{
    Args,
    builder::styling::{AnsiColor, Style},
};
use trainer_core::{Job, Phase, job::Node, registry::BackendRegistry};

use super::{
    app::App,
    arguments::{Form, Format, OneJob},
    failure::Outcome,
    human,
    log_lines::name,
    phase,
    table::{self, Cell},
    terminal::{out, write_json, write_yaml},
};

/// Show a job: where it stands, why, and each of its nodes
#[derive(Args)]
pub(super) struct Get {
    #[command(flatten)]
    job: OneJob,

    #[command(flatten)]
    form: Form,
}

impl Get {
    pub(super) async fn run<B: BackendRegistry>(self, app: &App<B>) -> Outcome {
        let (client, name) = app.find(&self.job).await?;
        write::<B>(&client.get(&name).await?, self.form)?;
        Ok(ExitCode::SUCCESS)
    }
}

/// Writes `job` in the form that was asked for.
pub(super) fn write<B: BackendRegistry>(job: &Job, form: Form) -> Outcome<()> {
    match form.format {
        Some(Format::Json) => write_json(&job.object),
        Some(Format::Yaml) => write_yaml(&job.object),
        Some(Format::Name) => Ok(writeln!(out(), "{}", job.name)?),
        Some(Format::Wide) => write_details(job, B::COMMAND, true),
        None => write_details(job, B::COMMAND, false),
    }
}

fn write_details(job: &Job, command: &str, wide: bool) -> Outcome<()> {
    let mut out = out();
    writeln!(out, "{}", phase::outcome(job))?;
    let mut fact = |name: &str, value: &str| {
        if value.is_empty() { Ok(()) } else { writeln!(out, "  {name:<10} {value}") }
    };
    fact("backend", &job.backend)?;
    fact("runtime", &job.object.spec.runtime_ref.name)?;
    fact("command", &program(job))?;
    fact("submitted", &format!("{} ago", human::age(job.created)))?;
    if !job.phase.is_settled() {
        fact("running", &human::took(job))?;
    }
    if job.attempt > 1 || wide {
        fact("attempt", &job.attempt.to_string())?;
    }
    if let Some(status) = job.object.status.as_ref().and_then(|status| status.trainer_status.as_ref()) {
        fact("progress", &status.progress_percentage.map(|percentage| format!("{percentage} %")).unwrap_or_default())?;
    }
    if wide {
        fact("namespace", job.object.metadata.namespace.as_deref().unwrap_or_default())?;
        fact("uid", &job.uid)?;
        fact("created", &format!("{:.3}", job.created))?;
        fact("started", &job.started.map(|time| format!("{time:.3}")).unwrap_or_default())?;
        fact("finished", &job.finished.map(|time| format!("{time:.3}")).unwrap_or_default())?;
    }
    if !job.steps.is_empty() {
        writeln!(out)?;
        let rows = job.steps.iter().flat_map(|step| step.nodes.iter().map(|node| row(&step.name, node)));
        table::write(&mut out, ["NODE", "PHASE", "DETAIL"], rows)?;
    }
    let dim = Style::new().dimmed();
    writeln!(out)?;
    for (what, line) in next_steps(job) {
        writeln!(out, "{dim}{what:<9}{dim:#} {command} {line} {}", job.name)?;
    }
    Ok(())
}

fn row(step: &str, node: &Node) -> [Cell; 3] {
    let exit = node.exit.filter(|exit| !exit.is_success());
    let detail: Vec<_> = exit.map(|exit| exit.to_string()).into_iter().chain(node.reason.clone()).collect();
    let colour = if exit.is_some() { AnsiColor::Red.on_default() } else { Style::new() };
    [
        Cell::plain(name(step, node.index)),
        Cell::styled(node.phase.as_str(), phase::style(node.phase)),
        Cell::styled(detail.join("; "), colour),
    ]
}

/// Command and arguments as one would type them; empty where the runtime has them.
fn program(job: &Job) -> String {
    let trainer = job.object.spec.trainer.as_ref();
    let words = trainer.into_iter().flat_map(|trainer| trainer.command.iter().chain(&trainer.args).flatten());
    super::run::quoted(words.map(String::as_str))
}

fn next_steps(job: &Job) -> Vec<(&'static str, &'static str)> {
    match job.phase {
        Phase::Complete => vec![("its logs:", "logs")],
        Phase::Failed => vec![("its logs:", "logs"), ("events:", "events")],
        Phase::Stopped | Phase::Suspended => vec![("its logs:", "logs"), ("go on:", "resume")],
        _ => vec![("follow:", "logs -f"), ("stop:", "stop")],
    }
}
