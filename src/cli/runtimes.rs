//! `runtimes`: what a job can build on.

use std::{io::Write, process::ExitCode};

use clap::{Args, Subcommand};
use serde_json::json;
use trainer_core::{Result, api::Runtime, registry::BackendRegistry, runtimes::RuntimeCatalog};

use super::{
    app::App,
    arguments::{Form, Format, Target},
    failure::{Outcome, warn_of},
    table::{self, Cell},
    terminal::{out, write_json, write_yaml},
};

/// List the training runtimes that a job can name, or show one
#[derive(Args)]
#[command(args_conflicts_with_subcommands = true)]
#[command(after_help = "They come from the backend, from .trainer/runtimes/ of the project, from
~/.config/trainer/runtimes/, and built in; the first of a name counts.

Examples:
  $ trainer runtimes -o wide
  $ mkdir -p .trainer/runtimes
  $ trainer runtimes show plain | sed 's/name: plain/name: mine/' > .trainer/runtimes/mine.yaml")]
pub(super) struct Runtimes {
    #[command(subcommand)]
    command: Option<Command>,

    /// Show this one, as `show NAME` does
    name: Option<String>,

    #[command(flatten)]
    form: Form,

    #[command(flatten)]
    target: Target,
}

#[derive(Subcommand)]
enum Command {
    /// The same as without a word
    #[command(hide = true)]
    List {
        #[command(flatten)]
        form: Form,

        #[command(flatten)]
        target: Target,
    },
    /// Show a runtime, as YAML
    Show {
        /// Its name; where both kinds have it, KIND/NAME
        name: String,

        #[command(flatten)]
        form: Form,

        #[command(flatten)]
        target: Target,
    },
}

impl Runtimes {
    pub(super) async fn run<B: BackendRegistry>(self, app: &App<B>) -> Outcome {
        let (name, form, target) = match self.command {
            Some(Command::List { form, target }) => (None, form, target),
            Some(Command::Show { name, form, target }) => (Some(name), form, target),
            None => (self.name, self.form, self.target),
        };
        let all = all(app, &target).await?;
        match name {
            Some(name) => show(&all, &name, form)?,
            None => list(&all, form)?,
        }
        Ok(ExitCode::SUCCESS)
    }
}

async fn all<B: BackendRegistry>(app: &App<B>, target: &Target) -> Result<RuntimeCatalog> {
    let all = app.client(target)?.with_runtimes(app.runtimes()?).runtimes().await?;
    for problem in all.problems() {
        warn_of(problem, B::COMMAND);
    }
    Ok(all)
}

fn list(runtimes: &RuntimeCatalog, form: Form) -> Outcome<()> {
    let as_list = || json!({ "apiVersion": "v1", "kind": "List", "items": runtimes.iter().collect::<Vec<_>>() });
    match form.format {
        Some(Format::Json) => write_json(&as_list()),
        Some(Format::Yaml) => write_yaml(&as_list()),
        Some(Format::Name) => Ok(runtimes.iter().try_for_each(|runtime| writeln!(out(), "{}", runtime.name()))?),
        Some(Format::Wide) => Ok(table::write(
            out(),
            ["NAME", "FRAMEWORK", "NODES", "KIND", "SOURCE"],
            runtimes.with_origins().map(|(it, origin)| {
                let [name, framework, nodes] = columns(it);
                [name, framework, nodes, Cell::plain(it.kind.to_string()), Cell::plain(origin.to_string())]
            }),
        )?),
        None => Ok(table::write(out(), ["NAME", "FRAMEWORK", "NODES"], runtimes.iter().map(columns))?),
    }
}

fn columns(runtime: &Runtime) -> [Cell; 3] {
    let policy = runtime.spec.ml_policy.as_ref();
    let nodes = policy.and_then(|policy| policy["numNodes"].as_u64()).unwrap_or(1);
    [Cell::plain(runtime.name()), Cell::plain(runtime.framework().unwrap_or_default()), Cell::plain(nodes.to_string())]
}

fn show(runtimes: &RuntimeCatalog, name: &str, form: Form) -> Outcome<()> {
    let runtime = runtimes.named(name)?;
    match form.format {
        Some(Format::Json) => write_json(runtime),
        Some(Format::Name) => Ok(writeln!(out(), "{}", runtime.name())?),
        Some(Format::Yaml | Format::Wide) | None => write_yaml(runtime),
    }
}
