//! Where the command's files are.

use std::{env, path::PathBuf};

use trainer_core::folders;

/// `$XDG_STATE_HOME/NAME`, by default `~/.local/state/NAME`.
pub(super) fn state(name: &str) -> Option<PathBuf> {
    folders::state().map(|base| base.join(name))
}

/// `$XDG_CONFIG_HOME/NAME`, by default `~/.config/NAME`.
pub(super) fn config(name: &str) -> Option<PathBuf> {
    folders::config().map(|base| base.join(name))
}

/// The project that the current folder is in: the nearest folder with a file `NAME.toml`, up to the root of
/// the repository and not beyond, for what lies above is somebody else's; that root, if there is none.
pub(super) fn project(name: &str) -> PathBuf {
    let here = env::current_dir().unwrap_or_default();
    let depth = here.ancestors().position(|folder| folder.join(".git").exists()).unwrap_or_default();
    let inside = || here.ancestors().take(depth + 1);
    let file = format!("{name}.toml");
    inside().find(|folder| folder.join(&file).is_file()).or_else(|| inside().last()).unwrap_or(&here).to_owned()
}
