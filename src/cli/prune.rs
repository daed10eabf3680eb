//! `prune`: remove jobs that have ended.

use std::{io::Write, process::ExitCode, time::Duration};

use clap::Args;
use trainer_core::registry::BackendRegistry;

use super::{app::App, arguments::Target, failure::Outcome, human, terminal::out};

/// Remove jobs that have ended, with their logs; outputs stay
#[derive(Args)]
#[command(after_help = "Prints the name of each job that it removed. Stopped jobs stay: they can be resumed.

Examples:
  $ trainer prune --older-than 7d")]
pub(super) struct Prune {
    /// Only those that ended so long ago
    #[arg(long, value_name = "DURATION", value_parser = human::parse_duration)]
    older_than: Option<Duration>,

    #[command(flatten)]
    target: Target,
}

impl Prune {
    pub(super) async fn run<B: BackendRegistry>(self, app: &App<B>) -> Outcome {
        for name in app.client(&self.target)?.prune(self.older_than).await? {
            writeln!(out(), "{name}")?;
        }
        Ok(ExitCode::SUCCESS)
    }
}
