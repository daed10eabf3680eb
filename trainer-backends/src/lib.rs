//! The execution engines that come with trainer, one folder each, with the same file names in each.
//!
//! **Architecture invariant: an engine executes the plan.** Nothing here computes a variable, a host
//! name or an order of steps; what an engine can't honour it refuses before its first side effect.

#[cfg(all(feature = "container", target_os = "linux"))]
pub mod container;
#[cfg(all(feature = "local", target_os = "linux"))]
pub mod local;
