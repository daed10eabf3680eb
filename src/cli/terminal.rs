//! Standard output is for results, standard error for everything else.

use std::{fmt, io, io::Write, time::Duration};

use anstream::{AutoStream, ColorChoice};
use rustix::event::{PollFd, PollFlags, Timespec};
use serde::Serialize;
use trainer_core::{Error, ErrorKind};

use super::failure::Outcome;

/// Where results go. Colours are left out where nobody would see them.
pub(super) fn out() -> impl Write {
    anstream::stdout().lock()
}

/// Says one line on standard error. Nobody listening there is no reason to stop.
pub(super) fn say(line: fmt::Arguments<'_>) {
    let _ = writeln!(anstream::stderr().lock(), "{line}");
}

/// Whether results may be coloured.
pub(super) fn colours_results() -> bool {
    AutoStream::choice(&io::stdout()) != ColorChoice::Never
}

/// Until nobody reads results any more. The next one wouldn't be read either, but may be long in coming.
pub(super) async fn closed() {
    let nobody_reads = || {
        let mut stdout = [PollFd::from_borrowed_fd(rustix::stdio::stdout(), PollFlags::empty())];
        let looked = rustix::event::poll(&mut stdout, Some(&Timespec::default()));
        looked.is_ok() && stdout[0].revents().intersects(PollFlags::ERR | PollFlags::HUP)
    };
    while !nobody_reads() {
        tokio::time::sleep(Duration::from_millis(250)).await;
    }
}

/// Writes `value` as indented JSON.
pub(super) fn write_json(value: &impl Serialize) -> Outcome<()> {
    let text = serde_json::to_string_pretty(value).map_err(internal)?;
    Ok(writeln!(out(), "{text}")?)
}

/// Writes `value` as a YAML document.
pub(super) fn write_yaml(value: &impl Serialize) -> Outcome<()> {
    let text = trainer_core::manifest::to_yaml(value)?;
    Ok(write!(out(), "{text}")?)
}

fn internal(error: serde_json::Error) -> Error {
    Error::new(ErrorKind::Internal, format!("failed to write JSON: {error}")).with_source(error)
}
