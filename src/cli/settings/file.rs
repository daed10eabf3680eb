//! A file of the configuration: values that know where they stand.

use std::{
    fs, io,
    ops::Range,
    path::{Path, PathBuf},
};

use serde_json::Value;
use toml::{
    Spanned,
    de::{DeTable, DeValue},
};
use trainer_core::{Error, Result, name::nearest};

use super::{Origin, Setting};

/// A file that was read.
#[derive(Debug)]
pub(super) struct ConfigFile {
    pub(super) path: PathBuf,
    pub(super) backend: Option<Setting<String>>,
    sections: Vec<Section>,
}

/// `[TABLE.NAME]`
#[derive(Debug)]
pub(super) struct Section {
    table: Table,
    pub(super) name: String,
    pub(super) origin: Origin,
    /// In the order of the file.
    pub(super) entries: Vec<(String, Setting<Value>)>,
}

/// What there can be sections of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Table {
    Backends,
    Volumes,
    Secrets,
}

impl Table {
    const ALL: [Self; 3] = [Self::Backends, Self::Volumes, Self::Secrets];

    /// Its key.
    pub(super) fn key(self) -> &'static str {
        match self {
            Self::Backends => "backends",
            Self::Volumes => "volumes",
            Self::Secrets => "secrets",
        }
    }

    fn placement(self) -> &'static str {
        match self {
            Self::Backends => "settings of a backend stand in a section `[backends.NAME]`",
            Self::Volumes => "what a volume is stands in a section `[volumes.NAME]`",
            Self::Secrets => "where a secret is stands in a section `[secrets.NAME]`",
        }
    }
}

impl ConfigFile {
    /// `None` where there is no such file.
    ///
    /// # Errors
    /// `Invalid`, with file, line and column, if it isn't as it should be; `Io` if it can't be read.
    pub(super) fn read(path: &Path) -> Result<Option<Self>> {
        let text = match fs::read_to_string(path) {
            Ok(text) => text,
            Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
                return Ok(None);
            }
            Err(error) => return Err(Error::io("read", path, error)),
        };
        Self::parse(path, &text).map(Some)
    }

    /// The sections of `table`, in the order of the file.
    pub(super) fn sections(&self, table: Table) -> impl DoubleEndedIterator<Item = &Section> {
        self.sections.iter().filter(move |section| section.table == table)
    }

    pub(super) fn parse(path: &Path, text: &str) -> Result<Self> {
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
        let mut file = Self { path: path.to_owned(), backend: None, sections: Vec::new() };
        for (key, value) in document.get_ref() {
            if key.get_ref() == "backend" {
                let name = value.get_ref().as_str().ok_or_else(|| wrong(value.span(), "`backend` is a name"))?;
                file.backend = Some(Setting { value: name.to_owned(), origin: at(key.span()) });
                continue;
            }
            let Some(table) = Table::ALL.into_iter().find(|table| table.key() == key.get_ref()) else {
                let error = wrong(key.span(), &format!("unknown key `{}`", key.get_ref().escape_debug()));
                return Err(error.with_hint(keys_like(key.get_ref())));
            };
            let misplaced = |value: &Spanned<DeValue<'_>>| wrong(value.span(), table.placement());
            for (name, content) in as_table(value).ok_or_else(|| misplaced(value))? {
                let mut entries = Vec::new();
                for (key, value) in as_table(content).ok_or_else(|| misplaced(content))? {
                    let json = json(value.get_ref())
                        .ok_or_else(|| wrong(value.span(), "a value of this kind is not for a setting"))?;
                    entries.push((key.get_ref().to_string(), Setting { value: json, origin: at(key.span()) }));
                }
                let (name, origin) = (name.get_ref().to_string(), at(name.span()));
                file.sections.push(Section { table, name, origin, entries });
            }
        }
        Ok(file)
    }
}

/// Which keys there are, the nearest to `typed` first.
fn keys_like(typed: &str) -> String {
    const KEYS: &str = "the keys are `backend`, `[backends.NAME]`, `[volumes.NAME]` and `[secrets.NAME]`";
    match nearest(typed, ["backend"].into_iter().chain(Table::ALL.map(Table::key))) {
        Some(near) => format!("did you mean `{near}`? {KEYS}"),
        None => KEYS.to_owned(),
    }
}

fn as_table<'a, 'i>(value: &'a Spanned<DeValue<'i>>) -> Option<&'a DeTable<'i>> {
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
        let [section] = &file.sections(Table::Backends).collect::<Vec<_>>()[..] else { panic!("{file:?}") };
        let [(python, version), (_, slots)] = &section.entries[..] else { panic!("{section:?}") };
        assert_eq!(file.backend.as_ref().unwrap().origin.to_string(), "trainer.toml:1:1");
        assert_eq!((section.name.as_str(), python.as_str()), ("near", "python"));
        assert_eq!(version.origin.to_string(), "trainer.toml:4:3");
        assert_eq!(slots.value, Value::from(4));
    }

    #[test]
    fn errors_say_where() {
        for (text, message) in [
            ("backend = 3", "trainer.toml:1:11: `backend` is a name"),
            ("\n bakend = 'x'", "trainer.toml:2:2: unknown key `bakend`"),
            ("[backends]\nnear = 1", "trainer.toml:2:8: settings of a backend stand in a section `[backends.NAME]`"),
            ("[volumes]\ndata = '/x'", "trainer.toml:2:8: what a volume is stands in a section `[volumes.NAME]`"),
            ("secrets = []", "trainer.toml:1:11: where a secret is stands in a section `[secrets.NAME]`"),
            ("[backends.near]\nday = 2026-01-01", "trainer.toml:2:7: a value of this kind is not for a setting"),
        ] {
            assert_eq!(parse(text).unwrap_err().to_string(), message);
        }
        assert!(parse("backend = ").unwrap_err().to_string().starts_with("trainer.toml:1:"));
    }

    #[test]
    fn the_nearest_key_is_named_first() {
        let hint = |text| parse(text).unwrap_err().hint().unwrap().to_owned();
        assert!(hint("volume = 1").starts_with("did you mean `volumes`? the keys are"), "{}", hint("volume = 1"));
        assert!(hint("zzz = 1").starts_with("the keys are `backend`"), "{}", hint("zzz = 1"));
    }
}
