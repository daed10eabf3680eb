//! Where the user's files are on this machine.

use std::path::PathBuf;

use trainer_core::{Error, Result, request::ReviewedJob};

/// The directory that a job is submitted from: that of its source, else the current one.
///
/// # Errors
/// `Invalid` if it doesn't exist, `Io` if there is no current one.
pub fn working_directory(job: &ReviewedJob) -> Result<PathBuf> {
    let directory = match &job.request().source {
        Some(source) => source.directory.clone(),
        None => std::env::current_dir().map_err(|error| Error::io("find", "the working directory", error))?,
    };
    if !directory.is_dir() {
        return Err(Error::invalid(format!("the working directory {} doesn't exist", directory.display())));
    }
    Ok(directory)
}
