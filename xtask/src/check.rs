//! `cargo xtask check`: what can be said of the tree without running its tests.

use std::process::Command;

use crate::{
    part::{Part, Verdict},
    tidy,
    workspace::{Package, Workspace},
};

/// Format, lints, documentation, features, tidiness.
pub(crate) fn parts(workspace: &Workspace) -> Vec<Part> {
    let lint = ["clippy", "--quiet", "--workspace", "--all-targets", "--all-features", "--", "--deny", "warnings"];
    let mut docs = workspace.cargo(&["doc", "--quiet", "--workspace", "--all-features", "--no-deps"]);
    docs.env("RUSTDOCFLAGS", "--deny warnings");
    vec![
        everywhere("format", workspace, &["fmt", "--all", "--", "--check", "--color=never"]),
        everywhere("lints", workspace, &lint),
        Part::commands("docs", [docs]),
        features(workspace),
        tidy(workspace),
    ]
}

/// The same command here and in the examples that stand for somebody else's code.
fn everywhere(name: &str, workspace: &Workspace, command: &[&str]) -> Part {
    let examples = workspace.examples.iter().map(|example| workspace.cargo_in_example(example, command));
    Part::commands(name, [workspace.cargo(command)].into_iter().chain(examples))
}

/// Each package with none of its features, each alone, and all: no warning in any.
pub(crate) fn features(workspace: &Workspace) -> Part {
    Part::commands("features", workspace.packages.iter().flat_map(|package| sets(package, workspace)))
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
            workspace.cargo(&[
                "clippy",
                "--quiet",
                "--package",
                &package.name,
                "--no-default-features",
                "--features",
                &set,
                "--",
                "--deny",
                "warnings",
            ])
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
