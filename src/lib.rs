//! Runs model training jobs: one job description, the Kubeflow Trainer v2 `TrainJob`, on any
//! registered backend.
//!
//! - A program that submits and follows jobs uses [`TrainerClient`] with a backend: the generated
//!   [`registry::Backend`], connected by name, or one of [`backends`] built by hand. It calls
//!   [`init`] first in `main`.
//! - A crate with a backend of its own implements [`TrainerBackend`] and
//!   [`ConnectBackend`](registry::ConnectBackend), registers it by [`register_backend`], and calls
//!   `trainer_build::record()` in its build script.
//! - A binary with a choice of backends calls `trainer_build::generate()` in its build script, and
//!   [`registry!`] and `trainer::main` in `main.rs`.
//!
//! **Architecture invariant: no logic.** The crates below do the work; the command, in `cli`, is a
//! client of them like any other. The generated registry names everything through this crate.

// The generated registry says `::trainer`, here as in any other binary's crate.
extern crate self as trainer;

#[cfg(feature = "cli")]
pub mod cli;
mod init;
pub mod registry;

pub use trainer_backends as backends;
pub use trainer_core::*;
#[cfg(target_os = "linux")]
pub use trainer_supervisor as supervisor;

#[cfg(feature = "cli")]
pub use cli::main;
pub use init::init;

/// Declares the module `registry` with the [`Backend`](registry::Backend) that the build script of
/// this crate generated.
///
/// ```ignore
/// trainer::registry!();
///
/// fn main() -> std::process::ExitCode {
///     trainer::main::<registry::Backend>()
/// }
/// ```
#[macro_export]
macro_rules! registry {
    () => {
        #[allow(dead_code, missing_docs, unreachable_pub)]
        mod registry {
            include!(concat!(env!("OUT_DIR"), "/trainer_registry.rs"));
        }
    };
}

/// What generated code needs besides the prelude.
#[doc(hidden)]
pub mod __private {
    pub use enum_dispatch::enum_dispatch;
    pub use serde_json::{Map, Value};
}

#[doc = include_str!("../README.md")]
#[cfg(doctest)]
struct Readme;
