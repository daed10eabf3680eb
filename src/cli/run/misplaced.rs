//! Flags of ours that stand after SCRIPT, where they would go to the script.

use clap::{Arg, Command};
use trainer_core::{Error, Result};

use super::{program::Words, quoted};

/// Refuses flags of `run` among the arguments of SCRIPT, and shows the line that was meant. Behind `--` they are
/// the script's.
///
/// # Errors
/// `Invalid`, with the corrected line.
pub(super) fn check(words: &Words<'_>, command: &Command, name: &str) -> Result<()> {
    let Words::Script { flags, script, args, rest } = *words else { return Ok(()) };
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    let mut words = args.iter();
    while let Some(word) = words.next() {
        match flag(command, word) {
            None => theirs.push(word.as_str()),
            Some(flag) => {
                ours.push(word.as_str());
                if flag.get_action().takes_values() && !word.contains('=') {
                    ours.extend(words.next().map(String::as_str));
                }
            }
        }
    }
    let Some(first) = ours.first() else { return Ok(()) };
    let rest = || rest.iter().map(String::as_str);
    let before = || [name, "run"].into_iter().chain(flags.iter().map(String::as_str));
    let meant = quoted(before().chain(ours.iter().copied()).chain([script.as_str()]).chain(theirs).chain(rest()));
    let all = quoted(before().chain([script, "--"]).chain(args.iter().map(String::as_str)).chain(rest()));
    let flag = first.split('=').next().unwrap_or(first);
    Err(Error::invalid(format!("`{flag}` stands after SCRIPT, where it would go to the script"))
        .with_hint(format!("for {name}: `{meant}`; for the script: `{all}`")))
}

fn flag<'a>(command: &'a Command, word: &str) -> Option<&'a Arg> {
    let name = word.split('=').next().unwrap_or(word);
    command.get_arguments().find(|arg| {
        let long = name.strip_prefix("--").is_some_and(|name| arg.get_long() == Some(name));
        let short = name.strip_prefix('-').is_some_and(|name| {
            let mut letters = name.chars();
            letters.next().is_some_and(|letter| arg.get_short() == Some(letter)) && letters.next().is_none()
        });
        long || short
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use clap::CommandFactory;

    use super::*;

    fn hint(line: &str) -> Option<String> {
        hint_after("", line)
    }

    fn hint_after(flags: &str, line: &str) -> Option<String> {
        let words = |line: &str| -> Vec<_> { line.split_whitespace().map(str::to_owned).collect() };
        let (all, words) = (words(&format!("trainer run {flags} {line}")), words(line));
        let cli = crate::cli::Cli::command();
        let error = check(&Words::new(&words, &all), cli.find_subcommand("run").unwrap(), "trainer").err()?;
        error.hint().map(str::to_owned)
    }

    #[test]
    fn the_corrected_line_is_shown() {
        assert_eq!(
            hint("train.py --lr 1 --nodes 2 --detach x").unwrap(),
            "for trainer: `trainer run --nodes 2 --detach train.py --lr 1 x`; \
             for the script: `trainer run train.py -- --lr 1 --nodes 2 --detach x`"
        );
        assert!(hint("train.py --nodes=2").unwrap().contains("`trainer run --nodes=2 train.py`"));
        assert!(hint("train.py -o json").unwrap().contains("`trainer run -o json train.py`"));
    }

    #[test]
    fn flags_that_stand_right_stay_there() {
        assert_eq!(
            hint_after("--name keep --env A=1", "train.py --nodes 2 x").unwrap(),
            "for trainer: `trainer run --name keep --env A=1 --nodes 2 train.py x`; \
             for the script: `trainer run --name keep --env A=1 train.py -- --nodes 2 x`"
        );
    }

    #[test]
    fn the_scripts_own_flags_are_left_alone() {
        for line in
            ["train.py", "train.py --lr 1", "train.py -nodes 2", "train.py nodes", "train.py --help", "train.py -"]
        {
            assert_eq!(hint(line), None, "{line}");
        }
    }
}
