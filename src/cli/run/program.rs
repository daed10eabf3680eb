//! SCRIPT or ARGV → what each node runs.

use std::{
    env, fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

use trainer_core::{Error, Result, api::Runtime};

use super::imports;

/// What the command line has behind the flags.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Words<'a> {
    /// `FLAGS SCRIPT ARGS -- REST`
    Script { flags: &'a [String], script: &'a String, args: &'a [String], rest: &'a [String] },
    /// `-- ARGV`
    Command(&'a [String]),
}

impl<'a> Words<'a> {
    /// Sorts `words`, which end the command line `line`: `trainer run …`.
    pub(super) fn new(words: &'a [String], line: &'a [String]) -> Self {
        let flags = &line[..line.len().saturating_sub(words.len())];
        match words.split_first() {
            Some((script, args)) if flags.last().is_none_or(|word| word != "--") => {
                let flags = flags.get(2..).unwrap_or_default();
                let end = args.iter().position(|word| word == "--");
                let (args, rest) = args.split_at(end.unwrap_or(args.len()));
                Self::Script { flags, script, args, rest: rest.get(1..).unwrap_or_default() }
            }
            _ => Self::Command(words),
        }
    }
}

/// What the user wants to be run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Program {
    /// A Python script: the runtime decides what starts it.
    Python { script: String, args: Vec<String> },
    /// A command.
    Command { argv: Vec<String> },
}

impl Program {
    /// Reads SCRIPT and its arguments, or a command, for the working directory `folder`.
    ///
    /// # Errors
    /// `Invalid` if there is no such script, or it isn't executable.
    pub(super) fn read(words: &Words<'_>, folder: &Path, command: &str) -> Result<Self> {
        let (script, args, rest) = match *words {
            Words::Command(argv) => return Ok(Self::Command { argv: argv.to_vec() }),
            Words::Script { script, args, rest, .. } => (script, args, rest),
        };
        let args: Vec<_> = args.iter().chain(rest).cloned().collect();
        let line = || quoted([script].into_iter().chain(&args).map(String::as_str));
        let path = folder.join(script);
        let Ok(metadata) = fs::metadata(&path) else {
            return Err(missing(script, folder, &line(), command));
        };
        if metadata.is_dir() {
            return Err(Error::invalid(format!("`{script}` is a folder, not a script")));
        }
        if path.extension().is_some_and(|extension| extension == "py") {
            return Ok(Self::Python { script: script.clone(), args });
        }
        if metadata.permissions().mode() & 0o111 == 0 {
            return Err(Error::invalid(format!("`{script}` is neither a Python script nor executable"))
                .with_hint(format!("`chmod +x {script}`, or name what runs it: `{command} run -- sh {}`", line())));
        }
        // Without a slash it would be looked for on the PATH.
        let script = if script.contains('/') { script.clone() } else { format!("./{script}") };
        Ok(Self::Command { argv: [script].into_iter().chain(args).collect() })
    }

    /// Command and arguments of a node under `runtime`.
    pub(super) fn argv(&self, runtime: &Runtime) -> (Vec<String>, Vec<String>) {
        match self {
            Self::Command { argv } => (argv.clone(), Vec::new()),
            Self::Python { script, args } => {
                let launcher = if is_torch(runtime) { "torchrun" } else { "python3" };
                (vec![launcher.to_owned(), script.clone()], args.clone())
            }
        }
    }

    /// The word that stands for it in the name of the job.
    pub(super) fn word(&self) -> &str {
        let path = match self {
            Self::Python { script, .. } => script,
            Self::Command { argv } => {
                argv.iter().find(|word| word.ends_with(".py")).or(argv.first()).map(String::as_str).unwrap_or_default()
            }
        };
        Path::new(path).file_stem().and_then(|stem| stem.to_str()).unwrap_or_default()
    }

    /// Whether it brings torch's launcher itself.
    pub(super) fn is_torchrun(&self) -> bool {
        let Self::Command { argv } = self else { return false };
        let launcher =
            argv.first().and_then(|program| Path::new(program).file_name()).is_some_and(|it| it == "torchrun");
        launcher || argv.windows(2).any(|pair| pair[0] == "-m" && pair[1] == "torch.distributed.run")
    }

    /// The runtimes of `all` that fit what the script imports.
    pub(super) fn suggestions<'a>(&self, folder: &Path, all: impl Iterator<Item = &'a Runtime>) -> Vec<&'a str> {
        let text = match self {
            Self::Python { script, .. } => fs::read(folder.join(script)).unwrap_or_default(),
            Self::Command { .. } => Vec::new(),
        };
        let frameworks = match self {
            Self::Python { .. } => imports::frameworks(&text),
            Self::Command { .. } if self.is_torchrun() => vec!["torch"],
            Self::Command { .. } => Vec::new(),
        };
        let fits = |runtime: &&Runtime| runtime.framework().is_some_and(|framework| frameworks.contains(&framework));
        all.filter(fits).map(Runtime::name).collect()
    }
}

/// Whether torchrun finds under `runtime` what it reads.
pub(super) fn is_torch(runtime: &Runtime) -> bool {
    has_policy(runtime, &["torch"])
}

/// Whether something starts several processes on a node under `runtime`.
pub(super) fn starts_processes(runtime: &Runtime) -> bool {
    has_policy(runtime, &["torch", "mpi", "flux"])
}

/// Whether a script of the user's is what all nodes under `runtime` run: not so where steps have programs of their own
/// (initializers), nor where the command is run once and starts the others (`mpirun`, `flux run`).
pub(super) fn takes_scripts(runtime: &Runtime) -> bool {
    let steps = runtime.spec.template.as_ref().and_then(|template| template["spec"]["replicatedJobs"].as_array());
    steps.is_some_and(|steps| steps.len() == 1) && !has_policy(runtime, &["mpi", "flux"])
}

fn has_policy(runtime: &Runtime, names: &[&str]) -> bool {
    runtime.spec.ml_policy.as_ref().is_some_and(|policy| names.iter().any(|name| policy.get(name).is_some()))
}

/// Words as one would type them to a shell.
pub(in crate::cli) fn quoted<'a>(words: impl IntoIterator<Item = &'a str>) -> String {
    let plain = |c: char| c.is_alphanumeric() || "_-+=./:,@%".contains(c);
    let quote = |word: &str| match word {
        // A terminal would do what they say.
        _ if word.contains(char::is_control) => {
            let escape = |c: char| match c {
                '\\' | '\'' => format!("\\{c}"),
                '\n' => "\\n".to_owned(),
                '\t' => "\\t".to_owned(),
                c if c.is_ascii_control() => format!("\\x{:02x}", c as u32),
                c if c.is_control() => format!("\\u{:04x}", c as u32),
                c => c.to_string(),
            };
            format!("$'{}'", word.chars().map(escape).collect::<String>())
        }
        _ if !word.is_empty() && word.chars().all(plain) => word.to_owned(),
        _ => format!("'{}'", word.replace('\'', "'\\''")),
    };
    words.into_iter().map(quote).collect::<Vec<_>>().join(" ")
}

fn missing(script: &str, folder: &Path, line: &str, command: &str) -> Error {
    let error = Error::invalid(format!("no script `{script}` in {}", folder.display()));
    let here = env::current_dir().unwrap_or_default().join(script);
    if here.is_file() {
        let inside: Option<PathBuf> = here.strip_prefix(folder).ok().map(Path::to_owned);
        let inside = inside.unwrap_or(here);
        return error.with_hint(format!("SCRIPT is looked for in the folder to run in: `{}`", inside.display()));
    }
    if !script.contains('/') && on_path(script) {
        return error.with_hint(format!("`{script}` is a command: `{command} run -- {line}`"));
    }
    error
}

fn on_path(program: &str) -> bool {
    let path = env::var_os("PATH").unwrap_or_default();
    env::split_paths(&path).any(|folder| folder.join(program).is_file())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use trainer_core::runtimes::RuntimeCatalog;

    use super::*;

    fn words(line: &str) -> Vec<String> {
        line.split_whitespace().map(str::to_owned).collect()
    }

    fn folder() -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("train.py"), "import jax\n").unwrap();
        fs::write(folder.path().join("train.sh"), "#!/bin/sh\n").unwrap();
        fs::write(folder.path().join("notes.txt"), "").unwrap();
        fs::set_permissions(folder.path().join("train.sh"), fs::Permissions::from_mode(0o755)).unwrap();
        folder
    }

    fn read(line: &str) -> Result<Program> {
        let line = words(&format!("trainer run {line}"));
        let behind = &line[if line[2] == "--" { 3 } else { 2 }..];
        Program::read(&Words::new(behind, &line), folder().path(), "trainer")
    }

    #[test]
    fn the_runtime_decides_what_starts_a_python_script() {
        let program = read("train.py --lr 1").unwrap();
        for (runtime, command) in [
            ("plain", "python3 train.py"),
            ("torch-distributed", "torchrun train.py"),
            ("jax-distributed", "python3 train.py"),
        ] {
            let catalog = RuntimeCatalog::builtin();
            let runtime = catalog.iter().find(|it| it.name() == runtime).unwrap();
            assert_eq!(program.argv(runtime), (words(command), words("--lr 1")), "{runtime:?}");
        }
    }

    #[test]
    fn an_executable_file_is_run_as_it_is() {
        assert_eq!(read("train.sh a").unwrap(), Program::Command { argv: words("./train.sh a") });
    }

    #[test]
    fn what_follows_two_dashes_is_taken_as_it_is() {
        assert_eq!(read("-- sh -c x").unwrap(), Program::Command { argv: words("sh -c x") });
        let script = Program::Python { script: "train.py".to_owned(), args: words("a --nodes 2") };
        assert_eq!(read("train.py a -- --nodes 2").unwrap(), script);
    }

    #[test]
    fn what_is_no_script_is_refused_with_a_way_out() {
        let hint = |script| read(script).unwrap_err().hint().unwrap_or_default().to_owned();
        assert!(hint("notes.txt").contains("chmod +x notes.txt"), "{}", hint("notes.txt"));
        assert!(hint("sh train.sh").contains("`trainer run -- sh train.sh`"), "{}", hint("sh train.sh"));
        assert!(read("nothing.py").is_err());
        assert!(read(".").is_err());
    }

    #[test]
    fn a_runtime_is_suggested_by_what_the_script_imports() {
        let folder = folder();
        let program = read("train.py").unwrap();
        let all = RuntimeCatalog::builtin();
        assert_eq!(program.suggestions(folder.path(), all.iter()), ["jax-distributed"]);
    }

    #[test]
    fn a_script_is_offered_the_runtimes_that_run_it_on_every_node() {
        let catalog = RuntimeCatalog::builtin();
        let offered: Vec<_> = catalog.iter().filter(|runtime| takes_scripts(runtime)).map(Runtime::name).collect();
        assert_eq!(offered, ["plain", "torch-distributed", "jax-distributed", "xgboost-distributed"]);
    }

    #[test]
    fn a_job_is_named_after_its_script() {
        assert_eq!(read("train.py").unwrap().word(), "train");
        assert_eq!(read("-- python3 -u src/fit.py").unwrap().word(), "fit");
        assert_eq!(read("-- /usr/bin/torchrun x").unwrap().word(), "torchrun");
    }

    #[test]
    fn words_can_be_given_to_a_shell_again() {
        let words = ["sh", "-c", "echo \"$HOME\" it's", "", "--lr=1e-3", "größe"];
        assert_eq!(quoted(words), r#"sh -c 'echo "$HOME" it'\''s' '' --lr=1e-3 größe"#);
    }

    #[test]
    fn words_with_control_characters_leave_the_terminal_as_it_is() {
        let words = ["\u{1b}[31m\u{9b}1m", "a\n\tb\\'c"];
        let text = quoted(words);
        assert_eq!(text, r"$'\x1b[31m\u009b1m' $'a\n\tb\\\'c'");
        let shell = std::process::Command::new("bash").args(["-c", &format!("printf '%s|' {text}")]).output();
        if let Ok(output) = shell {
            assert_eq!(String::from_utf8(output.stdout).unwrap(), words.join("|") + "|");
        }
    }

    #[test]
    fn torchs_launcher_is_recognized() {
        assert!(read("-- /opt/bin/torchrun x.py").unwrap().is_torchrun());
        assert!(read("-- python3 -m torch.distributed.run x.py").unwrap().is_torchrun());
        assert!(!read("-- sh -c torchrun").unwrap().is_torchrun());
    }
}
