//! What a registry is, and the one of this crate: the backends that its features turn on.

pub use trainer_core::registry::*;

include!(concat!(env!("OUT_DIR"), "/trainer_registry.rs"));
