//! How a command ends other than well: what is said on standard error, and the exit code.

use std::{borrow::Cow, io, process::ExitCode};

use clap::builder::styling::{AnsiColor, Style};
use trainer_core::{Error, ErrorKind, Violation};

use super::terminal::say;

/// The result of a command: its exit code, or why there is none.
pub(super) type Outcome<T = ExitCode> = Result<T, Failure>;

/// Why a command ended early.
#[derive(Debug)]
pub(super) enum Failure {
    /// Something went wrong.
    Error(Error),
    /// Whoever read standard output has had enough (`| head`): not an error of anybody.
    Closed,
}

impl Failure {
    /// Says it on standard error, in the words of the command `command`.
    pub(super) fn report(&self, command: &str) -> ExitCode {
        match self {
            Self::Closed => ExitCode::SUCCESS,
            Self::Error(error) => {
                report(error, command);
                ExitCode::from(error.kind().exit_code())
            }
        }
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Error(error)
    }
}

/// Writing results failed.
impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        if error.kind() == io::ErrorKind::BrokenPipe {
            return Self::Closed;
        }
        Self::Error(Error::new(ErrorKind::Io, format!("failed to write the result: {error}")).with_source(error))
    }
}

const ERROR: Style = AnsiColor::Red.on_default().bold();
const HINT: Style = AnsiColor::Cyan.on_default();
const NOTE: Style = Style::new().bold();
const WARNING: Style = AnsiColor::Yellow.on_default().bold();

/// Says `error`, with what there is to it.
pub(super) fn report(error: &Error, command: &str) {
    say(format_args!("{ERROR}error{ERROR:#}: {}", visible(&error.to_string())));
    details(error, command);
}

/// Says `error` as a warning: it stops nothing.
pub(super) fn warn_of(error: &Error, command: &str) {
    warn(&error.to_string());
    details(error, command);
}

/// The violations of `error`, one a line, and its hint.
fn details(error: &Error, command: &str) {
    let file = error.context().find_map(|(key, value)| (key == "file").then_some(value));
    // An error without a file has its only objection in its message.
    let listed = if file.is_none() && error.violations().len() == 1 { &[] } else { error.violations() };
    // A label is a subdomain: who knows of the stricter rule needs no word of the other.
    let has_stricter =
        |violation: &Violation| violation.rule == "crd:name" && violation.field.as_deref() == Some("<nil>");
    let stricter = listed.iter().any(has_stricter);
    let listed = listed.iter().filter(|violation| {
        let name = violation.rule == "crd:name" && violation.field.as_deref() == Some("metadata.name");
        !(stricter && name)
    });
    for violation in listed {
        say(format_args!("  {}", visible(&line(violation, file))));
        if let Some(hint) = violation.hint.as_deref().filter(|hint| error.hint() != Some(hint)) {
            say(format_args!("    {HINT}hint{HINT:#}: {}", visible(&in_words_of(command, hint))));
        }
    }
    if let Some(hint) = error.hint() {
        say(format_args!("{HINT}hint{HINT:#}: {}", visible(&in_words_of(command, hint))));
    }
}

/// Says something that the user should know, and that stops nothing.
pub(super) fn warn(message: &str) {
    say(format_args!("{WARNING}warning{WARNING:#}: {}", visible(message)));
}

/// Says something that is good to know.
pub(super) fn note(message: &str) {
    say(format_args!("{NOTE}note{NOTE:#}: {}", visible(message)));
}

/// `job.yaml:7:3: spec.trainer.env: …`
fn line(violation: &Violation, file: Option<&str>) -> String {
    let place = match (file, violation.line, violation.column) {
        (Some(file), Some(line), Some(column)) => format!("{file}:{line}:{column}: "),
        _ => String::new(),
    };
    format!("{place}{violation}")
}

/// Libraries write `trainer …`; a binary of another name says its own.
fn in_words_of(command: &str, hint: &str) -> String {
    hint.replace("`trainer ", &format!("`{command} "))
}

/// What a file says may be told to a terminal, and isn't to command it: control characters are spelled out, all
/// but the ends of lines.
pub(super) fn visible(text: &str) -> Cow<'_, str> {
    let commands = |c: char| c.is_control() && c != '\n';
    if !text.contains(commands) {
        return Cow::Borrowed(text);
    }
    text.chars().map(|c| if commands(c) { c.escape_default().to_string() } else { c.to_string() }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_characters_are_spelled_out() {
        assert_eq!(visible("größe\n\u{1b}[32mx\u{9b}2J\r"), "größe\n\\u{1b}[32mx\\u{9b}2J\\r");
    }
}
