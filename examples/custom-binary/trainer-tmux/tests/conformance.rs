//! The behaviour that every backend shows, shown by this one.

use std::{env, io, process::ExitCode};

use trainer::registry::ConnectBackend;
use trainer_conformance::Engine;
use trainer_tmux::TmuxBackend;

fn main() -> io::Result<ExitCode> {
    if let Some(code) = trainer::supervisor::entry(|_, folder| TmuxBackend::supervise(folder)) {
        return Ok(code);
    }
    if env::var("TRAINER_TEST_ENGINES").is_ok_and(|engines| engines == "none") {
        return Ok(ExitCode::SUCCESS);
    }
    trainer_conformance::apart(|secret| {
        let connect = || TmuxBackend::connect("tmux", Default::default());
        trainer_conformance::run(&[Engine::new("tmux", connect).with_secret(secret)])
    })
}
