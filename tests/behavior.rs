//! The behaviour suite on the engines of this package: on those that `TRAINER_TEST_ENGINES` names
//! (with commas between, `none` for none), else on `local`.
//!
//! `docker` and `podman` are where `TRAINER_TEST_DOCKER_HOST` and `TRAINER_TEST_PODMAN_HOST` say, and their nodes run in
//! the image that `TRAINER_TEST_IMAGE` names, which has `sh` and `python3`.

use std::{env, io, process::ExitCode};

use serde_json::Value;
use trainer::registry::{Backend, BackendRegistry};
use trainer_conformance::Engine;

fn main() -> io::Result<ExitCode> {
    trainer::init::<Backend>();
    trainer_conformance::apart(|secret| {
        let names = env::var("TRAINER_TEST_ENGINES").unwrap_or_else(|_| "local".to_owned());
        let names: Vec<_> = names.split(',').filter(|name| *name != "none").map(str::to_owned).collect();
        let engines = names.into_iter().map(|name| {
            let (backend, settings) = (name.clone(), settings(&name));
            let connect = move || Backend::connect(&backend, settings.iter().cloned().collect());
            Engine::new(name, connect).with_secret(secret.clone())
        });
        trainer_conformance::run(&engines.collect::<Vec<_>>())
    })
}

/// What the variables of the tests say of an engine of containers. Each has a state folder of its own: a name that one
/// has taken is free on the other.
fn settings(name: &str) -> Vec<(String, Value)> {
    let host = env::var(format!("TRAINER_TEST_{}_HOST", name.to_uppercase()));
    let settings = [("host", host), ("image", env::var("TRAINER_TEST_IMAGE"))];
    let given = settings.into_iter().filter_map(|(key, value)| Some((key.to_owned(), Value::from(value.ok()?))));
    match name {
        "docker" | "podman" => {
            let state = env::var("XDG_STATE_HOME").map(|state| format!("{state}/{name}"));
            given.chain(state.map(|state| ("state_dir".to_owned(), Value::from(state)))).collect()
        }
        _ => Vec::new(),
    }
}
