//! The same four backends behind each kind of dispatch: the generated enum, a `match` written by hand,
//! `Box<dyn>`, and `HashMap<String, Box<dyn>>`.
//!
//! **Architecture invariant: the same work everywhere.** The kinds differ in how a call gets to its
//! backend, and in nothing else.

mod assembly;
mod backends;
mod by_hand;
mod mixture;
mod object;

pub use assembly::{poll_by_hand, poll_generated, synchronous_by_hand, synchronous_generated};
pub use backends::{Amber, Blue, Coral, Denim};
pub use by_hand::ByHand;
pub use mixture::{CALLS, Mixture};
pub use object::Object;
pub use registry::Backend;

trainer::registry!();

/// Polls once; the backends here wait for nothing.
///
/// # Panics
/// If the future waits.
pub fn now<F: Future>(future: F) -> F::Output {
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    match std::pin::pin!(future).poll(&mut context) {
        std::task::Poll::Ready(output) => output,
        std::task::Poll::Pending => panic!("the future waits"),
    }
}
