//! `wait`: until a job has reached a phase.

use std::{process::ExitCode, time::Duration};

use clap::Args;
use trainer_core::{
    Phase,
    client::{WaitOutcome, WaitRequest},
    registry::BackendRegistry,
};

use super::{
    app::App,
    arguments::{Form, OneJob},
    failure::Outcome,
    get, human, phase,
    terminal::say,
};

/// Wait until a job has ended, or reached a phase
#[derive(Args)]
#[command(after_help = "Without --for it waits for the end, and exits with 0 if the job is Complete, 1 if it has
Failed, 6 if it was stopped. With --for it exits with 0 if the phase was reached. When the
phase can no longer come, it says so at once. 124: the time ran out.

Examples:
  $ trainer wait digits-kqzv --timeout 2h && echo trained
  $ trainer wait --last --for Running")]
pub(super) struct Wait {
    #[command(flatten)]
    job: OneJob,

    /// Phase to wait for; may be repeated, then any of them
    #[arg(long = "for", value_name = "PHASE")]
    phases: Vec<Phase>,

    /// How long to wait: `90s`, `10m`, `2h`
    #[arg(long, value_name = "DURATION", value_parser = human::parse_duration)]
    timeout: Option<Duration>,

    #[command(flatten)]
    form: Form,
}

impl Wait {
    pub(super) async fn run<B: BackendRegistry>(self, app: &App<B>) -> Outcome {
        let (client, name) = app.find(&self.job).await?;
        let ends = self.phases.is_empty();
        let phases = if ends { vec![Phase::Complete, Phase::Failed, Phase::Stopped] } else { self.phases };
        let wanted: Vec<_> = phases.iter().map(|phase| phase.as_str()).collect();
        let wanted = wanted.join(" or ");
        let outcome = client.wait(&name, &WaitRequest { phases, timeout: self.timeout }).await?;
        let (WaitOutcome::Reached(job) | WaitOutcome::Missed(job)) = &outcome;
        say(format_args!("{}", phase::outcome(job)));
        if self.form.format.is_some() {
            get::write::<B>(job, self.form)?;
        }
        Ok(match outcome {
            WaitOutcome::Reached(job) if ends => phase::exit_code(&job),
            WaitOutcome::Reached(_) => ExitCode::SUCCESS,
            WaitOutcome::Missed(job) => {
                let command = B::COMMAND;
                match job.phase {
                    Phase::Stopped | Phase::Suspended => {
                        say(format_args!("{name} becomes {wanted} only if it goes on: `{command} resume {name}`"));
                    }
                    _ => say(format_args!("{name} can't become {wanted} any more")),
                }
                phase::missed(&job)
            }
        })
    }
}
