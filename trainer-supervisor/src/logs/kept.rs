//! What an earlier supervisor has kept of a node's output.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, BufRead as _, BufReader},
    path::Path,
};

use trainer_core::job::OutputStream;

use super::{
    LONGEST_RECORD, LastWords,
    cri::{self, Kind},
    writer::rotated,
};
use crate::launcher::Seen;

/// What of an attempt is in the log of a node.
#[derive(Debug)]
pub(crate) struct Kept {
    /// How much of its output. `None`: that can't be told any more.
    pub(crate) seen: Option<Seen>,
    /// What it said last.
    pub(crate) last_words: LastWords,
}

impl Kept {
    /// Reads the log at `path`, which nobody writes. A record that was cut off is removed from it: its whole output comes
    /// again.
    pub(crate) fn of(path: &Path, attempt: u32) -> Self {
        let mut count = Count::of(attempt);
        let complete = remove_torn_record(path)
            .and_then(|()| [rotated(path), path.to_path_buf()].iter().try_for_each(|file| count.add_file(file)));
        Self { seen: count.seen.filter(|_| complete.is_ok()), last_words: count.last_words }
    }
}

struct Count {
    /// What opens the attempt.
    mark: String,
    /// `None`: before the mark, or behind a gap.
    seen: Option<Seen>,
    last_words: LastWords,
}

impl Count {
    fn of(attempt: u32) -> Self {
        Self { mark: attempt.to_string(), seen: None, last_words: LastWords::default() }
    }

    fn add_file(&mut self, path: &Path) -> io::Result<()> {
        let file = match File::open(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            other => other?,
        };
        let mut reader = BufReader::with_capacity(2 * LONGEST_RECORD, file);
        let mut line = Vec::new();
        while reader.read_until(b'\n', &mut line)? > 0 {
            line.pop_if(|byte| *byte == b'\n');
            self.add(&line);
            line.clear();
        }
        Ok(())
    }

    fn add(&mut self, line: &[u8]) {
        let Some(record) = cri::parse(line) else {
            self.seen = None;
            return;
        };
        match record.kind {
            Kind::Attempt => {
                self.seen = (record.content == self.mark.as_bytes()).then(Seen::default);
                self.last_words = LastWords::default();
            }
            Kind::Gap => self.seen = None,
            Kind::Rotation => {}
            Kind::Output(stream) => {
                // A line's end is in no record.
                let bytes = record.content.len() as u64 + u64::from(!record.partial);
                if let Some(seen) = &mut self.seen {
                    match stream {
                        OutputStream::Stdout => seen.stdout += bytes,
                        OutputStream::Stderr => seen.stderr += bytes,
                    }
                }
                if stream == OutputStream::Stderr && !record.partial {
                    self.last_words.hear(record.content);
                }
            }
        }
    }
}

/// Cuts off what a supervisor that was killed while it wrote has left of a record.
fn remove_torn_record(path: &Path) -> io::Result<()> {
    use std::os::unix::fs::FileExt as _;
    let file = match OpenOptions::new().read(true).write(true).open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        other => other?,
    };
    let size = fs::metadata(path)?.len();
    // A record is longer than its content by a time and three words.
    let mut end = vec![0; usize::try_from(size).unwrap_or(usize::MAX).min(2 * LONGEST_RECORD)];
    let start = size - end.len() as u64;
    file.read_exact_at(&mut end, start)?;
    let whole = end.iter().rposition(|byte| *byte == b'\n').map_or(0, |last| last as u64 + 1);
    if start + whole < size { file.set_len(start + whole) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::{cell::RefCell, io::Write as _, path::PathBuf};

    use tempfile::TempDir;

    use super::*;
    use crate::logs::{NodeLog, ROTATE_AT, pump};

    struct Place {
        _folder: TempDir,
        path: PathBuf,
    }

    fn place() -> Place {
        let folder = tempfile::tempdir().unwrap();
        Place { path: folder.path().join("node-0.log"), _folder: folder }
    }

    impl Place {
        /// Has a node of this attempt write `stdout` and `stderr`.
        async fn write(&self, attempt: u32, stdout: &[u8], stderr: &[u8]) {
            let log = RefCell::new(NodeLog::begin(self.path.clone(), attempt));
            self.write_on(&log, stdout, stderr).await;
        }

        async fn write_on(&self, log: &RefCell<NodeLog>, stdout: &[u8], stderr: &[u8]) {
            let words = RefCell::new(LastWords::default());
            pump(stdout, OutputStream::Stdout, log, &words).await;
            pump(stderr, OutputStream::Stderr, log, &words).await;
        }

        fn seen(&self, attempt: u32) -> Option<Seen> {
            Kept::of(&self.path, attempt).seen
        }
    }

    #[tokio::test]
    async fn every_byte_of_the_attempt_counts_and_none_of_another() {
        let place = place();
        place.write(1, b"of the first\n", b"").await;
        let mut stdout = b"a line\n\nprogress 1%\rprogress 2%\r\n".to_vec();
        stdout.extend(vec![b'x'; 3 * LONGEST_RECORD + 7]);
        stdout.push(b'\n');
        let stderr = b"KeyError: 'x'\n";
        place.write(2, &stdout, stderr).await;
        let expected = Seen { stdout: stdout.len() as u64, stderr: stderr.len() as u64 };
        let kept = Kept::of(&place.path, 2);
        assert_eq!(kept.seen, Some(expected));
        assert_eq!(kept.last_words.cause(), Some("KeyError: 'x'"));
        assert_eq!(place.seen(1), None, "the second attempt has begun");
        assert_eq!(place.seen(3), None, "not begun");
    }

    #[tokio::test]
    async fn a_record_that_was_cut_off_comes_again() {
        let place = place();
        place.write(1, b"whole\n", b"").await;
        let mut file = OpenOptions::new().append(true).open(&place.path).unwrap();
        file.write_all(b"2026-01-02T03:04:05.000000000Z stdout F cut o").unwrap();
        assert_eq!(place.seen(1), Some(Seen { stdout: 6, stderr: 0 }));
        assert!(fs::read_to_string(&place.path).unwrap().ends_with(" stdout F whole\n"));
    }

    #[tokio::test]
    async fn behind_a_gap_nobody_knows() {
        let place = place();
        place.write(1, b"a\n", b"").await;
        NodeLog::open(place.path.clone()).mark_gap("for a test");
        assert_eq!(place.seen(1), None);
    }

    #[tokio::test]
    async fn a_rotated_log_counts_as_long_as_its_beginning_is_there() {
        let place = place();
        let log = RefCell::new(NodeLog::begin(place.path.clone(), 1));
        let line = [vec![b'x'; 4095], vec![b'\n']].concat();
        // With what stands around each line it is more.
        let one_file = line.repeat(usize::try_from(ROTATE_AT).unwrap() / line.len());
        place.write_on(&log, &one_file, b"").await;
        place.write_on(&log, b"end\n", b"").await;
        assert!(rotated(&place.path).exists());
        assert_eq!(place.seen(1), Some(Seen { stdout: one_file.len() as u64 + 4, stderr: 0 }));
        place.write_on(&log, &one_file, b"").await;
        assert_eq!(place.seen(1), None, "the mark has been rotated away");
    }
}
