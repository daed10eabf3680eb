//! What one would write without a registry.

use trainer::{JobName, Result, TrainerBackend};

use crate::{Amber, Blue, Coral, Denim};

/// The same variants as the generated enum.
pub enum ByHand {
    /// One.
    Amber(Amber),
    /// Another.
    Blue(Blue),
    /// A third.
    Coral(Coral),
    /// The last.
    Denim(Denim),
}

impl ByHand {
    /// A synchronous call.
    #[inline]
    pub fn stops_on_interrupt(&self) -> bool {
        match self {
            Self::Amber(backend) => backend.stops_on_interrupt(),
            Self::Blue(backend) => backend.stops_on_interrupt(),
            Self::Coral(backend) => backend.stops_on_interrupt(),
            Self::Denim(backend) => backend.stops_on_interrupt(),
        }
    }

    /// An asynchronous call.
    ///
    /// # Errors
    /// As the backend has it.
    #[inline]
    pub async fn resume(&self, name: &JobName) -> Result<()> {
        match self {
            Self::Amber(backend) => backend.resume(name).await,
            Self::Blue(backend) => backend.resume(name).await,
            Self::Coral(backend) => backend.resume(name).await,
            Self::Denim(backend) => backend.resume(name).await,
        }
    }
}
