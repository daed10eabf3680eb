//! The network of a job: its nodes find each other by name in it, and nobody else's nodes.

use bollard::{
    models::{EndpointSettings, NetworkCreateRequest},
    query_parameters::ListNetworksOptions,
};
use trainer_core::{
    Error, ErrorKind, JobName, Result,
    plan::{LaunchPlan, PlannedNode},
};

use super::{
    engine::Engine,
    labels::{self, Labels},
};

/// Creates the job's network, unless it is there, and returns its name.
///
/// # Errors
/// The engine's; with a hint if it has no more addresses for networks.
pub(super) async fn provide(engine: &Engine, job: &JobName, uid: &str, labels: &Labels) -> Result<String> {
    if let Some(name) = names(engine, uid).await?.into_iter().next() {
        return Ok(name);
    }
    let short = uid.get(..8).unwrap_or(uid);
    // A network of the job's name may be somebody else's.
    let wanted = [job.to_string(), format!("{job}-{short}")];
    let mut name = wanted[0].clone();
    if is_taken(engine, &name).await? {
        name.clone_from(&wanted[1]);
    }
    match create(engine, &name, labels).await {
        Err(error) if error.kind() == ErrorKind::AlreadyExists && name == wanted[0] => {
            create(engine, &wanted[1], labels).await?;
            Ok(wanted[1].clone())
        }
        created => created.map(|()| name),
    }
}

/// Removes the job's networks; `keep_busy`: but for those that the engine says are in use.
///
/// # Errors
/// The engine's.
pub(super) async fn remove(engine: &Engine, uid: &str, keep_busy: bool) -> Result<()> {
    for name in names(engine, uid).await? {
        match engine.ask("remove a network", engine.client.remove_network(&name)).await {
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(error) if keep_busy && error.kind() != ErrorKind::Unreachable => {}
            other => other?,
        }
    }
    Ok(())
}

/// How a node is known in the network: by its host name, and by its address in every length that a cluster resolves.
pub(super) fn endpoint(plan: &LaunchPlan, node: &PlannedNode) -> EndpointSettings {
    let (address, namespace) = (&node.address, &plan.namespace);
    let mut aliases = vec![node.hostname.clone(), address.clone()];
    if address.contains('.') {
        aliases.push(format!("{address}.{namespace}"));
        aliases.push(format!("{address}.{namespace}.svc"));
        aliases.push(format!("{address}.{namespace}.svc.cluster.local"));
    }
    EndpointSettings { aliases: Some(aliases), ..EndpointSettings::default() }
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
