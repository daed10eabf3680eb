//! `run`: a script or a command, as a job.

mod environment;
mod imports;
mod job_name;
mod misplaced;
mod program;
mod request;
mod source;

use std::{io::Write, path::PathBuf, process::ExitCode};

use clap::{Args, builder::NonEmptyStringValueParser};
use serde_json::{Value, json};
use trainer_core::{
    Error, Job, JobName, Result, TrainerClient,
    api::Quantity,
    registry::BackendRegistry,
    request::{Mount, ReviewedJob},
};

pub(super) use self::{program::quoted, request::shape};
use super::{
    app::App,
    arguments::{Form, Format, Target},
    failure::Outcome,
    follow::{self, Interrupt, OnInterrupt},
    get, human, preview,
    settings::key_value,
    terminal::{out, say, write_json, write_yaml},
};

const WHAT: &str = "What to run";
const SIZE: &str = "How much of it";
const WITH: &str = "With what";
const HOW_LONG: &str = "For how long";
const HERE: &str = "Here";
const WHERE: &str = "Where";

/// Run a script or a command as a job, and stay with it until it ends
#[derive(Args)]
#[command(after_help = "Flags of trainer come before SCRIPT; what comes after is the script's. For several nodes a
script needs a runtime that connects them: `trainer runtimes` lists them.

Examples:
  $ trainer run train.py --epochs 3
  $ trainer run --nodes 2 --runtime jax-distributed --package jax train.py
  $ trainer run --nodes 2 --nproc 4 --runtime torch-distributed train.py
  $ trainer run --detach --deadline 2h -- python3 -m my.training --lr 0.1

Exits with 0 if the job is Complete, 1 if it has Failed, 6 if it was stopped.")]
pub(super) struct Run {
    /// A Python script or an executable file, and its arguments; or after `--` any command
    #[arg(required = true, trailing_var_arg = true, value_name = "SCRIPT")]
    words: Vec<String>,

    /// Training runtime: how the nodes find each other [default: plain, for a command or one node]
    #[arg(long, value_name = "NAME", help_heading = WHAT)]
    runtime: Option<String>,

    /// Image that the nodes run in, where they are containers [default: the runtime's]
    #[arg(long, value_name = "IMAGE", value_parser = NonEmptyStringValueParser::new(), help_heading = WHAT)]
    image: Option<String>,

    /// Name of the job [default: SCRIPT and four letters]
    #[arg(long, help_heading = WHAT)]
    name: Option<JobName>,

    /// Folder to run in [default: this one]
    #[arg(long, value_name = "DIR", help_heading = WHAT)]
    workdir: Option<PathBuf>,

    /// Where to keep what should outlive the job [default: outputs/NAME]
    #[arg(long, value_name = "DIR", help_heading = WHAT)]
    output: Option<PathBuf>,

    /// Nodes: launches of the program
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(i32).range(1..), help_heading = SIZE)]
    nodes: Option<i32>,

    /// Training processes on each node
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(i32).range(1..), help_heading = SIZE)]
    nproc: Option<i32>,

    /// CPUs for each node: `4`, `500m`
    #[arg(long, value_name = "QUANTITY", value_parser = quantity, help_heading = SIZE)]
    cpu: Option<String>,

    /// Memory for each node: `16Gi`
    #[arg(long, value_name = "QUANTITY", value_parser = quantity, help_heading = SIZE)]
    memory: Option<String>,

    /// GPUs for each node
    #[arg(long, value_name = "N", help_heading = SIZE)]
    gpu: Option<u32>,

    /// Variable of the job; without a value, the one it has here
    #[arg(long, value_name = "NAME[=VALUE]", help_heading = WITH)]
    env: Vec<String>,

    /// File with variables, NAME=VALUE on each line
    #[arg(long, value_name = "FILE", help_heading = WITH)]
    env_file: Vec<PathBuf>,

    /// Variable whose value is secret: only its name is ever written down
    #[arg(long, value_name = "NAME", help_heading = WITH)]
    secret: Vec<String>,

    /// Data for the job: a volume of the configuration, and where the program finds it
    #[arg(long, value_name = "NAME:/PATH", value_parser = mount, help_heading = WITH)]
    mount: Vec<Mount>,

    /// Python package to add to those that are here: `jax>=0.4`
    #[arg(long, value_name = "SPEC", value_parser = NonEmptyStringValueParser::new(), help_heading = WITH)]
    package: Vec<String>,

    /// File with Python packages to add, as pip reads it: requirements.txt
    #[arg(long, value_name = "FILE", help_heading = WITH)]
    requirements: Option<PathBuf>,

    /// How long the job may run: `30m`
    #[arg(long, value_name = "DURATION", value_parser = whole_seconds, help_heading = HOW_LONG)]
    deadline: Option<i64>,

    /// How often to start again after a failure [default: 0]
    #[arg(long, value_name = "N", help_heading = HOW_LONG)]
    retries: Option<u32>,

    /// Return when the job has been taken over, and print its name
    #[arg(long, help_heading = HERE)]
    detach: bool,

    /// Create nothing; print the TrainJob, for `apply -f`
    #[arg(long, conflicts_with = "detach", help_heading = HERE)]
    dry_run: bool,

    /// What Ctrl-C does; a second one kills what is being stopped [default: the backend's]
    #[arg(long, value_name = "ACTION", conflicts_with_all = ["detach", "dry_run"], help_heading = HERE)]
    on_interrupt: Option<OnInterrupt>,

    #[command(flatten)]
    form: Form,

    #[command(flatten)]
    target: Target,

    /// Option of the backend for this job; `backends show NAME` lists them
    #[arg(short = 'O', value_name = "KEY=VALUE", value_parser = key_value, help_heading = WHERE)]
    options: Vec<(String, Value)>,
}

impl Run {
    pub(super) async fn run<B: BackendRegistry>(self, app: &App<B>) -> Outcome {
        if self.form.format.is_some() && !self.detach && !self.dry_run {
            return Err(Error::invalid("`-o` has nothing to form while attached")
                .with_hint("add `--dry-run` or `--detach`, or leave it out")
                .into());
        }
        let client = app.client(&self.target)?.with_runtimes(app.runtimes()?);
        let request = app.configured(request::build(&self, &client, B::COMMAND).await?);
        let reviewed = client.plan(request).await?;
        preview::put(&client, [&reviewed]).await?;
        let backend = client.backend().name();
        say(format_args!(
            "{}: {} on {backend}, runtime {}",
            reviewed.name(),
            shape(reviewed.plan()),
            reviewed.runtime().name()
        ));
        if self.dry_run {
            print(&reviewed, self.retries.is_some(), self.form)?;
            return Ok(ExitCode::SUCCESS);
        }
        let mut interrupts = follow::interrupts()?;
        let job = tokio::select! {
            job = client.submit_reviewed(&reviewed) => job?,
            by = interrupts.recv() => return Ok(interrupted(by, &client, reviewed.name(), B::COMMAND).await),
        };
        app.remember(&job);
        if self.detach {
            get::write::<B>(&job, Form { format: self.form.format.or(Some(Format::Name)) })?;
            return Ok(ExitCode::SUCCESS);
        }
        follow::follow(&client, &job, None, self.on_interrupt, interrupts).await
    }
}

/// Writes what would be applied: the runtime too, where the job brings its own.
fn print(reviewed: &ReviewedJob, brings_runtime: bool, form: Form) -> Outcome<()> {
    let job = &reviewed.request().job;
    let runtime = brings_runtime.then(|| reviewed.runtime());
    match (form.format, runtime) {
        (Some(Format::Json), None) => write_json(job),
        (Some(Format::Json), Some(runtime)) => {
            write_json(&json!({ "apiVersion": "v1", "kind": "List", "items": [json!(runtime), json!(job)] }))
        }
        (Some(Format::Name), _) => Ok(writeln!(out(), "{}", reviewed.name())?),
        (Some(Format::Yaml | Format::Wide) | None, runtime) => {
            if let Some(runtime) = runtime {
                write_yaml(runtime)?;
                writeln!(out(), "---")?;
            }
            write_yaml(job)
        }
    }
}

/// Says what an interrupt of the submission has left.
async fn interrupted<B: BackendRegistry>(
    by: Interrupt,
    client: &TrainerClient<B>,
    name: &JobName,
    command: &str,
) -> ExitCode {
    match client.get(name).await {
        Ok(Job { phase, .. }) => {
            say(format_args!("{name} has been submitted and is {phase}: `{command} stop {name}` stops it"));
        }
        Err(_) => say(format_args!("interrupted: {name} was not submitted")),
    }
    by.exit_code()
}

/// A TrainJob counts its deadline in seconds, from 1.
fn whole_seconds(text: &str) -> Result<i64> {
    let duration = human::parse_duration(text)?;
    match i64::try_from(duration.as_secs()) {
        Ok(seconds @ 1..) if duration.subsec_nanos() == 0 => Ok(seconds),
        _ => Err(Error::invalid(format!("`{text}` is not a number of whole seconds, at least one"))
            .with_hint("write `90s`, `10m`, `1h30m` or `7d`")),
    }
}

fn quantity(text: &str) -> Result<String> {
    match Quantity::from_value(&Value::from(text)) {
        Ok(_) => Ok(text.to_owned()),
        Err(_) => {
            Err(Error::invalid(format!("`{}` is no quantity", text.escape_debug()))
                .with_hint("write `4`, `500m`, `16Gi`"))
        }
    }
}

fn mount(text: &str) -> Result<Mount> {
    match text.split_once(':') {
        Some((name, path)) if !name.is_empty() && path.starts_with('/') && path.len() > 1 => {
            Ok(Mount { name: name.to_owned(), path: path.to_owned() })
        }
        _ => Err(Error::invalid(format!("`{}` is not NAME:/PATH", text.escape_debug()))
            .with_hint("`data:/data` mounts the volume `data` of the configuration at /data")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mount_is_a_name_and_a_path() {
        let read = |text| mount(text).map(|Mount { name, path }| (name, path)).ok();
        assert_eq!(read("data:/mnt/data"), Some(("data".to_owned(), "/mnt/data".to_owned())));
        for wrong in ["data", "data:", ":/data", "data:/", "data:relative"] {
            assert_eq!(read(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn a_deadline_is_never_another_one_than_was_typed() {
        let seconds = |text| whole_seconds(text).map_err(|error| error.to_string());
        assert_eq!(seconds("1h30m"), Ok(5400));
        for wrong in ["0s", "500ms", "1500ms"] {
            assert_eq!(seconds(wrong), Err(format!("`{wrong}` is not a number of whole seconds, at least one")));
        }
    }
}
