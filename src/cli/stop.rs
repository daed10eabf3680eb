//! `stop`: end the nodes of a job and keep it.

use std::{process::ExitCode, time::Duration};

use clap::Args;
use trainer_core::{
    Phase,
    client::{WaitOutcome, WaitRequest},
    job::StopRequest,
    registry::BackendRegistry,
};

use super::{app::App, arguments::OneJob, failure::Outcome, human, phase, terminal::say};

/// End the nodes of a job and keep it: `resume` starts it again
#[derive(Args)]
#[command(after_help = "Its training processes get SIGTERM and time to save a checkpoint, then SIGKILL.

Examples:
  $ trainer stop digits-kqzv
  $ trainer stop --last --grace 2m")]
pub(super) struct Stop {
    #[command(flatten)]
    job: OneJob,

    /// Time between SIGTERM and SIGKILL; 0s kills at once [default: what the job says, else 30s]
    #[arg(long, value_name = "DURATION", value_parser = human::parse_duration)]
    grace: Option<Duration>,
}

impl Stop {
    pub(super) async fn run<B: BackendRegistry>(self, app: &App<B>) -> Outcome {
        let (client, name) = app.find(&self.job).await?;
        client.stop(&name, &StopRequest { grace: self.grace }).await?;
        let request = WaitRequest { phases: vec![Phase::Stopped], timeout: None };
        let (WaitOutcome::Reached(job) | WaitOutcome::Missed(job)) = client.wait(&name, &request).await?;
        say(format_args!("{}", phase::outcome(&job)));
        Ok(match job.phase {
            Phase::Stopped | Phase::Suspended => ExitCode::SUCCESS,
            _ => phase::exit_code(&job),
        })
    }
}
