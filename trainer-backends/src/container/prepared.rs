//! What is made and found out at the submission, for whoever launches the nodes.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use bollard::models::Mount as EngineMount;
use serde::{Deserialize, Serialize};
use trainer_core::{Error, Result, request::ReviewedJob};

use super::{config::ContainerOptions, endpoint::Endpoint, placement};

/// Where a node sees the user's files, its working directory.
pub(super) const SOURCE: &str = "/trainer/source";
/// Where a node sees the output folder.
pub(super) const OUTPUT: &str = "/trainer/output";
/// Where a node sees the folder of error files.
pub(super) const ERRORS: &str = "/trainer/errors";

/// `prepared.json`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Prepared {
    /// Where the engine is that has the job.
    pub(super) endpoint: Endpoint,
    /// The images of the job, by the name in the plan.
    pub(super) images: BTreeMap<String, PinnedImage>,
    /// The user's files; `None`: the program is in the image.
    pub(super) source: Option<Place>,
    /// Where output goes.
    pub(super) output: Place,
    /// Folders that were made for it, the innermost first.
    pub(super) made: Vec<PathBuf>,
    /// The folder of error files; `None`: the engine is on another machine, or programs couldn't write there.
    pub(super) errors: Option<PathBuf>,
    /// Whom programs run as, where the job doesn't say; `None`: the image's user.
    pub(super) user: Option<String>,
    pub(super) options: ContainerOptions,
}

/// An image as it was at the submission.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct PinnedImage {
    /// What the engine calls it: another one may get its name meanwhile.
    pub(super) id: String,
    /// What its registry calls it.
    pub(super) digest: Option<String>,
}

/// Something that nodes mount.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) enum Place {
    /// A folder of this machine.
    Folder(PathBuf),
    /// A volume of the engine.
    Volume(String),
}

impl Place {
    pub(super) fn mount(&self, path: &str) -> EngineMount {
        match self {
            Self::Folder(folder) => placement::bind(folder, path),
            Self::Volume(name) => placement::volume(name, path),
        }
    }
}

impl Prepared {
    /// What every container of the job mounts.
    pub(super) fn mounts(&self) -> Vec<EngineMount> {
        let errors = self.errors.as_deref().map(|folder| placement::bind(folder, ERRORS));
        let source = self.source.as_ref().map(|source| source.mount(SOURCE));
        source.into_iter().chain([self.output.mount(OUTPUT)]).chain(errors).collect()
    }

    /// Removes the output folder again, as far as it was made for this job and is empty.
    pub(super) fn remove_empty_output(&self) {
        for folder in &self.made {
            let _ = fs::remove_dir(folder);
        }
    }
}

/// The working directory, and the output folder beside it.
///
/// # Errors
/// `Invalid` if the working directory doesn't exist.
pub(super) fn folders(job: &ReviewedJob) -> Result<(PathBuf, PathBuf)> {
    let request = job.request();
    let directory = match &request.source {
        Some(source) => source.directory.clone(),
        None => std::env::current_dir().map_err(|error| Error::io("find", "the working directory", error))?,
    };
    if !directory.is_dir() {
        return Err(Error::invalid(format!("the working directory {} doesn't exist", directory.display())));
    }
    let output = match &request.output {
        Some(output) => directory.join(output),
        None => directory.join("outputs").join(job.name().as_str()),
    };
    Ok((directory, output))
}

/// Creates the output folder, and returns which folders that took, the innermost first.
///
/// # Errors
/// `Io`; nothing is left then.
pub(super) fn create_output(output: &Path) -> Result<Vec<PathBuf>> {
    let made: Vec<PathBuf> = output.ancestors().take_while(|folder| !folder.exists()).map(Path::to_path_buf).collect();
    let writable = fs::create_dir_all(output)
        .and_then(|()| rustix::fs::access(output, rustix::fs::Access::WRITE_OK).map_err(Into::into));
    writable.map(|()| made.clone()).map_err(|error| {
        for folder in &made {
            let _ = fs::remove_dir(folder);
        }
        Error::io("write to the output folder", output, error)
            .with_hint("`--output DIR` names another place for results")
    })
}
