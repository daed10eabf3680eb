//! The digits example: the README's first command, as a newcomer types it (nothing cached, nothing configured), and
//! the same in containers, with each framework that a policy of the built-in runtimes is for.

use std::{
    fs,
    path::Path,
    process::{Command, Stdio},
};

use crate::{
    Result,
    engines::{self, Engine},
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

/// The image, the command behind `run --nodes 2`, and what it leaves.
const IN_CONTAINERS: &[(&str, &[&str], &str)] = &[
    ("jax", &["--runtime", "jax-distributed", "examples/digits/train.py"], "model.npz"),
    (
        "torch",
        &["--runtime", "torch-distributed", "--nproc", "1", "--", "torchrun", "examples/digits/train_torch.py"],
        "model.pt",
    ),
    ("xgboost", &["--runtime", "xgboost-distributed", "examples/digits/train_xgboost.py"], "model.ubj"),
];

/// Open MPI 5 doesn't read the variable by which the controller names the file of hosts.
const MPI: &[&str] = &[
    "--runtime",
    "mpi-distributed",
    "--",
    "mpirun",
    "--hostfile",
    "/etc/mpi/hostfile",
    "python3",
    "examples/digits/allreduce_mpi.py",
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
        check(&log.text()?, &output.join("model.npz"))?;
        clear(&home)?;
        Ok(Verdict::Passed)
    })
}

/// Trains digits on two containers of `engine` with each framework, and adds up a vector over MPI.
pub(crate) fn in_containers(workspace: &Workspace, engine: Engine) -> Part {
    let trainer = workspace.target.join("debug/trainer");
    let (root, home) = (workspace.root.clone(), workspace.target.join(format!("digits-{}", engine.name())));
    Part::new(format!("digits on {}", engine.name()), move |log| {
        clear(&home)?;
        let run = |log: &mut Log, image: &str, arguments: &[&str]| -> Result<String> {
            let before = log.text()?.len();
            let mut command = Command::new(&trainer);
            command.args(["run", "--backend", engine.name(), "--nodes", "2"]).arg("--output").arg(home.join(image));
            command.arg("-B").arg(format!("host={}", engine.host));
            command.arg("-B").arg(format!("image={}", engines::image(image))).args(arguments).current_dir(&root);
            command.env("XDG_STATE_HOME", home.join("state")).env("XDG_CONFIG_HOME", home.join("config"));
            log.run(&mut command)?;
            Ok(log.text()?.split_off(before))
        };
        for (image, arguments, model) in IN_CONTAINERS {
            let text = run(log, image, arguments)?;
            check(&text, &home.join(image).join(model))?;
        }
        let text = run(log, "mpi", MPI)?;
        if !text.contains("allreduce over 2 processes: 3") {
            return Err("the processes of MPI didn't find each other".into());
        }
        let mut tidy_up = Command::new(&trainer);
        tidy_up.args(["prune", "--backend", engine.name()]).arg("-B").arg(format!("host={}", engine.host));
        log.run(tidy_up.env("XDG_STATE_HOME", home.join("state")).env("XDG_CONFIG_HOME", home.join("config")))?;
        clear(&home)?;
        Ok(Verdict::Passed)
    })
}

fn check(text: &str, model: &Path) -> Result {
    for node in ["node-0", "node-1"] {
        let lines = || text.lines().filter(|line| line.starts_with(node));
        let accuracy = lines().find_map(accuracy).ok_or_else(|| format!("{node} printed no test accuracy"))?;
        if accuracy < PROMISED {
            return Err(format!("{node}: a test accuracy of {accuracy} %, not the {PROMISED} % promised").into());
        }
    }
    if model.is_file() { Ok(()) } else { Err(format!("{} was not saved", model.display()).into()) }
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
