//! What a registered backend says of itself, and what a generated enum offers.

use std::{path::Path, process::ExitCode};

use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use crate::{Error, Result, TrainerBackend};

/// The version of the contract between a plug-in and the binary that links it.
///
/// Raised with every change to [`TrainerBackend`] or [`ConnectBackend`] that breaks an implementation.
pub const CONTRACT_VERSION: u32 = 1;

/// Who a registered type is. Implemented by `#[register_backend]`.
pub trait Registered {
    /// The name that chooses it.
    const NAME: &'static str;
    /// Other names that choose it.
    const ALIASES: &'static [&'static str];
    /// One line on what it is: the first line of its documentation.
    const DESCRIPTION: &'static str;
}

/// How a backend is made. Apart from [`TrainerBackend`], because it has no `self` to dispatch on.
pub trait ConnectBackend: TrainerBackend + Registered + Sized {
    /// Its section of the configuration: `[backends.NAME]`, and `-B key=value`.
    type Config: DeserializeOwned + Default;

    /// What a job may ask of it: `-O key=value`. Checked before anything is created.
    type Options: DeserializeOwned + Default;

    /// The keys of [`Config`](Self::Config), for people.
    const CONFIG: &'static [Key] = &[];

    /// The keys of [`Options`](Self::Options), for people.
    const OPTIONS: &'static [Key] = &[];

    /// Makes the backend, without any I/O. `selected` is the name or alias that was asked for.
    ///
    /// # Errors
    /// `Invalid` if the configuration contradicts itself.
    fn connect(selected: &str, config: Self::Config) -> Result<Self>;

    /// Runs the job in `folder` until it has settled, in a process of its own.
    ///
    /// # Errors
    /// `Unsupported`, unless the engine uses the supervisor.
    fn supervise(_folder: &Path) -> Result<ExitCode> {
        Err(Error::unsupported(format!("the backend `{}` has no supervisor", Self::NAME)))
    }
}

/// A key of a backend's configuration or options.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Key {
    /// The key.
    pub name: &'static str,
    /// What it does, with its default.
    pub help: &'static str,
}

/// A backend that this binary knows of, also if it was built without it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Known {
    /// Its name.
    pub name: &'static str,
    /// Its other names.
    pub aliases: &'static [&'static str],
    /// One line on what it is.
    pub description: &'static str,
    /// The crate that registers it.
    pub krate: &'static str,
    /// Whether this binary has it.
    pub enabled: bool,
    /// The feature of `krate` that turns it on, where there is one.
    pub feature: Option<&'static str>,
}

/// The generated enum of a binary's backends.
pub trait BackendRegistry: TrainerBackend + Sized {
    /// The name of the command, as its author declared it.
    const COMMAND: &'static str;

    /// The backend used where nobody chose one.
    const DEFAULT_BACKEND: Option<&'static str>;

    /// All backends that the linked crates register, on or off, by name.
    const KNOWN: &'static [Known];

    /// Makes the backend of this name or alias, without any I/O.
    ///
    /// # Errors
    /// `NotFound` for an unknown name, `Unsupported` for one whose feature is off, `Invalid` for a
    /// configuration that doesn't fit.
    fn connect(name: &str, config: Map<String, Value>) -> Result<Self>;

    /// The canonical name of the backend.
    fn name(&self) -> &'static str;

    /// The keys of its configuration and of its per-job options.
    fn keys(name: &str) -> Option<(&'static [Key], &'static [Key])>;

    /// See [`ConnectBackend::supervise`].
    ///
    /// # Errors
    /// As [`connect`](Self::connect), and what running the job meets.
    fn supervise(name: &str, folder: &Path) -> Result<ExitCode>;
}

/// Reads a backend's configuration or options from key–value pairs. Used by generated code.
///
/// # Errors
/// `Invalid`, naming the key that doesn't fit and those there are.
#[doc(hidden)]
pub fn read_keys<T: DeserializeOwned>(what: &str, keys: &[Key], values: Map<String, Value>) -> Result<T> {
    if let Some(unknown) = values.keys().find(|key| !keys.iter().any(|known| known.name == key.as_str())) {
        let known: Vec<_> = keys.iter().map(|key| key.name).collect();
        let hint =
            if known.is_empty() { format!("{what} takes none") } else { format!("{what} takes {}", known.join(", ")) };
        return Err(Error::invalid(format!("{what} has no key `{unknown}`")).with_hint(hint));
    }
    serde_json::from_value(Value::Object(values)).map_err(|error| Error::invalid(format!("{what}: {error}")))
}
