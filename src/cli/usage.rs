//! What is wrong with a command line, in the words of the type that refused it.

use std::error::Error as _;

use clap::error::{ContextKind, ContextValue, ErrorKind};
use trainer_core::Error;

use super::failure::Failure;

/// The failure that stands for `error`. Help and clap's own errors are printed by clap, which ends the process.
pub(super) fn failure(error: &clap::Error) -> Failure {
    let refused = error.source().and_then(|source| source.downcast_ref::<Error>());
    match (error.kind(), refused) {
        (ErrorKind::ValueValidation, Some(refused)) => Failure::Error(named(error, refused)),
        (ErrorKind::UnknownArgument, _) => match file_without_flag(error) {
            Some(error) => Failure::Error(error),
            None => error.exit(),
        },
        _ => error.exit(),
    }
}

/// `refused`, after the flag whose value it was.
fn named(error: &clap::Error, refused: &Error) -> Error {
    let flag = match error.get(ContextKind::InvalidArg) {
        Some(ContextValue::String(argument)) if argument.starts_with('-') => argument.split(' ').next(),
        _ => None,
    };
    let message = match flag {
        Some(flag) => format!("`{flag}`: {refused}"),
        None => refused.to_string(),
    };
    let named = Error::new(refused.kind(), message);
    match refused.hint() {
        Some(hint) => named.with_hint(hint),
        None => named,
    }
}

/// `apply job.yaml`: what was meant, where a command takes its file with a flag.
fn file_without_flag(error: &clap::Error) -> Option<Error> {
    let takes_file = matches!(
        error.get(ContextKind::Usage),
        Some(ContextValue::StyledStr(usage)) if usage.to_string().contains("--file <FILE>")
    );
    match error.get(ContextKind::InvalidArg) {
        Some(ContextValue::String(word)) if takes_file && !word.starts_with('-') => {
            let word = word.escape_debug();
            Some(
                Error::invalid(format!("unexpected argument `{word}`")).with_hint(format!("did you mean `-f {word}`?")),
            )
        }
        _ => None,
    }
}
