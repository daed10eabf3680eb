//! The project's own chores: `cargo xtask <command>`.
//!
//! A chore that checks something is a [`part::Part`]: it runs commands, its output goes to
//! `target/test-logs`, and what it found is counted in the line that every such command ends with.

#![allow(clippy::print_stdout, reason = "its output is for the person who typed it")]

mod bench;
mod check;
mod digits;
mod engines;
mod mutations;
mod part;
mod schema;
mod test;
mod tidy;
mod workspace;

use std::{error::Error, path::Path, process::ExitCode};

use part::Part;
use test::Engines;
use workspace::Workspace;

const USAGE: &str = "\
usage: cargo xtask <command>

  test [--engines found|all|none]  every test; `none` needs no engine, `all` fails where one is missing
  check                            format, lints, docs, every set of features, tidiness
  ci                               `check`, then `test --engines all`
  engines up|down|status           Docker and Podman for the tests, and their images
  tidy                             only the tidiness of the tree
  check-features                   only the sets of features
  mutations [RULE]                 whether a test notices each rule of review and plan that is switched off
  bench                            the figures of benches/README.md
  schema CHECKOUT                  the schema that review checks against, from a checkout of Kubeflow Trainer
";

type Result<T = (), E = Box<dyn Error>> = std::result::Result<T, E>;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match run(&arguments) {
        Ok(code) => code,
        Err(error) => {
            println!("error: {error}");
            ExitCode::from(2)
        }
    }
}

fn run(arguments: &[&str]) -> Result<ExitCode> {
    let parts = match arguments {
        ["test", rest @ ..] => with_engines(engines(rest)?, Vec::new(), &Workspace::read()?)?,
        ["check"] => check::parts(&Workspace::read()?),
        ["ci"] => {
            let workspace = Workspace::read()?;
            with_engines(Engines::All, check::parts(&workspace), &workspace)?
        }
        ["engines", rest @ ..] => return engines::run(rest, &Workspace::read()?),
        ["tidy"] => vec![check::tidy(&Workspace::read()?)],
        ["check-features"] => vec![check::features(&Workspace::read()?)],
        ["schema", checkout] => {
            schema::write(Path::new(checkout), &Workspace::read()?)?;
            return Ok(ExitCode::SUCCESS);
        }
        ["mutations", filter @ ..] if filter.len() < 2 => {
            return mutations::run(&Workspace::read()?, filter.first().copied().unwrap_or_default());
        }
        ["bench"] => return bench::run(&Workspace::read()?),
        [] | ["help" | "--help" | "-h"] => {
            print!("{USAGE}");
            return Ok(ExitCode::SUCCESS);
        }
        [other, ..] => return Err(format!("no such command or argument: `{other}`\n\n{USAGE}").into()),
    };
    Ok(part::run(parts, &Workspace::read()?.logs()))
}

/// The tests, after the parts `before`; engines are brought up meanwhile, and ended unless they ran already.
fn with_engines(engines: Engines, before: Vec<Part>, workspace: &Workspace) -> Result<Vec<Part>> {
    let mut parts = if engines == Engines::All { engines::for_a_run(workspace)? } else { Vec::new() };
    parts.extend(before);
    parts.extend(test::parts(workspace, engines));
    Ok(parts)
}

fn engines(arguments: &[&str]) -> Result<Engines> {
    match arguments {
        [] | ["--engines", "found"] | ["--engines=found"] => Ok(Engines::Found),
        ["--engines", "all"] | ["--engines=all"] => Ok(Engines::All),
        ["--engines", "none"] | ["--engines=none"] => Ok(Engines::None),
        _ => Err(format!("`test` takes `--engines found|all|none`, not `{}`", arguments.join(" ")).into()),
    }
}
