//! Golden cases recorded from a real control plane: `tests/corpus/README.md` has the format.
//!
//! Each case is a trial: verdict, stage, violations, warnings, and the plan in every particular.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod recording;

use std::{fs, path::Path};

use libtest_mimic::{Arguments, Failed, Trial};
use recording::Case;

fn main() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/corpus");
    let mut files: Vec<_> = fs::read_dir(&folder)
        .expect("tests/corpus is there")
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "json"))
        .collect();
    files.sort();
    assert!(!files.is_empty(), "no case in {}", folder.display());
    let trials = files
        .into_iter()
        .map(|file| {
            let id = file.file_stem().unwrap().to_string_lossy().into_owned();
            Trial::test(id, move || {
                let case = Case::read(&file);
                let differences = case.differences();
                if differences.is_empty() { Ok(()) } else { Err(Failed::from(differences.join("\n"))) }
            })
        })
        .collect();
    libtest_mimic::run(&Arguments::from_args(), trials).exit();
}
