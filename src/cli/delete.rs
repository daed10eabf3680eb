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
        let mut code = None;
        for job in &self.jobs {
            match delete(app, job, &self.target).await {
                Ok(()) => say(format_args!("{}: deleted", job.name)),
                Err(error) => {
                    report(&error, B::COMMAND);
                    code.get_or_insert(error.kind().exit_code());
                }
            }
        }
        Ok(code.map_or(ExitCode::SUCCESS, ExitCode::from))
    }
}

async fn delete<B: BackendRegistry>(app: &App<B>, job: &JobRef, target: &Target) -> Result<(), Error> {
    app.client_for(job, target).await?.delete(&job.name, &StopRequest::default()).await
}
