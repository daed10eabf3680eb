//! Runs a launch plan for any engine that has no controller of its own: one small detached process a job
//! that starts steps in order, watches all nodes, stops the gang at the first failure, restarts it,
//! enforces the deadline, and writes state that everybody can read without asking anybody.
//!
//! An engine implements [`Launcher`] and calls [`supervise`] from its
//! [`ConnectBackend::supervise`](trainer_core::registry::ConnectBackend::supervise); its
//! [`TrainerBackend`](trainer_core::TrainerBackend) delegates to [`Jobs`]. The executable calls [`entry`] first in
//! `main`.
//!
//! **Architecture invariant: a phase comes from evidence.** The lock of a job's folder is held as long as
//! somebody supervises it, and given up by the kernel when nobody does. What can't be seen from here
//! (another machine's job, another user's) isn't judged, adopted or cleaned up.
//!
//! **Architecture invariant: one thread.** The kernel binds the signal that ends a node with its
//! supervisor to the *thread* that started it. Nothing here starts a process from another thread.

#[cfg(not(target_os = "linux"))]
compile_error!("trainer-supervisor is made of Linux's process trees");

mod gang;
mod jobs;
mod launcher;
mod logs;
mod machine;
mod node_process;
mod ports;
mod process;
mod stream;
mod tree;

pub use gang::supervise;
pub use jobs::{Claim, JobFolder, Jobs, Settings, Submission};
pub use launcher::{Attempt, Ending, LaunchedNode, Launcher, Output};
pub use machine::Machine;
pub use node_process::{NodeProcess, ProcessSpec};
pub use ports::PortLeases;
pub use tree::entry;
