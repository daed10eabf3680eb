//! `plan`: the jobs of a file.
use super::{app::App, arguments::Target, failure::Outcome};
use clap::Args;
use std::{path::PathBuf, process::ExitCode};
use trainer_core::registry::BackendRegistry;

/// Plan the TrainJobs of a file
#[derive(Args)]
pub(super) struct Plan {
    #[arg(short = 'f', long = "file")]
    file: PathBuf,
    #[command(flatten)]
    target: Target,
}
impl Plan {
    pub(super) async fn run<B: BackendRegistry>(self, app: &App<B>) -> Outcome {
        Ok(ExitCode::SUCCESS)
    }
}
