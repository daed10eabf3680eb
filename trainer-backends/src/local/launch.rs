//! How a node becomes a process.

use std::{
    collections::BTreeMap,
    ffi::{OsStr, OsString},
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};
use serde_json::Value;
use trainer_core::{
    Error, NodeIndex, Result,
    api::EnvVar,
    plan::{Container, LaunchPlan, PlannedNode, PlannedStep, World},
    request::ReviewedJob,
};
use trainer_supervisor::{
    Attempt, JobFolder, Launcher, NodeProcess, OutputFolder, PortLeases, ProcessSpec, loopback, working_directory,
};

use super::{gpus, secrets, variables, volumes};

/// What is found out at submission for the launch.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Prepared {
    /// The working directory.
    pub(super) directory: PathBuf,
    /// Where output goes.
    output: OutputFolder,
    /// The Python environment of the job; `None`: the one that is active.
    environment: Option<PathBuf>,
}

impl Prepared {
    /// # Errors
    /// `Invalid` if the working directory doesn't exist.
    pub(super) fn of(job: &ReviewedJob) -> Result<Self> {
        let directory = working_directory(job)?;
        let output = OutputFolder::of(job, &directory);
        Ok(Self { directory, output, environment: None })
    }

    pub(super) fn with(mut self, environment: Option<PathBuf>) -> Self {
        self.environment = environment;
        self
    }

    /// Creates the output folder.
    ///
    /// # Errors
    /// As [`OutputFolder::create`].
    pub(super) fn create_output(mut self) -> Result<Self> {
        self.output = self.output.create()?;
        Ok(self)
    }

    /// What is prepared for a changed job, where `before` was for it as it was: the same, unless it goes elsewhere.
    pub(super) fn after(self, before: Self) -> Self {
        let place = |prepared: &Self| (prepared.directory.clone(), prepared.output.path().to_owned());
        if place(&self) == place(&before) { before } else { self }
    }

    pub(super) fn output(&self) -> &OutputFolder {
        &self.output
    }
}

/// Launches the nodes of one job.
pub(super) struct LocalLauncher {
    prepared: Prepared,
    ports: Option<PortLeases>,
    /// The folders that are volumes of the job.
    volumes: Vec<PathBuf>,
}

impl LocalLauncher {
    pub(super) fn open(folder: &JobFolder) -> Result<Self> {
        Ok(Self { prepared: folder.prepared()?, ports: None, volumes: Vec::new() })
    }
}

impl Launcher for LocalLauncher {
    type Node = NodeProcess;

    async fn world(&mut self, attempt: &Attempt<'_>) -> Result<World> {
        let output = &self.prepared.output;
        output.create_again()?;
        let planned = loopback::ports(attempt.plan);
        // The ports of the attempt before may still be in use by what is left of its connections.
        let leases = PortLeases::acquire(attempt.folder, planned.len())?;
        let mut additions = attempt.additions(output.path().to_str(), |step, node| {
            attempt.folder.error_file(attempt.number, &step.name, node.index).to_str().map(str::to_owned)
        });
        share_gpus(&mut additions, attempt.plan)?;
        let mounts = volumes::create_folders(attempt.plan, &attempt.submission.mounts, &attempt.submission.volumes)?;
        self.volumes = mounts.values().map(PathBuf::from).collect();
        let world = World {
            addresses: loopback::addresses(attempt.plan),
            ports: planned.into_iter().zip(leases.ports().iter().copied()).collect(),
            mounts,
            additions,
        };
        self.ports = Some(leases);
        Ok(world)
    }

    async fn clean_up(&mut self) -> Result<()> {
        self.prepared.output.remove_empty();
        Ok(())
    }

    async fn launch(&self, attempt: &Attempt<'_>, step: &PlannedStep, node: &PlannedNode) -> Result<NodeProcess> {
        let Some(container) = node.containers.first() else {
            return Err(Error::unsupported(format!("the step `{}` has no container", step.name)));
        };
        let mut environment = variables::inherited(std::env::vars_os());
        if let Some(folder) = &self.prepared.environment {
            activate(&mut environment, folder);
        }
        let directory = self.directory(container);
        set(&mut environment, "PWD", directory.as_os_str());
        for variable in &container.env {
            if variable.value_from.is_none() {
                set(&mut environment, &variable.name, OsStr::new(variable.value.as_deref().unwrap_or_default()));
            } else if let Some(value) = secrets::value(variable, &attempt.submission.secret_keys)? {
                set(&mut environment, &variable.name, &value);
            }
        }
        NodeProcess::spawn(ProcessSpec {
            argv: container.command.iter().chain(&container.args).cloned().collect(),
            environment,
            directory,
            uid: attempt.submission.uid.clone(),
            step: step.name.clone(),
            node: node.index,
        })
    }
}

impl LocalLauncher {
    /// Where the program starts: the job's working directory, or the container's if that is in a volume.
    fn directory(&self, container: &Container) -> PathBuf {
        let own = container.rest.get("workingDir").and_then(Value::as_str).map(PathBuf::from);
        let in_volume = own.filter(|own| self.volumes.iter().any(|volume| own.starts_with(volume)));
        in_volume.unwrap_or_else(|| self.prepared.directory.clone())
    }
}

/// Adds to the environment of each node which GPUs it sees, where it asks for some.
///
/// # Errors
/// `Unsupported` if there aren't enough.
pub(super) fn share_gpus(additions: &mut BTreeMap<(String, NodeIndex), Vec<EnvVar>>, plan: &LaunchPlan) -> Result<()> {
    let shares = gpus::share(plan, &gpus::here())?;
    let nodes = plan.steps.iter().flat_map(|step| step.nodes.iter().map(move |node| (step.name.clone(), node.index)));
    for (node, share) in nodes.zip(shares).filter(|(_, share)| !share.is_empty()) {
        additions.entry(node).or_default().push(EnvVar::new(gpus::VISIBLE, share.join(",")));
    }
    Ok(())
}

/// What `source BIN/activate` does.
fn activate(environment: &mut Vec<(OsString, OsString)>, folder: &Path) {
    let before = environment.iter().find(|(name, _)| name == "PATH").map(|(_, value)| value.clone());
    let mut path = folder.join("bin").into_os_string();
    if let Some(before) = before {
        path.push(":");
        path.push(before);
    }
    set(environment, "PATH", &path);
    set(environment, "VIRTUAL_ENV", folder.as_os_str());
    environment.retain(|(name, _)| name != "PYTHONHOME");
}

fn set(environment: &mut Vec<(OsString, OsString)>, name: &str, value: &OsStr) {
    environment.retain(|(known, _)| known != name);
    environment.push((name.into(), value.to_owned()));
}
