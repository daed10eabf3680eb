//! What can be set.

use std::path::PathBuf;

use serde::Deserialize;
use trainer_core::registry::Key;

/// `[backends.local]`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct LocalConfig {
    /// Where jobs are kept.
    pub state_dir: Option<PathBuf>,
    /// Where Python environments are kept.
    pub cache_dir: Option<PathBuf>,
    /// The program that supervises jobs.
    pub supervisor: Option<PathBuf>,
}

/// The keys of [`LocalConfig`].
pub(super) const CONFIG: &[Key] = &[
    Key::path("state_dir", "folder of jobs and their logs [default: $XDG_STATE_HOME/trainer]"),
    Key::path("cache_dir", "folder of Python environments [default: $XDG_CACHE_HOME/trainer]"),
    Key::path("supervisor", "program that is run as supervisor of a job [default: this one]"),
];

/// What a job may ask of this backend: nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct LocalOptions {}
