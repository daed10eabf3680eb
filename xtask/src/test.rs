//! `cargo xtask test`: every test of the project.

use std::{collections::BTreeSet, process::Command};

use crate::{
    digits,
    part::{Part, Verdict},
    workspace::{Workspace, cargo},
};

/// Tells the behaviour suite which engines to run on: names with commas between, or `none`.
const ENGINES_VARIABLE: &str = "TRAINER_TEST_ENGINES";

/// Which execution engines to test on.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Engines {
    /// Those that are there.
    Found,
    /// All that we know; a missing one is a failure.
    All,
    /// None.
    None,
}

/// Builds everything once, then runs the tests one target after another, with the digits example beside them.
pub(crate) fn parts(workspace: &Workspace, engines: Engines) -> Vec<Part> {
    // The local engine needs nothing, so it is always found.
    let names = if engines == Engines::None { "none" } else { "local" };
    let test = |arguments: &[&str]| {
        let mut command = cargo();
        command.args(["test", "--workspace", "--all-features", "--no-fail-fast"]).args(arguments);
        command.env(ENGINES_VARIABLE, names).current_dir(&workspace.root);
        command
    };
    let custom_binary = |arguments: &[&str]| outside(workspace, "examples/custom-binary", names, arguments);

    let mut parts = vec![build(test(&["--no-run"]), custom_binary(&["--no-run"]))];
    parts.push(digits::part(workspace, engines).alongside());
    parts.push(Part::command("unit tests", test(&["--lib", "--bins"])));
    let targets: BTreeSet<_> = workspace.packages.iter().flat_map(|package| &package.tests).collect();
    parts.extend(targets.into_iter().map(|target| Part::command(target, test(&["--test", target]))));
    parts.push(Part::command("doctests", test(&["--doc"])));
    parts.push(Part::command("custom-binary", custom_binary(&[])));
    parts
}

fn build(mut tests: Command, mut custom_binary: Command) -> Part {
    Part::new("build", move |log| {
        log.run(&mut tests)?;
        log.run(&mut custom_binary)?;
        Ok(Verdict::Passed)
    })
    .essential()
}

/// The tests of a workspace of its own. It shares our target folder, so that what both need is built once.
fn outside(workspace: &Workspace, folder: &str, engines: &str, arguments: &[&str]) -> Command {
    let mut command = cargo();
    command.args(["test", "--workspace", "--no-fail-fast", "--target-dir"]).arg(&workspace.target).args(arguments);
    command.env(ENGINES_VARIABLE, engines).current_dir(workspace.root.join(folder));
    command
}
