//! `doctor`: whether jobs could be run from here.

use std::{io::Write, process::ExitCode};

use clap::{Args, builder::styling::AnsiColor};
use serde_json::json;
use trainer_core::{ErrorKind, backend::Finding, registry::BackendRegistry};

use super::{
    app::App,
    arguments::{Form, Format, Target},
    failure::Outcome,
    terminal::{out, write_json, write_yaml},
};

/// Check whether jobs can be run from here
#[derive(Args)]
#[command(after_help = "Exits with 0 if everything is as it should be, 3 if something isn't.")]
pub(super) struct Doctor {
    #[command(flatten)]
    target: Target,

    #[command(flatten)]
    form: Form,
}

impl Doctor {
    pub(super) async fn run<B: BackendRegistry>(self, app: &App<B>) -> Outcome {
        let chosen = app.chosen(&self.target)?;
        let mut findings = app.client(&self.target)?.check().await?;
        findings.extend(app.runtimes()?.problems().map(|problem| Finding {
            ok: false,
            subject: "runtimes".to_owned(),
            detail: format!("{problem}: `{} runtimes` says more", B::COMMAND),
        }));
        let well = findings.iter().all(|finding| finding.ok);
        let as_json = || {
            let findings = findings
                .iter()
                .map(|finding| json!({ "ok": finding.ok, "subject": finding.subject, "detail": finding.detail }));
            json!({ "backend": chosen, "ok": well, "findings": findings.collect::<Vec<_>>() })
        };
        match self.form.format {
            Some(Format::Json) => write_json(&as_json())?,
            Some(Format::Yaml) => write_yaml(&as_json())?,
            Some(Format::Name) => writeln!(out(), "{chosen}")?,
            Some(Format::Wide) | None => {
                writeln!(out(), "backend {chosen}")?;
                let width = findings.iter().map(|finding| finding.subject.chars().count()).max().unwrap_or_default();
                for finding in &findings {
                    let (mark, style) = if finding.ok {
                        ('✓', AnsiColor::Green.on_default())
                    } else {
                        ('✗', AnsiColor::Red.on_default())
                    };
                    writeln!(out(), "  {style}{mark}{style:#} {:<width$}  {}", finding.subject, finding.detail)?;
                }
            }
        }
        Ok(ExitCode::from(if well { 0 } else { ErrorKind::Unreachable.exit_code() }))
    }
}
