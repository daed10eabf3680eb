//! `cargo xtask test`: every test of the project.

use std::{collections::BTreeSet, process::Command};

use crate::{digits, part::Part, workspace::Workspace};

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
    let with_engines = |mut command: Command| {
        command.env(ENGINES_VARIABLE, names);
        command
    };
    let test = |arguments: &[&str]| {
        let command = ["test", "--workspace", "--all-features", "--no-fail-fast"];
        with_engines(workspace.cargo(&[&command, arguments].concat()))
    };
    let test_example = |example: &str, arguments: &[&str]| {
        let command = ["test", "--workspace", "--no-fail-fast"];
        with_engines(workspace.cargo_in_example(example, &[&command, arguments].concat()))
    };

    let quiet = ["--quiet", "--no-run"];
    let build_examples = workspace.examples.iter().map(|example| test_example(example, &quiet));
    let mut parts = vec![
        Part::commands("build", [test(&quiet)].into_iter().chain(build_examples)).essential(),
        digits::part(workspace, engines).alongside(),
        Part::commands("unit tests", [test(&["--lib", "--bins"])]),
    ];
    let targets: BTreeSet<_> = workspace.packages.iter().flat_map(|package| &package.tests).collect();
    parts.extend(targets.into_iter().map(|target| Part::commands(target, [test(&["--test", target])])));
    parts.push(Part::commands("doctests", [test(&["--doc"])]));
    parts.extend(workspace.examples.iter().map(|example| Part::commands(example, [test_example(example, &[])])));
    parts
}
