//! Where state is, and who supervises.

use std::path::{Path, PathBuf};

use trainer_core::{Error, Result, folders};

/// Where state is kept and which program supervises.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Settings {
    /// The state folder, from the working directory if it is relative; `None`: `$XDG_STATE_HOME/trainer`, else
    /// `~/.local/state/trainer`.
    pub state_dir: Option<PathBuf>,
    /// The program that is run as supervisor; `None`: the running one.
    pub executable: Option<PathBuf>,
}

impl Settings {
    pub(crate) fn state_root(&self) -> Result<PathBuf> {
        if let Some(root) = &self.state_dir {
            return absolute(root);
        }
        folders::state().map(|base| base.join("trainer")).ok_or_else(|| {
            Error::invalid("there is no home directory to keep the state of jobs in")
                .with_hint("set HOME, XDG_STATE_HOME or the backend's `state_dir`")
        })
    }

    pub(crate) fn executable(&self) -> Result<Option<PathBuf>> {
        self.executable.as_deref().map(absolute).transpose()
    }
}

/// The supervisor has another working directory.
fn absolute(path: &Path) -> Result<PathBuf> {
    std::path::absolute(path).map_err(|error| Error::io("find", path, error))
}
