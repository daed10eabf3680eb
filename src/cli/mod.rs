//! The command: parsing, one call into the client, one rendering. It knows no engine.
//!
//! Results go to standard output, everything else to standard error; exit codes are those of
//! [`ErrorKind::exit_code`](trainer_core::ErrorKind::exit_code), and of a job's outcome.

mod app;
mod apply;
mod arguments;
mod backends;
mod completions;
mod config;
mod delete;
mod doctor;
mod documents;
mod events;
mod failure;
mod field_table;
mod folders;
mod follow;
mod get;
mod help;
mod human;
mod list;
mod log_lines;
mod logs;
mod phase;
mod plan;
mod preview;
mod progress;
mod prune;
mod reference;
mod resume;
mod run;
mod runtimes;
mod settings;
mod stop;
mod submitted;
mod table;
mod terminal;
mod usage;
mod wait;

use std::process::ExitCode;

use clap::{FromArgMatches, Parser, Subcommand};
use trainer_core::{Error, ErrorKind, registry::BackendRegistry};

use self::{app::App, failure::Outcome};

/// The whole command for a binary whose backends are `B`: reads the command line, does what it says.
pub fn main<B: BackendRegistry>() -> ExitCode {
    crate::init::<B>();
    let outcome = match help::command::<B>().try_get_matches().and_then(|matches| Cli::from_arg_matches(&matches)) {
        Ok(Cli { command: Some(command) }) => run::<B>(command),
        Ok(Cli { command: None }) => help::print::<B>(),
        Err(error) => Err(usage::failure(&error)),
    };
    outcome.unwrap_or_else(|failure| failure.report(B::COMMAND))
}

/// Run model training jobs: on this machine now, on a cluster tonight, unchanged
#[derive(Parser)]
#[command(version, disable_help_subcommand = false)]
struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Subcommand)]
enum Command {
    Run(Box<run::Run>),
    Apply(apply::Apply),
    Plan(plan::Plan),
    List(list::List),
    Get(get::Get),
    Logs(logs::Logs),
    Events(events::Events),
    Wait(wait::Wait),
    Stop(stop::Stop),
    Resume(resume::Resume),
    Delete(delete::Delete),
    Prune(prune::Prune),
    Runtimes(runtimes::Runtimes),
    Backends(backends::Backends),
    Doctor(doctor::Doctor),
    Config(config::Config),
    Completions(completions::Completions),
}

fn run<B: BackendRegistry>(command: Command) -> Outcome {
    let app = App::<B>::new;
    match command {
        Command::Completions(command) => command.run::<B>(),
        Command::Backends(command) => command.run(&app()?),
        Command::Config(command) => command.run(&app()?),
        Command::Run(command) => block_on(command.run(&app()?)),
        Command::Apply(command) => block_on(until_interrupted(command.run(&app()?))),
        Command::Plan(command) => block_on(command.run(&app()?)),
        Command::List(command) => block_on(command.run(&app()?)),
        Command::Get(command) => block_on(command.run(&app()?)),
        Command::Logs(command) => block_on(command.run(&app()?)),
        Command::Events(command) => block_on(command.run(&app()?)),
        Command::Wait(command) => block_on(command.run(&app()?)),
        Command::Stop(command) => block_on(command.run(&app()?)),
        Command::Resume(command) => block_on(command.run(&app()?)),
        Command::Delete(command) => block_on(command.run(&app()?)),
        Command::Prune(command) => block_on(command.run(&app()?)),
        Command::Runtimes(command) => block_on(command.run(&app()?)),
        Command::Doctor(command) => block_on(command.run(&app()?)),
    }
}

/// `command`, given up where somebody asks for its end: what it has begun and not handed over ends with it.
async fn until_interrupted(command: impl Future<Output = Outcome>) -> Outcome {
    let mut interrupts = follow::interrupts()?;
    tokio::select! {
        outcome = command => outcome,
        by = interrupts.recv() => Ok(by.exit_code()),
    }
}

fn block_on(command: impl Future<Output = Outcome>) -> Outcome {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(|error| {
        Error::new(ErrorKind::Io, format!("failed to start the event loop: {error}")).with_source(error)
    })?;
    runtime.block_on(command)
}
