//! `--env`, `--env-file` and `--secret` → variables of the job.

use std::{env, fs, io, path::Path};

use trainer_core::{Error, Result, api::EnvVar, plan::literal};

/// The variables that the files and the flags set; a later one replaces an earlier one, flags come last.
///
/// # Errors
/// `Invalid` for what is no variable, or one that isn't set here; `Io` if a file can't be read.
pub(super) fn variables(flags: &[String], files: &[impl AsRef<Path>]) -> Result<Vec<EnvVar>> {
    let mut variables: Vec<EnvVar> = Vec::new();
    let mut set = |name: &str, value: &str| {
        variables.retain(|variable| variable.name != name);
        variables.push(EnvVar::new(name, literal(value)));
    };
    for file in files {
        let file = file.as_ref();
        let text = fs::read_to_string(file).map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => {
                Error::invalid(format!("`--env-file {}`: there is no such file", file.display()))
            }
            _ => Error::io("read", file, error),
        })?;
        for (number, line) in text.lines().enumerate() {
            if let Some((name, value)) = file_line(line).map_err(|why| at(file, number + 1, &why))? {
                set(name, value);
            }
        }
    }
    for flag in flags {
        match flag.split_once('=') {
            Some((name, value)) => set(checked(name)?, value),
            None => {
                let name = checked(flag)?;
                let value = env::var(name).map_err(|error| match error {
                    env::VarError::NotPresent => Error::invalid(format!("`--env {name}`: ${name} is not set here"))
                        .with_hint(format!("`--env {name}=VALUE` sets it")),
                    env::VarError::NotUnicode(_) => {
                        Error::invalid(format!("`--env {name}`: ${name} is not UTF-8 text"))
                    }
                })?;
                set(name, &value);
            }
        }
    }
    Ok(variables)
}

/// Whether a variable of this name probably holds what nobody else should read.
pub(super) fn sounds_secret(name: &str) -> bool {
    let name = name.to_ascii_uppercase();
    ["TOKEN", "SECRET", "PASSWORD", "_KEY", "APIKEY"].iter().any(|end| name.ends_with(end))
}

/// The names of secret variables.
///
/// # Errors
/// `Invalid` for what is no name.
pub(super) fn secrets(flags: &[String]) -> Result<Vec<String>> {
    flags
        .iter()
        .map(|flag| match flag.split_once('=') {
            // The value isn't repeated: it is secret.
            Some((name, _)) => Err(Error::invalid(format!("`--secret {name}=…`: a secret is given by its name alone"))
                .with_hint(format!("set ${name} in your environment, then `--secret {name}`"))),
            None => checked(flag).map(str::to_owned),
        })
        .collect()
}

fn checked(name: &str) -> Result<&str> {
    if name.is_empty() || name.contains(|c: char| c == '=' || c.is_whitespace() || c.is_control()) {
        return Err(Error::invalid(format!("`{}` is no name of a variable", name.escape_debug())));
    }
    Ok(name)
}

fn at(file: &Path, line: usize, why: &Error) -> Error {
    Error::invalid(format!("{}:{line}: {why}", file.display()))
}

/// `NAME=VALUE`, with `export` before it and quotes around the value if need be; nothing for a comment.
fn file_line(line: &str) -> Result<Option<(&str, &str)>> {
    let line = line.trim();
    if line.is_empty() || line.starts_with('#') {
        return Ok(None);
    }
    let line = line.strip_prefix("export ").unwrap_or(line);
    let (name, value) = line.split_once('=').ok_or_else(|| Error::invalid("this is not NAME=VALUE"))?;
    let value = value.trim();
    let unquoted = ['"', '\''].iter().find_map(|quote| value.strip_prefix(*quote)?.strip_suffix(*quote));
    Ok(Some((checked(name.trim())?, unquoted.unwrap_or(value))))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn read(flags: &[&str], file: &str) -> Result<Vec<(String, String)>> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("job.env");
        fs::write(&path, file).unwrap();
        let flags: Vec<_> = flags.iter().map(|flag| (*flag).to_owned()).collect();
        let variables = variables(&flags, &[path])?;
        Ok(variables.into_iter().map(|variable| (variable.name, variable.value.unwrap())).collect())
    }

    fn pairs(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn a_flag_replaces_what_a_file_says() {
        let file = "# comment\n\nA=1\nexport B=\"two words\"\nC='x=y'\n";
        assert_eq!(
            read(&["A=2=3", "D="], file).unwrap(),
            pairs(&[("B", "two words"), ("C", "x=y"), ("A", "2=3"), ("D", "")])
        );
    }

    #[test]
    fn a_name_alone_takes_the_value_from_here() {
        assert_eq!(read(&["PATH"], "").unwrap()[0].1, env::var("PATH").unwrap());
        assert!(read(&["NOT_SET_ANYWHERE"], "").unwrap_err().to_string().contains("is not set here"));
    }

    #[test]
    fn errors_say_where() {
        assert!(read(&[], "A=1\nnothing\n").unwrap_err().to_string().ends_with("job.env:2: this is not NAME=VALUE"));
        assert!(read(&["A B=1"], "").is_err() && read(&["=1"], "").is_err());
    }

    #[test]
    fn the_value_of_a_secret_is_never_repeated() {
        let error = secrets(&["TOKEN=hunter2".to_owned()]).unwrap_err();
        assert!(!format!("{error:?}").contains("hunter2"));
        assert_eq!(secrets(&["TOKEN".to_owned()]).unwrap(), ["TOKEN"]);
    }

    #[test]
    fn what_is_probably_secret_is_known_by_its_name() {
        for name in ["HF_TOKEN", "WANDB_API_KEY", "AWS_SECRET_ACCESS_KEY", "db_password"] {
            assert!(sounds_secret(name), "{name}");
        }
        for name in ["KEYBOARD", "TOKENIZERS_PARALLELISM", "LR"] {
            assert!(!sounds_secret(name), "{name}");
        }
    }
}
