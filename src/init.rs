//! The way into a process that was started to supervise a job.

use crate::registry::BackendRegistry;

/// Call it first in `main`, before any thread is started.
///
/// A backend may start this same executable again, to supervise a job. There it does so and ends the
/// process; in every other process it returns at once.
pub fn init<B: BackendRegistry>() {
    // Being built: waits for the supervisor's entry.
}
