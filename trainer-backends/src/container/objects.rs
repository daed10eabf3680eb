//! What a job has in an engine: found by its labels, removed whole.

use std::{collections::HashMap, time::Duration};

use bollard::{
    body_full,
    models::{ContainerInspectResponse, ContainerSummary, VolumeCreateRequest},
    query_parameters::{
        ListContainersOptions, ListVolumesOptions, RemoveContainerOptions, RemoveVolumeOptions,
        UploadToContainerOptions,
    },
};
use futures_util::future::try_join_all;
use tokio::time::sleep;
use trainer_core::{ErrorKind, Result};

use super::{
    engine::Engine,
    labels::{self, Labels},
    network,
};

/// Containers that `filters` lets through, also those that don't run.
pub(super) async fn containers(
    engine: &Engine,
    filters: HashMap<String, Vec<String>>,
) -> Result<Vec<ContainerSummary>> {
    let options = ListContainersOptions { all: true, filters: Some(filters), ..ListContainersOptions::default() };
    // Podman has states for an instant that its own API doesn't know.
    let mut tries = 0;
    loop {
        match engine.ask("list containers", engine.client.list_containers(Some(options.clone()))).await {
            Err(error) if error.kind() == ErrorKind::Internal && tries < 20 => tries += 1,
            other => return other,
        }
        sleep(Duration::from_millis(50)).await;
    }
}

/// The container; `None`: there is none of this name or identity.
pub(super) async fn inspect(engine: &Engine, container: &str) -> Result<Option<ContainerInspectResponse>> {
    match engine.ask("look at a container", engine.client.inspect_container(container, None)).await {
        Ok(found) => Ok(Some(found)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// The labels of a container.
pub(super) fn labels_of(container: ContainerInspectResponse) -> Labels {
    container.config.and_then(|config| config.labels).unwrap_or_default()
}

/// Removes a container, whether it runs or not, with its anonymous volumes. One that isn't there is no error.
pub(super) async fn remove_container(engine: &Engine, container: &str) -> Result<()> {
    let options = RemoveContainerOptions { force: true, v: true, link: false };
    match engine.ask("remove a container", engine.client.remove_container(container, Some(options))).await {
        // Another client removes it at this moment.
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::Conflict) => Ok(()),
        other => other,
    }
}

/// Removes all that the job has: containers, network, volumes, and its anchor at last. What isn't there any more is no
/// error.
pub(super) async fn remove_all(engine: &Engine, uid: &str) -> Result<()> {
    remove_nodes(engine, uid).await?;
    network::remove(engine, uid).await?;
    let options = ListVolumesOptions { filters: Some(labels::filter(uid)) };
    let volumes = engine.ask("list volumes", engine.client.list_volumes(Some(options))).await?;
    let anchors = containers(engine, labels::filter(uid)).await?;
    // It mounts volumes, and holds the name until all else is gone.
    let mut held = Vec::new();
    for volume in volumes.volumes.unwrap_or_default() {
        if !remove_volume(engine, &volume.name).await? {
            held.push(volume.name);
        }
    }
    for id in anchors.into_iter().filter_map(|container| container.id) {
        remove_container(engine, &id).await?;
    }
    for name in held {
        remove_volume(engine, &name).await?;
    }
    Ok(())
}

/// Removes the containers of the job's nodes.
pub(super) async fn remove_nodes(engine: &Engine, uid: &str) -> Result<()> {
    let nodes = containers(engine, labels::nodes(Some(uid))).await?;
    let ids: Vec<String> = nodes.into_iter().filter_map(|container| container.id).collect();
    try_join_all(ids.iter().map(|id| remove_container(engine, id))).await.map(drop)
}

/// `false`: a container still has it.
async fn remove_volume(engine: &Engine, name: &str) -> Result<bool> {
    let options = RemoveVolumeOptions { force: false };
    match engine.ask("remove a volume", engine.client.remove_volume(name, Some(options))).await {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(true),
        Err(error) if error.kind() == ErrorKind::Unreachable => Err(error),
        Err(_) => Ok(false),
    }
}

/// Unpacks a tar archive in a container, which need not run.
pub(super) async fn upload(engine: &Engine, container: &str, path: &str, archive: Vec<u8>) -> Result<()> {
    let options = UploadToContainerOptions { path: path.to_owned(), ..UploadToContainerOptions::default() };
    let request = engine.client.upload_to_container(container, Some(options), body_full(archive.into()));
    engine.ask("copy files into a container", request).await
}

/// Creates a volume of a job.
pub(super) async fn create_volume(engine: &Engine, name: &str, labels: Labels) -> Result<()> {
    let request = VolumeCreateRequest { name: Some(name.to_owned()), labels: Some(labels), ..Default::default() };
    engine.ask("create a volume", engine.client.create_volume(request)).await.map(drop)
}
