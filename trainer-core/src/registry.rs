//! What a registered backend says of itself, and what a generated enum offers.

use std::{path::Path, process::ExitCode};

use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use crate::{Error, ErrorKind, Result, TrainerBackend, fields::FieldRule, name::nearest, request::JobOptions};

/// The version of the contract between a plug-in and the binary that links it.
///
/// Raised with every change to [`TrainerBackend`] or [`ConnectBackend`] that breaks an implementation.
/// The build step refuses a plug-in of another version.
pub const CONTRACT_VERSION: u32 = trainer_macros::contract_version!();

/// Who a registered type is. Implemented by `#[register_backend]`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not registered",
    note = "put `#[register_backend(\"name\")]` on it"
)]
pub trait Registered {
    /// The name that chooses it.
    const NAME: &'static str;
    /// Other names that choose it.
    const ALIASES: &'static [&'static str];
    /// One line on what it is: the first line of its documentation.
    const DESCRIPTION: &'static str;
}

/// The type without values: the variant of a generated enum that has no other.
#[doc(hidden)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Never {}

/// How a backend is made. Apart from [`TrainerBackend`], because it has no `self` to dispatch on.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is registered as a backend, but nothing says how it is connected",
    label = "this type doesn't implement `ConnectBackend`",
    note = "implement `ConnectBackend` for it: its `Config` and `connect`"
)]
pub trait ConnectBackend: TrainerBackend + Registered + Sized {
    /// Its section of the configuration: `[backends.NAME]`, and `-B key=value`.
    type Config: DeserializeOwned + Default;

    /// The keys of [`Config`](Self::Config), for people.
    const CONFIG: &'static [Key] = &[];

    /// What a job may ask of it, `-O key=value`, for people. [`TrainerBackend::check_options`] takes no others.
    const OPTIONS: &'static [Key] = &[];

    /// What becomes of the fields of a job that not every engine treats alike: its column of the table of
    /// [`fields`](crate::fields). A field that isn't listed is refused by [`fields::check`](crate::fields::check).
    const FIELDS: &'static [FieldRule] = &[];

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
#[non_exhaustive]
pub struct Key {
    /// The key.
    pub name: &'static str,
    /// What it does, with its default.
    pub help: &'static str,
    /// Whether its value is a path of this machine: in a file of the configuration it counts from the file's folder.
    pub is_path: bool,
}

impl Key {
    /// A key, and what it does with its default.
    #[must_use]
    pub const fn new(name: &'static str, help: &'static str) -> Self {
        Self { name, help, is_path: false }
    }

    /// A key whose value is a path of this machine.
    #[must_use]
    pub const fn path(name: &'static str, help: &'static str) -> Self {
        Self { name, help, is_path: true }
    }
}

/// Something registered that this binary knows of, also if it was built without it.
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
    /// The feature that turns it on, as `--features` takes it, where there is one.
    pub feature: Option<&'static str>,
}

impl Known {
    /// The name and the other names.
    pub fn names(&self) -> impl Iterator<Item = &'static str> {
        std::iter::once(self.name).chain(self.aliases.iter().copied())
    }
}

/// The generated enum of a binary's backends.
pub trait BackendRegistry: TrainerBackend + Sized {
    /// The name of the command, as its author declared it.
    const COMMAND: &'static str;

    /// The folder of the command in a place of configuration: `$XDG_CONFIG_HOME`, `/etc`.
    const CONFIG_FOLDER: &'static str;

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

    /// The keys of the configuration and of the per-job options of the backend with this name or alias.
    fn keys(name: &str) -> Option<(&'static [Key], &'static [Key])>;

    /// The column of the table of fields of the backend with this name or alias.
    fn fields(name: &str) -> Option<&'static [FieldRule]>;

    /// Runs the job in `folder` until it has settled: see [`ConnectBackend::supervise`].
    ///
    /// # Errors
    /// As [`connect`](Self::connect), and what running the job meets.
    fn supervise(name: &str, folder: &Path) -> Result<ExitCode>;
}

/// Makes a `B` from its section of the configuration. Used by generated code.
///
/// # Errors
/// `Invalid` for a configuration that doesn't fit.
#[doc(hidden)]
pub fn connect<B: ConnectBackend>(selected: &str, config: Map<String, Value>) -> Result<B> {
    B::connect(selected, read_keys(selected, "setting", B::CONFIG, config)?)
}

/// Why `name` chooses nothing. Used by generated code; `what` is the kind of thing: `backend`.
#[doc(hidden)]
#[must_use]
pub fn not_available(what: &str, name: &str, known: &[Known]) -> Error {
    match known.iter().find(|known| known.names().any(|candidate| candidate == name)) {
        Some(Known { krate, feature: Some(feature), .. }) => Error::unsupported(format!(
            "the {what} `{name}` is not part of this build: it is behind a feature of the crate `{krate}`"
        ))
        .with_hint(format!("build with `--features {feature}`")),
        Some(Known { krate, .. }) => Error::unsupported(format!(
            "the {what} `{name}` is not part of this build: the crate `{krate}` doesn't have it on this platform"
        )),
        None => unknown(what, name, known),
    }
}

fn unknown(what: &str, name: &str, known: &[Known]) -> Error {
    let distance = |known: &Known| known.names().map(|other| strsim::damerau_levenshtein(name, other)).min();
    let mut available: Vec<_> = known.iter().filter(|known| known.enabled).collect();
    available.sort_by_key(|known| distance(known));
    let nearest = nearest(name, known.iter().flat_map(Known::names));
    let list: Vec<_> = available.iter().map(|known| describe(known)).collect();
    let list = match &list[..] {
        [] => format!("this build has no {what}s"),
        [one] => format!("there is {one}"),
        several => format!("there are {}", several.join(", ")),
    };
    let hint = match nearest {
        Some(nearest) => format!("did you mean `{nearest}`? {list}"),
        None => list,
    };
    Error::new(ErrorKind::NotFound, format!("no {what} is called `{}`", name.escape_debug())).with_hint(hint)
}

fn describe(known: &Known) -> String {
    if known.aliases.is_empty() {
        format!("`{}`", known.name)
    } else {
        format!("`{}` ({})", known.name, known.aliases.join(", "))
    }
}

/// Reads the options of a job for the backend `backend`, which takes `keys`: what
/// [`TrainerBackend::check_options`] does.
///
/// # Errors
/// `Invalid`, naming the option that doesn't fit and those there are.
pub fn read_options<T: DeserializeOwned>(backend: &str, keys: &[Key], options: &JobOptions) -> Result<T> {
    read_keys(backend, "option", keys, options.clone())
}

/// `word` is what the backend calls a key: `setting`.
fn read_keys<T: DeserializeOwned>(backend: &str, word: &str, keys: &[Key], values: Map<String, Value>) -> Result<T> {
    if let Some(unknown) = values.keys().find(|key| !keys.iter().any(|known| known.name == key.as_str())) {
        let unknown = unknown.escape_debug();
        let error = Error::invalid(format!("the backend `{backend}` has no {word} `{unknown}`"));
        let known: Vec<_> = keys.iter().map(|key| key.name).collect();
        return Err(error.with_hint(match known[..] {
            [] => "it takes none".to_owned(),
            _ => format!("its {word}s are {}", known.join(", ")),
        }));
    }
    serde_json::from_value(Value::Object(values))
        .map_err(|error| Error::invalid(format!("the {word}s of the backend `{backend}`: {error}")))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::collections::BTreeMap;

    use serde_json::json;

    use super::*;

    const KEYS: &[Key] = &[Key::new("partition", ""), Key::new("hours", "")];

    fn refusal(keys: &[Key], options: &Value) -> String {
        let options = options.as_object().unwrap();
        let error = read_options::<BTreeMap<String, u32>>("slurm", keys, options).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Invalid);
        format!("{error}; {}", error.hint().unwrap_or_default())
    }

    #[test]
    fn an_option_is_read_as_what_it_is() {
        let options = json!({ "hours": 3 });
        let read: BTreeMap<String, u32> = read_options("slurm", KEYS, options.as_object().unwrap()).unwrap();
        assert_eq!(read["hours"], 3);
        let why = refusal(KEYS, &json!({ "hours": "three" }));
        assert!(why.starts_with("the options of the backend `slurm`: invalid type"), "{why}");
    }

    #[test]
    fn an_unknown_option_is_refused_with_those_there_are() {
        let unknown = json!({ "node": 1 });
        assert_eq!(
            refusal(KEYS, &unknown),
            "the backend `slurm` has no option `node`; its options are partition, hours"
        );
        assert_eq!(refusal(&[], &unknown), "the backend `slurm` has no option `node`; it takes none");
    }

    #[test]
    fn who_chooses_a_backend_that_there_is_not_is_told_which_there_are() {
        let known = |name| Known { name, aliases: &[], description: "", krate: "", enabled: true, feature: None };
        let hint = |names: &[&'static str]| {
            let known: Vec<_> = names.iter().copied().map(known).collect();
            not_available("backend", "nowhere", &known).hint().unwrap_or_default().to_owned()
        };
        let error = not_available("backend", "größe\n", &[]);
        assert_eq!(error.to_string(), r"no backend is called `größe\n`");
        assert_eq!(hint(&[]), "this build has no backends");
        assert_eq!(hint(&["local"]), "there is `local`");
        assert_eq!(hint(&["local", "slurm"]), "there are `local`, `slurm`");
    }
}
