//! How the nodes of a job get their windows.

use std::{env, path::PathBuf};

use serde::{Deserialize, Serialize};
use tokio::sync::Mutex;
use trainer::{
    Error, Result, fields,
    job::Severity,
    plan::{PlannedNode, PlannedStep, World},
    request::ReviewedJob,
    supervisor::{Attempt, JobFolder, Launcher, OutputFolder, PortLeases, loopback},
};

use crate::{fields::FIELDS, tmux::Server, window::Window};

/// What is found out at the submission for the launch.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Prepared {
    directory: PathBuf,
    output: OutputFolder,
}

impl Prepared {
    pub(crate) fn of(job: &ReviewedJob) -> Result<Self> {
        let directory = match &job.request().source {
            Some(source) => source.directory.clone(),
            None => env::current_dir().map_err(|error| Error::io("find", "the working directory", error))?,
        };
        Ok(Self { output: OutputFolder::of(job, &directory), directory })
    }
}

/// A window has neither mounts nor an environment of Python packages of its own, and shows one program. Returns
/// what will be otherwise than asked.
pub(crate) fn refuse_what_a_window_lacks(job: &ReviewedJob) -> Result<Vec<String>> {
    let request = job.request();
    if !request.packages.is_empty() {
        return Err(Error::unsupported("the backend `tmux` installs no packages")
            .with_hint("activate an environment that has them, and submit from there"));
    }
    if let Some(mount) = request.mounts.first() {
        return Err(Error::unsupported(format!("the backend `tmux` can't mount `{}`", mount.name)));
    }
    if let Some(secret) = request.secrets.iter().find(|name| env::var_os(name).is_none()) {
        return Err(Error::invalid(format!("the secret `{secret}` is not set in the environment")));
    }
    let rules = fields::check("tmux", FIELDS, job)?;
    if job.plan().steps.iter().flat_map(|step| &step.nodes).any(|node| node.containers.len() != 1) {
        return Err(Error::unsupported("the backend `tmux` runs one container a node"));
    }
    Ok(rules.iter().filter_map(|rule| rule.treatment.said()).map(str::to_owned).collect())
}

/// Launches the nodes of one job.
pub(crate) struct TmuxLauncher {
    prepared: Prepared,
    server: Mutex<Server>,
    ports: Option<PortLeases>,
}

impl TmuxLauncher {
    pub(crate) fn open(folder: &JobFolder) -> Result<Self> {
        Ok(Self { prepared: folder.prepared()?, server: Mutex::new(Server::of(folder.path())), ports: None })
    }
}

impl Launcher for TmuxLauncher {
    type Node = Window;

    async fn world(&mut self, attempt: &Attempt<'_>) -> Result<World> {
        let output = &self.prepared.output;
        output.create_again()?;
        let planned = loopback::ports(attempt.plan);
        let leases = PortLeases::acquire(attempt.folder, planned.len())?;
        let ports = planned.into_iter().zip(leases.ports().iter().copied()).collect();
        self.ports = Some(leases);
        let additions = attempt.additions(output.path().to_str(), |step, node| {
            attempt.folder.error_file(attempt.number, &step.name, node.index).to_str().map(str::to_owned)
        });
        Ok(World { addresses: loopback::addresses(attempt.plan), ports, additions, ..World::default() })
    }

    async fn launch(&self, attempt: &Attempt<'_>, step: &PlannedStep, node: &PlannedNode) -> Result<Window> {
        let title = format!("{}-{}", step.name, node.index);
        let pipes = attempt.folder.path().join("tmux").join(format!("{title}-{}", attempt.number));
        let Some(container) = node.containers.first() else {
            return Err(Error::unsupported("a node without a container"));
        };
        let window = Window::open(&self.server, &title, &self.prepared.directory, &pipes, container).await?;
        attempt.folder.record_event(
            Severity::Normal,
            "Window",
            &title,
            format!("to look at it: {}", self.server.lock().await.attach()),
        );
        Ok(window)
    }

    async fn clean_up(&mut self) -> Result<()> {
        self.server.get_mut().kill().await
    }
}
