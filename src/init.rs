//! The way into a process that was started to supervise a job.

use crate::registry::BackendRegistry;

/// Call it first in `main`, before any thread is started.
///
/// A backend may start this same executable again, to supervise a job. There it does that and ends the
/// process; in every other process it returns at once. `trainer::main` does it by itself.
pub fn init<B: BackendRegistry>() {
    #[cfg(target_os = "linux")]
    if let Some(code) = trainer_supervisor::entry(B::supervise) {
        // An `ExitCode` doesn't give its number away, but can be compared.
        let number = (0..=u8::MAX).find(|number| std::process::ExitCode::from(*number) == code);
        std::process::exit(number.map_or(1, i32::from));
    }
}
