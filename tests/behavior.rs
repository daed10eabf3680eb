//! The behaviour suite on the engines of this package: on those that `TRAINER_TEST_ENGINES` names
//! (with commas between, `none` for none), else on `local`.

#![allow(clippy::unwrap_used)]

use std::{
    env,
    hash::{BuildHasher, RandomState},
    process::{Command, ExitCode},
};

use trainer::registry::{Backend, BackendRegistry};
use trainer_conformance::Engine;

fn main() -> ExitCode {
    trainer::init::<Backend>();
    match env::var(SECRET) {
        Ok(secret) => trainer_conformance::run(&engines(&secret)),
        Err(_) => run_in_a_place_of_its_own(),
    }
}

/// The variable whose value the jobs of the suite may not reveal.
const SECRET: &str = "TRAINER_TEST_SECRET";

/// Runs this executable again with a state folder and a working directory that vanish afterwards,
/// and with a secret in its environment. A process can't change its own environment safely.
fn run_in_a_place_of_its_own() -> ExitCode {
    let place = tempfile::tempdir().unwrap();
    let status = Command::new(env::current_exe().unwrap())
        .args(env::args_os().skip(1))
        .current_dir(place.path())
        .env("XDG_STATE_HOME", place.path().join("state"))
        .env(SECRET, format!("{:016x}", RandomState::new().hash_one(SECRET)))
        .status()
        .unwrap();
    if status.success() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn engines(secret: &str) -> Vec<Engine<Backend>> {
    let names = env::var("TRAINER_TEST_ENGINES").unwrap_or_else(|_| "local".to_owned());
    names
        .split(',')
        .filter(|name| *name != "none")
        .map(|name| {
            let selected = name.to_owned();
            Engine::new(name, move || Backend::connect(&selected, Default::default())).with_secret(SECRET, secret)
        })
        .collect()
}
