//! The container that holds a job's name in an engine: created, and never started.
//!
//! Its name is the claim that no other machine can take as well; its labels tell every client of the engine of the job;
//! and what belongs to the job but to none of its nodes is kept in it.

use std::{io::Read as _, path::Path};

use bollard::{
    models::{ContainerCreateBody, HostConfig},
    query_parameters::{CreateContainerOptions, DownloadFromContainerOptions},
};
use futures_util::TryStreamExt as _;
use trainer_core::{Error, ErrorKind, JobName, Result};
use trainer_supervisor::{Machine, Submission};

use super::{
    engine::Engine,
    files::{self, Contents},
    labels::{self, Facts},
    objects, placement,
};

/// Where it keeps Secrets that the controller would make.
const SECRETS: &str = "trainer-secrets";

/// Claims the name of the job. `volumes`: those that belong to the job, with the paths where it sees them.
///
/// # Errors
/// `AlreadyExists` if the engine has a container of this name; nothing has changed then.
pub(super) async fn claim(
    engine: &Engine,
    submission: &Submission,
    state: &Path,
    image: &str,
    volumes: &[(String, &str)],
) -> Result<()> {
    let name = &submission.name;
    let mounts = volumes.iter().map(|(volume, path)| placement::volume(volume, path)).collect();
    let body = ContainerCreateBody {
        image: Some(image.to_owned()),
        // Not every image has a program of its own.
        cmd: Some(vec!["true".to_owned()]),
        labels: Some(labels::of_anchor(submission, state)),
        host_config: Some(HostConfig {
            network_mode: Some("none".to_owned()),
            mounts: Some(mounts),
            ..HostConfig::default()
        }),
        ..ContainerCreateBody::default()
    };
    let options = CreateContainerOptions { name: Some(name.to_string()), ..CreateContainerOptions::default() };
    let doing = format!("claim the name `{name}` in the engine");
    match engine.ask(&doing, engine.client.create_container(Some(options), body)).await {
        Ok(_) => Ok(()),
        Err(error) if error.kind() == ErrorKind::AlreadyExists => Err(clash(engine, name).await),
        Err(error) => Err(error),
    }
}

async fn clash(engine: &Engine, name: &JobName) -> Error {
    let holder = objects::inspect(engine, name.as_str()).await.ok().flatten().map(objects::labels_of);
    let facts = holder.as_ref().and_then(Facts::of_anchor);
    let message = match facts {
        Some(facts) if facts.machine.id == Machine::here().id => {
            format!("the engine has a job `{name}` already, of the state folder {}", facts.state)
        }
        Some(facts) => format!("the engine has a job `{name}` already, submitted on {}", facts.machine.host),
        None => format!("the engine has a container `{name}` already, which is no job's"),
    };
    Error::new(ErrorKind::AlreadyExists, message)
        .with_hint(format!("choose another name with `--name`, or remove it with `trainer delete {name}`"))
}

/// What the labels of the container `name` say; `None`: there is none, or it is no job's.
pub(super) async fn find(engine: &Engine, name: &JobName) -> Result<Option<Facts>> {
    let found = objects::inspect(engine, name.as_str()).await?;
    Ok(found.map(objects::labels_of).as_ref().and_then(Facts::of_anchor).filter(|facts| facts.name == *name))
}

/// Keeps a Secret of the job.
pub(super) async fn keep_secret(engine: &Engine, job: &JobName, name: &str, contents: &Contents) -> Result<()> {
    let archive = files::folder(&format!("{SECRETS}/{name}"), contents)?;
    objects::upload(engine, job.as_str(), "/", archive).await
}

/// The Secret that was kept.
///
/// # Errors
/// `NotFound` if there is none.
pub(super) async fn secret(engine: &Engine, job: &JobName, name: &str) -> Result<Contents> {
    let options = DownloadFromContainerOptions { path: format!("/{SECRETS}/{name}") };
    let request = engine.client.download_from_container(job.as_str(), Some(options));
    let archive: Vec<u8> = engine
        .ask("read a Secret of the job", async {
            request
                .try_fold(Vec::new(), async |mut all, part| {
                    all.extend_from_slice(&part);
                    Ok(all)
                })
                .await
        })
        .await?;
    let broken = |error| Error::io("unpack", name, error);
    let mut archive = tar::Archive::new(archive.as_slice());
    let mut contents = Contents::new();
    for entry in archive.entries().map_err(broken)? {
        let mut entry = entry.map_err(broken)?;
        if !entry.header().entry_type().is_file() {
            continue;
        }
        let path = entry.path().map_err(broken)?.into_owned();
        let key = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let mut content = Vec::new();
        entry.read_to_end(&mut content).map_err(broken)?;
        contents.push((key, content));
    }
    Ok(contents)
}
