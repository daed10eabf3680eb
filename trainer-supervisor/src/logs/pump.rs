//! From a node's output to its log file, without waiting for whole lines.

use std::{cell::RefCell, time::Duration};

use tokio::{
    io::{AsyncRead, AsyncReadExt as _},
    time::{Instant, sleep_until},
};
use trainer_core::job::OutputStream;

use super::{LONGEST_RECORD, NodeLog};

/// How long a line without its end, a progress bar for instance, is kept back.
const PATIENCE: Duration = Duration::from_millis(80);

/// How much is read at once.
const CHUNK: usize = 64 * 1024;

/// Copies `source` to `log` until it ends. An output that fails to be read has ended.
pub(crate) async fn pump(
    mut source: impl AsyncRead + Unpin,
    stream: OutputStream,
    log: &RefCell<NodeLog>,
    last_words: &RefCell<LastWords>,
) {
    let mut chunk = vec![0; CHUNK];
    // The line that has not ended yet, as far as it isn't in the log.
    let mut open: Vec<u8> = Vec::new();
    let mut parted = false;
    let mut flush_at: Option<Instant> = None;
    loop {
        let deadline = flush_at.unwrap_or_else(Instant::now);
        let read = tokio::select! {
            read = source.read(&mut chunk) => read.unwrap_or(0),
            () = sleep_until(deadline), if flush_at.is_some() => {
                let mut log = log.borrow_mut();
                let now = log.now();
                log.add(&now, stream, true, &open);
                log.flush();
                open.clear();
                (parted, flush_at) = (true, None);
                continue;
            }
        };
        let mut log = log.borrow_mut();
        let now = log.now();
        if read == 0 {
            // The program ended in the middle of a line: this was it.
            if !open.is_empty() || parted {
                log.add(&now, stream, false, &open);
            }
            log.flush();
            return;
        }
        let mut rest = chunk.get(..read).unwrap_or_default();
        while let Some(end) = rest.iter().position(|byte| *byte == b'\n') {
            let (line, after) = rest.split_at(end);
            rest = after.get(1..).unwrap_or_default();
            let line = if open.is_empty() {
                line
            } else {
                open.extend_from_slice(line);
                &open
            };
            log.add(&now, stream, false, line);
            if stream == OutputStream::Stderr {
                last_words.borrow_mut().hear(line);
            }
            open.clear();
            (parted, flush_at) = (false, None);
        }
        open.extend_from_slice(rest);
        if open.len() >= LONGEST_RECORD {
            log.add(&now, stream, true, &open);
            open.clear();
            (parted, flush_at) = (true, None);
        } else if !open.is_empty() && flush_at.is_none() {
            flush_at = Some(Instant::now() + PATIENCE);
        }
        log.flush();
    }
}

/// What a program said last on standard error: the cause of its failure, if it failed.
#[derive(Clone, Debug, Default)]
pub(crate) struct LastWords {
    exception: Option<String>,
    lines_since: usize,
    last: Option<String>,
    /// What the program has said since the exception.
    said_since: Vec<String>,
    /// Whether torchrun has begun its report.
    is_reported: bool,
}

impl LastWords {
    /// An exception that was followed by more lines than these was survived: torchrun's report, which
    /// follows the exception of its rank, has about half as many.
    const SURVIVED: usize = 120;

    /// The longest line that is kept.
    const LONGEST: usize = 400;

    /// Takes a line into account; only its end, if it was passed on in parts.
    pub(super) fn hear(&mut self, line: &[u8]) {
        self.lines_since += 1;
        let text = String::from_utf8_lossy(line.get(..line.len().min(Self::LONGEST)).unwrap_or_default());
        // What a terminal would show of a line that was rewritten.
        let text = text.rsplit('\r').find(|part| !part.trim().is_empty()).unwrap_or_default();
        let text = without_branch(without_rank(text)).trim_end();
        if text.is_empty() || is_ruler(text) {
            return;
        }
        if is_exception(text) {
            self.exception = Some(text.to_owned());
            (self.lines_since, self.is_reported) = (0, false);
            self.said_since.clear();
        } else if text.contains("ChildFailedError") {
            self.is_reported = true;
        } else if !self.is_reported && self.said_since.len() < 2 && !is_remark(text) {
            self.said_since.push(text.to_owned());
        }
        self.last = Some(text.trim_start().to_owned());
    }

    /// The line that tells most.
    pub(crate) fn cause(&self) -> Option<&str> {
        let recent = self.exception.as_deref().filter(|_| self.lines_since <= Self::SURVIVED);
        // Of an exception that was caught, the one line of `sys.exit` behind it tells more. Several lines are rather the
        // rest of its message.
        if let (Some(_), [verdict]) = (recent, self.said_since.as_slice()) {
            return Some(verdict);
        }
        recent.or(self.last.as_deref())
    }
}

/// Without the `[rank3]: ` that PyTorch puts before a rank's traceback.
fn without_rank(line: &str) -> &str {
    let after = line
        .strip_prefix("[rank")
        .and_then(|rest| rest.trim_start_matches(|c: char| c.is_ascii_digit()).strip_prefix("]:"));
    after.map_or(line, |rest| rest.strip_prefix(' ').unwrap_or(rest))
}

/// Without the branch that Python draws beside the top of an exception group. Its parts stay drawn: they explain it.
fn without_branch(line: &str) -> &str {
    line.strip_prefix("  | ").unwrap_or(line)
}

/// Whether the line only draws: a separator, or the branches of an exception group.
fn is_ruler(line: &str) -> bool {
    let line = line.trim_start();
    line.starts_with("+-") || line.starts_with("| ") || line.chars().all(|c| matches!(c, '-' | '=' | '+' | '*' | '_'))
}

/// Whether the line can't be what a program ends with: code and details are indented, and libraries add warnings,
/// log lines, progress bars and summaries after the exception that has ended the program.
fn is_remark(line: &str) -> bool {
    let is_log = line.starts_with('[')
        || line.starts_with("wandb:")
        || (line.starts_with(['I', 'W', 'E', 'F'])
            && line.get(1..5).is_some_and(|day| day.bytes().all(|byte| byte.is_ascii_digit())));
    is_log
        || line.starts_with(char::is_whitespace)
        || line.starts_with("Traceback (")
        || line.starts_with("During handling of")
        || line.starts_with("The above exception")
        || line.starts_with("Exception ignored")
        || ["Warning", "WARNING", "%|"].iter().any(|word| line.contains(word))
}

/// Whether the line is the last of a Python traceback: `package.SomeError: message`.
fn is_exception(line: &str) -> bool {
    let name = line.split_once(':').map_or(line, |(name, _)| name);
    let word = name.rsplit('.').next().unwrap_or_default();
    let plain = name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '.');
    let raised =
        ["Error", "Exception", "ExceptionGroup", "Interrupt", "Exit", "Timeout"].iter().any(|end| word.ends_with(end));
    // torchrun's own says only that a rank has failed.
    plain && raised && word.starts_with(|c: char| c.is_ascii_uppercase()) && word != "ChildFailedError"
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn cause(lines: &str) -> Option<String> {
        let mut words = LastWords::default();
        lines.lines().for_each(|line| words.hear(line.as_bytes()));
        words.cause().map(str::to_owned)
    }

    #[test]
    fn the_cause_is_the_final_line_of_the_traceback() {
        let traceback = "Traceback (most recent call last):\n  File \"t.py\", line 1\nValueError: no such label: 3\n";
        assert_eq!(cause(traceback).unwrap(), "ValueError: no such label: 3");
        let torchrun = format!(
            "[rank0]: {traceback}torch.distributed.elastic.multiprocessing.errors.ChildFailedError:\n=====\ntrain.py FAILED\n====="
        );
        assert_eq!(cause(&torchrun).unwrap(), "ValueError: no such label: 3");
        assert_eq!(
            cause("[rank1]: torch.cuda.OutOfMemoryError: CUDA out of memory").unwrap(),
            "torch.cuda.OutOfMemoryError: CUDA out of memory"
        );
    }

    #[test]
    fn without_a_traceback_it_is_the_last_line() {
        assert_eq!(cause("one\n\n  two  \n\n").unwrap(), "two");
        assert_eq!(cause("\n"), None);
    }

    #[test]
    fn what_the_program_says_behind_an_exception_that_it_caught_is_the_cause() {
        let caught = "Traceback (most recent call last):\n  File \"t.py\", line 1\nKeyError: 'x'\n";
        assert_eq!(
            cause(&format!("{caught}learning rate must be positive")).unwrap(),
            "learning rate must be positive"
        );
        for remark in [
            "CUDA kernel errors might be asynchronously reported\nFor debugging consider CUDA_LAUNCH_BLOCKING=1",
            "wandb: Find logs at: wandb/run-1",
            "[W1123 ProcessGroupNCCL.cpp:1538] destroy_process_group() was not called",
            "W1123 10:00:00.0 12 torch/api.py:1] Sending process 12 closing signal",
            "tracker.py:254: UserWarning: 1 leaked object\n  warnings.warn('leaked')",
            " 10%|█         | 1/10 [00:00<00:01]",
            "==========",
        ] {
            assert_eq!(cause(&format!("{caught}{remark}")).unwrap(), "KeyError: 'x'", "{remark}");
        }
    }

    #[test]
    fn a_warning_is_not_the_cause() {
        let warning = "t.py:1: FutureWarning: old\n  old()\nFutureWarning: older\n";
        assert_eq!(cause(&format!("{warning}no such config")).unwrap(), "no such config");
        assert_eq!(cause(&format!("ValueError: a\n{warning}")).unwrap(), "ValueError: a");
    }

    #[test]
    fn a_group_of_exceptions_is_named_not_drawn() {
        let group = "  + Exception Group Traceback (most recent call last):\n  |   File \"t.py\", line 1\n  | ExceptionGroup: two (2 sub-exceptions)\n  +-+---------------- 1 ----------------\n    | ValueError: a\n    +---------------- 2 ----------------\n    | ValueError: b\n    +------------------------------------\n";
        assert_eq!(cause(group).unwrap(), "ExceptionGroup: two (2 sub-exceptions)");
    }

    #[test]
    fn an_exception_that_the_program_survived_is_not_the_cause() {
        let mut lines = "KeyError: 'x'\n".to_owned();
        lines.push_str(&"step\n".repeat(LastWords::SURVIVED + 1));
        lines.push_str("killed by watchdog\n");
        assert_eq!(cause(&lines).unwrap(), "killed by watchdog");
    }
}
