//! Files with TrainJobs and training runtimes: YAML (or JSON) of several documents.
//!
//! Values are read as Kubernetes users are used to (YAML 1.1: `yes` and `on` are booleans, `0777` is octal),
//! so that a file means here what it means on a cluster. Only the single letters `y` and `n` stay text.

use std::{fmt, fs, io::Read, ops::Range, path::Path};

use serde::{
    Deserialize, Deserializer, Serialize,
    de::{self, DeserializeOwned, MapAccess, SeqAccess, Visitor},
};
use serde_json::{Map, Number, Value};
use serde_saphyr::{Spanned, budget::BudgetBreach};

use crate::{
    Error, Result, Violation,
    api::{API_VERSION, Runtime, TrainJob},
    review,
};

/// The documents of one file.
#[derive(Clone, Debug, Default)]
pub struct Manifest {
    /// Documents of kind `TrainJob`, in the order of the file.
    pub jobs: Vec<Document>,
    /// Documents of kind `TrainingRuntime` and `ClusterTrainingRuntime`, in the order of the file.
    pub runtimes: Vec<Document>,
    /// Documents of other APIs, such as the Secret beside a job: nothing here reads or creates them.
    pub others: Vec<Document>,
}

impl Manifest {
    /// Reads and parses the file at `path`.
    ///
    /// # Errors
    /// `NotFound` or `Io` if it can't be read, `Invalid` if it is a folder; otherwise as [`parse`](Self::parse).
    pub fn open(path: &Path) -> Result<Self> {
        Self::open_or_empty(path)?.not_empty(&path.display().to_string())
    }

    /// As [`open`](Self::open), but that the file may have no document.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub(crate) fn open_or_empty(path: &Path) -> Result<Self> {
        let file = path.display().to_string();
        let opened = fs::File::open(path).map_err(|source| match source.kind() {
            std::io::ErrorKind::NotFound => {
                Error::new(crate::ErrorKind::NotFound, format!("no file {file}")).with_source(source)
            }
            _ => Error::io("read", path, source),
        })?;
        Self::read_or_empty(opened, &file)
    }

    /// Reads and parses what `from` has; `file` is what errors call it.
    ///
    /// # Errors
    /// `Io` if it can't be read; otherwise as [`parse`](Self::parse).
    pub fn read(from: impl Read, file: &str) -> Result<Self> {
        Self::read_or_empty(from, file)?.not_empty(file)
    }

    fn read_or_empty(from: impl Read, file: &str) -> Result<Self> {
        let mut bytes = Vec::new();
        from.take(LARGEST + 1).read_to_end(&mut bytes).map_err(|source| match source.kind() {
            std::io::ErrorKind::IsADirectory => Error::invalid(format!("{file} is a folder")).with_source(source),
            _ => Error::io("read", file, source),
        })?;
        if bytes.len() as u64 > LARGEST {
            let most = LARGEST / (1 << 20);
            return Err(Error::invalid(format!("{file} is larger than {most} MiB: no file of TrainJobs is")));
        }
        match std::str::from_utf8(&bytes) {
            Ok(text) => Self::parse_or_empty(text, file),
            Err(error) => {
                let good = String::from_utf8_lossy(&bytes[..error.valid_up_to()]);
                let line = good.matches('\n').count() + 1;
                let column = good.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
                Err(Error::invalid(format!("{file}:{line}:{column}: not UTF-8 text"))
                    .with_hint("save the file as UTF-8"))
            }
        }
    }

    /// Parses `text`; `file` is what errors call it.
    ///
    /// # Errors
    /// `Invalid`, with line and column, if it isn't YAML, if a key is there twice, if a document isn't
    /// an object of Kubeflow Trainer or is one of another version, or if there is none.
    pub fn parse(text: &str, file: &str) -> Result<Self> {
        Self::parse_or_empty(text, file)?.not_empty(file)
    }

    fn parse_or_empty(text: &str, file: &str) -> Result<Self> {
        let options = serde_saphyr::options! {
            with_snippet: false,
            legacy_octal_numbers: true,
            budget: serde_saphyr::budget! { max_depth: DEEPEST },
            alias_limits: serde_saphyr::alias_limits! { max_total_replayed_events: 100_000 },
        };
        let nodes: Vec<Node> =
            serde_saphyr::from_multiple_with_options(text, options).map_err(|error| syntax_error(&error, file))?;
        let mut manifest = Self::default();
        for node in nodes.into_iter().flat_map(Node::listed) {
            let mut document = Document { value: node.value, file: file.to_owned(), place: node.place };
            restore_letters(&mut document.value, &document.place, text);
            let documents = match document.value.get("kind").and_then(Value::as_str) {
                Some("TrainJob") => &mut manifest.jobs,
                Some("TrainingRuntime" | "ClusterTrainingRuntime") => &mut manifest.runtimes,
                Some(_) if document.is_foreign() => {
                    manifest.others.push(document);
                    continue;
                }
                kind => return Err(document.unknown_kind(kind)),
            };
            document.check_version()?;
            documents.push(document);
        }
        Ok(manifest)
    }

    fn not_empty(self, file: &str) -> Result<Self> {
        if self.jobs.is_empty() && self.runtimes.is_empty() {
            if let Some(other) = self.others.first() {
                return Err(other.unknown_kind(other.value["kind"].as_str()));
            }
            return Err(Error::invalid(format!("{file} has no document")).with_hint(KINDS));
        }
        Ok(self)
    }
}

/// Bytes of a file, at most. A cluster keeps no object of half this size.
const LARGEST: u64 = 4 << 20;

/// How deep a document may nest: half as deep again as a TrainJob does, and no burden on the stack of a thread.
const DEEPEST: usize = 32;

const KINDS: &str = "a file may hold documents of kind TrainJob, TrainingRuntime and ClusterTrainingRuntime";

/// One object of a file.
#[derive(Clone, Debug)]
pub struct Document {
    /// The object, as it stands in the file.
    pub value: Value,
    file: String,
    place: Place,
}

impl Document {
    /// What the file is called.
    #[must_use]
    pub fn file(&self) -> &str {
        &self.file
    }

    /// The object's name; empty if it has none.
    #[must_use]
    pub fn name(&self) -> &str {
        self.value["metadata"]["name"].as_str().unwrap_or_default()
    }

    /// Line and column, from 1, of a field in the server's notation (`spec.trainer.env[2].name`);
    /// of its nearest parent that is there, if the field isn't.
    #[must_use]
    pub fn position(&self, field: &str) -> (u64, u64) {
        let mut place = &self.place;
        for segment in segments(field) {
            match place.child(segment) {
                Some(child) => place = child,
                None => break,
            }
        }
        (place.line, place.column)
    }

    /// As [`position`](Self::position), if the field is there.
    pub(crate) fn place(&self, field: &str) -> Option<(u64, u64)> {
        let place = segments(field).try_fold(&self.place, |place, segment| place.child(segment))?;
        Some((place.line, place.column))
    }

    /// The same as a job.
    ///
    /// # Errors
    /// `Invalid` if a field has the wrong type; [`review`] says so in better words.
    pub fn job(&self) -> Result<TrainJob> {
        self.typed()
    }

    /// The same as a runtime.
    ///
    /// # Errors
    /// `Invalid` if a field has the wrong type; [`review`] says so in better words.
    pub fn runtime(&self) -> Result<Runtime> {
        self.typed()
    }

    /// What `violations` of this document are as an error, each with its place.
    #[must_use]
    pub fn refused(&self, violations: Vec<Violation>) -> Error {
        self.objection("is refused", violations)
    }

    pub(crate) fn objection(&self, outcome: &str, mut violations: Vec<Violation>) -> Error {
        violations.iter_mut().for_each(|violation| review::locate(violation, self));
        let what = match self.value["kind"].as_str() {
            Some("TrainJob") | None => "job",
            Some(kind) => kind,
        };
        let subject = match self.name() {
            "" => format!("a {what}"),
            name => format!("the {what} `{}`", name.escape_debug()),
        };
        Error::invalid(format!("{subject} of {} {outcome}", self.file))
            .with_violations(violations)
            .with_context("file", self.file.clone())
    }

    fn typed<T: DeserializeOwned>(&self) -> Result<T> {
        T::deserialize(&self.value).map_err(|error| {
            let (line, column) = self.position("");
            let kind = self.value["kind"].as_str().unwrap_or("object");
            Error::invalid(format!("{}:{line}:{column}: this {kind} is malformed: {error}", self.file))
        })
    }

    /// Whether it is an object of another API. One without an API, or of another of Kubeflow's, is a mistake.
    fn is_foreign(&self) -> bool {
        self.value["apiVersion"].as_str().is_some_and(|api| !api.is_empty() && !api.contains("kubeflow.org/"))
    }

    /// Another version of the API has other fields.
    fn check_version(&self) -> Result<()> {
        let version = self.value.get("apiVersion");
        if version.is_some_and(|version| version == API_VERSION) {
            return Ok(());
        }
        let (line, column) = self.position("apiVersion");
        let what = match version {
            None | Some(Value::Null) => "this document has no `apiVersion`".to_owned(),
            Some(Value::String(version)) => format!("there is no apiVersion `{}` here", version.escape_debug()),
            Some(_) => "an `apiVersion` is text".to_owned(),
        };
        Err(Error::invalid(format!("{}:{line}:{column}: {what}", self.file))
            .with_hint(format!("`apiVersion: {API_VERSION}` is the one that is known")))
    }

    fn unknown_kind(&self, kind: Option<&str>) -> Error {
        let (line, column) = self.position("kind");
        let what = match kind {
            Some(kind) => format!("documents of kind `{}` are not for trainer", kind.escape_debug()),
            None if self.value.get("kind").is_some_and(|kind| !kind.is_null()) => "a `kind` is text".to_owned(),
            None if self.value.is_object() => "this document has no `kind`".to_owned(),
            None => "this document is no object".to_owned(),
        };
        let hint = match kind {
            None => format!("a job begins with `apiVersion: {API_VERSION}` and `kind: TrainJob`"),
            Some(_) => KINDS.to_owned(),
        };
        Error::invalid(format!("{}:{line}:{column}: {what}", self.file)).with_hint(hint)
    }
}

/// `value` as YAML.
///
/// # Errors
/// `Internal` if it can't be written as YAML.
pub fn to_yaml(value: &impl Serialize) -> Result<String> {
    serde_saphyr::to_string(value).map_err(|error| {
        Error::new(crate::ErrorKind::Internal, format!("failed to write YAML: {error}")).with_source(error)
    })
}

const TOO_DEEP: &str = "there is more in each other here than a TrainJob can have";

const TOO_MUCH: &str = "there is more here than a TrainJob can have";

fn syntax_error(error: &serde_saphyr::Error, file: &str) -> Error {
    use serde_saphyr::Error as Yaml;
    let message = match error {
        Yaml::DuplicateMappingKey { key: Some(key), .. } => {
            format!("the key `{}` is there twice", key.escape_debug())
        }
        // Every other null is taken as it is, and so is every other list or map.
        Yaml::NullIntoString { .. } | Yaml::Unexpected { expected: "string scalar", .. } => {
            "a key must be text".to_owned()
        }
        Yaml::NonFiniteFloat { value, .. } => format!("`{}` is no number that JSON knows", value.escape_debug()),
        Yaml::Budget { breach: BudgetBreach::Depth { .. }, .. } => TOO_DEEP.to_owned(),
        Yaml::Budget { .. } => TOO_MUCH.to_owned(),
        Yaml::RecursiveReferencesRequireWeakTypes { .. } => "an alias inside of what it stands for".to_owned(),
        // Limits that have no name of their own by the time they come here.
        _ if error.to_string().starts_with("recursion limit") => TOO_DEEP.to_owned(),
        _ if error.to_string().starts_with("alias replay limit") => TOO_MUCH.to_owned(),
        _ => {
            // The library closes its messages with the place, which stands before them here.
            let message = error.to_string();
            message.rsplit_once(" at line ").map_or(message.clone(), |(message, _)| message.to_owned())
        }
    };
    let place = error.location().map_or_else(String::new, |place| format!(":{}:{}", place.line(), place.column()));
    let error = Error::invalid(format!("{file}{place}: {message}"));
    let hint = [
        (
            "mapping values are not allowed",
            "a value with `: ` in it stands in quotes; entries of one level begin in one column",
        ),
        ("tabs disallowed", "indent with spaces"),
    ];
    match hint.into_iter().find(|(said, _)| message.starts_with(said)) {
        Some((_, hint)) => error.with_hint(hint),
        None => error,
    }
}

/// `spec.trainer.env[2].name` → `spec`, `trainer`, `env`, `2`, `name`; a key in brackets may have dots.
fn segments(field: &str) -> impl Iterator<Item = &str> {
    let mut rest = field;
    std::iter::from_fn(move || {
        rest = rest.strip_prefix('.').unwrap_or(rest);
        if rest.is_empty() {
            return None;
        }
        let (segment, after) = match rest.strip_prefix('[') {
            Some(inner) => inner.split_once(']').unwrap_or((inner, "")),
            None => rest.split_at(rest.find(['.', '[']).unwrap_or(rest.len())),
        };
        rest = after;
        Some(segment)
    })
}

/// `y` and `n` are read as booleans by the parser; nobody means that.
fn restore_letters(value: &mut Value, place: &Place, text: &str) {
    match (&mut *value, &place.children) {
        (Value::Object(fields), Children::Entries(places)) => {
            for (field, (_, place)) in fields.values_mut().zip(places) {
                restore_letters(field, place, text);
            }
        }
        (Value::Array(items), Children::Items(places)) => {
            for (item, place) in items.iter_mut().zip(places) {
                restore_letters(item, place, text);
            }
        }
        (Value::Bool(_), Children::Boolean(span)) => {
            if let Some(letter @ ("y" | "Y" | "n" | "N")) = text.get(span.clone()) {
                *value = Value::from(letter);
            }
        }
        _ => {}
    }
}

/// Where a value stands, and where what is in it stands.
#[derive(Clone, Debug, Default)]
struct Place {
    line: u64,
    column: u64,
    children: Children,
}

#[derive(Clone, Debug, Default)]
enum Children {
    #[default]
    None,
    /// Which bytes of the file spell it.
    Boolean(Range<usize>),
    Entries(Vec<(String, Place)>),
    Items(Vec<Place>),
}

impl Place {
    fn child(&self, segment: &str) -> Option<&Self> {
        match &self.children {
            Children::None | Children::Boolean(_) => None,
            Children::Items(items) => items.get(segment.parse::<usize>().ok()?),
            // The server isn't sure of the case of its own names: `spec.RuntimeRef`.
            Children::Entries(entries) => {
                entries.iter().find(|(key, _)| key.eq_ignore_ascii_case(segment)).map(|(_, place)| place)
            }
        }
    }
}

/// A value with its place.
struct Node {
    value: Value,
    place: Place,
}

impl Node {
    /// The items of a `List`, as `kubectl get -o yaml` writes it; anything else by itself.
    fn listed(mut self) -> Vec<Self> {
        if self.value.get("kind").and_then(Value::as_str) != Some("List") {
            return vec![self];
        }
        let items = self.value.get_mut("items").map(Value::take);
        let places = match self.place.child("items").map(|items| items.children.clone()) {
            Some(Children::Items(places)) => places,
            _ => Vec::new(),
        };
        let items = items.and_then(|items| if let Value::Array(items) = items { Some(items) } else { None });
        items.unwrap_or_default().into_iter().zip(places).map(|(value, place)| Self { value, place }).collect()
    }
}

impl<'de> Deserialize<'de> for Node {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let bare = Spanned::<Bare>::deserialize(deserializer)?;
        let (line, column) = (bare.referenced.line(), bare.referenced.column());
        let Bare { value, mut children } = bare.value;
        if value.is_boolean() {
            let span = bare.defined.span();
            let start = span.byte_offset().unwrap_or_default() as usize;
            children = Children::Boolean(start..start + span.byte_len().unwrap_or_default() as usize);
        }
        Ok(Self { value, place: Place { line, column, children } })
    }
}

/// A value with the places of what is in it.
struct Bare {
    value: Value,
    children: Children,
}

impl From<Value> for Bare {
    fn from(value: Value) -> Self {
        Self { value, children: Children::None }
    }
}

impl<'de> Deserialize<'de> for Bare {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(BareVisitor)
    }
}

struct BareVisitor;

impl<'de> Visitor<'de> for BareVisitor {
    type Value = Bare;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_bool<E>(self, value: bool) -> Result<Bare, E> {
        Ok(Value::Bool(value).into())
    }

    fn visit_i64<E>(self, value: i64) -> Result<Bare, E> {
        Ok(Value::from(value).into())
    }

    fn visit_u64<E>(self, value: u64) -> Result<Bare, E> {
        Ok(Value::from(value).into())
    }

    fn visit_i128<E: de::Error>(self, value: i128) -> Result<Bare, E> {
        self.visit_f64(value as f64)
    }

    fn visit_u128<E: de::Error>(self, value: u128) -> Result<Bare, E> {
        self.visit_f64(value as f64)
    }

    fn visit_f64<E: de::Error>(self, value: f64) -> Result<Bare, E> {
        match Number::from_f64(value) {
            Some(number) => Ok(Value::Number(number).into()),
            None => Err(E::custom("a number that JSON does not know")),
        }
    }

    fn visit_str<E>(self, value: &str) -> Result<Bare, E> {
        Ok(Value::from(value).into())
    }

    fn visit_string<E>(self, value: String) -> Result<Bare, E> {
        Ok(Value::String(value).into())
    }

    fn visit_unit<E>(self) -> Result<Bare, E> {
        Ok(Value::Null.into())
    }

    fn visit_none<E>(self) -> Result<Bare, E> {
        Ok(Value::Null.into())
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Bare, D::Error> {
        Bare::deserialize(deserializer)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<Bare, A::Error> {
        let (mut values, mut places) = (Vec::new(), Vec::new());
        while let Some(node) = access.next_element::<Node>()? {
            values.push(node.value);
            places.push(node.place);
        }
        Ok(Bare { value: Value::Array(values), children: Children::Items(places) })
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Bare, A::Error> {
        let (mut values, mut places) = (Map::new(), Vec::new());
        while let Some(key) = access.next_key::<Spanned<String>>()? {
            let node = access.next_value::<Node>()?;
            let place = Place { line: key.referenced.line(), column: key.referenced.column(), ..node.place };
            values.insert(key.value.clone(), node.value);
            places.push((key.value, place));
        }
        Ok(Bare { value: Value::Object(values), children: Children::Entries(places) })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn parse(spec: &str) -> Result<Manifest> {
        Manifest::parse(
            &format!("apiVersion: trainer.kubeflow.org/v1alpha1\nkind: TrainJob\nmetadata: {{name: a}}\n{spec}"),
            "job.yaml",
        )
    }

    fn message(text: &str) -> String {
        Manifest::parse(text, "job.yaml").unwrap_err().to_string()
    }

    #[test]
    fn a_field_has_a_line_and_a_column() {
        let spec = "spec:\n  trainer:\n    env:\n    - name: A\n      value: '1'\n    - {name: B, value: '2'}\n";
        let job = parse(spec).unwrap().jobs.remove(0);
        assert_eq!(job.position("spec.trainer"), (5, 3));
        assert_eq!(job.position("spec.trainer.env[0].value"), (8, 7));
        assert_eq!(job.position("spec.trainer.env[1].value"), (9, 17));
        assert_eq!(job.position("spec.trainer.env[7].name"), (6, 5), "the nearest parent");
        assert_eq!(job.position("<nil>"), (1, 1));
        assert_eq!(job.position("metadata[name]"), (3, 12));
    }

    #[test]
    fn scalars_are_read_as_kubectl_reads_them() {
        let spec = "spec: {a: yes, b: off, c: 'yes', m: y, n: [N], d: 0777, e: 0x1F, f: 1e3, g: ~, h: 2001-01-01, i: 1:30, j: 0.5, k: 0o17, l: 18446744073709551615}";
        let job = parse(spec).unwrap().jobs.remove(0);
        assert_eq!(
            job.value["spec"],
            serde_json::json!({
                "a": true, "b": false, "c": "yes", "m": "y", "n": ["N"], "d": 511, "e": 31, "f": 1000.0, "g": null,
                "h": "2001-01-01", "i": "1:30", "j": 0.5, "k": 15, "l": 18_446_744_073_709_551_615_u64,
            })
        );
    }

    #[test]
    fn several_documents_and_json_are_read() {
        let text = format!(
            "---\n{{\"apiVersion\": \"{API_VERSION}\", \"kind\": \"TrainJob\"}}\n---\n# nothing\n\
             ---\napiVersion: {API_VERSION}\nkind: TrainingRuntime\n...\n"
        );
        let manifest = Manifest::parse(&text, "x").unwrap();
        assert_eq!((manifest.jobs.len(), manifest.runtimes.len()), (1, 1));
    }

    #[test]
    fn the_items_of_a_list_are_documents() {
        let text = "apiVersion: v1\nkind: List\nitems:\n- apiVersion: trainer.kubeflow.org/v1alpha1\n  kind: TrainJob\n  metadata: {name: a}\n";
        let manifest = Manifest::parse(text, "x").unwrap();
        assert_eq!(manifest.jobs[0].position("metadata.name"), (6, 14));
        assert_eq!(message("kind: List\nitems: []\n"), "job.yaml has no document");
    }

    #[test]
    fn objects_of_other_apis_are_kept_apart_and_misspelt_ones_refused() {
        let job = format!("apiVersion: {API_VERSION}\nkind: TrainJob\n");
        let secret = "apiVersion: v1\nkind: Secret\nmetadata: {name: hub}\n";
        let manifest = Manifest::parse(&format!("{secret}---\n{job}"), "x").unwrap();
        assert_eq!((manifest.jobs.len(), manifest.others.len(), manifest.others[0].name()), (1, 1, "hub"));
        assert_eq!(message(secret), "job.yaml:2:1: documents of kind `Secret` are not for trainer");
        let misspelt = message(&format!("{job}---\n{}", job.replace("TrainJob", "TrainingJob")));
        assert_eq!(misspelt, "job.yaml:5:1: documents of kind `TrainingJob` are not for trainer");
    }

    #[test]
    fn errors_say_where() {
        assert_eq!(message("kind: TrainJob\nkind: TrainJob\n"), "job.yaml:2:1: the key `kind` is there twice");
        let tab = message("kind: TrainJob\nspec:\n\ta: b\n");
        assert!(tab.starts_with("job.yaml:3:") && tab.contains("tab"), "{tab}");
        assert_eq!(message("kind: Pod\n"), "job.yaml:1:1: documents of kind `Pod` are not for trainer");
        assert_eq!(message("a: b\n"), "job.yaml:1:1: this document has no `kind`");
        assert_eq!(message("kind: 5\n"), "job.yaml:1:1: a `kind` is text");
        assert_eq!(message("- a\n"), "job.yaml:1:1: this document is no object");
        assert_eq!(message("# nothing\n"), "job.yaml has no document");
        assert!(message("kind: [TrainJob\n").starts_with("job.yaml:"));
        assert_eq!(message("kind: TrainJob\n~: x\n"), "job.yaml:2:1: a key must be text");
        assert_eq!(message("kind: TrainJob\n? [a]\n: x\n"), "job.yaml:2:3: a key must be text");
        assert_eq!(message("a: .inf\n"), "job.yaml:1:4: `.inf` is no number that JSON knows");
        assert_eq!(message("a: b: c\n"), "job.yaml:1:5: mapping values are not allowed in this context");
    }

    #[test]
    fn a_folder_is_no_file() {
        let error = Manifest::open(Path::new("/")).unwrap_err();
        assert_eq!((error.kind(), error.to_string().as_str()), (crate::ErrorKind::Invalid, "/ is a folder"));
    }

    #[test]
    fn another_version_of_the_api_is_refused_with_the_known_one() {
        for (text, why) in [
            (
                "apiVersion: trainer.kubeflow.org/v1\nkind: TrainJob\n",
                "1:1: there is no apiVersion `trainer.kubeflow.org/v1` here",
            ),
            ("kind: TrainJob\napiVersion: kubeflow.org/v1\n", "2:1: there is no apiVersion `kubeflow.org/v1` here"),
            ("kind: TrainingRuntime\n", "1:1: this document has no `apiVersion`"),
            ("kind: TrainJob\napiVersion: 1\n", "2:1: an `apiVersion` is text"),
        ] {
            let error = Manifest::parse(text, "job.yaml").unwrap_err();
            assert_eq!(error.to_string(), format!("job.yaml:{why}"));
            assert!(error.hint().unwrap().contains("trainer.kubeflow.org/v1alpha1"), "{:?}", error.hint());
        }
    }

    #[test]
    fn a_bomb_of_aliases_is_refused() {
        let mut text = "kind: TrainJob\na0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
        for level in 1..12 {
            let inner = format!("*a{}, ", level - 1).repeat(10);
            text += &format!("a{level}: &a{level} [{}]\n", inner.trim_end_matches(", "));
        }
        assert_eq!(message(&text), format!("job.yaml:6:45: {TOO_MUCH}"));
        assert_eq!(message("a: &x [*x]\n"), "job.yaml:1:8: an alias inside of what it stands for");
    }

    #[test]
    fn more_than_a_job_can_have_is_refused_and_not_all_of_it_read() {
        let zeros = Manifest::read(std::io::repeat(0), "zeros").unwrap_err();
        assert_eq!(zeros.to_string(), "zeros is larger than 4 MiB: no file of TrainJobs is");
        for (depth, column) in [(100, 35), (5_000, 259)] {
            let text = format!("a: {}{}\n", "[".repeat(depth), "]".repeat(depth));
            assert_eq!(message(&text), format!("job.yaml:1:{column}: {TOO_DEEP}"));
        }
        let many = message(&"--- a\n".repeat(2_000));
        assert!(many.ends_with(TOO_MUCH), "{many}");
    }

    #[test]
    fn what_is_not_text_is_refused_with_its_place() {
        let error = Manifest::read(&b"a: b\nc: \xff"[..], "standard input").unwrap_err();
        assert_eq!(error.to_string(), "standard input:2:4: not UTF-8 text");
    }

    #[test]
    fn unknown_fields_survive_a_round_trip() {
        let job = parse("spec: {runtimeRef: {name: r, x: 1}, trainer: {numNodes: 2, y: [a]}, z: {}}\nw: 1\n").unwrap();
        let typed = job.jobs[0].job().unwrap();
        assert_eq!(serde_json::to_value(&typed).unwrap(), job.jobs[0].value);
        let again = Manifest::parse(&to_yaml(&typed).unwrap(), "again").unwrap();
        assert_eq!(again.jobs[0].value, job.jobs[0].value);
    }
}
