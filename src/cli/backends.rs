//! `backends`: what this binary can run jobs on.

use std::{io::Write, process::ExitCode};

use clap::{Args, Subcommand};
use serde_json::{Value, json};
use trainer_core::{
    Error, ErrorKind, Result,
    registry::{BackendRegistry, Key, Known},
};

use super::{
    app::App,
    arguments::{Form, Format, Target},
    failure::Outcome,
    field_table,
    settings::known,
    table::{self, Cell},
    terminal::{out, write_json, write_yaml},
};

/// List the backends of this binary, or show one
#[derive(Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(super) struct Backends {
    #[command(subcommand)]
    command: Option<Show>,

    #[command(flatten)]
    form: Form,
}

#[derive(Subcommand)]
enum Show {
    /// Show a backend: its settings (-B, [backends.NAME]), its options for a job (-O), what it does about a job's fields
    Show {
        /// Its name or an alias
        name: String,

        #[command(flatten)]
        form: Form,
    },
}

impl Backends {
    pub(super) fn run<B: BackendRegistry>(self, app: &App<B>) -> Outcome {
        match self.command {
            None => list(app, self.form)?,
            Some(Show::Show { name, form }) => show::<B>(&name, form)?,
        }
        Ok(ExitCode::SUCCESS)
    }
}

fn list<B: BackendRegistry>(app: &App<B>, form: Form) -> Outcome<()> {
    let chosen = app.chosen(&Target::default()).ok();
    let chosen = chosen.as_deref().and_then(known::<B>);
    let items = || B::KNOWN.iter().map(|known| as_json::<B>(known)).collect::<Value>();
    match form.format {
        Some(Format::Json) => write_json(&items()),
        Some(Format::Yaml) => write_yaml(&items()),
        Some(Format::Name) => {
            Ok(B::KNOWN.iter().filter(|known| known.enabled).try_for_each(|known| writeln!(out(), "{}", known.name))?)
        }
        Some(Format::Wide) | None => {
            let rows = B::KNOWN.iter().map(|known| {
                let state = match (known.enabled, known.feature) {
                    (true, _) if chosen == Some(known) => "chosen".to_owned(),
                    (true, _) => "yes".to_owned(),
                    (false, Some(feature)) => format!("no: feature `{feature}` is off"),
                    (false, None) => "no".to_owned(),
                };
                [known.name.to_owned(), known.aliases.join(", "), state, known.description.to_owned()].map(Cell::plain)
            });
            Ok(table::write(out(), ["NAME", "ALIASES", "HERE", "DESCRIPTION"], rows)?)
        }
    }
}

fn show<B: BackendRegistry>(name: &str, form: Form) -> Outcome<()> {
    let found = find::<B>(name)?;
    match form.format {
        Some(Format::Json) => write_json(&with_fields::<B>(found)),
        Some(Format::Yaml) => write_yaml(&with_fields::<B>(found)),
        Some(Format::Name) => Ok(writeln!(out(), "{}", found.name)?),
        Some(Format::Wide) | None => {
            writeln!(out(), "{}: {}", found.name, found.description)?;
            if !found.aliases.is_empty() {
                writeln!(out(), "also called {}", found.aliases.join(", "))?;
            }
            let (config, options) = B::keys(found.name).unwrap_or_default();
            write_keys(&format!("Settings (-B KEY=VALUE, or under [backends.{}]):", found.name), config)?;
            write_keys("Options for a job (run -O KEY=VALUE):", options)?;
            match B::fields(found.name) {
                None | Some([]) => Ok(()),
                Some(column) => {
                    writeln!(
                        out(),
                        "\nFields of a job and its runtime (moot: without effect here; those not listed are refused):"
                    )?;
                    Ok(field_table::write(out(), column)?)
                }
            }
        }
    }
}

/// Connecting knows how to say that there is no such backend.
fn find<B: BackendRegistry>(name: &str) -> Result<&'static Known> {
    if let Some(known) = known::<B>(name) {
        return Ok(known);
    }
    B::connect(name, serde_json::Map::new())?;
    Err(Error::new(ErrorKind::Internal, format!("the backend `{name}` can be connected, but isn't known")))
}

fn write_keys(heading: &str, keys: &[Key]) -> Outcome<()> {
    writeln!(out(), "\n{heading}")?;
    let width = keys.iter().map(|key| key.name.len()).max().unwrap_or_default();
    for key in keys {
        writeln!(out(), "  {:<width$}  {}", key.name, key.help)?;
    }
    if keys.is_empty() {
        writeln!(out(), "  none")?;
    }
    Ok(())
}

/// The table of fields is too long for a list of backends.
fn with_fields<B: BackendRegistry>(known: &Known) -> Value {
    let mut object = as_json::<B>(known);
    object["fields"] = json!(B::fields(known.name).map(field_table::as_json));
    object
}

fn as_json<B: BackendRegistry>(known: &Known) -> Value {
    let (config, options) = B::keys(known.name).unwrap_or_default();
    let keys = |keys: &[Key]| keys.iter().map(|key| json!({ "name": key.name, "help": key.help })).collect::<Value>();
    json!({
        "name": known.name,
        "aliases": known.aliases,
        "description": known.description,
        "crate": known.krate,
        "enabled": known.enabled,
        "feature": known.feature,
        "settings": keys(config),
        "options": keys(options),
    })
}
