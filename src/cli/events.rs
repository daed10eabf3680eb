//! `events`: what happened to a job.

use std::{io::Write, process::ExitCode};

use clap::{Args, builder::styling::AnsiColor};
use serde_json::json;
use trainer_core::{job::Severity, registry::BackendRegistry};

use super::{
    app::App,
    arguments::{Form, Format, OneJob},
    failure::Outcome,
    human,
    table::{self, Cell},
    terminal::{out, write_json, write_yaml},
};

/// Show what happened to a job
#[derive(Args)]
pub(super) struct Events {
    #[command(flatten)]
    job: OneJob,

    #[command(flatten)]
    form: Form,
}

impl Events {
    pub(super) async fn run<B: BackendRegistry>(self, app: &App<B>) -> Outcome {
        let (client, name) = app.find(&self.job).await?;
        let events = client.events(&name).await?;
        match self.form.format {
            Some(Format::Json) => write_json(&json!({ "kind": "List", "items": events }))?,
            Some(Format::Yaml) => write_yaml(&json!({ "kind": "List", "items": events }))?,
            Some(Format::Name) => events.iter().try_for_each(|event| writeln!(out(), "{}", event.reason))?,
            Some(Format::Wide) | None => {
                let wide = self.form.format.is_some();
                let rows = events.iter().map(|event| {
                    let time =
                        if wide { format!("{:.3}", event.time) } else { format!("{} ago", human::age(event.time)) };
                    let reason = match event.severity {
                        Severity::Warning => Cell::styled(&event.reason, AnsiColor::Yellow.on_default()),
                        Severity::Normal => Cell::plain(&event.reason),
                    };
                    let message = match event.count {
                        0 | 1 => event.message.clone(),
                        count => format!("{} (×{count})", event.message),
                    };
                    [Cell::plain(time), reason, Cell::plain(&event.object), Cell::plain(message)]
                });
                table::write(out(), ["WHEN", "WHAT", "OF", "MESSAGE"], rows)?;
            }
        }
        Ok(ExitCode::SUCCESS)
    }
}
