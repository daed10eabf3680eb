//! The client: what is the same for all engines.

use crate::TrainerBackend;

/// Submits jobs to a backend and follows them.
#[derive(Clone, Debug)]
pub struct TrainerClient<B> {
    backend: B,
}

impl<B: TrainerBackend> TrainerClient<B> {
    /// A client of `backend`.
    pub fn new(backend: B) -> Self {
        Self { backend }
    }

    /// The backend.
    pub fn backend(&self) -> &B {
        &self.backend
    }
}
