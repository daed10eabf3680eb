//! What trainer's attribute macros and its build step agree on: the kinds of registry, the grammar
//! of a registration, the record that a build step leaves for the macros, the contract's version.
//!
//! **Architecture invariant: pure.** Tokens and text come in, values go out: no file, no environment.

mod kind;
mod record;
mod registration;

pub use kind::{BACKEND, KINDS, Kind};
pub use record::{Record, Recorded};
pub use registration::Registration;

/// The version of the contract between a plug-in and the binary that links it.
///
/// Raise it with every change to a dispatched trait, to a trait that connects, or to what a build
/// step records, if that change breaks a plug-in. `trainer_core::registry::CONTRACT_VERSION` is this
/// number, so that core, macros and build step of one release can't differ.
pub const CONTRACT_VERSION: u32 = 1;
