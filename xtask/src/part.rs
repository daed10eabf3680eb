//! Parts of a run: what they do, how long they took, what they counted.

use std::{
    fs::{self, File},
    io::Write,
    path::{Path, PathBuf},
    process::{Command, ExitCode, Stdio},
    thread::{self, ScopedJoinHandle},
    time::{Duration, Instant},
};

use crate::Result;

type Work = Box<dyn FnOnce(&mut Log) -> Result<Verdict> + Send>;

/// Something that is checked, by running commands.
pub(crate) struct Part {
    name: String,
    work: Work,
    alongside: bool,
    joining: bool,
    essential: bool,
    last: bool,
}

/// How a part ended, if it didn't fail.
pub(crate) enum Verdict {
    /// It passed.
    Passed,
    /// There was nothing to do, for this reason.
    Skipped(String),
}

impl Part {
    /// A part that does `work`.
    pub(crate) fn new(
        name: impl Into<String>,
        work: impl FnOnce(&mut Log) -> Result<Verdict> + Send + 'static,
    ) -> Self {
        Self {
            name: name.into(),
            work: Box::new(work),
            alongside: false,
            joining: false,
            essential: false,
            last: false,
        }
    }

    /// A part that runs `commands`, one after another.
    pub(crate) fn commands(name: impl Into<String>, commands: impl IntoIterator<Item = Command>) -> Self {
        let commands: Vec<_> = commands.into_iter().collect();
        Self::new(name, move |log| {
            for mut command in commands {
                log.run(&mut command)?;
            }
            Ok(Verdict::Passed)
        })
    }

    /// The parts after it needn't wait for it.
    pub(crate) fn alongside(self) -> Self {
        Self { alongside: true, ..self }
    }

    /// It waits for the parts that run alongside by then.
    pub(crate) fn joining(self) -> Self {
        Self { joining: true, ..self }
    }

    /// The parts after it are of no use if it fails.
    pub(crate) fn essential(self) -> Self {
        Self { essential: true, ..self }
    }

    /// It is done when all others are, even if some of these were left out.
    pub(crate) fn last(self) -> Self {
        Self { last: true, ..self }
    }

    fn run(self, logs: &Path) -> Outcome {
        println!("started  {}", self.name);
        let began = Instant::now();
        let path = logs.join(format!("{}.log", self.name.replace(' ', "-")));
        let result = Log::create(&path)
            .and_then(|mut log| (self.work)(&mut log).inspect_err(|error| log.say(&error.to_string())));
        let output = fs::read(&path).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default();
        let outcome = Outcome::new(self.name, result, began.elapsed(), &output);
        outcome.announce(&output, &path);
        outcome
    }
}

/// Runs `parts` in order, prints a table of them, and as the last line how many tests passed and failed.
pub(crate) fn run(parts: Vec<Part>, logs: &Path) -> ExitCode {
    let began = Instant::now();
    let (last, parts): (Vec<_>, Vec<_>) = parts.into_iter().partition(|part| part.last);
    let mut outcomes = Vec::new();
    let mut left_out = Vec::new();
    thread::scope(|scope| {
        let mut alongside = Vec::new();
        let mut parts = parts.into_iter();
        for part in parts.by_ref() {
            if part.joining {
                outcomes.extend(alongside.drain(..).filter_map(ended));
            }
            if part.alongside {
                alongside.push(scope.spawn(|| part.run(logs)));
                continue;
            }
            let essential = part.essential;
            let outcome = part.run(logs);
            let stop = essential && outcome.failed > 0;
            outcomes.push(outcome);
            if stop {
                break;
            }
        }
        left_out.extend(parts.map(|part| part.name));
        outcomes.extend(alongside.into_iter().filter_map(ended));
    });
    outcomes.extend(last.into_iter().map(|part| part.run(logs)));
    summarize(&outcomes, &left_out, began.elapsed())
}

fn ended(part: ScopedJoinHandle<'_, Outcome>) -> Option<Outcome> {
    part.join().ok()
}

fn summarize(outcomes: &[Outcome], left_out: &[String], took: Duration) -> ExitCode {
    let width = outcomes.iter().map(|outcome| outcome.name.len()).max().unwrap_or_default();
    println!("\n{:width$}  {:>8}  passed  failed", "part", "took");
    for outcome in outcomes {
        let Outcome { name, took, passed, failed, skipped } = outcome;
        let skipped = skipped.as_deref().map(|reason| format!("  skipped: {reason}")).unwrap_or_default();
        println!("{name:width$}  {:>8}  {passed:>6}  {failed:>6}{skipped}", seconds(*took));
    }
    println!("{:width$}  {:>8}", "all", seconds(took));
    if !left_out.is_empty() {
        println!("not run: {}", left_out.join(", "));
    }
    let passed: u32 = outcomes.iter().map(|outcome| outcome.passed).sum();
    let failed: u32 = outcomes.iter().map(|outcome| outcome.failed).sum();
    let failing: Vec<_> = outcomes.iter().filter(|outcome| outcome.failed > 0).map(|outcome| &*outcome.name).collect();
    if !failing.is_empty() {
        println!("failing: {}", failing.join(", "));
    }
    println!("\n{passed} passed, {failed} failed");
    if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// What came of a part.
struct Outcome {
    name: String,
    took: Duration,
    passed: u32,
    failed: u32,
    skipped: Option<String>,
}

impl Outcome {
    /// A part that counts no tests is one test itself; one that fails without a failed test adds one.
    fn new(name: String, result: Result<Verdict>, took: Duration, output: &str) -> Self {
        let (passed, failed) = count(output).unwrap_or((result.is_ok().into(), 0));
        let (passed, failed, skipped) = match result {
            Ok(Verdict::Passed) => (passed, failed, None),
            Ok(Verdict::Skipped(reason)) => (0, 0, Some(reason)),
            Err(_) => (passed, failed.max(1), None),
        };
        Self { name, took, passed, failed, skipped }
    }

    fn announce(&self, output: &str, path: &Path) {
        let word = match self {
            Self { failed: 1.., .. } => "FAILED ",
            Self { skipped: Some(_), .. } => "skipped",
            _ => "passed ",
        };
        let line = format!("{word}  {}  {}", self.name, seconds(self.took));
        if self.failed > 0 {
            // One call, so that two parts that fail at once don't mix.
            println!("{line}\n{}\n(this was {})", output.trim_end(), path.display());
        } else {
            println!("{line}");
        }
    }
}

/// Tests that passed and failed, by the result lines of libtest and of libtest-mimic. `None`: there are no such lines.
fn count(output: &str) -> Option<(u32, u32)> {
    let results = output.lines().filter_map(|line| line.strip_prefix("test result: "));
    results
        .map(|result| (number_of(result, "passed"), number_of(result, "failed")))
        .reduce(|(passed, failed), more| (passed + more.0, failed + more.1))
}

/// The number before `word` in `ok. 3 passed; 0 failed; 1 ignored`.
fn number_of(result: &str, word: &str) -> u32 {
    let mut counts = result.split(['.', ';']).filter_map(|count| count.trim().split_once(' '));
    counts.find(|(_, counted)| *counted == word).and_then(|(number, _)| number.parse().ok()).unwrap_or_default()
}

fn seconds(duration: Duration) -> String {
    format!("{:.1} s", duration.as_secs_f64())
}

/// Where the output of a part goes.
pub(crate) struct Log {
    path: PathBuf,
    file: File,
}

impl Log {
    fn create(path: &Path) -> Result<Self> {
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder)?;
        }
        fs::write(path, "")?;
        // Appending, because the commands of a part write to it through handles of their own.
        Ok(Self { path: path.to_owned(), file: File::options().append(true).open(path)? })
    }

    /// Adds a line.
    pub(crate) fn say(&mut self, line: &str) {
        // A log that can't be written shows in the missing line; the part's verdict stands without it.
        writeln!(self.file, "{line}").ok();
    }

    /// Everything that was logged so far.
    pub(crate) fn text(&self) -> Result<String> {
        Ok(String::from_utf8_lossy(&fs::read(&self.path)?).into_owned())
    }

    /// Runs `command` with its output in the log; fails if it does, or if it takes more than half an hour.
    pub(crate) fn run(&mut self, command: &mut Command) -> Result {
        self.say(&format!("$ {}", line(command)));
        let mut bounded = Command::new("timeout");
        bounded.args(["--foreground", "--kill-after=10", "1800"]).arg(command.get_program()).args(command.get_args());
        for (name, value) in command.get_envs() {
            match value {
                Some(value) => bounded.env(name, value),
                None => bounded.env_remove(name),
            };
        }
        if let Some(folder) = command.get_current_dir() {
            bounded.current_dir(folder);
        }
        let status =
            bounded.stdin(Stdio::null()).stdout(self.file.try_clone()?).stderr(self.file.try_clone()?).status()?;
        if status.success() { Ok(()) } else { Err(format!("`{}`: {status}", line(command)).into()) }
    }
}

fn line(command: &Command) -> String {
    let program = Path::new(command.get_program()).file_name().unwrap_or(command.get_program());
    let words = std::iter::once(program).chain(command.get_args());
    words.map(|word| word.to_string_lossy()).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex, PoisonError};

    use super::*;

    fn outcome(result: Result<Verdict>, output: &str) -> (u32, u32) {
        let outcome = Outcome::new("x".to_owned(), result, Duration::ZERO, output);
        (outcome.passed, outcome.failed)
    }

    #[test]
    fn tests_are_counted_over_all_binaries_of_a_part() {
        let output = "running 3 tests\n\
            test result: ok. 3 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.02s\n\
            test says \"2 passed; 9 failed\" ... ok\n\
            test result: FAILED. 5 passed; 2 failed; 0 ignored; 0 measured; 0 filtered out; finished in 1.52s\n";
        assert_eq!(count(output), Some((8, 2)));
        assert_eq!(count("Finished in 3 s"), None);
    }

    #[test]
    fn a_part_without_tests_is_one() {
        assert_eq!(outcome(Ok(Verdict::Passed), "Finished"), (1, 0));
        assert_eq!(outcome(Err("no".into()), "error[E0308]"), (0, 1));
        assert_eq!(outcome(Ok(Verdict::Skipped("no python3".to_owned())), ""), (0, 0));
        let none = "test result: ok. 0 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out";
        assert_eq!(outcome(Ok(Verdict::Passed), none), (0, 0));
    }

    #[test]
    fn a_part_that_fails_is_never_counted_as_well() {
        let passed = "test result: ok. 3 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out";
        assert_eq!(outcome(Err("it crashed at the end".into()), passed), (3, 1));
    }

    #[test]
    fn a_joining_part_waits_for_those_alongside_and_the_last_is_done_after_a_failure() {
        let done = Arc::new(Mutex::new(Vec::new()));
        let part = |name: &'static str, seconds: f64, succeeds: bool| {
            let done = Arc::clone(&done);
            Part::new(name, move |_| {
                thread::sleep(Duration::from_secs_f64(seconds));
                done.lock().map_err(|error| error.to_string())?.push(name);
                if succeeds { Ok(Verdict::Passed) } else { Err("it is told to".into()) }
            })
        };
        let parts = vec![
            part("alongside", 0.1, true).alongside(),
            part("first", 0.0, true),
            part("last", 0.0, true).last(),
            part("joining", 0.0, false).joining().essential(),
            part("left out", 0.0, true),
        ];
        let logs = std::env::temp_dir().join(format!("xtask-parts-{}", std::process::id()));
        let code = run(parts, &logs);
        fs::remove_dir_all(logs).ok();
        assert_eq!(code, ExitCode::FAILURE);
        assert_eq!(*done.lock().unwrap_or_else(PoisonError::into_inner), ["first", "alongside", "joining", "last"]);
    }
}
