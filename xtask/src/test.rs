//! `cargo xtask test`: every test of the project.

use std::{collections::BTreeSet, process::Command};

use crate::{
    digits,
    engines::{self, Engine},
    part::Part,
    workspace::Workspace,
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

impl Engines {
    /// Those to test on, whether they run by now or will when `engines::up` is done.
    pub(crate) fn there(self, workspace: &Workspace) -> Vec<Engine> {
        match self {
            Self::Found => engines::found(workspace),
            Self::All => Engine::all(workspace),
            Self::None => Vec::new(),
        }
    }
}

/// Builds everything once, then runs the tests one target after another, with the digits example beside them.
pub(crate) fn parts(workspace: &Workspace, engines: Engines) -> Vec<Part> {
    let there = engines.there(workspace);
    // The local engine needs nothing, so it is always found.
    let all = ["local"].into_iter().chain(there.iter().map(Engine::name));
    let names = match engines {
        Engines::None => "none".to_owned(),
        Engines::Found | Engines::All => all.collect::<Vec<_>>().join(","),
    };
    let environment = engines::environment(&there);
    let with_engines = |mut command: Command| {
        command.env(ENGINES_VARIABLE, &names).envs(environment.iter().map(|(variable, value)| (variable, value)));
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
        // From here on, the engines are needed.
        Part::commands("unit tests", [test(&["--lib", "--bins"])]).joining(),
        digits::part(workspace, engines).alongside(),
    ];
    let targets: BTreeSet<_> = workspace.packages.iter().flat_map(|package| &package.tests).collect();
    parts.extend(targets.into_iter().map(|target| Part::commands(target, [test(&["--test", target])])));
    if engines == Engines::All {
        parts.extend(there.into_iter().map(|engine| digits::in_containers(workspace, engine)));
    }
    parts.push(Part::commands("doctests", [test(&["--doc"])]));
    parts.extend(workspace.examples.iter().map(|example| Part::commands(example, [test_example(example, &[])])));
    parts
}
