//! A scripted in-memory backend, for tests and examples.
