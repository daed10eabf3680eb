//! The file that a node's output goes to.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Write as _},
    path::{Path, PathBuf},
};

use jiff::Timestamp;
use trainer_core::job::OutputStream;

use super::{
    LONGEST_RECORD, ROTATE_AT,
    cri::{self, Kind},
};

/// A node's log file, open for writing. What can't be written is counted and said in the file as soon as
/// something can be written again: a full disk doesn't stop a training.
#[derive(Debug)]
pub(crate) struct NodeLog {
    path: PathBuf,
    file: Option<File>,
    size: u64,
    rotations: u64,
    lost: u64,
    last: Timestamp,
    records: Vec<u8>,
}

impl NodeLog {
    /// The log at `path` for a node that is going to be launched in this attempt.
    pub(crate) fn begin(path: PathBuf, attempt: u32) -> Self {
        let mut log = Self::open(path);
        log.add_note(Kind::Attempt, &attempt.to_string());
        log
    }

    /// The log at `path`, continued if there is one.
    pub(crate) fn open(path: PathBuf) -> Self {
        let rotations = super::node_reader::rotations(&path);
        let mut log =
            Self { path, file: None, size: 0, rotations, lost: 0, last: Timestamp::UNIX_EPOCH, records: Vec::new() };
        // Here, so that the file of a node that never writes exists as well.
        let _ = log.reopen();
        log
    }

    /// Says that output is missing here.
    pub(crate) fn mark_gap(&mut self, why: &str) {
        self.add_note(Kind::Gap, why);
    }

    fn add_note(&mut self, kind: Kind, text: &str) {
        let now = self.now();
        cri::append(&mut self.records, &now, kind, false, text.as_bytes());
        self.flush();
    }

    /// The time of the next records; never before one that is written.
    pub(super) fn now(&mut self) -> String {
        self.last = self.last.max(Timestamp::now());
        cri::time(self.last)
    }

    /// Adds a line or a part of one, which [`flush`](Self::flush) writes.
    pub(super) fn add(&mut self, time: &str, stream: OutputStream, partial: bool, content: &[u8]) {
        let mut rest = content;
        while let Some((part, after)) = rest.split_at_checked(LONGEST_RECORD)
            && !after.is_empty()
        {
            cri::append(&mut self.records, time, Kind::Output(stream), true, part);
            rest = after;
        }
        cri::append(&mut self.records, time, Kind::Output(stream), partial, rest);
    }

    /// Writes what was added.
    pub(super) fn flush(&mut self) {
        if self.records.is_empty() {
            return;
        }
        if self.write().is_err() {
            self.lost += self.records.len() as u64;
            // A later try begins with a whole file: part of a record may have been written.
            self.file = None;
        }
        self.records.clear();
    }

    fn write(&mut self) -> io::Result<()> {
        if self.size >= ROTATE_AT {
            self.rotate()?;
        }
        if self.file.is_none() {
            self.reopen()?;
        }
        let mut text = Vec::new();
        if self.lost > 0 {
            let why = format!("about {} bytes of output could not be written here", self.lost);
            cri::append(&mut text, &cri::time(self.last), Kind::Gap, false, why.as_bytes());
        }
        let Some(file) = &mut self.file else { return Err(io::ErrorKind::NotConnected.into()) };
        file.write_all(&text)?;
        self.size += text.len() as u64;
        self.lost = 0;
        file.write_all(&self.records)?;
        self.size += self.records.len() as u64;
        Ok(())
    }

    fn reopen(&mut self) -> io::Result<()> {
        let mut file = OpenOptions::new().create(true).append(true).open(&self.path)?;
        let mut size = file.metadata()?.len();
        if size > 0 && !ends_line(&self.path, size)? {
            file.write_all(b"\n")?;
            size += 1;
        }
        self.size = size;
        self.file = Some(file);
        Ok(())
    }

    fn rotate(&mut self) -> io::Result<()> {
        fs::rename(&self.path, rotated(&self.path))?;
        self.file = None;
        self.rotations += 1;
        self.reopen()?;
        let mut first = Vec::new();
        cri::append(&mut first, &cri::time(self.last), Kind::Rotation, false, self.rotations.to_string().as_bytes());
        if let Some(file) = &mut self.file {
            file.write_all(&first)?;
            self.size += first.len() as u64;
        }
        Ok(())
    }
}

/// Where the file before is.
pub(super) fn rotated(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".1");
    PathBuf::from(name)
}

fn ends_line(path: &Path, size: u64) -> io::Result<bool> {
    use std::os::unix::fs::FileExt as _;
    let mut last = [0];
    File::open(path)?.read_exact_at(&mut last, size - 1)?;
    Ok(last == *b"\n")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::os::unix::fs::symlink;

    use super::*;

    fn write(log: &mut NodeLog, line: &[u8]) {
        let now = log.now();
        log.add(&now, OutputStream::Stdout, false, line);
        log.flush();
    }

    #[test]
    fn what_a_full_disk_swallowed_is_said_once_there_is_room() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("node-0.log");
        symlink("/dev/full", &path).unwrap();
        let mut log = NodeLog::open(path.clone());
        write(&mut log, b"swallowed");
        fs::remove_file(&path).unwrap();
        write(&mut log, b"written");
        write(&mut log, b"and more");
        let text = fs::read_to_string(&path).unwrap();
        let kinds: Vec<_> = text.lines().map(|line| cri::parse(line.as_bytes()).unwrap().kind).collect();
        assert_eq!(kinds, [Kind::Gap, Kind::Output(OutputStream::Stdout), Kind::Output(OutputStream::Stdout)]);
        assert!(!text.contains("swallowed"));
    }

    #[test]
    fn a_log_goes_on_behind_a_record_that_was_cut_off() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("node-0.log");
        fs::write(&path, "2026-01-02T03:04:05.000000000Z stdout F cut o").unwrap();
        write(&mut NodeLog::open(path.clone()), b"next");
        let text = fs::read_to_string(&path).unwrap();
        assert!(text.lines().nth(1).unwrap().ends_with(" stdout F next"), "{text}");
    }

    #[test]
    fn a_line_longer_than_a_record_comes_in_parts() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("node-0.log");
        write(&mut NodeLog::open(path.clone()), &vec![b'x'; 2 * LONGEST_RECORD + 1]);
        let text = fs::read_to_string(&path).unwrap();
        let parts: Vec<_> = text.lines().map(|line| cri::parse(line.as_bytes()).unwrap()).collect();
        let shape: Vec<_> = parts.iter().map(|part| (part.partial, part.content.len())).collect();
        assert_eq!(shape, [(true, LONGEST_RECORD), (true, LONGEST_RECORD), (false, 1)]);
    }
}
