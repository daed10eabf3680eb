//! One node's log, read in order across its rotation, as far as it has been written.

use std::{
    collections::VecDeque,
    fs::File,
    io::{self, BufRead as _, BufReader, Read as _, Seek as _, SeekFrom},
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
};

use trainer_core::{
    NodeIndex,
    job::{LogItem, LogLine, OutputStream},
};

use super::{
    LONGEST_RECORD,
    cri::{self, Kind},
    writer::rotated,
};

/// A line of a log that is waiting for its turn.
pub(super) struct Head {
    /// Its time as written; compares as text.
    pub(super) time: Vec<u8>,
    pub(super) item: LogItem,
}

/// Reads the records of one node.
pub(super) struct NodeReader {
    path: PathBuf,
    step: String,
    node: NodeIndex,
    files: VecDeque<OpenFile>,
    /// Content that was gone before it could be read.
    gap: bool,
    head: Option<Head>,
}

struct OpenFile {
    reader: BufReader<File>,
    /// How many files there were before it.
    number: u64,
    inode: (u64, u64),
    /// The beginning of a record that is being written.
    torn: Vec<u8>,
}

impl NodeReader {
    pub(super) fn new(path: PathBuf, step: &str, node: NodeIndex) -> Self {
        let mut reader = Self { path, step: step.to_owned(), node, files: VecDeque::new(), gap: false, head: None };
        reader.open_from(0);
        reader
    }

    /// Skips all but the last `lines` lines of what has been written so far.
    pub(super) fn keep_last(&mut self, lines: usize) -> io::Result<()> {
        let start = self.find_tail(lines)?;
        self.gap = false;
        let Some((index, offset)) = start else {
            // Fewer lines than asked for, or none wanted.
            let from = if lines == 0 { SeekFrom::End(0) } else { SeekFrom::Start(0) };
            for file in &mut self.files {
                file.reader.seek(from)?;
            }
            return Ok(());
        };
        self.files.drain(..index);
        for (position, file) in self.files.iter_mut().enumerate() {
            file.reader.seek(SeekFrom::Start(if position == 0 { offset } else { 0 }))?;
        }
        Ok(())
    }

    /// The next record, if one has been written. [`take`](Self::take) takes it.
    pub(super) fn peek(&mut self) -> io::Result<Option<&Head>> {
        while self.head.is_none() {
            if self.gap {
                self.gap = false;
                let item =
                    LogItem::Gap(format!("older output of {}-{} was dropped to save space", self.step, self.node));
                self.head = Some(Head { time: Vec::new(), item });
                break;
            }
            let Some(file) = self.files.front_mut() else {
                self.open_from(0);
                if self.files.is_empty() {
                    return Ok(None);
                }
                continue;
            };
            let before = file.torn.len();
            let read = file.reader.read_until(b'\n', &mut file.torn)?;
            if file.torn.last() != Some(&b'\n') {
                if read > 0 && file.torn.len() > before {
                    continue;
                }
                if !self.advance() {
                    return Ok(None);
                }
                continue;
            }
            file.torn.pop();
            let line = std::mem::take(&mut file.torn);
            self.head = self.understand(&line);
        }
        Ok(self.head.as_ref())
    }

    pub(super) fn take(&mut self) -> Option<LogItem> {
        self.head.take().map(|head| head.item)
    }

    fn understand(&self, line: &[u8]) -> Option<Head> {
        let record = cri::parse(line)?;
        let item = match record.kind {
            Kind::Rotation | Kind::Attempt => return None,
            Kind::Gap => {
                LogItem::Gap(format!("{}-{}: {}", self.step, self.node, String::from_utf8_lossy(record.content)))
            }
            Kind::Output(stream) => LogItem::Line(LogLine {
                time: record.timestamp(),
                step: self.step.clone(),
                node: self.node,
                stream,
                bytes: record.content.to_vec(),
                partial: record.partial,
            }),
        };
        Some(Head { time: record.time.to_vec(), item })
    }

    /// At the end of the present file: goes on to the next one, if there is one.
    fn advance(&mut self) -> bool {
        let Some(file) = self.files.front() else { return false };
        if self.files.len() == 1 {
            let named = std::fs::metadata(&self.path).map(|metadata| (metadata.dev(), metadata.ino())).ok();
            if named == Some(file.inode) || named.is_none() {
                return false;
            }
            // Rotated. The file may have grown between our last look at it and its rotation; it doesn't any more.
            let next = file.number + 1;
            self.open_from(next);
            return self.files.len() > 1;
        }
        self.files.pop_front();
        true
    }

    /// Opens the files from the one of this number on, behind those that are open.
    fn open_from(&mut self, number: u64) {
        let mut found: Vec<OpenFile> =
            [rotated(&self.path), self.path.clone()].iter().filter_map(|path| OpenFile::open(path).ok()).collect();
        found.retain(|file| file.number >= number);
        found.dedup_by_key(|file| file.inode);
        if let Some(first) = found.first() {
            self.gap |= first.number > number;
        }
        self.files.extend(found);
    }

    /// File and offset at which the last `lines` lines begin.
    fn find_tail(&mut self, lines: usize) -> io::Result<Option<(usize, u64)>> {
        if lines == 0 {
            return Ok(None);
        }
        let mut starts: VecDeque<(usize, u64)> = VecDeque::new();
        let mut seen = 0_usize;
        // Where the unfinished line of each stream began.
        let mut open: [Option<(usize, u64)>; 2] = [None, None];
        let mut line = Vec::new();
        let mut push = |start| {
            seen += 1;
            if starts.len() == lines {
                starts.pop_front();
            }
            starts.push_back(start);
        };
        for (index, file) in self.files.iter_mut().enumerate() {
            let mut offset = 0;
            loop {
                line.clear();
                let read = file.reader.read_until(b'\n', &mut line)?;
                if line.pop() != Some(b'\n') {
                    break;
                }
                if let Some(record) = cri::parse(&line)
                    && let Kind::Output(stream) = record.kind
                {
                    let open = &mut open[usize::from(stream == OutputStream::Stderr)];
                    let start = *open.get_or_insert((index, offset));
                    if !record.partial {
                        *open = None;
                        push(start);
                    }
                }
                offset += read as u64;
            }
        }
        open.into_iter().flatten().for_each(push);
        Ok(if seen > lines { starts.front().copied() } else { None })
    }
}

impl OpenFile {
    fn open(path: &Path) -> io::Result<Self> {
        let file = File::open(path)?;
        let metadata = file.metadata()?;
        let mut reader = BufReader::with_capacity(2 * LONGEST_RECORD, file);
        let mut first = Vec::new();
        // Longer than any that opens a rotated file, and not as long as a damaged file may be.
        reader.by_ref().take(128).read_until(b'\n', &mut first)?;
        first.pop();
        let number = match cri::parse(&first) {
            Some(record) if record.kind == Kind::Rotation => {
                std::str::from_utf8(record.content).ok().and_then(|number| number.parse().ok()).unwrap_or_default()
            }
            _ => 0,
        };
        reader.seek(SeekFrom::Start(0))?;
        Ok(Self { reader, number, inode: (metadata.dev(), metadata.ino()), torn: Vec::new() })
    }
}

/// How often the log at `path` has been rotated.
pub(super) fn rotations(path: &Path) -> u64 {
    OpenFile::open(path).map(|file| file.number).unwrap_or_default()
}
