//! What Cargo tells a build script, and what a build script tells Cargo.

use std::{
    env,
    path::{Path, PathBuf},
};

use trainer_registration::Record;

use crate::{
    Problem,
    condition::Configuration,
    metadata::{KEY, Metadata},
};

/// Runs a build step. Each problem becomes an error of the build.
pub(crate) fn run(step: impl FnOnce(&Package) -> Result<(), Vec<Problem>>) {
    tell("rerun-if-changed", "build.rs");
    for problem in step(&Package::from_environment()).err().unwrap_or_default() {
        tell("error", &problem);
    }
}

/// The package whose build script runs.
pub(crate) struct Package {
    pub(crate) name: String,
    pub(crate) version: String,
    pub(crate) folder: PathBuf,
    pub(crate) configuration: Configuration,
    links: Option<String>,
    dependencies: Vec<String>,
}

impl Package {
    fn from_environment() -> Self {
        let suffix = format!("_{}", KEY.to_uppercase());
        let is_metadata = |key: &str| key.starts_with("DEP_") && key.ends_with(&suffix);
        Self {
            name: variable("CARGO_PKG_NAME"),
            version: variable("CARGO_PKG_VERSION"),
            folder: variable("CARGO_MANIFEST_DIR").into(),
            configuration: Configuration::new(env::vars()),
            links: env::var("CARGO_MANIFEST_LINKS").ok(),
            dependencies: env::vars().filter(|(key, _)| is_metadata(key)).map(|(_, value)| value).collect(),
        }
    }

    /// The name of the crate in paths.
    pub(crate) fn krate(&self) -> String {
        self.name.replace('-', "_")
    }

    /// Whether Cargo will pass metadata on.
    pub(crate) fn has_links(&self) -> bool {
        self.links.is_some()
    }

    pub(crate) fn require_links(&self) -> Result<(), Vec<Problem>> {
        if self.has_links() {
            return Ok(());
        }
        let name = &self.name;
        Err(vec![format!(
            "the crate `{name}` registers, but has no `links` key, so Cargo doesn't pass it on: \
             add `links = \"{name}\"` to [package] in its Cargo.toml"
        )])
    }

    /// What the direct dependencies recorded.
    pub(crate) fn dependencies(&self) -> Result<Vec<Metadata>, Vec<Problem>> {
        let (read, problems): (Vec<_>, Vec<_>) =
            self.dependencies.iter().map(|text| Metadata::read(text)).partition(Result::is_ok);
        if problems.is_empty() {
            Ok(read.into_iter().flatten().collect())
        } else {
            Err(problems.into_iter().filter_map(Result::err).collect())
        }
    }

    /// The crate through which this one names trainer: the facade, if it depends on that.
    pub(crate) fn root(&self) -> &'static str {
        if self.has_facade() { "trainer" } else { "trainer_core" }
    }

    pub(crate) fn require_facade(&self) -> Result<(), Vec<Problem>> {
        if self.has_facade() {
            return Ok(());
        }
        Err(vec![format!(
            "the registry of `{}` names everything through the crate `trainer`, which is not among its dependencies: \
             add `trainer` to [dependencies] in its Cargo.toml",
            self.name
        )])
    }

    /// Whether the facade is this package, or among its dependencies: its `links` key is `trainer`.
    fn has_facade(&self) -> bool {
        self.name == "trainer" || env::var_os(format!("DEP_TRAINER_{}", KEY.to_uppercase())).is_some()
    }
}

/// The place of a generated file.
pub(crate) fn out_file(name: &str) -> PathBuf {
    Path::new(&variable("OUT_DIR")).join(name)
}

pub(crate) fn tell_metadata(metadata: &Metadata) {
    tell("metadata", &format!("{KEY}={}", metadata.to_text()));
}

pub(crate) fn tell_record(record: &Record) {
    tell("rustc-env", &format!("{}={record}", Record::VARIABLE));
}

pub(crate) fn tell_file(file: &Path) {
    tell("rerun-if-changed", &file.display().to_string());
}

/// The protocol is lines on standard output.
#[allow(clippy::print_stdout)]
fn tell(directive: &str, value: &str) {
    println!("cargo::{directive}={value}");
}

/// Cargo sets all that are asked for; outside of a build script they are empty.
fn variable(name: &str) -> String {
    env::var(name).unwrap_or_default()
}
