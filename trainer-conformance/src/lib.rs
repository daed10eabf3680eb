//! The behaviour that every backend must show, as a suite that any backend runs.
//!
//! **Architecture invariant: the suite knows no engine.** It speaks through
//! [`TrainerClient`](trainer_core::TrainerClient) alone, and its jobs are small `sh` and `python3`
//! programs. What an engine can't do it declares with [`Engine::without`]; those trials are then
//! reported as ignored, never as passed.
//!
//! A backend's test is a `main` of its own (`harness = false` in its `[[test]]` entry):
//!
//! ```no_run
//! use std::{io, process::ExitCode};
//!
//! use trainer_conformance::{Capability, Engine};
//! # use trainer_core::testing::ScriptedBackend;
//! # fn connect() -> trainer_core::Result<ScriptedBackend> { Ok(ScriptedBackend::new()) }
//!
//! fn main() -> io::Result<ExitCode> {
//!     // A backend that uses the supervisor calls `trainer::init()` first.
//!     trainer_conformance::apart(|secret| {
//!         let mine = Engine::new("mine", connect).with_secret(secret).without(Capability::Retries);
//!         trainer_conformance::run(&[mine])
//!     })
//! }
//! ```
//!
//! It takes the arguments of any Rust test: `cargo test --test behavior -- logs` runs the trials with
//! `logs` in their names, which are `ENGINE::FILE::TRIAL`.

mod apart;
mod behaviour;
mod engine;
mod lab;
mod transcript;
mod trial;

use std::process::ExitCode;

use libtest_mimic::Arguments;
use trainer_core::TrainerBackend;

pub use apart::apart;
pub use engine::{Capability, Engine, Secret};

/// Runs every trial on every engine, many at once, and says how that went.
///
/// Reads the command line of the test. The engines of one call are of one type: the generated enum of
/// a binary's backends, for instance.
#[must_use]
pub fn run<B: TrainerBackend>(engines: &[Engine<B>]) -> ExitCode {
    let mut arguments = Arguments::from_args();
    trial::keep_words_of_panics();
    // Trials wait much more than they compute.
    arguments.test_threads.get_or_insert(TRIALS_AT_ONCE);
    let trials = engines.iter().flat_map(trial::trials).collect();
    libtest_mimic::run(&arguments, trials).exit_code()
}

const TRIALS_AT_ONCE: usize = 16;
