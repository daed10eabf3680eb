//! `cargo xtask bench`: the commands of benches/README.md, one after another.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, ExitCode},
};

use crate::{Result, workspace::Workspace};

/// Runs each line that starts with `cargo bench` in the README, so that the two can't differ.
pub(crate) fn run(workspace: &Workspace) -> Result<ExitCode> {
    let runner = instruction_counter(workspace)?;
    let readme = fs::read_to_string(workspace.root.join("benches/README.md"))?;
    for line in readme.lines().map(str::trim).filter(|line| line.starts_with("cargo bench")) {
        println!("$ {line}");
        let arguments: Vec<_> = line.split_whitespace().skip(1).collect();
        if !workspace.cargo(&arguments).env("GUNGRAUN_RUNNER", &runner).status()?.success() {
            return Ok(ExitCode::FAILURE);
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// The program that counts for gungraun, in the version that we link. Installed once, in the target folder.
fn instruction_counter(workspace: &Workspace) -> Result<PathBuf> {
    const RUNNER: &str = "gungraun-runner";
    let version = locked_version(&workspace.root, "gungraun")?;
    let tools = workspace.target.join("tools");
    let mut install = workspace.cargo(&["install", "--quiet", "--locked", RUNNER, "--version", &version, "--root"]);
    succeed(install.arg(&tools))?;
    Ok(tools.join("bin").join(RUNNER))
}

fn locked_version(root: &Path, package: &str) -> Result<String> {
    let lock = fs::read_to_string(root.join("Cargo.lock"))?;
    let (_, entry) = lock
        .split_once(&format!("name = \"{package}\"\nversion = \""))
        .ok_or_else(|| format!("Cargo.lock has no {package}"))?;
    Ok(entry.split('"').next().unwrap_or_default().to_owned())
}

fn succeed(command: &mut Command) -> Result {
    let status = command.status()?;
    if status.success() { Ok(()) } else { Err(format!("{command:?}: {status}").into()) }
}
