//! The behaviour suite on the engines of this package: on those that `TRAINER_TEST_ENGINES` names
//! (with commas between, `none` for none), else on `local`.

use std::{env, io, process::ExitCode};

use trainer::registry::{Backend, BackendRegistry};
use trainer_conformance::Engine;

fn main() -> io::Result<ExitCode> {
    trainer::init::<Backend>();
    trainer_conformance::apart(|secret| {
        let names = env::var("TRAINER_TEST_ENGINES").unwrap_or_else(|_| "local".to_owned());
        let names: Vec<_> = names.split(',').filter(|name| *name != "none").map(str::to_owned).collect();
        let engines = names.into_iter().map(|name| {
            Engine::new(name.clone(), move || Backend::connect(&name, Default::default())).with_secret(secret.clone())
        });
        trainer_conformance::run(&engines.collect::<Vec<_>>())
    })
}
