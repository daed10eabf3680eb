//! Where the output of a job goes on this machine.

use std::{
    fs,
    path::{Path, PathBuf},
};

use rustix::fs::{Access, access};
use serde::{Deserialize, Serialize};
use trainer_core::{Error, Result, request::ReviewedJob};

/// The folder that the output of a job goes to, and what was made for it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OutputFolder {
    path: PathBuf,
    /// Folders that were made, the innermost first.
    made: Vec<PathBuf>,
}

impl OutputFolder {
    /// The one that the request names, else `outputs/NAME`, from the working directory of the job. Does no I/O.
    #[must_use]
    pub fn of(job: &ReviewedJob, directory: &Path) -> Self {
        let path = match &job.request().output {
            Some(output) => directory.join(output),
            None => directory.join("outputs").join(job.name().as_str()),
        };
        Self { path, made: Vec::new() }
    }

    /// Its path.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Creates it.
    ///
    /// # Errors
    /// `Io` if that isn't possible or nothing can be written to it; nothing is left then.
    pub fn create(mut self) -> Result<Self> {
        let missing = self.path.ancestors().take_while(|folder| !folder.exists());
        self.made = missing.map(Path::to_path_buf).collect();
        let writable =
            fs::create_dir_all(&self.path).and_then(|()| access(&self.path, Access::WRITE_OK).map_err(Into::into));
        match writable {
            Ok(()) => Ok(self),
            Err(error) => {
                self.remove_empty();
                Err(Error::io("write to the output folder", &self.path, error)
                    .with_hint("`--output DIR` names another place for results"))
            }
        }
    }

    /// Creates it if it isn't there, and stays when the job has ended.
    ///
    /// # Errors
    /// `Io` if that isn't possible.
    pub fn create_again(&self) -> Result<()> {
        fs::create_dir_all(&self.path).map_err(|error| Error::io("create the output folder", &self.path, error))
    }

    /// Removes what [`create`](Self::create) made, as far as it is empty.
    pub fn remove_empty(&self) {
        for folder in &self.made {
            let _ = fs::remove_dir(folder);
        }
    }
}
