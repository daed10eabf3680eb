//! What one would write with trait objects.

use std::pin::Pin;

use trainer::{JobName, Result, TrainerBackend};

use crate::{Amber, Blue, Coral, Denim};

/// The contract as a trait object needs it: a future of unknown size is a box.
pub trait Object: Send + Sync {
    /// A synchronous call.
    fn stops_on_interrupt(&self) -> bool;

    /// An asynchronous call.
    fn resume<'a>(&'a self, name: &'a JobName) -> Pin<Box<dyn Future<Output = Result<()>> + Send + 'a>>;
}

macro_rules! object {
    ($($backend:ty),*) => { $(
        impl Object for $backend {
            fn stops_on_interrupt(&self) -> bool {
                TrainerBackend::stops_on_interrupt(self)
            }

            fn resume<'a>(&'a self, name: &'a JobName) -> Pin<Box<dyn Future<Output = Result<()>> + Send + 'a>> {
                Box::pin(TrainerBackend::resume(self, name))
            }
        }
    )* };
}

object!(Amber, Blue, Coral, Denim);
