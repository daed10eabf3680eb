//! `cargo xtask bench`: the commands of benches/README.md, one after another.

use std::{
    fs,
    process::{Command, ExitCode},
};

use crate::{Result, workspace::Workspace};

/// Runs each line that starts with `cargo bench` in the README, so that the two can't differ.
pub(crate) fn run(workspace: &Workspace) -> Result<ExitCode> {
    let readme = fs::read_to_string(workspace.root.join("benches/README.md"))?;
    for line in readme.lines().map(str::trim).filter(|line| line.starts_with("cargo bench")) {
        println!("$ {line}");
        let mut words = line.split_whitespace();
        let mut command = Command::new(words.next().unwrap_or_default());
        if !command.args(words).current_dir(&workspace.root).status()?.success() {
            return Ok(ExitCode::FAILURE);
        }
    }
    Ok(ExitCode::SUCCESS)
}
