//! What is configured, and where: flag > environment > project file > user file > system file > the binary's author.

mod file;
mod named;
mod paths;

use std::{
    env, fmt,
    path::{Path, PathBuf},
};

use serde_json::{Map, Value};
use trainer_core::{
    Error, Result,
    name::nearest,
    registry::{BackendRegistry, Key, Known},
    request::{SecretKeys, Volumes},
};

use self::file::{ConfigFile, Table};
use super::{failure::warn, folders};

/// The configuration of this invocation.
#[derive(Debug)]
pub(super) struct Settings {
    /// What the command is called; its variables are called after it.
    command: &'static str,
    /// The files that are looked for, the strongest first.
    places: Vec<PathBuf>,
    /// The files that there are, the strongest first.
    files: Vec<ConfigFile>,
    volumes: Volumes,
    secret_keys: SecretKeys,
}

/// A value and who set it.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Setting<T> {
    /// The value.
    pub(super) value: T,
    /// Who set it.
    pub(super) origin: Origin,
}

/// Who set a value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Origin {
    /// A flag of this invocation.
    Flag(&'static str),
    /// A variable of the environment.
    Variable(String),
    /// A file, at line and column.
    File(PathBuf, usize, usize),
    /// The author of this binary.
    BuiltIn,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Flag(flag) => f.write_str(flag),
            Self::Variable(name) => write!(f, "${name}"),
            Self::File(path, line, column) => write!(f, "{}:{line}:{column}", path.display()),
            Self::BuiltIn => f.write_str("default"),
        }
    }
}

impl Settings {
    /// Reads the files that there are for the command `command`, whose folders are called `folder`.
    ///
    /// # Errors
    /// `Invalid`, with file, line and column, if one isn't as it should be; `Io` if it can't be read.
    pub(super) fn read(command: &'static str, folder: &str) -> Result<Self> {
        let places = places(folder);
        let files = places.iter().map(|path| ConfigFile::read(path)).filter_map(Result::transpose);
        let files: Vec<_> = files.collect::<Result<_>>()?;
        let (volumes, secret_keys) = (named::volumes(&files)?, named::secret_keys(&files)?);
        Ok(Self { command, places, files, volumes, secret_keys })
    }

    /// Refuses what no backend of `B` reads, and warns of sections of backends that nobody knows: another binary
    /// may have them.
    ///
    /// # Errors
    /// `Invalid`, with file, line and column, for a key that the backend doesn't have.
    pub(super) fn check_backends<B: BackendRegistry>(&self) -> Result<()> {
        for section in self.files.iter().flat_map(|file| file.sections(Table::Backends)) {
            let Some(known) = known::<B>(&section.name) else {
                warn(&unknown_backend::<B>(&section.name, &section.origin));
                continue;
            };
            // Of one that is off nobody knows the keys.
            let Some((keys, _)) = B::keys(known.name) else { continue };
            for (key, setting) in &section.entries {
                check_key(known, keys, key, &setting.origin)?;
            }
        }
        Ok(())
    }

    /// What the names of volumes stand for.
    pub(super) fn volumes(&self) -> &Volumes {
        &self.volumes
    }

    /// Where secret variables are on a cluster.
    pub(super) fn secret_keys(&self) -> &SecretKeys {
        &self.secret_keys
    }

    /// What is set for volumes and secrets, by key: `volumes.data.folder`.
    ///
    /// # Errors
    /// As [`read`](Self::read).
    pub(super) fn of_names(&self) -> Result<Vec<(String, Setting<Value>)>> {
        let mut all = Vec::new();
        for table in [Table::Volumes, Table::Secrets] {
            for named in named::merged(&self.files, table)? {
                let prefix = format!("{}.{}", table.key(), named.name);
                all.extend(named.entries.into_iter().map(|(key, setting)| (format!("{prefix}.{key}"), setting)));
            }
        }
        Ok(all)
    }

    /// The files that were read, the strongest first.
    pub(super) fn files(&self) -> impl Iterator<Item = &Path> {
        self.files.iter().map(|file| file.path.as_path())
    }

    /// The files that are looked for, the strongest first.
    pub(super) fn places(&self) -> &[PathBuf] {
        &self.places
    }

    /// The name of the backend to use, if anybody chose one.
    pub(super) fn backend(&self, flag: Option<&str>, default: Option<&str>) -> Option<Setting<String>> {
        let setting = |value: &str, origin| Setting { value: value.to_owned(), origin };
        let variable = self.variable(&["BACKEND"]);
        flag.map(|name| setting(name, Origin::Flag("--backend")))
            .or_else(|| set(&variable).map(|name| setting(&name, Origin::Variable(variable.clone()))))
            .or_else(|| self.files.iter().find_map(|file| file.backend.clone()))
            .or_else(|| default.map(|name| setting(name, Origin::BuiltIn)))
    }

    /// What is set for the backend `selected` (a name or an alias), by key.
    ///
    /// # Errors
    /// `Invalid`, with file, line and column, for a key that the backend doesn't have.
    pub(super) fn of_backend<B: BackendRegistry>(
        &self,
        selected: &str,
        flags: &[(String, Value)],
    ) -> Result<Vec<(String, Setting<Value>)>> {
        let Some(known) = known::<B>(selected) else { return Ok(Vec::new()) };
        let Some((keys, _)) = B::keys(known.name) else { return Ok(Vec::new()) };
        self.merged(known, keys, selected, flags)
    }

    fn merged(
        &self,
        known: &Known,
        keys: &[Key],
        selected: &str,
        flags: &[(String, Value)],
    ) -> Result<Vec<(String, Setting<Value>)>> {
        let mut settings: Vec<(String, Setting<Value>)> = Vec::new();
        let mut set_key = |name: &str, value: Value, origin: Origin| {
            let key = check_key(known, keys, name, &origin)?;
            let value = match value.as_str() {
                Some(text) if key.is_path => paths::resolve(text, &origin)?,
                _ => value,
            };
            settings.retain(|(other, _)| other != name);
            settings.push((name.to_owned(), Setting { value, origin }));
            Ok::<_, Error>(())
        };
        for file in self.files.iter().rev() {
            for name in [Some(known.name), (selected != known.name).then_some(selected)].into_iter().flatten() {
                for section in file.sections(Table::Backends).filter(|section| section.name == name) {
                    for (key, Setting { value, origin }) in &section.entries {
                        set_key(key, value.clone(), origin.clone())?;
                    }
                }
            }
        }
        for key in keys {
            let variable = self.variable(&["BACKENDS", known.name, key.name]);
            if let Some(value) = set(&variable) {
                set_key(key.name, scalar(&value), Origin::Variable(variable))?;
            }
        }
        for (key, value) in flags {
            set_key(key, value.clone(), Origin::Flag("-B"))?;
        }
        Ok(settings)
    }

    /// The backend `selected`, configured.
    ///
    /// # Errors
    /// As [`of_backend`](Self::of_backend) and [`BackendRegistry::connect`].
    pub(super) fn connect<B: BackendRegistry>(&self, selected: &str, flags: &[(String, Value)]) -> Result<B> {
        let settings = self.of_backend::<B>(selected, flags)?;
        let values: Map<_, _> = settings.iter().map(|(key, setting)| (key.clone(), setting.value.clone())).collect();
        B::connect(selected, values).map_err(|error| blame::<B>(selected, &settings, error))
    }

    fn variable(&self, words: &[&str]) -> String {
        let words: Vec<_> = std::iter::once(&self.command).chain(words).map(|word| word.to_uppercase()).collect();
        words.join("_").replace(['-', '.'], "_")
    }
}

/// Reads `KEY=VALUE`, where the value may be a number or a boolean.
///
/// # Errors
/// `Invalid` if there is no key.
pub(super) fn key_value(text: &str) -> Result<(String, Value)> {
    match text.split_once('=') {
        Some((key, value)) if !key.is_empty() => Ok((key.to_owned(), scalar(value))),
        _ => Err(Error::invalid(format!("`{}` is not KEY=VALUE", text.escape_debug()))),
    }
}

/// The entry of [`BackendRegistry::KNOWN`] of this name or alias.
pub(super) fn known<B: BackendRegistry>(selected: &str) -> Option<&'static Known> {
    B::KNOWN.iter().find(|known| known.names().any(|name| name == selected))
}

/// A value that comes without quotes: `3` is a number, `true` a boolean, `"3"` and everything else text.
fn scalar(text: &str) -> Value {
    match serde_json::from_str(text) {
        Ok(value @ (Value::Bool(_) | Value::Number(_) | Value::String(_))) => value,
        _ => Value::from(text),
    }
}

fn set(variable: &str) -> Option<String> {
    env::var(variable).ok().filter(|value| !value.is_empty())
}

fn places(folder: &str) -> Vec<PathBuf> {
    let project = folders::project(folder).join(format!("{folder}.toml"));
    let user = folders::config(folder).map(|folder| folder.join("config.toml"));
    let system = Path::new("/etc").join(folder).join("config.toml");
    [Some(project), user, Some(system)].into_iter().flatten().collect()
}

fn check_key<'a>(backend: &Known, keys: &'a [Key], key: &str, origin: &Origin) -> Result<&'a Key> {
    if let Some(known) = keys.iter().find(|known| known.name == key) {
        return Ok(known);
    }
    let name = backend.name;
    let all: Vec<_> = keys.iter().map(|key| key.name).collect();
    let hint = match (&all[..], nearest(key, all.iter().copied())) {
        ([], _) => format!("the backend `{name}` has no settings"),
        (_, Some(near)) => format!("did you mean `{near}`? its settings are {}", all.join(", ")),
        (_, None) => format!("its settings are {}", all.join(", ")),
    };
    Err(Error::invalid(format!("{origin}: the backend `{name}` has no setting `{key}`")).with_hint(hint))
}

fn unknown_backend<B: BackendRegistry>(name: &str, origin: &Origin) -> String {
    let names = || B::KNOWN.iter().flat_map(Known::names);
    let way_out = match nearest(name, names()) {
        Some(near) => format!("did you mean `{near}`?"),
        None => format!("this binary has {}", names().collect::<Vec<_>>().join(", ")),
    };
    format!("{origin}: no backend is called `{}`; {way_out}", name.escape_debug())
}

/// Points at the setting that the backend doesn't take, if it is one alone.
fn blame<B: BackendRegistry>(selected: &str, settings: &[(String, Setting<Value>)], error: Error) -> Error {
    let culprit = settings.iter().find_map(|(key, setting)| {
        let alone = Map::from_iter([(key.clone(), setting.value.clone())]);
        let error = B::connect(selected, alone).err()?;
        B::connect(selected, Map::new()).is_ok().then_some((key, setting, error))
    });
    let Some((key, setting, alone)) = culprit else { return error };
    let message = match setting.origin {
        Origin::File(..) => format!("{}: `{key}`: {alone}", setting.origin),
        _ => format!("`{key}` from {}: {alone}", setting.origin),
    };
    match alone.hint() {
        Some(hint) => Error::new(alone.kind(), message).with_hint(hint),
        None => Error::new(alone.kind(), message),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn parse(text: &str) -> Result<ConfigFile> {
        ConfigFile::parse(Path::new("trainer.toml"), text)
    }

    const FAR: Known =
        Known { name: "far", aliases: &["moon"], description: "", krate: "", enabled: true, feature: None };

    const KEYS: [Key; 2] = [Key::new("slots", ""), Key::new("zone", "")];

    fn settings(files: &[&str]) -> Settings {
        let files = files.iter().map(|text| parse(text).unwrap()).collect();
        Settings {
            command: "no-variable-is-called-so",
            places: Vec::new(),
            files,
            volumes: Volumes::default(),
            secret_keys: SecretKeys::default(),
        }
    }

    #[test]
    fn the_strongest_setting_counts() {
        let project = "[backends.far]\nslots = 1\n[backends.moon]\nslots = 2\n";
        let user = "[backends.moon]\nslots = 3\nzone = 'b'\n";
        let value = |selected, flags: &[(String, Value)], key| {
            let merged = settings(&[project, user]).merged(&FAR, &KEYS, selected, flags).unwrap();
            merged.into_iter().find(|(name, _)| name == key).map(|(_, setting)| setting.value)
        };
        assert_eq!(value("far", &[], "slots"), Some(Value::from(1)));
        assert_eq!(value("far", &[], "zone"), None, "the section of an alias is for the alias");
        assert_eq!(value("moon", &[], "slots"), Some(Value::from(2)), "the alias refines the name");
        assert_eq!(value("moon", &[], "zone"), Some(Value::from("b")), "the weaker file fills in");
        assert_eq!(value("moon", &[key_value("slots=9").unwrap()], "slots"), Some(Value::from(9)));
    }

    #[test]
    fn a_key_that_the_backend_does_not_have_is_refused_where_it_stands() {
        let error = settings(&["[backends.far]\nslot = 1\n"]).merged(&FAR, &KEYS, "far", &[]).unwrap_err();
        assert_eq!(error.to_string(), "trainer.toml:2:1: the backend `far` has no setting `slot`");
        assert_eq!(error.hint(), Some("did you mean `slots`? its settings are slots, zone"));
    }

    #[test]
    fn a_path_in_a_file_counts_from_the_file() {
        let file = ConfigFile::parse(Path::new("/project/trainer.toml"), "[backends.far]\nhome = 'jobs'\n").unwrap();
        let settings = Settings { files: vec![file], ..settings(&[]) };
        let home = |flags: &[(String, Value)]| {
            let merged = settings.merged(&FAR, &[Key::path("home", "")], "far", flags).unwrap();
            merged[0].1.value.clone()
        };
        assert_eq!(home(&[]), "/project/jobs");
        assert_eq!(home(&[key_value("home=jobs").unwrap()]), "jobs");
    }

    #[test]
    fn values_without_quotes_are_numbers_booleans_or_text() {
        assert_eq!(key_value("slots=4").unwrap(), ("slots".to_owned(), Value::from(4)));
        assert_eq!(key_value("a=b=c").unwrap(), ("a".to_owned(), Value::from("b=c")));
        assert_eq!(key_value("version=\"3\"").unwrap().1, Value::from("3"));
        assert_eq!(key_value("empty=").unwrap().1, Value::from(""));
        assert!(key_value("=x").is_err() && key_value("x").is_err());
    }
}
