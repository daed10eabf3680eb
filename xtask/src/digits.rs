//! The README's first command, as a newcomer types it: nothing cached, nothing configured.

use std::{
    fs,
    path::Path,
    process::{Command, Stdio},
};

use crate::{
    Result,
    part::{Log, Part, Verdict},
    test::Engines,
    workspace::Workspace,
};

/// What follows `trainer` in the README's first command.
const COMMAND: &[&str] = &[
    "run",
    "--nodes",
    "2",
    "--runtime",
    "jax-distributed",
    "--requirements",
    "examples/digits/requirements.txt",
    "examples/digits/train.py",
];

/// The test accuracy that the README promises, in percent.
const PROMISED: f64 = 95.0;

/// Trains digits on two nodes and looks at what it printed and left.
pub(crate) fn part(workspace: &Workspace, engines: Engines) -> Part {
    let trainer = workspace.target.join("debug/trainer");
    let (root, home) = (workspace.root.clone(), workspace.target.join("digits-home"));
    Part::new("digits example", move |log| {
        match engines {
            Engines::None => return Ok(Verdict::Skipped("no engine is to be used".to_owned())),
            Engines::Found if !python_can_make_environments() => {
                return Ok(Verdict::Skipped("python3 with venv and pip isn't there".to_owned()));
            }
            Engines::Found | Engines::All => {}
        }
        clear(&home)?;
        let output = home.join("outputs");
        let mut command = Command::new(&trainer);
        command.args(&COMMAND[..1]).arg("--output").arg(&output).args(&COMMAND[1..]).current_dir(&root);
        for (variable, folder) in
            [("XDG_CACHE_HOME", "cache"), ("XDG_STATE_HOME", "state"), ("XDG_CONFIG_HOME", "config")]
        {
            command.env(variable, home.join(folder));
        }
        log.run(&mut command)?;
        check(log, &output)?;
        clear(&home)?;
        Ok(Verdict::Passed)
    })
}

fn check(log: &Log, output: &Path) -> Result {
    let text = log.text()?;
    for node in ["node-0", "node-1"] {
        let lines = || text.lines().filter(|line| line.starts_with(node));
        let accuracy = lines().find_map(accuracy).ok_or_else(|| format!("{node} printed no test accuracy"))?;
        if accuracy < PROMISED {
            return Err(format!("{node}: a test accuracy of {accuracy} %, not the {PROMISED} % promised").into());
        }
    }
    if output.join("model.npz").is_file() { Ok(()) } else { Err("no model was saved".into()) }
}

/// The number in `test accuracy 97.8%`.
fn accuracy(line: &str) -> Option<f64> {
    let (_, rest) = line.split_once("test accuracy ")?;
    rest.split_once('%')?.0.parse().ok()
}

fn python_can_make_environments() -> bool {
    let mut command = Command::new("python3");
    command.args(["-c", "import venv, ensurepip"]).stderr(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}

fn clear(folder: &Path) -> Result {
    if folder.exists() {
        fs::remove_dir_all(folder)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_accuracy_is_read_from_a_nodes_line() {
        assert_eq!(accuracy("node-0 │ test accuracy 97.8%, on 360 images"), Some(97.8));
        assert_eq!(accuracy("node-0 │ step 200  loss 0.0947  accuracy on its own images 98.2%"), None);
    }
}
