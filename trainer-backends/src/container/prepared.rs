//! What is made and found out at the submission, for whoever launches the nodes.

use std::{collections::BTreeMap, path::PathBuf};

use bollard::models::Mount as EngineMount;
use serde::{Deserialize, Serialize};
use trainer_core::Result;
use trainer_supervisor::OutputFolder;

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
    pub(super) source: Option<Source>,
    /// Where output goes.
    pub(super) output: Output,
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

/// The user's files.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) enum Source {
    /// A folder of this machine.
    Folder(PathBuf),
    /// A volume of the engine.
    Volume(String),
}

/// Where output goes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) enum Output {
    /// A folder of this machine.
    Folder(OutputFolder),
    /// A volume of the engine.
    Volume(String),
}

impl Prepared {
    /// What every container of the job mounts.
    pub(super) fn mounts(&self) -> Vec<EngineMount> {
        let source = self.source.as_ref().map(|source| match source {
            Source::Folder(folder) => placement::bind(folder, SOURCE),
            Source::Volume(name) => placement::volume(name, SOURCE),
        });
        let output = match &self.output {
            Output::Folder(folder) => placement::bind(folder.path(), OUTPUT),
            Output::Volume(name) => placement::volume(name, OUTPUT),
        };
        let errors = self.errors.as_deref().map(|folder| placement::bind(folder, ERRORS));
        source.into_iter().chain([output]).chain(errors).collect()
    }

    /// Has the output folder, which may be gone after an attempt that left nothing in it: engines mount only what is
    /// there.
    ///
    /// # Errors
    /// `Io`.
    pub(super) fn create_output_again(&self) -> Result<()> {
        match &self.output {
            Output::Folder(folder) => folder.create_again(),
            Output::Volume(_) => Ok(()),
        }
    }

    /// Removes the output folder again, as far as it was made for this job and is empty.
    pub(super) fn remove_empty_output(&self) {
        if let Output::Folder(folder) = &self.output {
            folder.remove_empty();
        }
    }
}
