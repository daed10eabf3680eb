//! What nodes write, as lines on standard output: `node-0 │ epoch 1`.

use std::{
    io::{self, BufWriter, IsTerminal, StdoutLock, Write},
    time::{Duration, Instant},
};

use clap::builder::styling::{AnsiColor, Style};
use futures_util::{FutureExt, StreamExt};
use jiff::Timestamp;
use serde_json::json;
use trainer_core::{
    Job, NodeIndex, Result,
    job::{LogItem, LogLine, LogStream, OutputStream},
};

use super::{failure::warn, terminal::colours_results};

/// Writes the items of a log.
///
/// On a terminal a piece of a line is shown as it comes, so that progress bars move; where those of several nodes
/// would push each other down, they take turns. Elsewhere lines are written whole, so that they don't mix.
pub(super) struct LogLines<W: Write> {
    to: W,
    form: LogForm,
    live: bool,
    coloured: bool,
    width: usize,
    open: Vec<Open>,
    /// Whose piece the cursor stands behind, and since when.
    at: Option<(Source, Instant)>,
}

/// How a line is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum LogForm {
    /// After the node that wrote it.
    Prefixed,
    /// After the time when it arrived, and the node.
    Timestamped,
    /// As a JSON object.
    Json,
}

/// Whose output.
type Source = (String, NodeIndex, OutputStream);

/// A line that goes on.
struct Open {
    source: Source,
    time: Timestamp,
    bytes: Vec<u8>,
}

impl Open {
    /// Goes on with `bytes`; what they overwrite is gone.
    fn extend(&mut self, bytes: &[u8]) {
        for (number, segment) in bytes.split(|byte| *byte == b'\r').enumerate() {
            if number > 0 && !segment.is_empty() {
                self.bytes.clear();
            }
            self.bytes.extend_from_slice(segment);
        }
    }
}

/// How long a node has the last line of the terminal for itself.
const TURN: Duration = Duration::from_secs(2);

/// A line that is longer is written in pieces.
const LONGEST_LINE: usize = 64 * 1024;

/// One for each node, over and over; red is left to errors.
const COLOURS: [AnsiColor; 6] =
    [AnsiColor::Cyan, AnsiColor::Green, AnsiColor::Magenta, AnsiColor::Yellow, AnsiColor::Blue, AnsiColor::BrightBlack];

impl LogLines<BufWriter<StdoutLock<'static>>> {
    /// To standard output.
    pub(super) fn to_stdout(form: LogForm, job: &Job) -> Self {
        let stdout = io::stdout();
        let live = stdout.is_terminal();
        Self::new(BufWriter::new(stdout.lock()), form, job, live, colours_results())
    }
}

impl<W: Write> LogLines<W> {
    fn new(to: W, form: LogForm, job: &Job, live: bool, coloured: bool) -> Self {
        let names = job.steps.iter().flat_map(|step| step.nodes.iter().map(|node| name(&step.name, node.index).len()));
        let width = names.max().unwrap_or_default();
        Self { to, form, live: live && form != LogForm::Json, coloured, width, open: Vec::new(), at: None }
    }

    /// The next item of `log`. What has been written is passed on before waiting.
    pub(super) async fn next(&mut self, log: &mut LogStream) -> io::Result<Option<Result<LogItem>>> {
        if let Some(item) = log.next().now_or_never() {
            return Ok(item);
        }
        self.to.flush()?;
        Ok(log.next().await)
    }

    /// Writes `item`.
    pub(super) fn write(&mut self, item: LogItem) -> io::Result<()> {
        match item {
            LogItem::Line(line) if self.live => self.piece(line),
            LogItem::Line(line) => self.whole(line),
            LogItem::Gap(why) => {
                self.finish()?;
                warn(&format!("lines are missing here: {why}"));
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// Ends what is open and passes everything on.
    pub(super) fn finish(&mut self) -> io::Result<()> {
        let shown = self.at.take().map(|(source, _)| source);
        if shown.is_some() {
            self.to.write_all(b"\n")?;
        }
        for open in std::mem::take(&mut self.open) {
            if shown.as_ref() != Some(&open.source) {
                self.line(&open.source, open.time, &open.bytes)?;
            }
        }
        self.to.flush()
    }

    fn whole(&mut self, line: LogLine) -> io::Result<()> {
        let source = (line.step, line.node, line.stream);
        let (time, bytes) = match self.open.iter().position(|open| open.source == source) {
            Some(position) => {
                let mut open = self.open.swap_remove(position);
                open.bytes.extend_from_slice(&line.bytes);
                (open.time, open.bytes)
            }
            None => (line.time, line.bytes),
        };
        if line.partial && bytes.len() < LONGEST_LINE {
            self.open.push(Open { source, time, bytes });
            return Ok(());
        }
        self.line(&source, time, &bytes)
    }

    fn line(&mut self, source: &Source, time: Timestamp, bytes: &[u8]) -> io::Result<()> {
        let (step, node, stream) = source;
        if self.form == LogForm::Json {
            let text = String::from_utf8_lossy(bytes);
            let line = json!({ "time": time, "step": step, "node": node, "stream": stream, "text": text });
            return writeln!(self.to, "{line}");
        }
        self.prefix(source, time)?;
        self.to.write_all(bytes)?;
        self.to.write_all(b"\n")
    }

    fn piece(&mut self, line: LogLine) -> io::Result<()> {
        let source = (line.step, line.node, line.stream);
        let at_end = self.at.as_ref().is_some_and(|(at, _)| *at == source);
        let mut open = match self.open.iter().position(|open| open.source == source) {
            Some(position) => self.open.swap_remove(position),
            None => Open { source, time: line.time, bytes: Vec::new() },
        };
        if at_end {
            self.segments(&open.source, open.time, &line.bytes)?;
        }
        open.extend(&line.bytes);
        let has_turn = self.at.as_ref().is_none_or(|(_, since)| since.elapsed() >= TURN);
        // Only what will be overwritten anyway can wait.
        let can_wait = line.partial && line.bytes.starts_with(b"\r");
        if !at_end && (has_turn || !can_wait) {
            if self.at.take().is_some() {
                self.to.write_all(b"\n")?;
            }
            self.prefix(&open.source, open.time)?;
            self.to.write_all(&open.bytes)?;
            self.at = Some((open.source.clone(), Instant::now()));
        }
        if line.partial && open.bytes.len() < LONGEST_LINE {
            self.open.push(open);
        } else {
            self.at = None;
            self.to.write_all(b"\n")?;
        }
        Ok(())
    }

    /// A progress bar returns to the start of its line: that is after the prefix.
    fn segments(&mut self, source: &Source, time: Timestamp, bytes: &[u8]) -> io::Result<()> {
        for (number, segment) in bytes.split(|byte| *byte == b'\r').enumerate() {
            if number > 0 && !segment.is_empty() {
                self.to.write_all(b"\r")?;
                self.prefix(source, time)?;
            }
            self.to.write_all(segment)?;
        }
        Ok(())
    }

    fn prefix(&mut self, (step, node, _): &Source, time: Timestamp) -> io::Result<()> {
        let style = if self.coloured { colour(*node) } else { Style::new() };
        if self.form == LogForm::Timestamped {
            write!(self.to, "{time:.3} ")?;
        }
        write!(self.to, "{style}{:<width$} │{style:#} ", name(step, *node), width = self.width)
    }
}

/// What a node is called: `node-0`.
pub(super) fn name(step: &str, node: NodeIndex) -> String {
    format!("{step}-{node}")
}

fn colour(node: NodeIndex) -> Style {
    COLOURS[node.0 as usize % COLOURS.len()].on_default()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use trainer_core::{
        Phase,
        api::TrainJob,
        job::{Node, Step},
    };

    use super::*;

    fn job() -> Job {
        let name: trainer_core::JobName = "alpha".parse().unwrap();
        let mut job = Job::new(name.clone(), "1", "near", TrainJob::new(&name, "plain"));
        let node = |index| Node { index: NodeIndex(index), phase: Phase::Running, exit: None, reason: None };
        job.steps = vec![Step { name: "node".to_owned(), phase: Phase::Running, nodes: (0..12).map(node).collect() }];
        job
    }

    fn line(node: u32, text: &str, partial: bool) -> LogItem {
        LogItem::Line(LogLine {
            time: Timestamp::from_second(0).unwrap(),
            step: "node".to_owned(),
            node: NodeIndex(node),
            stream: OutputStream::Stdout,
            bytes: text.as_bytes().to_vec(),
            partial,
        })
    }

    fn written(form: LogForm, live: bool, coloured: bool, items: impl IntoIterator<Item = LogItem>) -> String {
        let mut lines = LogLines::new(Vec::new(), form, &job(), live, coloured);
        items.into_iter().try_for_each(|item| lines.write(item)).unwrap();
        lines.finish().unwrap();
        String::from_utf8(lines.to).unwrap()
    }

    #[test]
    fn prefixes_are_aligned() {
        let text = written(LogForm::Prefixed, false, false, [line(0, "a", false), line(11, "b", false)]);
        assert_eq!(text, "node-0  │ a\nnode-11 │ b\n");
    }

    #[test]
    fn lines_of_several_nodes_do_not_mix_in_a_file() {
        let items = [line(0, "one ", true), line(1, "two", false), line(0, "line", false), line(1, "end", true)];
        assert_eq!(
            written(LogForm::Prefixed, false, false, items),
            "node-1  │ two\nnode-0  │ one line\nnode-1  │ end\n"
        );
    }

    #[test]
    fn a_progress_bar_moves_on_a_terminal() {
        let items = [line(0, "\r10%", true), line(0, "\r20%", true), line(1, "x", false), line(0, "\r30%", false)];
        let text = written(LogForm::Prefixed, true, false, items);
        assert_eq!(text, "node-0  │ 10%\rnode-0  │ 20%\nnode-1  │ x\nnode-0  │ 30%\n");
    }

    #[test]
    fn progress_bars_of_several_nodes_take_turns() {
        let items = [line(0, "\r10%", true), line(1, "\r10%", true), line(0, "\r20%", true), line(1, "\r20%", true)];
        let text = written(LogForm::Prefixed, true, false, items);
        assert_eq!(text, "node-0  │ 10%\rnode-0  │ 20%\nnode-1  │ 20%\n");
    }

    #[test]
    fn a_node_keeps_its_colour() {
        let text = written(LogForm::Prefixed, false, true, [line(1, "a", false), line(7, "b", false)]);
        assert_eq!(text, "\u{1b}[32mnode-1  │\u{1b}[0m a\n\u{1b}[32mnode-7  │\u{1b}[0m b\n");
    }

    #[test]
    fn machines_read_json() {
        let text = written(LogForm::Json, true, true, [line(0, "a ", true), line(0, "\"b\"", false)]);
        let value: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!((&value["text"], &value["node"]), (&json!("a \"b\""), &json!(0)));
    }
}
