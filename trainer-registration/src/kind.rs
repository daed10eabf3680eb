//! The kinds of thing that can be registered.

/// All that differs between one registry and the next.
#[derive(Debug, PartialEq, Eq)]
pub struct Kind {
    /// What it is called in messages and in records: `backend`.
    pub word: &'static str,
    /// The attribute that registers one.
    pub attribute: &'static str,
    /// The trait that the generated enum dispatches; `#[dispatch]` is on it.
    pub contract: &'static str,
    /// The trait that makes one.
    pub connect: &'static str,
    /// The generated enum. The names of its variants are the enum `<enum_name>Kind`.
    pub enum_name: &'static str,
    /// The trait that the generated enum implements besides the contract.
    pub registry: &'static str,
}

/// Execution engines.
pub const BACKEND: Kind = Kind {
    word: "backend",
    attribute: "register_backend",
    contract: "TrainerBackend",
    connect: "ConnectBackend",
    enum_name: "Backend",
    registry: "BackendRegistry",
};

/// Every kind.
pub const KINDS: [&Kind; 1] = [&BACKEND];
