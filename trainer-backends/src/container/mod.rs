//! The backend `container`: nodes are containers of Docker or Podman, reached through their API alone.
//!
//! **Rule: an engine that doesn't answer is never an engine without the job.** What the engine says reaches
//! the user whole, and what it didn't say is not guessed.

mod anchor;
mod backend;
mod check;
mod config;
mod contexts;
mod ending;
mod endpoint;
mod engine;
mod error;
mod fields;
mod files;
mod foreign;
mod gpus;
pub mod images;
mod keys;
mod labels;
mod launch;
mod logs;
mod memory;
mod network;
mod node;
mod objects;
mod output;
mod placement;
mod prepared;
mod preview;
mod source;
mod submission;
mod user;
mod variables;
mod watching;

pub use backend::ContainerBackend;
pub use config::{ContainerConfig, ContainerOptions};
pub use endpoint::{Endpoint, Found, Selected};
pub use engine::{Engine, Flavour, Version};
pub use gpus::GpuRequests;
pub use user::UserChoice;
