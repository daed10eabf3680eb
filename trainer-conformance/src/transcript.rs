//! What a job wrote, as lines.

use std::{
    collections::HashMap,
    fmt::{self, Write},
};

use libtest_mimic::Failed;
use trainer_core::{
    NodeIndex,
    job::{LogItem, LogLine, OutputStream},
};

/// The lines of a job in the order of their arrival; the parts of a line are put together.
#[derive(Clone, Debug, Default)]
pub(crate) struct Transcript {
    pub(crate) lines: Vec<LogLine>,
    /// Where in `lines` the unfinished line of each source is.
    unfinished: HashMap<(String, NodeIndex, OutputStream), usize>,
}

impl Transcript {
    pub(crate) fn of(items: impl IntoIterator<Item = LogItem>) -> Result<Self, Failed> {
        let mut transcript = Self::default();
        for item in items {
            transcript.add(item)?;
        }
        Ok(transcript)
    }

    pub(crate) fn add(&mut self, item: LogItem) -> Result<(), Failed> {
        match item {
            LogItem::Line(line) => self.add_line(line),
            LogItem::Gap(why) => return Err(format!("the log has a gap: {why}").into()),
            other => return Err(format!("an unknown item in the log: {other:?}").into()),
        }
        Ok(())
    }

    fn add_line(&mut self, line: LogLine) {
        let source = (line.step.clone(), line.node, line.stream);
        let index = match self.unfinished.remove(&source) {
            Some(index) => {
                let begun = &mut self.lines[index];
                begun.bytes.extend(line.bytes);
                begun.partial = line.partial;
                index
            }
            None => {
                self.lines.push(line);
                self.lines.len() - 1
            }
        };
        if self.lines[index].partial {
            self.unfinished.insert(source, index);
        }
    }

    /// What a node wrote to standard output, line by line.
    pub(crate) fn node(&self, node: u32) -> Vec<String> {
        self.of_stream(node, OutputStream::Stdout)
    }

    pub(crate) fn of_stream(&self, node: u32, stream: OutputStream) -> Vec<String> {
        let lines = self.lines.iter().filter(|line| line.node == NodeIndex(node) && line.stream == stream);
        lines.map(|line| String::from_utf8_lossy(&line.bytes).into_owned()).collect()
    }

    /// What all nodes wrote, each line once for every time that it was written.
    pub(crate) fn sorted(&self) -> Vec<String> {
        let mut lines: Vec<_> =
            self.lines.iter().map(|line| String::from_utf8_lossy(&line.bytes).into_owned()).collect();
        lines.sort();
        lines
    }

    pub(crate) fn says(&self, text: &str) -> bool {
        self.lines.iter().any(|line| String::from_utf8_lossy(&line.bytes).contains(text))
    }
}

impl fmt::Display for Transcript {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const SHOWN: usize = 20;
        if self.lines.len() > SHOWN {
            writeln!(f, "    … {} lines", self.lines.len() - SHOWN)?;
        }
        for line in &self.lines[self.lines.len().saturating_sub(SHOWN)..] {
            let mut text: String = String::from_utf8_lossy(&line.bytes).chars().take(200).collect();
            if line.partial {
                write!(text, " (unfinished)")?;
            }
            writeln!(f, "    {}-{} │ {text}", line.step, line.node)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn parts_of_a_line_are_put_together_whatever_comes_between() {
        let part = |node, text: &str, partial| {
            LogItem::Line(LogLine {
                time: "2026-01-01T00:00:00Z".parse().unwrap(),
                step: "node".to_owned(),
                node: NodeIndex(node),
                stream: OutputStream::Stdout,
                bytes: text.into(),
                partial,
            })
        };
        let items =
            [part(0, "ab", true), part(1, "x", false), part(0, "cd", true), part(0, "", false), part(0, "e", false)];
        let transcript = Transcript::of(items).unwrap();
        assert_eq!(transcript.node(0), ["abcd", "e"]);
        assert_eq!(transcript.node(1), ["x"]);
    }
}
