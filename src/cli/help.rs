//! The command line as clap sees it, in the words of the binary that it is in.

use std::{io::Write, process::ExitCode};

use clap::{Command, CommandFactory};
use trainer_core::registry::BackendRegistry;

use super::{Cli, failure::Outcome, terminal::out};

/// The commands by what one wants to do.
const GROUPS: &[(&str, &[&str])] = &[
    ("Start a job", &["run", "apply", "plan"]),
    ("Follow it", &["list", "get", "logs", "events", "wait"]),
    ("Change it", &["stop", "resume", "delete", "prune"]),
    ("Look around", &["runtimes", "backends", "doctor", "config", "completions"]),
];

/// The command line of a binary whose backends are `B`.
pub(super) fn command<B: BackendRegistry>() -> Command {
    let command = Cli::command().name(B::COMMAND).bin_name(B::COMMAND);
    let overview = overview(&command);
    let heading = *command.get_styles().get_header();
    let command = command
        .mut_subcommand("run", |run| {
            run.override_usage(format!(
                "{0} run [OPTIONS] SCRIPT [ARGS]...\n       {0} run [OPTIONS] -- COMMAND [ARGS]...",
                B::COMMAND
            ))
        })
        .help_template(format!(
            "{{about}}\n\n{{usage-heading}} {{usage}}\n\n{overview}{heading}Options:{heading:#}\n{{options}}"
        ));
    renamed(command, B::COMMAND, B::CONFIG_FOLDER)
}

/// What is shown to somebody who typed nothing else.
pub(super) fn print<B: BackendRegistry>() -> Outcome {
    writeln!(out(), "{}", command::<B>().render_help().ansi())?;
    Ok(ExitCode::SUCCESS)
}

fn overview(command: &Command) -> String {
    let heading = command.get_styles().get_header();
    let literal = command.get_styles().get_literal();
    let mut text = String::new();
    for (group, names) in GROUPS {
        text += &format!("{heading}{group}:{heading:#}\n");
        for name in *names {
            let about = command.find_subcommand(name).and_then(Command::get_about).map(ToString::to_string);
            text += &format!("  {literal}{name:<12}{literal:#} {}\n", about.unwrap_or_default());
        }
        text += "\n";
    }
    text
}

/// Explanations and examples are written for `trainer`.
fn renamed(command: Command, name: &str, folder: &str) -> Command {
    let in_our_words = |text: String| {
        let text = text.replace("trainer/", &format!("{folder}/")).replace("trainer", name);
        text.replace("TRAINER_", &format!("{}_", name.to_uppercase().replace(['-', '.'], "_")))
    };
    let command = match command.get_after_help().map(|text| text.ansi().to_string()) {
        Some(text) => command.after_help(in_our_words(text)),
        None => command,
    };
    command.mut_subcommands(|command| renamed(command, name, folder))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_command_is_in_one_group() {
        let mut grouped: Vec<_> = GROUPS.iter().flat_map(|(_, names)| *names).copied().collect();
        let command = Cli::command();
        let mut all: Vec<_> = command.get_subcommands().map(Command::get_name).collect();
        grouped.sort_unstable();
        all.sort_unstable();
        assert_eq!(grouped, all);
    }

    #[test]
    fn the_command_line_is_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn a_binary_of_another_name_says_its_own() {
        let command = renamed(Cli::command(), "acme-ml", "acme");
        let help_of = |name| {
            let command = command.find_subcommand(name).cloned().unwrap_or_default();
            command.get_after_help().map(ToString::to_string).unwrap_or_default()
        };
        assert!(help_of("run").contains("$ acme-ml run"), "{}", help_of("run"));
        assert!(help_of("runtimes").contains("~/.config/acme/runtimes/"), "{}", help_of("runtimes"));
        assert!(help_of("config").contains("$ACME_ML_BACKEND"), "{}", help_of("config"));
    }
}
