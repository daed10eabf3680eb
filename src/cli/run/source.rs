//! The working directory, and the commit that it is at.

use std::{
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use trainer_core::request::Source;

/// The source in `directory`, which is absolute. Without git, or outside a repository, there is no commit.
pub(super) fn of(directory: PathBuf) -> Source {
    let status = git_status(&directory).unwrap_or_default();
    let commit = status.lines().find_map(|line| line.strip_prefix("# branch.oid "));
    Source {
        commit: commit.filter(|commit| *commit != "(initial)").map(str::to_owned),
        dirty: status.lines().any(|line| !line.starts_with('#')),
        directory,
    }
}

fn git_status(directory: &Path) -> Option<String> {
    let output = Command::new("git")
        .arg("-C")
        .arg(directory)
        // Reading must not write: no refresh of the index under somebody's lock.
        .args(["--no-optional-locks", "status", "--porcelain=v2", "--branch", "--untracked-files=no"])
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .output()
        .ok()?;
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).into_owned())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn commit_and_changes_are_seen() {
        let folder = tempfile::tempdir().unwrap();
        let git = |args: &[&str]| {
            let identity = ["-c", "user.name=a", "-c", "user.email=a@b.c"];
            let status = Command::new("git").arg("-C").arg(folder.path()).args(identity).args(args).output().unwrap();
            assert!(status.status.success(), "{status:?}");
        };
        assert_eq!(of(folder.path().to_owned()).commit, None);
        git(&["init", "-q"]);
        std::fs::write(folder.path().join("a"), "1").unwrap();
        git(&["add", "a"]);
        git(&["commit", "-q", "-m", "a"]);
        let clean = of(folder.path().to_owned());
        assert_eq!((clean.commit.map(|commit| commit.len()), clean.dirty), (Some(40), false));
        std::fs::write(folder.path().join("a"), "2").unwrap();
        assert!(of(folder.path().to_owned()).dirty);
    }
}
