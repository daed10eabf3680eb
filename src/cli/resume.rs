//! `resume`: start a stopped job again.

use std::process::ExitCode;

use clap::Args;
use jiff::Timestamp;
use trainer_core::registry::BackendRegistry;

use super::{
    app::App,
    arguments::OneJob,
    failure::Outcome,
    follow::{self, OnInterrupt},
    terminal::say,
};

/// Start a stopped or suspended job again
#[derive(Args)]
pub(super) struct Resume {
    #[command(flatten)]
    job: OneJob,

    /// Stay attached until it ends
    #[arg(short, long)]
    follow: bool,

    /// What Ctrl-C does; a second one kills what is being stopped [default: the backend's]
    #[arg(long, value_name = "ACTION", requires = "follow")]
    on_interrupt: Option<OnInterrupt>,
}

impl Resume {
    pub(super) async fn run<B: BackendRegistry>(self, app: &App<B>) -> Outcome {
        let (client, name) = app.find(&self.job).await?;
        if self.follow {
            let (interrupts, since) = (follow::interrupts()?, Timestamp::now());
            client.resume(&name).await?;
            return follow::follow(&client, &client.get(&name).await?, Some(since), self.on_interrupt, interrupts)
                .await;
        }
        client.resume(&name).await?;
        say(format_args!("{name}: resumed"));
        Ok(ExitCode::SUCCESS)
    }
}
