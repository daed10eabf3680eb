//! The user's files as a job sees them: a snapshot of the working directory, without what is ignored.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use ignore::WalkBuilder;
use trainer_core::{Error, Result};

/// Copies the working directory to `target`, without `.git`, what `.gitignore` and `.trainerignore` leave out, and what
/// is in `spared`: the output of jobs.
///
/// # Errors
/// `Io`.
pub(super) fn snapshot(directory: &Path, target: &Path, spared: &Path) -> Result<()> {
    fs::create_dir_all(target).map_err(|error| Error::io("create", target, error))?;
    for file in files(directory, spared) {
        let place = target.join(file.strip_prefix(directory).unwrap_or(&file));
        copy(&file, &place).map_err(|error| Error::io("copy", &file, error))?;
    }
    Ok(())
}

/// What belongs to the working directory, each folder before what is in it.
fn files(directory: &Path, spared: &Path) -> impl Iterator<Item = PathBuf> {
    let spared = spared.to_owned();
    let mut walk = WalkBuilder::new(directory);
    walk.hidden(false).parents(true).require_git(false).git_global(false).follow_links(false);
    walk.add_custom_ignore_filename(".trainerignore");
    walk.filter_entry(move |entry| entry.file_name() != ".git" && entry.path() != spared);
    // What can't be read can't be needed: the program would fail on it as well.
    walk.build().filter_map(Result::ok).map(ignore::DirEntry::into_path).skip(1)
}

fn copy(file: &Path, place: &Path) -> io::Result<()> {
    let metadata = fs::symlink_metadata(file)?;
    if metadata.is_dir() {
        fs::create_dir_all(place)?;
        fs::set_permissions(place, metadata.permissions())
    } else if metadata.is_symlink() {
        std::os::unix::fs::symlink(fs::read_link(file)?, place)
    } else if metadata.is_file() {
        fs::copy(file, place).map(drop)
    } else {
        // Sockets and pipes belong to running programs.
        Ok(())
    }
}

/// The same as an archive, for an engine on another machine.
///
/// # Errors
/// `Io`.
pub(super) fn archive(directory: &Path, spared: &Path) -> Result<Vec<u8>> {
    let mut archive = tar::Builder::new(Vec::new());
    archive.follow_symlinks(false);
    for file in files(directory, spared) {
        let metadata = fs::symlink_metadata(&file).map_err(|error| Error::io("read", &file, error))?;
        if metadata.is_dir() || metadata.is_file() || metadata.is_symlink() {
            let name = file.strip_prefix(directory).unwrap_or(&file);
            archive.append_path_with_name(&file, name).map_err(|error| Error::io("read", &file, error))?;
        }
    }
    archive.into_inner().map_err(|error| Error::io("read", directory, error))
}
