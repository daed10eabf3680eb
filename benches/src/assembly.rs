//! The same call through two enums, as functions whose machine code can be compared.

use std::{
    pin::Pin,
    task::{Context, Poll},
};

use trainer::{JobName, Result, TrainerBackend};

use crate::{Backend, ByHand};

/// A synchronous call through the generated enum.
#[inline(never)]
pub fn synchronous_generated(backend: &Backend) -> bool {
    backend.stops_on_interrupt()
}

/// A synchronous call through the match written by hand.
#[inline(never)]
pub fn synchronous_by_hand(backend: &ByHand) -> bool {
    backend.stops_on_interrupt()
}

/// What polls an asynchronous call through the generated enum.
pub fn poll_generated(backend: &Backend, name: &JobName) -> usize {
    poll(&backend.resume(name))
}

/// What polls an asynchronous call through the match written by hand.
pub fn poll_by_hand(backend: &ByHand, name: &JobName) -> usize {
    poll(&backend.resume(name))
}

/// The function has no name in Rust; to take its address is to have it compiled by itself.
fn poll<F: Future<Output = Result<()>>>(_: &F) -> usize {
    F::poll as fn(Pin<&mut F>, &mut Context<'_>) -> Poll<F::Output> as usize
}
