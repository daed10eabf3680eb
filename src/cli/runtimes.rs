//! `runtimes`: what a job can build on.

use std::{io::Write, process::ExitCode};

use clap::{Args, Subcommand};
use serde_json::json;
use trainer_core::{Error, ErrorKind, Result, api::Runtime, registry::BackendRegistry};

use super::{
    app::App,
    arguments::{Form, Format, Target},
    failure::Outcome,
    table::{self, Cell},
    terminal::{out, write_json, write_yaml},
};

/// List the training runtimes that a job can name, or show one
#[derive(Args)]
#[command(args_conflicts_with_subcommands = true)]
#[command(after_help = "They come from the backend, from .trainer/runtimes/ of the project, from
~/.config/trainer/runtimes/, and built in; the first of a name counts.

Examples:
  $ trainer runtimes show torch-distributed > .trainer/runtimes/torch-mine.yaml")]
pub(super) struct Runtimes {
    #[command(subcommand)]
    command: Option<Show>,

    #[command(flatten)]
    form: Form,

    #[command(flatten)]
    target: Target,
}

#[derive(Subcommand)]
enum Show {
    /// Show a runtime, as YAML
    Show {
        /// Its name
        name: String,

        #[command(flatten)]
        form: Form,

        #[command(flatten)]
        target: Target,
    },
}

impl Runtimes {
    pub(super) async fn run<B: BackendRegistry>(self, app: &App<B>) -> Outcome {
        match self.command {
            None => list(&all(app, &self.target).await?, self.form)?,
            Some(Show::Show { name, form, target }) => show(&all(app, &target).await?, &name, form)?,
        }
        Ok(ExitCode::SUCCESS)
    }
}

async fn all<B: BackendRegistry>(app: &App<B>, target: &Target) -> Result<Vec<Runtime>> {
    app.client(target)?.with_runtimes(app.runtimes()?).runtimes().await
}

fn list(runtimes: &[Runtime], form: Form) -> Outcome<()> {
    let as_list = || json!({ "apiVersion": "v1", "kind": "List", "items": runtimes });
    match form.format {
        Some(Format::Json) => write_json(&as_list()),
        Some(Format::Yaml) => write_yaml(&as_list()),
        Some(Format::Name) => Ok(runtimes.iter().try_for_each(|runtime| writeln!(out(), "{}", runtime.name()))?),
        Some(Format::Wide) => Ok(table::write(
            out(),
            ["NAME", "FRAMEWORK", "NODES", "KIND"],
            runtimes.iter().map(|it| {
                let [name, framework, nodes] = columns(it);
                [name, framework, nodes, Cell::plain(it.kind.to_string())]
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

fn show(runtimes: &[Runtime], name: &str, form: Form) -> Outcome<()> {
    let runtime = find(runtimes, name)?;
    match form.format {
        Some(Format::Json) => write_json(runtime),
        Some(Format::Name) => Ok(writeln!(out(), "{}", runtime.name())?),
        Some(Format::Yaml | Format::Wide) | None => write_yaml(runtime),
    }
}

/// The runtime of this name.
///
/// # Errors
/// `NotFound`, with those there are.
pub(super) fn find<'a>(runtimes: &'a [Runtime], name: &str) -> Result<&'a Runtime> {
    runtimes.iter().find(|runtime| runtime.name() == name).ok_or_else(|| {
        let names: Vec<_> = runtimes.iter().map(Runtime::name).collect();
        Error::new(ErrorKind::NotFound, format!("no runtime named `{}`", name.escape_debug()))
            .with_hint(format!("there are {}", names.join(", ")))
    })
}
