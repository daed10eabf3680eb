//! How a node becomes a container.

use std::collections::BTreeMap;

use bollard::{
    models::{ContainerCreateBody, DeviceRequest, HostConfig, HostConfigLogConfig, Mount, NetworkingConfig},
    query_parameters::{CreateContainerOptions, RemoveVolumeOptions},
};
use serde_json::Value;
use tokio::sync::OnceCell;
use trainer_core::{
    Error, ErrorKind, NodeIndex, Result,
    api::{EnvVar, Quantity},
    plan::{Container, LaunchPlan, PlannedNode, PlannedStep, World},
};
use trainer_supervisor::{Attempt, JobFolder, Launcher, Seen};

use super::{
    anchor,
    engine::{Engine, Flavour},
    files, gpus,
    labels::{self, Labels},
    network::{self, JobNetwork},
    node::{ContainerNode, Diary},
    objects,
    placement::{self, Extent, OwnVolume, Placement},
    prepared::{ERRORS, OUTPUT, Prepared, SOURCE},
    user, variables,
    watching::Stage,
};

/// Launches the nodes of one job.
pub(super) struct ContainerLauncher {
    prepared: Prepared,
    folder: JobFolder,
    engine: OnceCell<Engine>,
    network: Option<JobNetwork>,
}

impl ContainerLauncher {
    pub(super) fn open(folder: &JobFolder) -> Result<Self> {
        Ok(Self { prepared: folder.prepared()?, folder: folder.clone(), engine: OnceCell::new(), network: None })
    }

    async fn engine(&self) -> Result<&Engine> {
        self.engine.get_or_try_init(|| Engine::open(&self.prepared.endpoint)).await
    }

    fn labels(&self, attempt: &Attempt<'_>) -> Labels {
        labels::of_job(attempt.submission, &self.folder.state_root())
    }

    fn diary(&self, step: &PlannedStep, node: &PlannedNode) -> Diary {
        Diary { folder: self.folder.clone(), object: format!("{}-{}", step.name, node.index) }
    }
}

impl Launcher for ContainerLauncher {
    type Node = ContainerNode;

    const NODES_OUTLIVE_SUPERVISOR: bool = true;

    /// Each node has a host name and ports of its own: addresses and ports are the plan's.
    async fn world(&mut self, attempt: &Attempt<'_>) -> Result<World> {
        self.prepared.create_output_again()?;
        let engine = self.engine().await?;
        let submission = attempt.submission;
        let labels = self.labels(attempt);
        self.network = Some(JobNetwork::provide(engine, &submission.name, &submission.uid, &labels).await?);
        Ok(World { additions: additions(attempt, self.prepared.errors.is_some()), ..World::default() })
    }

    async fn launch(&self, attempt: &Attempt<'_>, step: &PlannedStep, node: &PlannedNode) -> Result<ContainerNode> {
        let engine = self.engine().await?;
        let launch = Launch { launcher: self, engine, attempt, step, node, labels: self.labels(attempt) };
        let stages = launch.create().await?;
        ContainerNode::start(engine.clone(), stages, self.diary(step, node)).await
    }

    async fn adopt(
        &self,
        attempt: &Attempt<'_>,
        step: &PlannedStep,
        node: &PlannedNode,
        seen: Option<Seen>,
    ) -> Result<Option<ContainerNode>> {
        let engine = self.engine().await?;
        let launch = Launch { launcher: self, engine, attempt, step, node, labels: self.labels(attempt) };
        let mut stages = Vec::new();
        for (name, container) in launch.containers() {
            let Some(found) = objects::inspect(engine, &name).await? else { return Ok(None) };
            let id = found.id.clone().unwrap_or(name);
            let labels = objects::labels_of(found);
            if !labels::is_of(&labels, &attempt.submission.uid) || !labels::is_of_attempt(&labels, attempt.number) {
                return Ok(None);
            }
            stages.push(stage(id, container));
        }
        // Where it isn't known, all of the output comes once more: twice is better than not at all.
        let seen = seen.unwrap_or_default();
        Ok(Some(ContainerNode::take_over(engine.clone(), stages, self.diary(step, node), seen)))
    }

    /// Nodes are kept as long as the job, for whoever wants to look at them; the network takes room from other jobs.
    async fn clean_up(&mut self) -> Result<()> {
        self.prepared.remove_empty_output();
        let uid = self.folder.submission()?.uid;
        network::remove(self.engine().await?, &uid).await
    }
}

/// What is added to the environment of every node.
fn additions(attempt: &Attempt<'_>, has_errors: bool) -> BTreeMap<(String, NodeIndex), Vec<EnvVar>> {
    attempt.additions(Some(OUTPUT), |step, node| {
        let file = attempt.folder.error_file(attempt.number, &step.name, node.index);
        has_errors.then(|| format!("{ERRORS}/{}", file.file_name().unwrap_or_default().to_string_lossy()))
    })
}

/// The launch of one node.
struct Launch<'a> {
    launcher: &'a ContainerLauncher,
    engine: &'a Engine,
    attempt: &'a Attempt<'a>,
    step: &'a PlannedStep,
    node: &'a PlannedNode,
    labels: Labels,
}

impl Launch<'_> {
    /// The names of the node's containers, in the order in which they run.
    fn containers(&self) -> Vec<(String, &Container)> {
        let name = container_name(self.attempt.plan, self.step, self.node);
        let inits = self.node.init_containers.iter().map(|init| (format!("{name}-{}", init.name), init));
        let programs = self.node.containers.iter().map(|container| (name.clone(), container));
        inits.chain(programs).collect()
    }

    /// Creates the containers, in the place of those of an earlier attempt.
    async fn create(&self) -> Result<Vec<Stage>> {
        for (name, _) in self.containers() {
            self.make_room(&name).await?;
        }
        let mut stages = Vec::new();
        for (index, (name, container)) in self.containers().into_iter().enumerate() {
            let id = self.create_one(&name, container, index).await?;
            stages.push(stage(id, container));
        }
        Ok(stages)
    }

    /// Removes this job's container of this name; another's is left alone.
    async fn make_room(&self, name: &str) -> Result<()> {
        let Some(found) = objects::inspect(self.engine, name).await? else { return Ok(()) };
        let id = found.id.clone().unwrap_or_else(|| name.to_owned());
        if labels::is_of(&objects::labels_of(found), &self.attempt.submission.uid) {
            return objects::remove_container(self.engine, &id).await;
        }
        let message = format!("the engine has a container `{name}` that isn't this job's");
        Err(Error::new(ErrorKind::AlreadyExists, message)
            .with_hint("remove or rename it, or choose another name for the job"))
    }

    async fn create_one(&self, name: &str, container: &Container, index: usize) -> Result<String> {
        let submission = self.attempt.submission;
        let (plan, prepared) = (self.attempt.plan, &self.launcher.prepared);
        let init = (index < self.node.init_containers.len()).then_some(index);
        let placed = Placement::of(plan, self.step, container, &submission.volumes, &submission.mounts)?;
        let Some(network) = &self.launcher.network else {
            return Err(Error::new(ErrorKind::Internal, "a node is launched before its network is there"));
        };
        let image = container.image.as_deref().unwrap_or_default();
        let body = ContainerCreateBody {
            hostname: Some(self.node.hostname.clone()),
            user: user::of_container(self.step, container, prepared.user.as_deref()),
            env: Some(variables::of(submission, container)?),
            entrypoint: (!container.command.is_empty()).then(|| container.command.clone()),
            cmd: (!container.args.is_empty()).then(|| container.args.clone()),
            image: Some(prepared.images.get(image).map_or_else(|| image.to_owned(), |image| image.id.clone())),
            working_dir: working_directory(container, prepared.source.is_some()),
            labels: Some(labels::of_node(&self.labels, self.attempt.number, &self.step.name, self.node.index, init)),
            attach_stdout: Some(true),
            attach_stderr: Some(true),
            host_config: Some(self.host_config(container, &placed, index, network).await?),
            networking_config: Some(NetworkingConfig {
                endpoints_config: Some([(network.name.clone(), network.endpoint(plan, self.node))].into()),
            }),
            ..ContainerCreateBody::default()
        };
        let options = CreateContainerOptions { name: Some(name.to_owned()), ..CreateContainerOptions::default() };
        let doing = format!("create the container `{name}`");
        let created = self.engine.ask(&doing, self.engine.client.create_container(Some(options), body)).await?;
        self.furnish(&created.id, &placed).await?;
        Ok(created.id)
    }

    async fn host_config(
        &self,
        container: &Container,
        placed: &Placement<'_>,
        index: usize,
        network: &JobNetwork,
    ) -> Result<HostConfig> {
        let mut mounts = self.launcher.prepared.mounts();
        mounts.extend(placed.mounts.iter().cloned());
        for own in &placed.own {
            mounts.push(self.provide_volume(own, index == 0).await?);
        }
        let gpus = if index < self.node.init_containers.len() { Vec::new() } else { self.gpus()? };
        let memory = limit(container, "memory").map(Quantity::ceil);
        let context = SecurityContext::of(container);
        Ok(HostConfig {
            // Passes signals on, and collects what programs leave behind.
            init: Some(true),
            network_mode: Some(network.name.clone()),
            extra_hosts: Some(network.hosts(self.attempt.plan)).filter(|hosts| !hosts.is_empty()),
            mounts: Some(mounts),
            nano_cpus: limit(container, "cpu").map(|cpus| cpus.times(1_000_000_000).ceil()),
            memory,
            // No more of it in swap: a training that swaps has failed, and takes long to say so.
            memory_swap: memory,
            shm_size: placed.shared_memory.or_else(|| half_of_memory(self.engine)),
            ipc_mode: (self.step.pod.get("hostIPC") == Some(&Value::Bool(true))).then(|| "host".to_owned()),
            log_config: Some(log_config(self.engine.flavour)),
            device_requests: (!gpus.is_empty()).then_some(gpus),
            privileged: context.privileged,
            readonly_rootfs: context.read_only_root,
            cap_add: context.added,
            cap_drop: context.dropped,
            security_opt: context.is_confined.then(|| vec!["no-new-privileges".to_owned()]),
            group_add: group_of(self.step).map(|group| vec![group.to_string()]),
            ..HostConfig::default()
        })
    }

    /// Puts into a created container what it doesn't mount.
    async fn furnish(&self, container: &str, placed: &Placement<'_>) -> Result<()> {
        for own in placed.own.iter().filter(|own| !own.read_only) {
            objects::upload(self.engine, container, "/", files::open_folder(own.path)?).await?;
        }
        for mounted in &placed.files {
            let mut contents = files::config_map(self.attempt.plan, mounted.name);
            if contents.is_empty() {
                contents = anchor::secret(self.engine, &self.attempt.submission.name, mounted.name).await?;
            }
            let archive = files::archive(mounted, &contents, group_of(self.step))?;
            objects::upload(self.engine, container, "/", archive).await?;
        }
        Ok(())
    }

    /// A volume that belongs to the job. One of a node is empty at the beginning of each attempt.
    async fn provide_volume(&self, own: &OwnVolume<'_>, is_first: bool) -> Result<Mount> {
        let uid = &self.attempt.submission.uid;
        let owner = match own.extent {
            Extent::Job => self.attempt.plan.job.to_string(),
            Extent::Node => container_name(self.attempt.plan, self.step, self.node),
        };
        // Engines take a volume that is there for the one that is to be made, whoever made it.
        let name = format!("{owner}-{}-{}", own.name, uid.get(..8).unwrap_or(uid));
        if own.extent == Extent::Node && is_first {
            let removed = self.engine.client.remove_volume(&name, None::<RemoveVolumeOptions>);
            match self.engine.ask("remove a volume", removed).await {
                Err(error) if error.kind() == ErrorKind::NotFound => {}
                other => other?,
            }
        }
        objects::create_volume(self.engine, &name, self.labels.clone()).await?;
        Ok(placement::empty_volume(&name, own.path, own.read_only))
    }

    fn gpus(&self) -> Result<Vec<DeviceRequest>> {
        match gpus::share(self.attempt.plan, self.step, self.node)? {
            Some(share) => gpus::requests(&share, self.launcher.prepared.options.gpus, self.engine),
            None => Ok(Vec::new()),
        }
    }
}

fn stage(id: String, container: &Container) -> Stage {
    let program = container.command.first().cloned().unwrap_or_default();
    Stage { id, program, is_limited: limit(container, "memory").is_some() }
}

/// The name of the container of a node: that of its pod, without the random end.
pub(super) fn container_name(plan: &LaunchPlan, step: &PlannedStep, node: &PlannedNode) -> String {
    format!("{}-{}-0-{}", plan.job, step.name, node.index)
}

/// What the plan says, or else among the user's files.
pub(super) fn working_directory(container: &Container, has_source: bool) -> Option<String> {
    let planned = container.rest.get("workingDir").and_then(Value::as_str).map(str::to_owned);
    planned.or_else(|| has_source.then(|| SOURCE.to_owned()))
}

/// A limit of the container.
fn limit(container: &Container, resource: &str) -> Option<Quantity> {
    Quantity::from_value(container.resources.get("limits")?.get(resource)?).ok()
}

/// The group that shares the volumes of a node.
fn group_of(step: &PlannedStep) -> Option<u32> {
    let group = step.pod.get("securityContext")?.get("fsGroup")?.as_u64()?;
    u32::try_from(group).ok()
}

/// Shared memory as a machine has it: enough for the workers of a data loader, and taken only as it is used.
fn half_of_memory(engine: &Engine) -> Option<i64> {
    engine.info.mem_total.map(|total| total / 2).filter(|half| *half > 0)
}

/// What the engine itself keeps of the output. Docker's usual format loses bytes that aren't UTF-8.
fn log_config(flavour: Flavour) -> HostConfigLogConfig {
    let (kind, config) = match flavour {
        Flavour::Docker => ("local", Some([("max-size".to_owned(), "256m".to_owned())].into())),
        Flavour::Podman => ("k8s-file", None),
    };
    HostConfigLogConfig { typ: Some(kind.to_owned()), config }
}

/// What of a container's security context an engine knows.
struct SecurityContext {
    privileged: Option<bool>,
    read_only_root: Option<bool>,
    added: Option<Vec<String>>,
    dropped: Option<Vec<String>>,
    /// Whether a program may not gain more privileges than it was started with.
    is_confined: bool,
}

impl SecurityContext {
    fn of(container: &Container) -> Self {
        let context = container.rest.get("securityContext");
        let flag = |name: &str| context?.get(name)?.as_bool();
        let names = |list: &str| {
            let names = context?.get("capabilities")?.get(list)?.as_array()?;
            Some(names.iter().filter_map(Value::as_str).map(str::to_owned).collect())
        };
        Self {
            privileged: flag("privileged"),
            read_only_root: flag("readOnlyRootFilesystem"),
            added: names("add"),
            dropped: names("drop"),
            is_confined: flag("allowPrivilegeEscalation") == Some(false),
        }
    }
}
