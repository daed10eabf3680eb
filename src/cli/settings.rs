//! What is configured, and where: flag > environment > project file > user file > system file > the binary's author.

use std::{
    env, fmt, fs, io,
    ops::Range,
    path::{Path, PathBuf},
};

use serde_json::{Map, Value};
use toml::{
    Spanned,
    de::{DeTable, DeValue},
};
use trainer_core::{
    Error, Result,
    registry::{BackendRegistry, Key, Known},
};

use super::folders;

/// The configuration of this invocation.
#[derive(Debug)]
pub(super) struct Settings {
    /// What the command is called; its variables are called after it.
    command: &'static str,
    /// The files that are looked for, the strongest first.
    places: Vec<PathBuf>,
    /// The files that there are, the strongest first.
    files: Vec<ConfigFile>,
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
        Ok(Self { command, files: files.collect::<Result<_>>()?, places })
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
        let mut set_key = |key: &str, value, origin| {
            settings.retain(|(other, _)| other != key);
            settings.push((key.to_owned(), Setting { value, origin }));
        };
        for file in self.files.iter().rev() {
            for section in [Some(known.name), (selected != known.name).then_some(selected)].into_iter().flatten() {
                for Entry { key, value, origin, .. } in file.entries.iter().filter(|entry| entry.section == section) {
                    check_key(known, keys, key, origin)?;
                    set_key(key, value.clone(), origin.clone());
                }
            }
        }
        for key in keys {
            let variable = self.variable(&["BACKENDS", known.name, key.name]);
            if let Some(value) = set(&variable) {
                set_key(key.name, scalar(&value), Origin::Variable(variable));
            }
        }
        for (key, value) in flags {
            check_key(known, keys, key, &Origin::Flag("-B"))?;
            set_key(key, value.clone(), Origin::Flag("-B"));
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

fn check_key(backend: &Known, keys: &[Key], key: &str, origin: &Origin) -> Result<()> {
    if keys.iter().any(|known| known.name == key) {
        return Ok(());
    }
    let name = backend.name;
    let all: Vec<_> = keys.iter().map(|key| key.name).collect();
    let hint = match all[..] {
        [] => format!("the backend `{name}` has no settings"),
        _ => format!("its settings are {}", all.join(", ")),
    };
    Err(Error::invalid(format!("{origin}: the backend `{name}` has no setting `{key}`")).with_hint(hint))
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

#[derive(Debug)]
struct ConfigFile {
    path: PathBuf,
    backend: Option<Setting<String>>,
    entries: Vec<Entry>,
}

/// `key = value` under `[backends.SECTION]`.
#[derive(Debug)]
struct Entry {
    section: String,
    key: String,
    value: Value,
    origin: Origin,
}

impl ConfigFile {
    /// `None` where there is no such file.
    fn read(path: &Path) -> Result<Option<Self>> {
        let text = match fs::read_to_string(path) {
            Ok(text) => text,
            Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
                return Ok(None);
            }
            Err(error) => return Err(Error::io("read", path, error)),
        };
        Self::parse(path, &text).map(Some)
    }

    fn parse(path: &Path, text: &str) -> Result<Self> {
        let at = |span: Range<usize>| {
            let before = text.get(..span.start).unwrap_or(text);
            let line = before.matches('\n').count() + 1;
            let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
            Origin::File(path.to_owned(), line, column)
        };
        let wrong = |span: Range<usize>, why: &str| Error::invalid(format!("{}: {why}", at(span)));
        let document = DeTable::parse(text).map_err(|error| {
            let why = error.message().lines().collect::<Vec<_>>().join("; ");
            wrong(error.span().unwrap_or(0..0), &why)
        })?;
        let mut file = Self { path: path.to_owned(), backend: None, entries: Vec::new() };
        for (key, value) in document.get_ref() {
            match key.get_ref().as_ref() {
                "backend" => {
                    let name = value.get_ref().as_str().ok_or_else(|| wrong(value.span(), "`backend` is a name"))?;
                    file.backend = Some(Setting { value: name.to_owned(), origin: at(key.span()) });
                }
                "backends" => {
                    for (section, entries) in table(value).ok_or_else(|| wrong(value.span(), SECTIONS))? {
                        for (key, value) in table(entries).ok_or_else(|| wrong(entries.span(), SECTIONS))? {
                            let section = section.get_ref().to_string();
                            let origin = at(key.span());
                            let key = key.get_ref().to_string();
                            let value = json(value.get_ref())
                                .ok_or_else(|| wrong(value.span(), "a value of this kind is not for a setting"))?;
                            file.entries.push(Entry { section, key, value, origin });
                        }
                    }
                }
                other => {
                    let error = wrong(key.span(), &format!("unknown key `{}`", other.escape_debug()));
                    return Err(error.with_hint("the keys are `backend` and `[backends.NAME]`"));
                }
            }
        }
        Ok(file)
    }
}

const SECTIONS: &str = "settings of a backend stand in a section `[backends.NAME]`";

fn table<'a, 'i>(value: &'a Spanned<DeValue<'i>>) -> Option<&'a DeTable<'i>> {
    value.get_ref().as_table()
}

fn json(value: &DeValue<'_>) -> Option<Value> {
    Some(match value {
        DeValue::String(text) => Value::from(text.as_ref()),
        DeValue::Boolean(value) => Value::Bool(*value),
        DeValue::Integer(integer) => Value::from(i64::from_str_radix(integer.as_str(), integer.radix()).ok()?),
        DeValue::Float(float) => Value::from(float.as_str().parse::<f64>().ok()?),
        DeValue::Array(items) => items.iter().map(|item| json(item.get_ref())).collect::<Option<_>>()?,
        DeValue::Table(table) => Value::Object(
            table
                .iter()
                .map(|(key, value)| Some((key.get_ref().to_string(), json(value.get_ref())?)))
                .collect::<Option<_>>()?,
        ),
        DeValue::Datetime(_) => return None,
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn parse(text: &str) -> Result<ConfigFile> {
        ConfigFile::parse(Path::new("trainer.toml"), text)
    }

    #[test]
    fn a_value_knows_where_it_stands() {
        let file = parse("backend = 'near'\n\n[backends.near]\n  python = '3.12'\n  slots = 4\n").unwrap();
        assert_eq!(file.backend.unwrap().origin.to_string(), "trainer.toml:1:1");
        let [python, slots] = &file.entries[..] else { panic!("{:?}", file.entries) };
        assert_eq!((python.section.as_str(), python.key.as_str()), ("near", "python"));
        assert_eq!(python.origin.to_string(), "trainer.toml:4:3");
        assert_eq!(slots.value, Value::from(4));
    }

    const FAR: Known =
        Known { name: "far", aliases: &["moon"], description: "", krate: "", enabled: true, feature: None };

    const KEYS: [Key; 2] = [Key::new("slots", ""), Key::new("zone", "")];

    fn settings(files: &[&str]) -> Settings {
        let files = files.iter().map(|text| parse(text).unwrap()).collect();
        Settings { command: "no-variable-is-called-so", places: Vec::new(), files }
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
        assert_eq!(error.hint(), Some("its settings are slots, zone"));
    }

    #[test]
    fn errors_say_where() {
        for (text, message) in [
            ("backend = 3", "trainer.toml:1:11: `backend` is a name"),
            ("\n bakend = 'x'", "trainer.toml:2:2: unknown key `bakend`"),
            ("[backends]\nnear = 1", "trainer.toml:2:8: settings of a backend stand in a section `[backends.NAME]`"),
            ("[backends.near]\nday = 2026-01-01", "trainer.toml:2:7: a value of this kind is not for a setting"),
        ] {
            assert_eq!(parse(text).unwrap_err().to_string(), message);
        }
        assert!(parse("backend = ").unwrap_err().to_string().starts_with("trainer.toml:1:"));
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
