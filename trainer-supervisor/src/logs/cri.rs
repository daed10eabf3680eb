//! The line format of a log file: `2026-01-02T03:04:05.123456789Z stdout F content`.
//!
//! `F` ends a line, `P` is a part of one. Beside `stdout` and `stderr` there are three streams of ours:
//! `gap` says that content is missing here, and why; `rotation` opens a file that is not the first and
//! says how many files there were before it; `attempt` says which attempt the records behind it are of.

use std::io::Write as _;

use jiff::Timestamp;
use trainer_core::job::OutputStream;

/// Bytes of a time: always nanoseconds and UTC, so that times compare as text.
const TIME_LEN: usize = 30;

/// One record of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Record<'a> {
    /// Its time as written; compares as text.
    pub(super) time: &'a [u8],
    pub(super) kind: Kind,
    pub(super) partial: bool,
    pub(super) content: &'a [u8],
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Output(OutputStream),
    Gap,
    Rotation,
    Attempt,
}

impl Kind {
    fn word(self) -> &'static str {
        match self {
            Self::Output(OutputStream::Stdout) => "stdout",
            Self::Output(OutputStream::Stderr) => "stderr",
            Self::Gap => "gap",
            Self::Rotation => "rotation",
            Self::Attempt => "attempt",
        }
    }
}

/// The time as it stands in records.
pub(super) fn time(time: Timestamp) -> String {
    format!("{time:.9}")
}

/// Appends a record to `out`. `content` has no line end.
pub(super) fn append(out: &mut Vec<u8>, time: &str, kind: Kind, partial: bool, content: &[u8]) {
    // Writing to memory can't fail.
    let _ = write!(out, "{time} {} {} ", kind.word(), if partial { 'P' } else { 'F' });
    out.extend_from_slice(content);
    out.push(b'\n');
}

/// Reads a record, given without its line end; `None` if it isn't one.
pub(super) fn parse(line: &[u8]) -> Option<Record<'_>> {
    let (time, rest) = line.split_at_checked(TIME_LEN)?;
    let mut words = rest.strip_prefix(b" ")?.splitn(3, |byte| *byte == b' ');
    let word = words.next()?;
    let tag = words.next()?;
    let content = words.next()?;
    let outputs = [OutputStream::Stdout, OutputStream::Stderr].map(Kind::Output);
    let mut kinds = outputs.into_iter().chain([Kind::Gap, Kind::Rotation, Kind::Attempt]);
    let kind = kinds.find(|kind| kind.word().as_bytes() == word)?;
    let partial = match tag {
        b"F" => false,
        b"P" => true,
        _ => return None,
    };
    Some(Record { time, kind, partial, content })
}

impl Record<'_> {
    pub(super) fn timestamp(&self) -> Timestamp {
        let time = std::str::from_utf8(self.time).ok().and_then(|time| time.parse().ok());
        time.unwrap_or(Timestamp::UNIX_EPOCH)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_record_reads_back_as_written_whatever_its_bytes() {
        let now: Timestamp = "2026-01-02T03:04:05.1Z".parse().unwrap();
        for content in [&b""[..], b" two  blanks ", b"\xff\xfe\x00\r50%", "größe".as_bytes()] {
            for partial in [false, true] {
                let mut line = Vec::new();
                append(&mut line, &time(now), Kind::Output(OutputStream::Stderr), partial, content);
                assert_eq!(line.pop(), Some(b'\n'));
                let record = parse(&line).unwrap();
                assert_eq!((record.partial, record.content), (partial, content));
                assert_eq!(record.timestamp(), now);
            }
        }
    }

    #[test]
    fn times_have_one_width() {
        for text in ["2026-01-02T03:04:05Z", "2026-01-02T03:04:05.123456789Z"] {
            assert_eq!(time(text.parse().unwrap()).len(), TIME_LEN);
        }
    }
}
