//! The backend `local`: nodes are processes of this machine, with the user's environment, in the user's
//! directory, on the Python that is active. It needs no daemon: `trainer-supervisor` runs the job.
//!
//! **Rule: what a container would isolate, this engine can't.** Each field of the plan is honoured,
//! replaced by what is here (and said once), or refused before anything is created: see `fields.rs`.

mod backend;
mod config;
mod fields;
mod gpus;
mod launch;
mod preview;
mod python;
mod secrets;
mod variables;
mod volumes;

pub use backend::LocalBackend;
pub use config::{LocalConfig, LocalOptions};
