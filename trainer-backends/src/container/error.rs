//! An engine's errors, as ours.
