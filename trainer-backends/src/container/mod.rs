//! The backend `container`: nodes are containers of Docker or Podman, reached through their API alone.
//!
//! **Rule: an engine that doesn't answer is never an engine without the job.** What the engine says reaches
//! the user whole, and what it didn't say is not guessed.

mod contexts;
mod endpoint;
mod engine;
mod error;
mod gpus;
pub mod images;

pub use endpoint::{Endpoint, Found, Selected};
pub use engine::{Engine, Flavour, Version};
pub use gpus::GpuRequests;
