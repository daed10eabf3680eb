//! Transcripts of what a person types and sees, played again. Each file beside this one is one session, in a
//! home of its own; `SNAPSHOTS=overwrite cargo test --test cli` writes down what is seen now.
//!
//! In a block ```` ```console ````, `$ ` begins a command for `sh`, `> ` continues it, `? ` is its exit code where it
//! isn't 0, and the rest is what it prints, standard error included. `[..]` stands for anything in a line.

#![allow(clippy::unwrap_used, missing_docs)]

use std::{
    ffi::OsString,
    fs, io,
    os::unix::fs::symlink,
    path::Path,
    process::{Command, ExitCode},
};

use libtest_mimic::{Arguments, Failed, Trial};
use regex::Regex;
use snapbox::{Assert, Data, IntoData, Redactions, data::DataFormat};
use tempfile::TempDir;

fn main() -> ExitCode {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cli");
    let mut files: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.retain(|path| path.extension().is_some_and(|extension| extension == "md"));
    files.sort();
    let trials = files.into_iter().map(|path| {
        let name = path.file_stem().unwrap().to_string_lossy().into_owned();
        Trial::test(name, move || replay(&path))
    });
    libtest_mimic::run(&Arguments::from_args(), trials.collect()).exit_code()
}

fn replay(path: &Path) -> Result<(), Failed> {
    let home = Home::new()?;
    let seen = home.replay(&fs::read_to_string(path)?)?;
    let redactions = redactions(&home)?;
    let expected = Data::read_from(path, Some(DataFormat::Text));
    Assert::new()
        .action_env("SNAPSHOTS")
        .redact_with(redactions)
        .normalize_paths(false)
        .try_eq(Some(&path.display()), seen.into_data(), expected)
        .map_err(|difference| Failed::from(difference.to_string()))
}

/// What differs from one time to the next.
fn redactions(home: &Home) -> Result<Redactions, Failed> {
    let mut redactions = Redactions::new();
    let mut redact = |placeholder, pattern: &str| -> Result<(), Failed> {
        Ok(redactions.insert(placeholder, Regex::new(pattern)?)?)
    };
    redact("[TIME]", r"(?:after|running +) (?<redacted>(\d+m )?\d+m?s)")?;
    redact("[TIME]", r"(?<redacted>(\d+m )?\d+s) ago")?;
    redact("[MOMENT]", r"(?<redacted>\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z)")?;
    redact("[UID]", r"(?<redacted>[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12})")?;
    // In a table: what follows is moved.
    redact("[AGE]", r"(?:Running|Complete|Failed|Stopped) +\d+ +(?<redacted>(\d+m )?\d+s *)  ")?;
    redact("[WHO]", r"stopped by (?<redacted>\S+)")?;
    redact("[XXXX]", r"\b(?:train|true|words)-(?<redacted>[b-df-hj-np-tv-z]{4})\b")?;
    redactions.insert("[HOME]", home.folder.path().canonicalize()?)?;
    Ok(redactions)
}

/// A home where nobody has been before. Its jobs end with it.
struct Home {
    folder: TempDir,
    path: OsString,
}

impl Home {
    fn new() -> io::Result<Self> {
        let folder = tempfile::tempdir()?;
        let programs = folder.path().join(".bin");
        fs::create_dir(&programs)?;
        symlink(env!("CARGO_BIN_EXE_trainer"), programs.join("trainer"))?;
        symlink(concat!(env!("CARGO_MANIFEST_DIR"), "/examples"), folder.path().join("examples"))?;
        let usual = std::env::var_os("PATH").unwrap_or_default();
        let path = std::env::join_paths([programs].into_iter().chain(std::env::split_paths(&usual)));
        Ok(Self { folder, path: path.map_err(io::Error::other)? })
    }

    /// The transcript, with what its commands print now.
    fn replay(&self, transcript: &str) -> io::Result<String> {
        let mut seen = String::new();
        let mut lines = transcript.lines().peekable();
        let mut in_session = false;
        while let Some(line) = lines.next() {
            if line.starts_with("```") {
                in_session = line == "```console";
            } else if in_session && !line.starts_with("$ ") {
                // What was printed the last time.
                continue;
            }
            seen += line;
            seen.push('\n');
            if let Some(first) = line.strip_prefix("$ ").filter(|_| in_session) {
                let mut command = first.to_owned();
                while let Some(next) = lines.next_if(|line| line.starts_with("> ") || *line == ">") {
                    seen += next;
                    seen.push('\n');
                    command.push('\n');
                    command += next.strip_prefix("> ").unwrap_or_default();
                }
                seen += &self.run(&command)?;
            }
        }
        Ok(seen)
    }

    fn run(&self, command: &str) -> io::Result<String> {
        let output = self.shell(command).output()?;
        let mut seen = String::new();
        match output.status.code() {
            Some(0) => {}
            Some(code) => seen = format!("? {code}\n"),
            None => seen = format!("? {}\n", output.status),
        }
        seen += &String::from_utf8_lossy(&output.stdout);
        if !seen.is_empty() && !seen.ends_with('\n') {
            seen.push('\n');
        }
        Ok(seen)
    }

    fn shell(&self, command: &str) -> Command {
        let mut shell = Command::new("timeout");
        shell.args(["--kill-after=5", "60", "sh", "-c", &format!("{{ {command}\n}} 2>&1")]);
        shell.current_dir(self.folder.path()).env_clear();
        shell.env("PATH", &self.path).env("HOME", self.folder.path()).env("LANG", "C.UTF-8");
        shell
    }
}

impl Drop for Home {
    fn drop(&mut self) {
        let _ = self.shell("trainer list -o name | xargs --no-run-if-empty trainer delete").output();
    }
}
