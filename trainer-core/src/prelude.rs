//! What a backend, and the generated enum, needs in scope.

pub use crate::{
    Error, ErrorKind, Job, JobName, NodeIndex, Phase, Result, TrainerBackend,
    api::{Runtime, RuntimeRef, TrainJob},
    backend::Finding,
    fields::FieldRule,
    job::{Event, JobStream, ListQuery, LogQuery, LogStream, Page, StopRequest},
    plan::LaunchPlan,
    register_backend,
    registry::{BackendRegistry, ConnectBackend, Key, Known, Registered},
    request::{JobOptions, ReviewedJob},
};
