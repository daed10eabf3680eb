//! The training runtimes that a client knows: built in, and from the user's folders.

use std::{fs, path::Path, sync::LazyLock};

use crate::{
    Error, ErrorKind, Result,
    api::{Runtime, RuntimeKind, RuntimeRef},
    manifest::Manifest,
};

/// Training runtimes by kind and name.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RuntimeCatalog {
    runtimes: Vec<Runtime>,
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
                if let Ok(manifest) = Manifest::parse(text, file) {
                    catalog.add(&manifest).ok();
                }
            }
            catalog
        });
        CATALOG.clone()
    }

    /// Adds every runtime of the `*.yaml` and `*.yml` files in `folder`, in the order of their names.
    /// A runtime of a kind and name that is there already is replaced. No folder: nothing is added.
    ///
    /// # Errors
    /// `Invalid`, with file, line and column, if a file isn't sound; `Io` if one can't be read.
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
            self.add(&Manifest::open(&file)?)?;
        }
        Ok(self)
    }

    /// The runtime that a job's `runtimeRef` means. An absent kind means `ClusterTrainingRuntime`.
    #[must_use]
    pub fn get(&self, reference: &RuntimeRef) -> Option<&Runtime> {
        let kind = kind_of(reference)?;
        self.runtimes.iter().find(|runtime| runtime.kind == kind && runtime.name() == reference.name)
    }

    /// As [`get`](Self::get).
    ///
    /// # Errors
    /// `NotFound`; its hint names the runtimes there are, the most similar first.
    pub fn find(&self, reference: &RuntimeRef) -> Result<&Runtime> {
        self.get(reference).ok_or_else(|| {
            let kind = reference.kind.as_deref().unwrap_or("ClusterTrainingRuntime");
            let mut others: Vec<_> = self.runtimes.iter().collect();
            others.sort_by_key(|runtime| strsim::levenshtein(runtime.name(), &reference.name));
            let names: Vec<_> = others
                .iter()
                .map(|runtime| match runtime.kind {
                    RuntimeKind::ClusterTrainingRuntime => runtime.name().to_owned(),
                    RuntimeKind::TrainingRuntime => format!("{} (TrainingRuntime)", runtime.name()),
                })
                .collect();
            Error::new(ErrorKind::NotFound, format!("no {kind} named `{}`", reference.name.escape_debug()))
                .with_hint(format!("there is {}", names.join(", ")))
        })
    }

    /// All of them, in the order in which they were added.
    pub fn iter(&self) -> impl Iterator<Item = &Runtime> {
        self.runtimes.iter()
    }

    fn add(&mut self, manifest: &Manifest) -> Result<()> {
        if let Some(job) = manifest.jobs.first() {
            let (line, column) = job.position("kind");
            return Err(Error::invalid(format!(
                "{}:{line}:{column}: a TrainJob in a folder of training runtimes",
                job.file()
            )));
        }
        for document in &manifest.runtimes {
            let runtime = document.runtime()?;
            match self.runtimes.iter_mut().find(|old| old.kind == runtime.kind && old.name() == runtime.name()) {
                Some(old) => *old = runtime,
                None => self.runtimes.push(runtime),
            }
        }
        Ok(())
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
    fn an_unknown_runtime_is_answered_with_the_nearest_names() {
        let catalog = RuntimeCatalog::builtin();
        let error = catalog.find(&reference("jax")).unwrap_err();
        assert_eq!(error.to_string(), "no ClusterTrainingRuntime named `jax`");
        let hint = error.hint().unwrap();
        assert!(hint.starts_with("there is plain, jax-distributed, mpi-distributed, "), "{hint}");
        let other = RuntimeRef { kind: Some("TrainingRuntime".to_owned()), ..reference("plain") };
        assert_eq!(catalog.find(&other).unwrap_err().to_string(), "no TrainingRuntime named `plain`");
    }
}
