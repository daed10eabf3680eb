//! The training runtimes that a client knows: built in, and from the user's folders.

use std::{fmt, fs, path::Path, sync::LazyLock};

use serde::Deserialize as _;

use crate::{
    Error, ErrorKind, Result,
    api::{Runtime, RuntimeKind, RuntimeRef},
    manifest::{Document, Manifest},
    review::{Verdict, review_runtime},
};

/// Training runtimes by kind and name, each with where it comes from.
#[derive(Clone, Debug, Default)]
pub struct RuntimeCatalog {
    entries: Vec<(Runtime, Origin)>,
    unusable: Vec<Unusable>,
}

/// Where a runtime comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// `trainer` brings it.
    BuiltIn,
    /// The backend has it.
    Backend,
    /// It is in this file.
    File(String),
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::BuiltIn => "built in",
            Self::Backend => "backend",
            Self::File(file) => file,
        })
    }
}

/// What a file has that can't be used. It stands in the way of a job that asks for it, and of no other.
#[derive(Clone, Debug)]
struct Unusable {
    /// `None` where the file doesn't say.
    kind: Option<RuntimeKind>,
    /// Its name; that of the file, where the file can't be read.
    name: String,
    why: Error,
}

/// The built-in runtimes, as files.
const BUILTIN: &[(&str, &str)] = &[
    ("plain.yaml", include_str!("../../runtimes/plain.yaml")),
    ("torch-distributed.yaml", include_str!("../../runtimes/torch-distributed.yaml")),
    ("jax-distributed.yaml", include_str!("../../runtimes/jax-distributed.yaml")),
    ("xgboost-distributed.yaml", include_str!("../../runtimes/xgboost-distributed.yaml")),
    ("mpi-distributed.yaml", include_str!("../../runtimes/mpi-distributed.yaml")),
    ("torchtune-llama3.2-1b.yaml", include_str!("../../runtimes/torchtune-llama3.2-1b.yaml")),
    ("torchtune-llama3.2-3b.yaml", include_str!("../../runtimes/torchtune-llama3.2-3b.yaml")),
    ("torchtune-qwen2.5-1.5b.yaml", include_str!("../../runtimes/torchtune-qwen2.5-1.5b.yaml")),
];

impl RuntimeCatalog {
    /// The runtimes that `trainer` brings.
    #[must_use]
    pub fn builtin() -> Self {
        // The files are compiled in; `every_builtin_runtime_is_sound` keeps them parseable.
        static CATALOG: LazyLock<RuntimeCatalog> = LazyLock::new(|| {
            let mut catalog = RuntimeCatalog::default();
            for (file, text) in BUILTIN {
                let documents = Manifest::parse(text, file).map(|manifest| manifest.runtimes).unwrap_or_default();
                for runtime in documents.iter().filter_map(|document| document.runtime().ok()) {
                    catalog.add(runtime, Origin::BuiltIn);
                }
            }
            catalog
        });
        CATALOG.clone()
    }

    /// Adds every runtime of the `*.yaml` and `*.yml` files in `folder`, in the order of their names.
    /// A runtime of a kind and name that is there already is replaced. No folder: nothing is added.
    ///
    /// What isn't sound there is one of the [`problems`](Self::problems), and refused where a job asks for it.
    ///
    /// # Errors
    /// `Io` if the folder can't be read.
    pub fn with_folder(mut self, folder: impl AsRef<Path>) -> Result<Self> {
        let folder = folder.as_ref();
        let entries = match fs::read_dir(folder) {
            Ok(entries) => entries,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(self),
            Err(error) => return Err(Error::io("read the folder", folder, error)),
        };
        let mut files = Vec::new();
        for entry in entries {
            let path = entry.map_err(|error| Error::io("read the folder", folder, error))?.path();
            if path.extension().is_some_and(|extension| extension == "yaml" || extension == "yml") {
                files.push(path);
            }
        }
        files.sort();
        for file in files {
            match Manifest::open_or_empty(&file) {
                Ok(manifest) => self.add_file(&manifest),
                Err(why) => {
                    let name = file.file_stem().unwrap_or_default().to_string_lossy().into_owned();
                    self.add_unusable(Unusable { kind: None, name, why });
                }
            }
        }
        Ok(self)
    }

    /// These runtimes and those of `weaker` whose kind and name they don't have.
    pub(crate) fn over(mut self, weaker: &Self) -> Self {
        let own = self.entries.len();
        for (runtime, origin) in &weaker.entries {
            let known = |(it, _): &(Runtime, Origin)| it.kind == runtime.kind && it.name() == runtime.name();
            if !self.entries[..own].iter().any(known) {
                self.entries.push((runtime.clone(), origin.clone()));
            }
        }
        self.unusable.extend(weaker.unusable.iter().cloned());
        self
    }

    /// The runtimes of a backend.
    pub(crate) fn of_backend(runtimes: Vec<Runtime>) -> Self {
        let entries = runtimes.into_iter().map(|runtime| (runtime, Origin::Backend)).collect();
        Self { entries, unusable: Vec::new() }
    }

    /// The runtime that a job's `runtimeRef` means. An absent kind means `ClusterTrainingRuntime`.
    #[must_use]
    pub fn get(&self, reference: &RuntimeRef) -> Option<&Runtime> {
        self.of_kind(kind_of(reference)?, &reference.name)
    }

    /// As [`get`](Self::get).
    ///
    /// # Errors
    /// `Invalid`, with file, line and column, if there is one that isn't sound; `NotFound` if there is none. Its
    /// hint names the runtimes there are, the most similar first.
    pub fn find(&self, reference: &RuntimeRef) -> Result<&Runtime> {
        self.get(reference).ok_or_else(|| {
            let kind = reference.kind.as_deref().unwrap_or("ClusterTrainingRuntime");
            self.missing(kind, kind_of(reference), &reference.name)
        })
    }

    /// The runtime of this name, or, of two kinds, KIND/NAME. Of a name that both kinds have, the one for the whole
    /// cluster is meant, as in a job.
    ///
    /// # Errors
    /// As [`find`](Self::find).
    pub fn named(&self, name: &str) -> Result<&Runtime> {
        let kinds = [RuntimeKind::ClusterTrainingRuntime, RuntimeKind::TrainingRuntime];
        let qualified = name.split_once('/').and_then(|(kind, name)| {
            let kind = kinds.iter().find(|known| known.to_string().eq_ignore_ascii_case(kind))?;
            Some((*kind, name))
        });
        match qualified {
            Some((kind, name)) => {
                self.of_kind(kind, name).ok_or_else(|| self.missing(&kind.to_string(), Some(kind), name))
            }
            None => kinds
                .iter()
                .find_map(|kind| self.of_kind(*kind, name))
                .ok_or_else(|| self.missing("runtime", None, name)),
        }
    }

    /// All of them, in the order in which they were added.
    pub fn iter(&self) -> impl Iterator<Item = &Runtime> {
        self.entries.iter().map(|(runtime, _)| runtime)
    }

    /// The same, each with where it comes from.
    pub fn with_origins(&self) -> impl Iterator<Item = (&Runtime, &Origin)> {
        self.entries.iter().map(|(runtime, origin)| (runtime, origin))
    }

    /// Why something in the folders can't be used.
    pub fn problems(&self) -> impl Iterator<Item = &Error> {
        self.unusable.iter().map(|unusable| &unusable.why)
    }

    fn of_kind(&self, kind: RuntimeKind, name: &str) -> Option<&Runtime> {
        self.iter().find(|runtime| runtime.kind == kind && runtime.name() == name)
    }

    fn missing(&self, what: &str, kind: Option<RuntimeKind>, name: &str) -> Error {
        let asked_for = |unusable: &&Unusable| {
            unusable.name == name && (kind.is_none() || unusable.kind.is_none() || unusable.kind == kind)
        };
        if let Some(unusable) = self.unusable.iter().find(asked_for) {
            return unusable.why.clone();
        }
        let mut others: Vec<_> = self.iter().collect();
        let difference = |runtime: &&Runtime| -strsim::jaro_winkler(runtime.name(), name);
        others.sort_by(|one, other| difference(one).total_cmp(&difference(other)));
        let names: Vec<_> = others
            .iter()
            .map(|runtime| match runtime.kind {
                RuntimeKind::ClusterTrainingRuntime => runtime.name().to_owned(),
                RuntimeKind::TrainingRuntime => format!("{} (TrainingRuntime)", runtime.name()),
            })
            .collect();
        Error::new(ErrorKind::NotFound, format!("no {what} named `{}`", name.escape_debug())).with_hint(match names[..]
        {
            [] => "there are none".to_owned(),
            [ref one] => format!("there is {one}"),
            _ => format!("there are {}", names.join(", ")),
        })
    }

    fn add_file(&mut self, manifest: &Manifest) {
        if let Some(job) = manifest.jobs.first() {
            let (line, column) = job.position("kind");
            let why =
                Error::invalid(format!("{}:{line}:{column}: a TrainJob in a folder of training runtimes", job.file()));
            self.add_unusable(Unusable { kind: None, name: job.name().to_owned(), why });
        }
        for document in &manifest.runtimes {
            match sound(document) {
                Ok(runtime) => self.add(runtime, Origin::File(document.file().to_owned())),
                Err(why) => {
                    let kind = RuntimeKind::deserialize(&document.value["kind"]).ok();
                    self.add_unusable(Unusable { kind, name: document.name().to_owned(), why });
                }
            }
        }
    }

    fn add(&mut self, runtime: Runtime, origin: Origin) {
        match self.entries.iter_mut().find(|(old, _)| old.kind == runtime.kind && old.name() == runtime.name()) {
            Some(old) => *old = (runtime, origin),
            None => self.entries.push((runtime, origin)),
        }
    }

    /// A weaker one of the same name isn't what was meant.
    fn add_unusable(&mut self, unusable: Unusable) {
        let hidden = |runtime: &Runtime| {
            runtime.name() == unusable.name && unusable.kind.is_none_or(|kind| kind == runtime.kind)
        };
        self.entries.retain(|(runtime, _)| !hidden(runtime));
        self.unusable.push(unusable);
    }
}

/// The runtime in `document`, if the server would take it.
fn sound(document: &Document) -> Result<Runtime> {
    match review_runtime(&document.value) {
        Verdict::Accepted { .. } => document.runtime(),
        Verdict::Rejected(rejection) => Err(rejection.of(document)),
    }
}

fn kind_of(reference: &RuntimeRef) -> Option<RuntimeKind> {
    match reference.kind.as_deref() {
        None | Some("ClusterTrainingRuntime") => Some(RuntimeKind::ClusterTrainingRuntime),
        Some("TrainingRuntime") => Some(RuntimeKind::TrainingRuntime),
        Some(_) => None,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn reference(name: &str) -> RuntimeRef {
        RuntimeRef { name: name.to_owned(), ..RuntimeRef::default() }
    }

    #[test]
    fn every_builtin_runtime_is_sound() {
        let catalog = RuntimeCatalog::builtin();
        let names: Vec<_> = catalog.iter().map(|runtime| (runtime.name(), runtime.framework())).collect();
        let expected: Vec<_> = BUILTIN.iter().map(|(file, _)| file.trim_end_matches(".yaml")).collect();
        assert_eq!(names.iter().map(|(name, _)| *name).collect::<Vec<_>>(), expected);
        assert!(names.iter().all(|(_, framework)| framework.is_some()));
    }

    #[test]
    fn every_builtin_runtime_says_which_version_of_its_images() {
        for (file, text) in BUILTIN {
            let images: Vec<_> = text.lines().filter_map(|line| line.trim().strip_prefix("image: ")).collect();
            assert!(!images.is_empty(), "{file}");
            for image in images {
                assert!(image.rsplit('/').next().is_some_and(|name| name.contains(':')), "{file}: {image}");
            }
        }
    }

    #[test]
    fn an_unknown_runtime_is_answered_with_the_nearest_names() {
        let catalog = RuntimeCatalog::builtin();
        let error = catalog.find(&reference("jax")).unwrap_err();
        assert_eq!(error.to_string(), "no ClusterTrainingRuntime named `jax`");
        let hint = error.hint().unwrap();
        assert!(hint.starts_with("there are jax-distributed, "), "{hint}");
        let other = RuntimeRef { kind: Some("TrainingRuntime".to_owned()), ..reference("plain") };
        assert_eq!(catalog.find(&other).unwrap_err().to_string(), "no TrainingRuntime named `plain`");
    }
    const GOOD: &str = "apiVersion: trainer.kubeflow.org/v1alpha1\nkind: TrainingRuntime\nmetadata: {name: plain}\nspec:\n  template: {spec: {replicatedJobs: [{name: node, template: {spec: {template: {spec: {containers: [{name: node, image: a}]}}}}}]}}\n";

    fn with_files(files: &[(&str, &str)]) -> RuntimeCatalog {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in files {
            fs::write(folder.path().join(name), text).unwrap();
        }
        RuntimeCatalog::builtin().with_folder(folder.path()).unwrap()
    }

    #[test]
    fn a_file_that_is_being_written_is_no_obstacle() {
        let catalog = with_files(&[("mine.yaml", ""), ("other.yaml", "# to do\n---\n")]);
        assert_eq!(catalog.problems().count(), 0);
        assert_eq!(catalog.iter().count(), BUILTIN.len());
    }

    #[test]
    fn what_is_not_sound_stands_in_the_way_of_those_who_ask_for_it_only() {
        let typo = GOOD.replace("image:", "imgae:").replace("TrainingRuntime", "ClusterTrainingRuntime");
        let job = "apiVersion: trainer.kubeflow.org/v1alpha1\nkind: TrainJob\nmetadata: {name: mine}\n";
        let catalog = with_files(&[("a.yaml", &typo), ("b.yaml", "kind: ["), ("job.yaml", job)]);
        let message = |name| catalog.named(name).unwrap_err().to_string();
        assert!(message("plain").ends_with("a.yaml is refused"), "the built-in one isn't meant: {}", message("plain"));
        let error = catalog.find(&reference("plain")).unwrap_err();
        assert_eq!((error.violations()[0].line, error.kind()), (Some(5), ErrorKind::Invalid));
        assert!(message("b").contains("b.yaml:1:"), "{}", message("b"));
        assert!(message("mine").ends_with("job.yaml:2:1: a TrainJob in a folder of training runtimes"));
        assert!(catalog.named("torch-distributed").is_ok());
        assert_eq!(catalog.problems().count(), 3);
    }

    #[test]
    fn a_name_that_both_kinds_have_can_be_told_apart() {
        let catalog = with_files(&[("plain.yaml", GOOD)]);
        let kind = |name| catalog.named(name).unwrap().kind;
        assert_eq!(kind("plain"), RuntimeKind::ClusterTrainingRuntime);
        assert_eq!(kind("TrainingRuntime/plain"), RuntimeKind::TrainingRuntime);
        assert_eq!(kind("clustertrainingruntime/plain"), RuntimeKind::ClusterTrainingRuntime);
        let (_, origin) = catalog.with_origins().last().unwrap();
        assert!(matches!(origin, Origin::File(file) if file.ends_with("plain.yaml")), "{origin}");
        let error = catalog.named("TrainingRuntime/torch-distributed").unwrap_err();
        assert_eq!(error.to_string(), "no TrainingRuntime named `torch-distributed`");
    }
}
