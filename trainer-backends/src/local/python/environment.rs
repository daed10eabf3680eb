//! Environments by content: complete, or not there.

use std::{
    fs::{self, File, OpenOptions},
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
};

use rustix::fs::{FlockOperation, flock};
use trainer_core::{
    Error, ErrorKind, Result, folders,
    request::{Packages, Progress, ProgressEvent},
};

use super::{Interpreter, install, key::key};

/// The file that says that an environment is whole.
const COMPLETE: &str = "complete";

/// The environments of this user.
#[derive(Clone, Debug)]
pub(in crate::local) struct Environments {
    cache_dir: Option<PathBuf>,
}

impl Environments {
    pub(in crate::local) fn new(cache_dir: Option<PathBuf>) -> Self {
        Self { cache_dir }
    }

    /// The folder of an environment with `packages` on top of the active Python, built now if there is
    /// none. `None` if no packages are asked for: nodes run on what is active.
    ///
    /// # Errors
    /// `Unsupported` without Python or an installer, `Invalid` if the packages can't be installed, `Io`. Nothing
    /// is left of an environment that failed.
    pub(in crate::local) async fn provide(
        &self,
        packages: &Packages,
        directory: &Path,
        progress: &Progress,
    ) -> Result<Option<PathBuf>> {
        if packages.is_empty() {
            return Ok(None);
        }
        let python = Interpreter::active().await?;
        let folder = self.root()?.join(key(&python, packages)?);
        if folder.join(COMPLETE).exists() {
            return Ok(Some(folder));
        }
        let lock_path = folder.with_extension("lock");
        let lock = lock(lock_path.clone()).await?;
        // Somebody else may have built it while we waited.
        if folder.join(COMPLETE).exists() {
            return Ok(Some(folder));
        }
        progress.report(ProgressEvent::Began(describe(packages)));
        let built = build(&python, packages, &folder, directory, &lock, progress).await;
        progress.report(ProgressEvent::Done);
        if built.is_err() {
            let _ = fs::remove_dir_all(&folder);
            let _ = fs::remove_file(&lock_path);
        }
        built.map(|()| Some(folder))
    }

    fn root(&self) -> Result<PathBuf> {
        // The nodes have another working directory.
        let set = self.cache_dir.as_deref().map(std::path::absolute).transpose();
        let set = set.map_err(|error| Error::io("find", "the cache folder", error))?;
        let cache = set.or_else(|| folders::cache().map(|cache| cache.join("trainer")));
        let root = cache
            .ok_or_else(|| {
                Error::invalid("there is no home directory to keep Python environments in")
                    .with_hint("set HOME, XDG_CACHE_HOME or the backend's `cache_dir`")
            })?
            .join("environments");
        fs::create_dir_all(&root).map_err(|error| Error::io("create the cache folder", &root, error))?;
        Ok(root)
    }
}

async fn build(
    python: &Interpreter,
    packages: &Packages,
    folder: &Path,
    directory: &Path,
    lock: &File,
    progress: &Progress,
) -> Result<()> {
    // What a build that was killed has left.
    if folder.exists() {
        fs::remove_dir_all(folder).map_err(|error| Error::io("remove", folder, error))?;
    }
    install::Installer::choose(python)?.run(python, packages, folder, directory, lock, progress).await?;
    let complete = folder.join(COMPLETE);
    fs::write(&complete, "").map_err(|error| Error::io("write", &complete, error))
}

/// Waits for whoever builds the same environment.
async fn lock(path: PathBuf) -> Result<File> {
    let take = move || loop {
        let file = OpenOptions::new()
            .create(true)
            .append(true)
            .open(&path)
            .map_err(|error| Error::io("open", &path, error))?;
        flock(&file, FlockOperation::LockExclusive).map_err(|error| Error::io("lock", &path, error.into()))?;
        // A build that failed has removed it, and somebody else may have made another.
        let held = file.metadata().map(|metadata| metadata.ino()).ok();
        if held.is_some() && held == fs::metadata(&path).map(|metadata| metadata.ino()).ok() {
            return Ok(file);
        }
    };
    tokio::task::spawn_blocking(take)
        .await
        .map_err(|error| Error::new(ErrorKind::Internal, format!("a task of the environments died: {error}")))?
}

fn describe(packages: &Packages) -> String {
    match (packages.specifiers.len(), &packages.requirements) {
        (0, Some(file)) => format!("installing {}", file.display()),
        (1, None) => "installing 1 package".to_owned(),
        (count, None) => format!("installing {count} packages"),
        (count, Some(file)) => format!("installing {} and {count} more packages", file.display()),
    }
}
