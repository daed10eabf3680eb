//! `completions`: what a shell needs to complete command lines.

use std::{io::Write, process::ExitCode};

use clap::Args;
use clap_complete::Shell;
use trainer_core::registry::BackendRegistry;

use super::{failure::Outcome, help, terminal::out};

/// Print what your shell needs to complete command lines
#[derive(Args)]
#[command(after_help = "Examples:
  $ trainer completions bash > ~/.local/share/bash-completion/completions/trainer
  $ trainer completions zsh > ~/.zfunc/_trainer
  $ trainer completions fish > ~/.config/fish/completions/trainer.fish")]
pub(super) struct Completions {
    /// Your shell
    shell: Shell,
}

impl Completions {
    pub(super) fn run<B: BackendRegistry>(self) -> Outcome {
        let mut script = Vec::new();
        clap_complete::generate(self.shell, &mut help::command::<B>(), B::COMMAND, &mut script);
        out().write_all(&script)?;
        Ok(ExitCode::SUCCESS)
    }
}
