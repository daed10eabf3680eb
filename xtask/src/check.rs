//! `cargo xtask check`: what can be said of the tree without running its tests.

use std::process::Command;

use crate::{
    part::{Part, Verdict},
    tidy,
    workspace::{Package, Workspace, cargo},
};

/// Format, lints, documentation, features, tidiness.
pub(crate) fn parts(workspace: &Workspace) -> Vec<Part> {
    let here = |arguments: &[&str]| {
        let mut command = cargo();
        command.args(arguments).current_dir(&workspace.root);
        command
    };
    let lints = here(&["clippy", "--workspace", "--all-targets", "--all-features", "--", "--deny", "warnings"]);
    let mut docs = here(&["doc", "--workspace", "--all-features", "--no-deps", "--document-private-items"]);
    docs.env("RUSTDOCFLAGS", "--deny warnings");
    vec![
        Part::command("format", here(&["fmt", "--all", "--check"])),
        Part::command("lints", lints),
        Part::command("docs", docs),
        features(workspace),
        tidy(workspace),
    ]
}

/// Each package with none of its features, each alone, and all: no warning in any.
pub(crate) fn features(workspace: &Workspace) -> Part {
    let mut commands: Vec<_> = workspace.packages.iter().flat_map(|package| sets(package, workspace)).collect();
    Part::new("features", move |log| {
        for command in &mut commands {
            log.run(command)?;
        }
        Ok(Verdict::Passed)
    })
}

fn sets(package: &Package, workspace: &Workspace) -> Vec<Command> {
    let mut sets: Vec<String> = vec![String::new()];
    sets.extend(package.features.iter().cloned());
    if package.features.len() > 1 {
        sets.push(package.features.join(","));
    }
    sets.into_iter()
        .map(|set| {
            // Clippy's driver denies warnings for our crates only; RUSTFLAGS would build all dependencies again.
            let mut command = cargo();
            command.args(["clippy", "--package", &package.name, "--no-default-features", "--features", &set]);
            command.args(["--", "--deny", "warnings"]).current_dir(&workspace.root);
            command
        })
        .collect()
}

/// See [`tidy::findings`].
pub(crate) fn tidy(workspace: &Workspace) -> Part {
    let root = workspace.root.clone();
    Part::new("tidy", move |log| {
        let findings = tidy::findings(&root)?;
        for finding in &findings {
            log.say(finding);
        }
        if findings.is_empty() { Ok(Verdict::Passed) } else { Err(format!("{} findings", findings.len()).into()) }
    })
}
