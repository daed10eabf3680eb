//! Generates the registry of backends.

fn main() {}
