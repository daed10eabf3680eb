//! An engine's errors, as ours.
//!
//! **Rule: only an engine that answered can say that something isn't there.** Whatever keeps a request from
//! being answered is [`Unreachable`](ErrorKind::Unreachable), with the engine that was asked.

use std::io;

use bollard::errors::Error as EngineError;
use trainer_core::{Error, ErrorKind};

use super::endpoint::Endpoint;

/// The error of a request to `endpoint`; `doing` completes "failed to …".
pub(super) fn failed(endpoint: &Endpoint, doing: &str, error: EngineError) -> Error {
    match &error {
        EngineError::DockerResponseServerError { status_code, message } => {
            refused(*status_code, doing, message).with_context("engine", endpoint.to_string())
        }
        EngineError::DockerStreamError { error: message } => {
            refused(500, doing, message).with_context("engine", endpoint.to_string())
        }
        EngineError::JsonDataError { .. } | EngineError::JsonSerdeError { .. } => Error::new(
            ErrorKind::Internal,
            format!("failed to {doing}: the engine's answer is not understood: {}", cause(&error)),
        )
        .with_context("engine", endpoint.to_string())
        .with_source(error),
        other if unanswered(other) => unreachable(endpoint, &cause(&error)).with_source(error),
        _ => Error::new(ErrorKind::Internal, format!("failed to {doing}: {}", cause(&error))).with_source(error),
    }
}

/// The engine was there, and doesn't answer.
pub(super) fn unreachable(endpoint: &Endpoint, why: &str) -> Error {
    Error::new(ErrorKind::Unreachable, format!("the container engine at {endpoint} doesn't answer: {why}"))
        .with_hint("start it again, or see its own log for why it doesn't answer; containers may well go on without it")
}

/// What an engine says when its disk is full.
pub(super) fn disk_full(message: &str) -> bool {
    let message = message.to_lowercase();
    message.contains("no space left on device") || message.contains("disk quota exceeded")
}

fn refused(status: u16, doing: &str, message: &str) -> Error {
    let message = message.trim();
    let message = if message.is_empty() { "the engine says no more than that" } else { message };
    let error = Error::new(kind(status, message), format!("failed to {doing}: {message}"));
    if disk_full(message) {
        return error.with_hint("make room where the engine keeps its data: `docker system df` or `podman system df`");
    }
    error
}

fn kind(status: u16, message: &str) -> ErrorKind {
    let says = |what: &str| message.to_lowercase().contains(what);
    match status {
        _ if disk_full(message) => ErrorKind::Io,
        404 => ErrorKind::NotFound,
        409 if says("already in use") || says("already exists") => ErrorKind::AlreadyExists,
        409 | 304 => ErrorKind::Conflict,
        401 | 403 => ErrorKind::Denied,
        501 => ErrorKind::Unsupported,
        400 if says("not supported") || says("unsupported") => ErrorKind::Unsupported,
        400 => ErrorKind::Invalid,
        // Podman says these of things that exist, or don't, with the status of a failure.
        500 if says("already in use") || says("already exists") => ErrorKind::AlreadyExists,
        500 if says("no such container") || says("no such network") || says("no such volume") => ErrorKind::NotFound,
        502 | 504 => ErrorKind::Unreachable,
        _ => ErrorKind::Internal,
    }
}

/// Whether the request went without an answer.
fn unanswered(error: &EngineError) -> bool {
    matches!(
        error,
        EngineError::HyperLegacyError { .. }
            | EngineError::HyperResponseError { .. }
            | EngineError::IOError { .. }
            | EngineError::RequestTimeoutError
            | EngineError::SocketNotFoundError(_)
    )
}

/// What is at the bottom of an error: the layers above it only say that a request failed.
pub(super) fn cause(error: &EngineError) -> String {
    if matches!(error, EngineError::RequestTimeoutError) {
        return "the request ran out of time".to_owned();
    }
    let mut deepest: &dyn std::error::Error = error;
    while let Some(source) = deepest.source() {
        deepest = source;
    }
    match deepest.downcast_ref::<io::Error>() {
        Some(error) => io_cause(error),
        None => deepest.to_string(),
    }
}

/// Why a connection failed, in words that don't depend on the platform.
pub(super) fn io_cause(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::NotFound => "no such file".to_owned(),
        io::ErrorKind::PermissionDenied => "permission denied".to_owned(),
        io::ErrorKind::ConnectionRefused => "connection refused".to_owned(),
        _ => error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn endpoint() -> Endpoint {
        Endpoint::configured("unix:///run/engine.sock")
    }

    fn answer(status_code: u16, message: &str) -> Error {
        let error = EngineError::DockerResponseServerError { status_code, message: message.to_owned() };
        failed(&endpoint(), "create the container `a`", error)
    }

    #[test]
    fn what_an_engine_answers_says_the_kind_and_is_said_once() {
        for (status, message, kind) in [
            (404, "No such container: a", ErrorKind::NotFound),
            (409, "Conflict. The container name \"/a\" is already in use", ErrorKind::AlreadyExists),
            (409, "container a is not running", ErrorKind::Conflict),
            (403, "network has active endpoints", ErrorKind::Denied),
            (400, "invalid reference format", ErrorKind::Invalid),
            (400, "runtime is not supported here", ErrorKind::Unsupported),
            (500, "write /x: no space left on device", ErrorKind::Io),
            (500, "the container name \"a\" is already in use by 1234", ErrorKind::AlreadyExists),
            (500, "oci runtime error", ErrorKind::Internal),
        ] {
            let error = answer(status, message);
            assert_eq!(error.kind(), kind, "{status} {message}");
            assert_eq!(error.to_string(), format!("failed to create the container `a`: {message}"));
        }
    }

    #[test]
    fn no_answer_is_never_an_answer_and_names_the_engine() {
        let gone = io::Error::from(io::ErrorKind::ConnectionRefused);
        for (error, why) in [
            (EngineError::RequestTimeoutError, "the request ran out of time"),
            (EngineError::IOError { err: gone }, "connection refused"),
        ] {
            let error = failed(&endpoint(), "list containers", error);
            assert_eq!(error.kind(), ErrorKind::Unreachable);
            assert_eq!(
                error.to_string(),
                format!("the container engine at unix:///run/engine.sock (configured) doesn't answer: {why}")
            );
        }
    }
}
