//! Arguments that several commands have.

use clap::{Args, ValueEnum};
use serde_json::Value;

use super::{reference::JobRef, settings::key_value};

/// Which backend, and how it is set up.
#[derive(Args, Clone, Debug, Default)]
pub(super) struct Target {
    /// Backend to use; `config` shows which one it is without this
    #[arg(long, value_name = "NAME", help_heading = WHERE)]
    pub(super) backend: Option<String>,

    /// Setting of the backend; `backends show NAME` lists them
    #[arg(short = 'B', value_name = "KEY=VALUE", value_parser = key_value, help_heading = WHERE)]
    pub(super) settings: Vec<(String, Value)>,
}

const WHERE: &str = "Where";

/// One job.
#[derive(Args, Clone, Debug)]
pub(super) struct OneJob {
    /// Its name, or BACKEND/NAMESPACE/NAME
    #[arg(required_unless_present = "last")]
    pub(super) job: Option<JobRef>,

    /// The job submitted last from here
    #[arg(long, conflicts_with = "job")]
    pub(super) last: bool,

    #[command(flatten)]
    pub(super) target: Target,
}

/// In which form a result is written.
#[derive(Args, Clone, Copy, Debug, Default)]
pub(super) struct Form {
    /// Form of the result; json and yaml are the objects of the Kubernetes API
    #[arg(short = 'o', long = "format", value_name = "FORMAT")]
    pub(super) format: Option<Format>,
}

/// The forms of a result.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Format {
    Json,
    Yaml,
    Name,
    Wide,
}
