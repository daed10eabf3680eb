//! `config`: what is configured, and where.

use std::{io::Write, process::ExitCode};

use clap::Args;
use serde_json::{Map, Value, json};
use trainer_core::registry::BackendRegistry;

use super::{
    app::App,
    arguments::{Form, Format, Target},
    failure::Outcome,
    settings::known,
    table::{self, Cell},
    terminal::{out, write_json, write_yaml},
};

/// Show what is configured, and where
#[derive(Args)]
#[command(
    after_help = "A flag counts more than the environment ($TRAINER_BACKEND, $TRAINER_BACKENDS_NAME_KEY), that more
than the project's file, then the user's, then the system's. A file looks like this:

  backend = \"NAME\"

  [backends.NAME]
  key = \"value\""
)]
pub(super) struct Config {
    #[command(flatten)]
    target: Target,

    #[command(flatten)]
    form: Form,
}

impl Config {
    pub(super) fn run<B: BackendRegistry>(self, app: &App<B>) -> Outcome {
        let settings = app.settings();
        let mut rows = Vec::new();
        let backend = settings.backend(self.target.backend.as_deref(), B::DEFAULT_BACKEND);
        if let Some(backend) = &backend {
            rows.push(("backend".to_owned(), Value::from(backend.value.clone()), backend.origin.to_string()));
            let name = known::<B>(&backend.value).map_or(backend.value.as_str(), |known| known.name);
            for (key, setting) in settings.of_backend::<B>(&backend.value, &self.target.settings)? {
                rows.push((format!("backends.{name}.{key}"), setting.value, setting.origin.to_string()));
            }
        }
        rows.extend(settings.of_names()?.into_iter().map(|(key, it)| (key, it.value, it.origin.to_string())));
        let as_json = || -> Map<String, Value> {
            rows.iter().map(|(key, value, origin)| (key.clone(), json!({ "value": value, "from": origin }))).collect()
        };
        match self.form.format {
            Some(Format::Json) => write_json(&as_json())?,
            Some(Format::Yaml) => write_yaml(&as_json())?,
            Some(Format::Name) => rows.iter().try_for_each(|(key, ..)| writeln!(out(), "{key}"))?,
            Some(Format::Wide) | None => {
                let cells = rows.iter().map(|(key, value, origin)| {
                    let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
                    [key.clone(), value, origin.clone()].map(Cell::plain)
                });
                table::write(out(), ["KEY", "VALUE", "FROM"], cells)?;
                writeln!(out(), "\nfiles, the strongest first:")?;
                let read: Vec<_> = settings.files().collect();
                for place in settings.places() {
                    let absent = if read.contains(&place.as_path()) { "" } else { "  (not there)" };
                    writeln!(out(), "  {}{absent}", place.display())?;
                }
            }
        }
        Ok(ExitCode::SUCCESS)
    }
}
