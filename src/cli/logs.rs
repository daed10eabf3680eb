//! `logs`: what the nodes of a job wrote.

use std::{pin::pin, process::ExitCode};

use clap::{Args, ValueEnum};
use jiff::Timestamp;
use trainer_core::{NodeIndex, job::LogQuery, registry::BackendRegistry};

use super::{
    app::App,
    arguments::OneJob,
    failure::{Failure, Outcome},
    human::parse_moment,
    log_lines::{LogForm, LogLines},
    terminal::closed,
};

/// Show what the nodes of a job wrote
#[derive(Args)]
#[command(after_help = "Examples:
  $ trainer logs -f digits-kqzv
  $ trainer logs --last --node 1 --tail 20
  $ trainer logs digits-kqzv --since 10m --timestamps")]
pub(super) struct Logs {
    #[command(flatten)]
    job: OneJob,

    /// Go on until the job ends, from before it starts
    #[arg(short, long)]
    follow: bool,

    /// Only the last N lines of each node
    #[arg(long, value_name = "N")]
    tail: Option<usize>,

    /// Only lines since then: `10m` ago, or a time (RFC 3339)
    #[arg(long, value_name = "WHEN", value_parser = parse_moment)]
    since: Option<Timestamp>,

    /// Only this node, or several: `0,2`
    #[arg(long = "node", value_name = "INDEX", value_delimiter = ',')]
    nodes: Vec<u32>,

    /// Only this step of the job
    #[arg(long)]
    step: Option<String>,

    /// Say when each line arrived
    #[arg(long, conflicts_with = "format")]
    timestamps: bool,

    /// Form of the result: a JSON object a line
    #[arg(short = 'o', long = "format", value_name = "FORMAT")]
    format: Option<LogFormat>,
}

#[derive(Clone, Copy, ValueEnum)]
enum LogFormat {
    Json,
}

impl Logs {
    pub(super) async fn run<B: BackendRegistry>(self, app: &App<B>) -> Outcome {
        let (client, name) = app.find(&self.job).await?;
        let form = match self.format {
            Some(LogFormat::Json) => LogForm::Json,
            None if self.timestamps => LogForm::Timestamped,
            None => LogForm::Prefixed,
        };
        let query = LogQuery {
            follow: self.follow,
            tail: self.tail,
            since: self.since,
            nodes: self.nodes.into_iter().map(NodeIndex).collect(),
            step: self.step,
        };
        let mut lines = LogLines::to_stdout(form, &client.get(&name).await?);
        let mut log = client.logs(&name, &query).await?;
        let mut closed = pin!(closed());
        loop {
            let item = tokio::select! {
                biased;
                item = lines.next(&mut log) => item?,
                () = &mut closed => return Err(Failure::Closed),
            };
            let Some(item) = item else { break };
            lines.write(item?)?;
        }
        lines.finish()?;
        Ok(ExitCode::SUCCESS)
    }
}
