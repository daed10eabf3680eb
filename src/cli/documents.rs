//! Files of TrainJobs and training runtimes: `-f FILE`, or `-` for standard input.

use std::{io::Read, path::Path};

use trainer_core::{Error, Result, manifest::Manifest};

/// Reads `file`.
///
/// # Errors
/// As [`Manifest::open`] and [`Manifest::parse`].
pub(super) fn read(file: &Path) -> Result<Manifest> {
    if file != Path::new("-") {
        return Manifest::open(file);
    }
    let mut text = String::new();
    std::io::stdin().read_to_string(&mut text).map_err(|error| Error::io("read", "standard input", error))?;
    Manifest::parse(&text, "standard input")
}
