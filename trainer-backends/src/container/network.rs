//! The network of a job: its nodes find each other by name in it, and nobody else's nodes.

use std::net::Ipv4Addr;

use bollard::{
    models::{EndpointIpamConfig, EndpointSettings, NetworkCreateRequest, NetworkDisconnectRequest},
    query_parameters::ListNetworksOptions,
};
use trainer_core::{
    Error, ErrorKind, JobName, Result,
    plan::{LaunchPlan, PlannedNode},
};

use super::{
    engine::{Engine, Flavour},
    labels::{self, Labels},
    objects,
};

/// How often a network is asked for again while others come and go.
const NETWORKS_IN_MOTION: u32 = 5;

/// The network of one job.
#[derive(Clone, Debug)]
pub(super) struct JobNetwork {
    pub(super) name: String,
    /// Its first address and how many bits of it all others share, where nodes are given addresses by us: Podman's name
    /// server learns of a container some time after its program has started, which may ask for itself at once.
    subnet: Option<(Ipv4Addr, u32)>,
}

impl JobNetwork {
    /// Creates the job's network, unless it is there.
    ///
    /// # Errors
    /// The engine's; with a hint if it has no more addresses for networks.
    pub(super) async fn provide(engine: &Engine, job: &JobName, uid: &str, labels: &Labels) -> Result<Self> {
        let name = match names(engine, uid).await?.into_iter().next() {
            Some(name) => name,
            None => create_under_some_name(engine, job, uid, labels).await?,
        };
        let subnet = match engine.flavour {
            Flavour::Docker => None,
            Flavour::Podman => subnet(engine, &name).await?,
        };
        Ok(Self { name, subnet })
    }

    /// How a node is known in the network: by its host name, and by its address in every length that a cluster resolves.
    pub(super) fn endpoint(&self, plan: &LaunchPlan, node: &PlannedNode) -> EndpointSettings {
        let address = self.address(plan, node).map(|address| address.to_string());
        EndpointSettings {
            aliases: Some(aliases(plan, node)),
            ipam_config: address
                .map(|address| EndpointIpamConfig { ipv4_address: Some(address), ..EndpointIpamConfig::default() }),
            ..EndpointSettings::default()
        }
    }

    /// The names of all nodes with their addresses, where these are known before the nodes run.
    pub(super) fn hosts(&self, plan: &LaunchPlan) -> Vec<String> {
        let nodes = plan.steps.iter().flat_map(|step| &step.nodes);
        let known = nodes.filter_map(|node| Some((node, self.address(plan, node)?)));
        known
            .flat_map(|(node, address)| aliases(plan, node).into_iter().map(move |name| format!("{name}:{address}")))
            .collect()
    }

    /// The gateway has the first address of the network, nodes those behind it.
    fn address(&self, plan: &LaunchPlan, node: &PlannedNode) -> Option<Ipv4Addr> {
        let (first, bits) = self.subnet?;
        let mut nodes = plan.steps.iter().flat_map(|step| &step.nodes);
        let position = u32::try_from(nodes.position(|other| other.hostname == node.hostname)?).ok()?;
        let room = 1_u32.checked_shl(32_u32.checked_sub(bits)?)?;
        // The last address is that of all.
        (position + 3 < room).then(|| Ipv4Addr::from_bits(first.to_bits() + 2 + position))
    }
}

fn aliases(plan: &LaunchPlan, node: &PlannedNode) -> Vec<String> {
    let (address, namespace) = (&node.address, &plan.namespace);
    let mut aliases = vec![node.hostname.clone(), address.clone()];
    if address.contains('.') {
        aliases.push(format!("{address}.{namespace}"));
        aliases.push(format!("{address}.{namespace}.svc"));
        aliases.push(format!("{address}.{namespace}.svc.cluster.local"));
    }
    aliases
}

/// A network of the job's name may be somebody else's.
async fn create_under_some_name(engine: &Engine, job: &JobName, uid: &str, labels: &Labels) -> Result<String> {
    let own = format!("{job}-{}", uid.get(..8).unwrap_or(uid));
    if !is_taken(engine, job.as_str()).await? {
        match create(engine, job.as_str(), labels).await {
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
            created => return created.map(|()| job.to_string()),
        }
    }
    create(engine, &own, labels).await.map(|()| own)
}

async fn subnet(engine: &Engine, name: &str) -> Result<Option<(Ipv4Addr, u32)>> {
    let network = engine.ask("look at a network", engine.client.inspect_network(name, None)).await?;
    let subnets = network.ipam.and_then(|ipam| ipam.config).unwrap_or_default();
    let mut subnets = subnets.into_iter().filter_map(|config| {
        let (first, bits) = config.subnet.as_deref()?.split_once('/')?;
        Some((first.parse().ok()?, bits.parse().ok()?))
    });
    Ok(subnets.next())
}

/// Removes the job's networks.
///
/// # Errors
/// The engine's.
pub(super) async fn remove(engine: &Engine, uid: &str) -> Result<()> {
    for name in names(engine, uid).await? {
        if engine.flavour == Flavour::Podman {
            disconnect(engine, uid, &name).await?;
        }
        match engine.ask("remove a network", engine.client.remove_network(&name)).await {
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            other => other?,
        }
    }
    Ok(())
}

/// Podman keeps a network for containers that have ended.
async fn disconnect(engine: &Engine, uid: &str, name: &str) -> Result<()> {
    for container in objects::containers(engine, labels::nodes(Some(uid))).await? {
        let container = container.id.unwrap_or_default();
        let request = NetworkDisconnectRequest { container, force: Some(true) };
        let disconnected = engine.client.disconnect_network(name, request);
        match engine.ask("take a container out of its network", disconnected).await {
            Err(error) if error.kind() == ErrorKind::Unreachable => return Err(error),
            // It isn't in it, or not any more.
            _ => {}
        }
    }
    Ok(())
}

async fn names(engine: &Engine, uid: &str) -> Result<Vec<String>> {
    let options = ListNetworksOptions { filters: Some(labels::filter(uid)) };
    let networks = engine.ask("list networks", engine.client.list_networks(Some(options))).await?;
    Ok(networks.into_iter().filter_map(|network| network.name).collect())
}

/// Docker has no objection to two networks of one name.
async fn is_taken(engine: &Engine, name: &str) -> Result<bool> {
    match engine.ask("look at a network", engine.client.inspect_network(name, None)).await {
        Ok(_) => Ok(true),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

async fn create(engine: &Engine, name: &str, labels: &Labels) -> Result<()> {
    // Podman 4.3 looks at the machine's interfaces one by one, and fails over one that another network takes along.
    for _ in 0..NETWORKS_IN_MOTION {
        match try_to_create(engine, name, labels).await {
            Err(error) if error.to_string().contains("no such network interface") => {}
            other => return other,
        }
    }
    try_to_create(engine, name, labels).await
}

async fn try_to_create(engine: &Engine, name: &str, labels: &Labels) -> Result<()> {
    let request = NetworkCreateRequest {
        name: name.to_owned(),
        driver: Some("bridge".to_owned()),
        labels: Some(labels.clone()),
        ..NetworkCreateRequest::default()
    };
    let doing = format!("create the network `{name}`");
    match engine.ask(&doing, engine.client.create_network(request)).await {
        Ok(_) => Ok(()),
        Err(error) if error.to_string().contains("address pool") || error.to_string().contains("subnet") => {
            Err(Error::new(error.kind(), error.to_string()).with_hint(
                "each running job has a network: stop a job, remove networks that nobody uses \
                 (`docker network prune`), or give the engine more addresses (`default-address-pools` of its daemon.json)",
            ))
        }
        Err(error) => Err(error),
    }
}
