//! Images from recipes: the root file system is made once and kept as a tar, for every engine.

use std::{
    collections::BTreeSet,
    fs,
    hash::{DefaultHasher, Hash, Hasher},
    io,
    path::{Path, PathBuf},
    process::Command,
    sync::{Condvar, Mutex, PoisonError},
    thread,
};

use super::Engine;
use crate::{Result, part::Log, workspace::Workspace};

/// The label of an image that says by which recipe it was made.
pub(super) const LABEL: &str = "trainer.test.recipe";

/// Seconds that it may take to make one root file system.
const LIMIT: &str = "1200";

/// An image for the tests.
pub(super) struct Image {
    pub(super) name: String,
    /// Changes with everything that it is made of.
    pub(super) recipe: String,
    /// Lines `NAME=VALUE`.
    environment: String,
    build: PathBuf,
    tar: PathBuf,
}

/// The name that jobs know an image by.
pub(super) fn reference(name: &str) -> String {
    format!("trainer.test/{name}:1")
}

/// For people.
pub(super) fn names(images: &[&Image]) -> String {
    if images.is_empty() {
        return "none".to_owned();
    }
    images.iter().map(|image| &*image.name).collect::<Vec<_>>().join(", ")
}

impl Image {
    /// One for each recipe.
    pub(super) fn all(workspace: &Workspace) -> Result<Vec<Self>> {
        recipes(workspace)?.iter().map(|name| Self::new(name, workspace)).collect()
    }

    /// The one of that name.
    pub(super) fn named(name: &str, workspace: &Workspace) -> Result<Self> {
        let recipes = recipes(workspace)?;
        if recipes.contains(name) {
            return Self::new(name, workspace);
        }
        let known: Vec<_> = recipes.into_iter().collect();
        Err(format!("no such image: `{name}`; there are {}", known.join(", ")).into())
    }

    fn new(name: &str, workspace: &Workspace) -> Result<Self> {
        let folder = folder(workspace);
        let mut hasher = DefaultHasher::new();
        for file in ["build", "packages"].map(|file| folder.join(file)).into_iter().chain(files(&folder.join(name))?) {
            file.file_name().hash(&mut hasher);
            fs::read(&file)?.hash(&mut hasher);
        }
        let recipe = format!("{:016x}", hasher.finish());
        let environment = folder.join(name).join("environment");
        Ok(Self {
            tar: workspace.target.join("engines/images").join(format!("{name}-{recipe}.tar")),
            environment: if environment.exists() { fs::read_to_string(environment)? } else { String::new() },
            build: folder.join("build"),
            name: name.to_owned(),
            recipe,
        })
    }

    pub(super) fn reference(&self) -> String {
        reference(&self.name)
    }

    /// Makes its root file system, if that isn't there yet.
    pub(super) fn build(&self, slots: &Slots, log: &mut Log) -> Result {
        if self.tar.exists() {
            log.say(&format!("{} is there", self.tar.display()));
            return Ok(());
        }
        let tars = self.tar.parent().unwrap_or(Path::new("."));
        fs::create_dir_all(tars)?;
        let new = self.tar.with_extension("new");
        slots.take(|| log.run(Command::new("timeout").arg(LIMIT).arg(&self.build).arg(&self.name).arg(&new)))?;
        for tar in files(tars)?.into_iter().filter(|tar| self.is_of_another_recipe(tar)) {
            fs::remove_file(tar)?;
        }
        Ok(fs::rename(new, &self.tar)?)
    }

    fn is_of_another_recipe(&self, tar: &Path) -> bool {
        let name = tar.file_name().unwrap_or_default().to_string_lossy();
        let stem = name.strip_suffix(".tar").and_then(|stem| stem.rsplit_once('-'));
        stem.is_some_and(|(name, recipe)| name == self.name && recipe != self.recipe)
    }

    /// Brings it into an engine that hasn't got this very one.
    pub(super) fn import(&self, engine: &Engine, log: &mut Log) -> Result {
        let reference = self.reference();
        if engine.recipe_of(&reference).is_some_and(|recipe| recipe == self.recipe) {
            log.say(&format!("{} has it", engine.name()));
            return Ok(());
        }
        let old = engine.id_of(&reference);
        let mut command = engine.command();
        command.arg("import").args(["--change", &format!("LABEL {LABEL}={}", self.recipe)]);
        for variable in self.environment.lines() {
            command.args(["--change", &format!("ENV {variable}")]);
        }
        log.run(command.arg(&self.tar).arg(&reference))?;
        if let Some(old) = old {
            // What runs on it keeps it; that's no harm.
            log.run(engine.command().args(["image", "rm", &old])).ok();
        }
        Ok(())
    }
}

fn folder(workspace: &Workspace) -> PathBuf {
    workspace.root.join("tests/engines/images")
}

fn recipes(workspace: &Workspace) -> Result<BTreeSet<String>> {
    let folders = files(&folder(workspace))?.into_iter().filter(|path| path.is_dir());
    Ok(folders.filter_map(|folder| Some(folder.file_name()?.to_string_lossy().into_owned())).collect())
}

/// What is in a folder, in order.
fn files(folder: &Path) -> io::Result<BTreeSet<PathBuf>> {
    fs::read_dir(folder)?.map(|entry| Ok(entry?.path())).collect()
}

/// How many are made at once: more only take longer.
pub(super) struct Slots {
    free: Mutex<usize>,
    freed: Condvar,
}

impl Slots {
    pub(super) fn one_a_core() -> Self {
        let cores = thread::available_parallelism().map_or(1, usize::from);
        Self { free: Mutex::new(cores), freed: Condvar::new() }
    }

    /// Does `work` when there is a free slot.
    fn take<T>(&self, work: impl FnOnce() -> T) -> T {
        let free = self.free.lock().unwrap_or_else(PoisonError::into_inner);
        let mut free = self.freed.wait_while(free, |free| *free == 0).unwrap_or_else(PoisonError::into_inner);
        *free -= 1;
        drop(free);
        let result = work();
        *self.free.lock().unwrap_or_else(PoisonError::into_inner) += 1;
        self.freed.notify_one();
        result
    }
}

#[cfg(test)]
mod tests {
    use std::{
        sync::atomic::{AtomicUsize, Ordering},
        time::Duration,
    };

    use super::*;

    #[test]
    fn no_more_images_are_made_at_once_than_there_are_slots() {
        let slots = Slots { free: Mutex::new(2), freed: Condvar::new() };
        let (now, most) = (AtomicUsize::new(0), AtomicUsize::new(0));
        let work = || {
            most.fetch_max(now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
            thread::sleep(Duration::from_millis(20));
            now.fetch_sub(1, Ordering::SeqCst);
        };
        thread::scope(|scope| {
            for _ in 0..6 {
                scope.spawn(|| slots.take(work));
            }
        });
        assert!(most.into_inner() <= 2);
        assert_eq!(*slots.free.lock().unwrap_or_else(PoisonError::into_inner), 2);
    }
}
