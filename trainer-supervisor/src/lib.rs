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
//!
//! **Platform.** All of this is made of Linux's process trees. Elsewhere there is only [`entry`], which has
//! nothing to do, so that programs with other backends compile.

#[cfg(target_os = "linux")]
mod gang;
#[cfg(target_os = "linux")]
mod jobs;
#[cfg(target_os = "linux")]
mod launcher;
#[cfg(target_os = "linux")]
mod logs;
#[cfg(target_os = "linux")]
pub mod loopback;
#[cfg(target_os = "linux")]
mod machine;
#[cfg(target_os = "linux")]
mod node_process;
#[cfg(target_os = "linux")]
mod output_folder;
#[cfg(target_os = "linux")]
mod ports;
#[cfg(target_os = "linux")]
mod process;
#[cfg(target_os = "linux")]
mod stream;
#[cfg(target_os = "linux")]
mod tree;
#[cfg(target_os = "linux")]
mod working_directory;

#[cfg(target_os = "linux")]
pub use {
    gang::supervise,
    jobs::{Claim, JobFolder, Jobs, Settings, Submission},
    launcher::{Attempt, Ending, LaunchedNode, Launcher, Output, Seen},
    machine::Machine,
    node_process::{NodeProcess, ProcessSpec},
    output_folder::OutputFolder,
    ports::PortLeases,
    tree::entry,
    working_directory::working_directory,
};

/// Makes this process part of a job's process tree, if it was started as that: never, on this platform.
#[cfg(not(target_os = "linux"))]
pub fn entry(
    _supervise: impl FnOnce(&str, &std::path::Path) -> trainer_core::Result<std::process::ExitCode>,
) -> Option<std::process::ExitCode> {
    None
}
