//! An engine that is other processes, as a container engine is: its nodes go on without whoever launched them.

use std::{
    fs::{self, File},
    io::{Read as _, Seek as _, SeekFrom},
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use rustix::process::{Pid, Signal, kill_process_group};
use tokio::{
    io::{AsyncWriteExt as _, duplex},
    process::Command,
    time::sleep,
};
use trainer_core::{
    Error, Result,
    job::{NodeExit, OutputStream},
    plan::{PlannedNode, PlannedStep, World},
};
use trainer_supervisor::{Attempt, Ending, JobFolder, LaunchedNode, Launcher, Output, Seen};

use super::kill;

const LOOK: Duration = Duration::from_millis(10);

/// Runs the rest of its arguments with the outputs in files of the folder that is the first, and leaves the exit code
/// there. The signal is for the program; the shell only waits.
const NODE: &str = r#"trap : TERM
echo $$ > "$0/pid.new"; mv "$0/pid.new" "$0/pid"
"$@" >> "$0/stdout" 2>> "$0/stderr" &
wait $!; code=$?
while kill -0 $! 2> /dev/null; do wait $!; code=$?; done
echo $code > "$0/exit.new"; mv "$0/exit.new" "$0/exit""#;

pub(super) struct Launches {
    directory: PathBuf,
}

impl Launches {
    pub(super) fn open(folder: &JobFolder) -> Result<Self> {
        Ok(Self { directory: folder.prepared()? })
    }

    fn be_reachable(&self) -> Result<()> {
        if self.directory.join("unreachable").exists() {
            return Err(Error::new(trainer_core::ErrorKind::Unreachable, "the engine is away"));
        }
        Ok(())
    }
}

impl Launcher for Launches {
    type Node = Detached;

    const NODES_OUTLIVE_SUPERVISOR: bool = true;

    async fn world(&mut self, attempt: &Attempt<'_>) -> Result<World> {
        self.be_reachable()?;
        Ok(World { additions: attempt.additions(None, |_, _| None), ..World::default() })
    }

    async fn launch(&self, attempt: &Attempt<'_>, step: &PlannedStep, node: &PlannedNode) -> Result<Detached> {
        if node.index.0 == 1 && fs::remove_file(self.directory.join("die-at-launch")).is_ok() {
            kill(i32::try_from(std::process::id()).unwrap());
        }
        let folder = node_folder(attempt.folder.path(), attempt.number, &step.name, node.index.0);
        // As a container's name, it can be had once.
        fs::create_dir_all(folder.parent().unwrap()).unwrap();
        fs::create_dir(&folder).map_err(|error| Error::io("create", &folder, error))?;
        for output in ["stdout", "stderr"] {
            File::create(folder.join(output)).unwrap();
        }
        let container = &node.containers[0];
        let variables =
            container.env.iter().map(|variable| (&variable.name, variable.value.clone().unwrap_or_default()));
        let _launched = Command::new("sh")
            .args(["-c", NODE])
            .arg(&folder)
            .args(&container.command)
            .current_dir(&self.directory)
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap())
            .envs(variables)
            .process_group(0)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        Ok(Detached::find(folder, Some(Seen::default())).await)
    }

    async fn adopt(
        &self,
        attempt: &Attempt<'_>,
        step: &PlannedStep,
        node: &PlannedNode,
        seen: Option<Seen>,
    ) -> Result<Option<Detached>> {
        self.be_reachable()?;
        let folder = node_folder(attempt.folder.path(), attempt.number, &step.name, node.index.0);
        Ok(if folder.exists() { Some(Detached::find(folder, seen).await) } else { None })
    }
}

pub(crate) fn node_folder(job: &Path, attempt: u32, step: &str, node: u32) -> PathBuf {
    job.join("detached").join(format!("{attempt}-{step}-{node}"))
}

/// Ends the node whose folder it is and removes it, behind the back of whoever supervises.
pub(crate) fn remove_node(folder: &Path) {
    let leader = fs::read_to_string(folder.join("pid")).unwrap().trim().parse().unwrap();
    kill_process_group(Pid::from_raw(leader).unwrap(), Signal::KILL).unwrap();
    fs::remove_dir_all(folder).unwrap();
}

pub(super) struct Detached {
    folder: PathBuf,
    pid: i32,
    seen: Option<Seen>,
    killed: bool,
}

impl Detached {
    async fn find(folder: PathBuf, seen: Option<Seen>) -> Self {
        loop {
            if let Ok(pid) = fs::read_to_string(folder.join("pid")) {
                return Self { folder, pid: pid.trim().parse().unwrap(), seen, killed: false };
            }
            sleep(LOOK).await;
        }
    }

    fn output(&self, name: &str, seen: Option<u64>) -> Output {
        let mut file = File::open(self.folder.join(name)).unwrap();
        file.seek(seen.map_or(SeekFrom::End(0), SeekFrom::Start)).unwrap();
        let (folder, pid) = (self.folder.clone(), self.pid);
        let (mut sink, output) = duplex(64 * 1024);
        tokio::spawn(async move {
            loop {
                let over = has_ended(&folder, pid);
                let mut text = Vec::new();
                file.read_to_end(&mut text).unwrap();
                if sink.write_all(&text).await.is_err() || over {
                    return;
                }
                sleep(LOOK).await;
            }
        });
        Box::pin(output)
    }
}

impl LaunchedNode for Detached {
    fn outputs(&mut self) -> Vec<(OutputStream, Output)> {
        let seen = self.seen;
        vec![
            (OutputStream::Stdout, self.output("stdout", seen.map(|seen| seen.stdout))),
            (OutputStream::Stderr, self.output("stderr", seen.map(|seen| seen.stderr))),
        ]
    }

    async fn wait(&mut self) -> Result<NodeExit> {
        while !has_ended(&self.folder, self.pid) {
            sleep(LOOK).await;
        }
        Ok(match fs::read_to_string(self.folder.join("exit")) {
            Ok(code) => NodeExit::Code(code.trim().parse().unwrap()),
            Err(_) if self.killed => NodeExit::Signal(9),
            Err(_) => NodeExit::Lost,
        })
    }

    async fn signal(&mut self, ending: Ending) -> Result<()> {
        self.killed |= ending == Ending::Kill;
        let signal = if ending == Ending::Kill { Signal::KILL } else { Signal::TERM };
        // It may have ended meanwhile.
        let _ = kill_process_group(Pid::from_raw(self.pid).unwrap(), signal);
        Ok(())
    }
}

fn has_ended(folder: &Path, pid: i32) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    folder.join("exit").exists() || stat.is_empty() || stat.contains(") Z ")
}
