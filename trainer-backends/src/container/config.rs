//! What can be set.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use trainer_core::registry::Key;

use super::{gpus::GpuRequests, images::PullPolicy, user::UserChoice};

/// `[backends.container]`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct ContainerConfig {
    /// Where the engine is: `unix://PATH` or `tcp://HOST:PORT`.
    pub host: Option<String>,
    /// The image that nodes run in where the job itself names none, instead of the runtime's.
    pub image: Option<String>,
    /// Where jobs are kept.
    pub state_dir: Option<PathBuf>,
    /// The program that supervises jobs.
    pub supervisor: Option<PathBuf>,
}

/// The keys of [`ContainerConfig`].
pub(super) const CONFIG: &[Key] = &[
    Key::new("host", "where the engine is, unix://PATH or tcp://HOST:PORT [default: the first that answers]"),
    Key::new("image", "image of nodes whose job names none [default: the runtime's]"),
    Key::path("state_dir", "folder of jobs and their logs [default: $XDG_STATE_HOME/trainer]"),
    Key::path("supervisor", "program that is run as supervisor of a job [default: this one]"),
];

/// What a job may ask of this backend.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct ContainerOptions {
    /// When images are pulled.
    pub pull: Option<PullPolicy>,
    /// Who the programs run as.
    pub user: UserChoice,
    /// How GPUs are asked for.
    pub gpus: GpuRequests,
}

/// The keys of [`ContainerOptions`].
pub(super) const OPTIONS: &[Key] = &[
    Key::new("pull", "when images are pulled: Always, IfNotPresent, Never [default: as in Kubernetes]"),
    Key::new("user", "whom programs run as: caller, image, or UID:GID [default: caller, where files would be root's]"),
    Key::new("gpus", "how GPUs are asked for: auto, device-requests, cdi [default: auto]"),
];
