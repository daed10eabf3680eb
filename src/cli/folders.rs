//! Where this user's files are (XDG Base Directory Specification).

use std::{env, path::PathBuf};

/// `$XDG_STATE_HOME/NAME`, by default `~/.local/state/NAME`.
pub(super) fn state(name: &str) -> Option<PathBuf> {
    base("XDG_STATE_HOME", ".local/state").map(|base| base.join(name))
}

/// `$XDG_CONFIG_HOME/NAME`, by default `~/.config/NAME`.
pub(super) fn config(name: &str) -> Option<PathBuf> {
    base("XDG_CONFIG_HOME", ".config").map(|base| base.join(name))
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

/// The specification has relative paths ignored.
fn base(variable: &str, below_home: &str) -> Option<PathBuf> {
    env::var_os(variable)
        .map(PathBuf::from)
        .filter(|path| path.is_absolute())
        .or_else(|| env::home_dir().filter(|home| home.is_absolute()).map(|home| home.join(below_home)))
}
