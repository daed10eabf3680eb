//! The built-in training runtimes.
