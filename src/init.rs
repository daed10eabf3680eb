//! The way into a process that was started to supervise a job.

use crate::registry::BackendRegistry;

/// Call it first in `main`, before any thread is started.
///
/// A backend may start this same executable again, to supervise a job. There it does that and ends the
/// process; in every other process it returns at once. `trainer::main` does it by itself.
///
/// # Panics
/// Within an asynchronous runtime: there, that process could supervise nothing.
pub fn init<B: BackendRegistry>() {
    assert!(
        tokio::runtime::Handle::try_current().is_err(),
        "`trainer::init` comes before any asynchronous runtime: call it in a `main` that isn't `async`, then start one"
    );
    #[cfg(target_os = "linux")]
    if let Some(code) = trainer_supervisor::entry(B::supervise) {
        // An `ExitCode` doesn't give its number away, but can be compared.
        let number = (0..=u8::MAX).find(|number| std::process::ExitCode::from(*number) == code);
        std::process::exit(number.map_or(1, i32::from));
    }
}

#[cfg(test)]
mod tests {
    use crate::registry::Backend;

    #[test]
    fn a_process_that_supervises_nothing_goes_on() {
        super::init::<Backend>();
    }

    #[tokio::test]
    #[should_panic(expected = "before any asynchronous runtime")]
    async fn within_a_runtime_it_says_where_it_belongs() {
        super::init::<Backend>();
    }
}
