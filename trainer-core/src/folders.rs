//! Where this user's files are (XDG Base Directory Specification).

use std::{
    env,
    path::{Path, PathBuf},
};

/// The user's home, if it is known.
#[must_use]
pub fn home() -> Option<PathBuf> {
    env::home_dir().filter(|home| home.is_absolute())
}

/// The folder of state: `$XDG_STATE_HOME`, by default `~/.local/state`.
#[must_use]
pub fn state() -> Option<PathBuf> {
    base(env::var_os("XDG_STATE_HOME").as_deref().map(Path::new), home(), ".local/state")
}

/// The folder of configuration: `$XDG_CONFIG_HOME`, by default `~/.config`.
#[must_use]
pub fn config() -> Option<PathBuf> {
    base(env::var_os("XDG_CONFIG_HOME").as_deref().map(Path::new), home(), ".config")
}

/// The folder of caches: `$XDG_CACHE_HOME`, by default `~/.cache`.
#[must_use]
pub fn cache() -> Option<PathBuf> {
    base(env::var_os("XDG_CACHE_HOME").as_deref().map(Path::new), home(), ".cache")
}

/// The specification has relative paths ignored.
fn base(set: Option<&Path>, home: Option<PathBuf>, below_home: &str) -> Option<PathBuf> {
    let set = set.filter(|path| path.is_absolute()).map(Path::to_owned);
    set.or_else(|| home.map(|home| home.join(below_home)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_variable_counts_if_its_path_is_absolute() {
        let base = |set: Option<&str>, home: Option<&str>| base(set.map(Path::new), home.map(PathBuf::from), ".cache");
        assert_eq!(base(Some("/caches"), Some("/a")), Some("/caches".into()));
        assert_eq!(base(Some("caches"), Some("/a")), Some("/a/.cache".into()));
        assert_eq!(base(None, None), None);
    }
}
