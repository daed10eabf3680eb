//! `delete`: end jobs and remove what they left in the engine.

use std::process::ExitCode;

use clap::Args;
use trainer_core::{Error, job::StopRequest, registry::BackendRegistry};

use super::{
    app::App,
    arguments::Target,
    failure::{Outcome, report},
    reference::JobRef,
    terminal::say,
};

/// End jobs if need be, and remove them with their logs; outputs stay
#[derive(Args)]
pub(super) struct Delete {
    /// Their names, or BACKEND/NAMESPACE/NAME
    #[arg(required = true, value_name = "JOB")]
    jobs: Vec<JobRef>,

    #[command(flatten)]
    target: Target,
}

impl Delete {
    pub(super) async fn run<B: BackendRegistry>(self, app: &App<B>) -> Outcome {
        let mut first_error = None;
        for job in &self.jobs {
            match delete(app, job, &self.target).await {
                Ok(()) => say(format_args!("{}: deleted", job.name)),
                Err(error) => {
                    if first_error.is_some() {
                        report(&error, B::COMMAND);
                    } else {
                        first_error = Some(error);
                    }
                }
            }
        }
        first_error.map_or(Ok(ExitCode::SUCCESS), |error| Err(error.into()))
    }
}

async fn delete<B: BackendRegistry>(app: &App<B>, job: &JobRef, target: &Target) -> Result<(), Error> {
    app.client_for(job, target).await?.delete(&job.name, &StopRequest::default()).await
}
