//! An engine under test.

use std::{fmt, sync::Arc};

use trainer_core::{Result, TrainerBackend};

/// An engine under test: what to call it, how to reach it, and what it can't do.
pub struct Engine<B> {
    pub(crate) name: String,
    pub(crate) connect: Arc<dyn Fn() -> Result<B> + Send + Sync>,
    pub(crate) lacks: Vec<Capability>,
    pub(crate) secret: Option<Secret>,
}

/// A variable that the engine can resolve for a job that names it in `JobRequest::secrets`.
#[derive(Clone)]
pub struct Secret {
    /// Its name.
    pub variable: String,
    /// Its value; one that occurs nowhere else.
    pub value: String,
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Secret").field("variable", &self.variable).finish_non_exhaustive()
    }
}

impl<B: TrainerBackend> Engine<B> {
    /// An engine that can do everything. `connect` is called for each client that a trial needs.
    pub fn new(name: impl Into<String>, connect: impl Fn() -> Result<B> + Send + Sync + 'static) -> Self {
        Self { name: name.into(), connect: Arc::new(connect), lacks: Vec::new(), secret: None }
    }

    /// Says what the engine can't do. Trials that need it are ignored.
    #[must_use]
    pub fn without(mut self, capability: Capability) -> Self {
        self.lacks.push(capability);
        self
    }

    /// Says which secret the suite may use. Without one, trials of secrets are ignored.
    #[must_use]
    pub fn with_secret(mut self, secret: Secret) -> Self {
        self.secret = Some(secret);
        self
    }

    pub(crate) fn lacks(&self, capability: Capability) -> bool {
        self.lacks.contains(&capability) || (capability == Capability::Secrets && self.secret.is_none())
    }
}

impl<B> Clone for Engine<B> {
    fn clone(&self) -> Self {
        Self {
            name: self.name.clone(),
            connect: Arc::clone(&self.connect),
            lacks: self.lacks.clone(),
            secret: self.secret.clone(),
        }
    }
}

impl<B> fmt::Debug for Engine<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Engine").field("name", &self.name).field("lacks", &self.lacks).finish_non_exhaustive()
    }
}

/// Something that not every engine can do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Capability {
    /// Logs tell standard error from standard output.
    SeparateStreams,
    /// All nodes of a job write to one `TRAINER_OUTPUT_DIR`.
    SharedOutput,
    /// Nodes see the files of `JobRequest::source`.
    Source,
    /// `JobRequest::secrets` are resolved. Follows from [`Engine::with_secret`].
    Secrets,
    /// A failed gang is started again, up to `backoffLimit` times.
    Retries,
    /// A job can be stopped and resumed, and submitted suspended.
    Resume,
    /// The description of a suspended job can be changed.
    Update,
}

impl fmt::Display for Capability {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::SeparateStreams => "separate streams",
            Self::SharedOutput => "a shared output folder",
            Self::Source => "the user's files",
            Self::Secrets => "secrets",
            Self::Retries => "retries",
            Self::Resume => "stopping and resuming",
            Self::Update => "changing a suspended job",
        })
    }
}
