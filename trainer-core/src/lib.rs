//! The nouns and contracts of `trainer`: jobs, runtimes, review, plan, the backend trait, the client.
//!
//! **Architecture invariant: core knows no engine.** No container, cluster, process or network type
//! appears here; the only I/O is reading files that the user named. Adding a backend changes no
//! file of this crate.
//!
//! **Architecture invariant: one plan, one review.** [`prepare`], [`review`] and [`plan`] are pure.
//! Engines execute their result and never compute a variable, a host name or an order of steps.

extern crate self as trainer_core;

mod annotations;
pub mod api;
pub mod backend;
pub mod client;
mod error;
pub mod fields;
pub mod folders;
pub mod job;
pub mod manifest;
pub mod name;
pub mod plan;
pub mod prelude;
pub mod prepare;
pub mod registry;
pub mod request;
pub mod review;
pub mod runtimes;
#[cfg(feature = "testing")]
pub mod testing;

pub use backend::TrainerBackend;
pub use client::TrainerClient;
pub use error::{Error, ErrorKind, Result, Violation};
pub use job::{Job, Phase};
pub use name::{JobName, NodeIndex};
pub use request::JobRequest;
#[doc(hidden)]
pub use trainer_macros::erase;
pub use trainer_macros::register_backend;
