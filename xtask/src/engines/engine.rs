//! An engine: where it is, whether it answers, how it starts and ends.

use std::{
    env,
    path::PathBuf,
    process::{Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use super::image::LABEL;
use crate::{Result, part::Log, workspace::Workspace};

/// How long a slow machine may take to start one.
const START: Duration = Duration::from_secs(90);

/// An engine for the tests.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Engine {
    kind: Kind,
    /// Where it answers, as `DOCKER_HOST` says it.
    pub(crate) host: String,
    /// Somebody else's: it is neither started nor ended.
    given: bool,
    /// Everything that one of our own has.
    folder: PathBuf,
    /// Where the scripts are that start and end it.
    scripts: PathBuf,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Docker,
    Podman,
}

impl Engine {
    /// Those that we know.
    pub(crate) fn all(workspace: &Workspace) -> Vec<Self> {
        [Kind::Docker, Kind::Podman].map(|kind| Self::new(kind, workspace)).into()
    }

    fn new(kind: Kind, workspace: &Workspace) -> Self {
        let folder = workspace.target.join("engines").join(kind.name());
        let given = env::var(kind.variable()).ok().filter(|host| !host.is_empty());
        let ours = || format!("unix://{}/{}.sock", folder.display(), kind.name());
        Self {
            kind,
            given: given.is_some(),
            host: given.unwrap_or_else(ours),
            folder,
            scripts: workspace.root.join("tests/engines").join(kind.name()),
        }
    }

    /// Its name, which is that of its command.
    pub(crate) fn name(&self) -> &'static str {
        self.kind.name()
    }

    /// Where a person says where it is, and where tests read it.
    pub(super) fn variable(&self) -> &'static str {
        self.kind.variable()
    }

    /// Starts it, if it doesn't run.
    pub(super) fn start(&self, log: &mut Log) -> Result {
        if self.given {
            return self.wait_until_it_answers();
        }
        log.run(Command::new(self.scripts.join("start")).arg(&self.folder))
    }

    /// Ends it, unless it is somebody else's.
    pub(super) fn stop(&self) -> Result {
        if self.given {
            println!("{} goes on: {} names it", self.name(), self.variable());
            return Ok(());
        }
        // A slow disk takes its time over the layers of many containers.
        let status = Command::new("timeout").arg("300").arg(self.scripts.join("stop")).arg(&self.folder).status()?;
        if status.success() { Ok(()) } else { Err(format!("{} wasn't ended: {status}", self.name()).into()) }
    }

    /// Its command, for this engine.
    pub(super) fn command(&self) -> Command {
        let mut command = Command::new(self.name());
        command.arg(if self.kind == Kind::Docker { "--host" } else { "--url" }).arg(&self.host);
        command
    }

    /// Whether it is there, now.
    pub(super) fn answers(&self) -> bool {
        self.ask(&["version"]).is_some()
    }

    /// Waits for it as long as it may take to start.
    pub(super) fn wait_until_it_answers(&self) -> Result {
        let began = Instant::now();
        while !self.answers() {
            if self.given || began.elapsed() > START {
                return Err(format!("{} doesn't answer at {}", self.name(), self.host).into());
            }
            thread::sleep(Duration::from_millis(200));
        }
        Ok(())
    }

    /// The recipe by which an image of it was made; `None` where there is no such image.
    pub(super) fn recipe_of(&self, image: &str) -> Option<String> {
        self.ask(&["image", "inspect", "--format", &format!("{{{{index .Config.Labels \"{LABEL}\"}}}}"), image])
    }

    /// The id of an image of it.
    pub(super) fn id_of(&self, image: &str) -> Option<String> {
        self.ask(&["image", "inspect", "--format", "{{.Id}}", image])
    }

    /// What its command prints; `None` if that fails.
    fn ask(&self, arguments: &[&str]) -> Option<String> {
        let command = self.command();
        let mut bounded = Command::new("timeout");
        bounded.arg("20").arg(command.get_program()).args(command.get_args()).args(arguments);
        let output = bounded.stdin(Stdio::null()).stderr(Stdio::null()).output().ok()?;
        output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
    }
}

impl Kind {
    fn name(self) -> &'static str {
        match self {
            Self::Docker => "docker",
            Self::Podman => "podman",
        }
    }

    fn variable(self) -> &'static str {
        match self {
            Self::Docker => "TRAINER_TEST_DOCKER_HOST",
            Self::Podman => "TRAINER_TEST_PODMAN_HOST",
        }
    }
}
