//! Images: there, or pulled.
//!
//! **Rule: an image that is here needs no registry.** What is here is used without a word to the network, unless
//! the policy asks for what the registry has now; and if the registry doesn't answer, what is here will do.

mod credentials;
mod nearest;
mod pull;
mod reference;

use std::{
    collections::HashMap,
    sync::{Arc, LazyLock, Mutex, PoisonError},
    time::Instant,
};

use bollard::{errors::Error as EngineError, models::ImageInspect, query_parameters::ListImagesOptions};
use serde::{Deserialize, Serialize};
use trainer_core::{Error, ErrorKind, Result, request::Progress};

use super::{
    endpoint::Surroundings,
    engine::{Engine, Flavour},
};
use reference::ImageRef;

/// When an image is pulled: `imagePullPolicy` of a container, as Kubernetes has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum PullPolicy {
    /// The registry is asked for what it has now. If it doesn't answer, what is here is used, with a warning.
    Always,
    /// If it isn't here.
    IfNotPresent,
    /// Never: it is here, or that is an error.
    Never,
}

impl PullPolicy {
    /// The policy where none is set: `Always` for `latest`, said or not.
    fn of(reference: &ImageRef) -> Self {
        match (&reference.digest, reference.tag.as_deref()) {
            (None, None | Some("latest")) => Self::Always,
            _ => Self::IfNotPresent,
        }
    }
}

/// An image on the engine.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Image {
    /// Its id on the engine, `sha256:…`.
    pub id: String,
    /// Its digest in the registry, `sha256:…`; `None` if it never was in one.
    pub digest: Option<String>,
    /// The program that it runs.
    pub entrypoint: Vec<String>,
    /// The program's arguments, or the program if there is no entry point.
    pub command: Vec<String>,
    /// The user that it runs as; empty for root.
    pub user: String,
    /// The directory that it runs in; empty for `/`.
    pub workdir: String,
    /// Its environment, `NAME=value`.
    pub env: Vec<String>,
    /// What the user should know of how it came to be used.
    pub warnings: Vec<String>,
}

/// Has `image` on `engine`, pulled if need be. `policy` is the container's; absent: the rule of Kubernetes.
/// Whoever asks for the same image meanwhile waits for the one pull.
///
/// # Errors
/// `NotFound` if it is neither here nor in its registry, with the nearest names that are here; `Denied` if the
/// registry wants other credentials; `Unreachable` if engine or registry don't answer; `Io` if the engine's disk
/// is full; `Invalid` for what is no name of an image.
pub async fn provide(engine: &Engine, image: &str, policy: Option<PullPolicy>, progress: &Progress) -> Result<Image> {
    let reference: ImageRef = image.parse()?;
    let policy = policy.unwrap_or_else(|| PullPolicy::of(&reference));
    let asked = Instant::now();
    let here = inspect(engine, &reference).await?;
    match (policy, here) {
        (PullPolicy::Never | PullPolicy::IfNotPresent, Some(here)) => Ok(here.image),
        (PullPolicy::Never, None) => {
            let error = Error::new(
                ErrorKind::NotFound,
                format!("there is no image `{reference}` here, and its pull policy is Never"),
            );
            Err(with_nearest(engine, &reference, error).await)
        }
        (PullPolicy::Always, Some(here)) if here.never_pulled => Ok(here.image.warned(format!(
            "`{reference}` was made here and never pulled: it is used as it is, and no registry is asked for a newer one"
        ))),
        (_, here) => pull_once(engine, &reference, policy, here, asked, progress).await,
    }
}

async fn pull_once(
    engine: &Engine,
    reference: &ImageRef,
    policy: PullPolicy,
    here: Option<Here>,
    asked: Instant,
    progress: &Progress,
) -> Result<Image> {
    let turn = turn(engine, reference);
    let mut pulled = turn.lock().await;
    let meanwhile = pulled.is_some_and(|pulled| pulled >= asked);
    if (meanwhile || policy == PullPolicy::IfNotPresent)
        && let Some(here) = inspect(engine, reference).await?
    {
        return Ok(here.image);
    }
    let credentials = credentials::find(reference, engine.flavour, &Surroundings::here()).await;
    let trouble = credentials.trouble.clone();
    match pull::pull(engine, reference, credentials.credentials, progress).await {
        Ok(()) => {
            *pulled = Some(Instant::now());
            match inspect(engine, reference).await? {
                Some(here) => Ok(here.image),
                None => Err(Error::new(
                    ErrorKind::Internal,
                    format!("the engine has pulled `{reference}`, and doesn't have it"),
                )),
            }
        }
        Err(failure) => match here {
            Some(here) if failure.is_offline() => Ok(here.image.warned(format!(
                "`{reference}` is used as it is here: its registry doesn't answer ({})",
                failure.message()
            ))),
            here => {
                let mut error = failure.into_error(engine, reference, trouble.as_deref(), here.is_some());
                if error.kind() == ErrorKind::NotFound {
                    error = with_nearest(engine, reference, error).await;
                }
                Err(error)
            }
        },
    }
}

/// Who may pull an image, and when it was last pulled.
type Turn = Arc<tokio::sync::Mutex<Option<Instant>>>;

fn turn(engine: &Engine, reference: &ImageRef) -> Turn {
    static TURNS: LazyLock<Mutex<HashMap<(String, String), Turn>>> = LazyLock::new(Mutex::default);
    let key = (engine.endpoint.url.clone(), reference.to_string());
    Arc::clone(TURNS.lock().unwrap_or_else(PoisonError::into_inner).entry(key).or_default())
}

impl Image {
    fn warned(mut self, warning: String) -> Self {
        self.warnings.push(warning);
        self
    }
}

/// An image that is here.
struct Here {
    image: Image,
    never_pulled: bool,
}

async fn inspect(engine: &Engine, reference: &ImageRef) -> Result<Option<Here>> {
    let name = reference.to_string();
    let doing = format!("look at the image `{reference}`");
    let answer = engine.ask(&doing, async {
        match engine.client.inspect_image(&name).await {
            Err(EngineError::DockerResponseServerError { status_code: 404, .. }) => Ok(None),
            answer => answer.map(Some),
        }
    });
    Ok(answer.await?.map(|inspect| here(engine.flavour, reference, inspect)))
}

fn here(flavour: Flavour, reference: &ImageRef, inspect: ImageInspect) -> Here {
    let digests = inspect.repo_digests.unwrap_or_default();
    let ours = |digest: &String| {
        let other: ImageRef = digest.parse().ok()?;
        (other.repository() == reference.repository()).then_some(other.digest).flatten()
    };
    // Podman has a digest for whatever it made itself, too, and calls that localhost/….
    let never_pulled = match flavour {
        Flavour::Docker => digests.is_empty(),
        Flavour::Podman => reference.registry() == "localhost",
    };
    let config = inspect.config.unwrap_or_default();
    let image = Image {
        id: inspect.id.unwrap_or_default(),
        digest: if never_pulled { None } else { digests.iter().find_map(ours) },
        entrypoint: config.entrypoint.unwrap_or_default(),
        command: config.cmd.unwrap_or_default(),
        user: config.user.unwrap_or_default(),
        workdir: config.working_dir.unwrap_or_default(),
        env: config.env.unwrap_or_default(),
        warnings: Vec::new(),
    };
    Here { image, never_pulled }
}

/// `error` with the names most like `reference` that are here, as far as the engine can tell.
async fn with_nearest(engine: &Engine, reference: &ImageRef, error: Error) -> Error {
    let images = engine.ask("list images", engine.client.list_images(None::<ListImagesOptions>)).await;
    let names: Vec<String> = images.unwrap_or_default().into_iter().flat_map(|image| image.repo_tags).collect();
    let nearest = nearest::nearest(reference, &names);
    if nearest.is_empty() {
        return error;
    }
    let here = format!("here there is {}", nearest.join(", "));
    let hint = error.hint().map_or_else(|| here.clone(), |hint| format!("{here}; or {hint}"));
    error.with_hint(hint)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn policy(image: &str) -> PullPolicy {
        PullPolicy::of(&image.parse().unwrap())
    }

    #[test]
    fn latest_said_or_not_is_asked_for_each_time() {
        assert_eq!(policy("python"), PullPolicy::Always);
        assert_eq!(policy("box:5000/python:latest"), PullPolicy::Always);
        assert_eq!(policy("python:3.13"), PullPolicy::IfNotPresent);
        let digest = "python@sha256:f1cee11b17638fea2b736886c82fc40dc08e9a67a5ca80770fee7f6b7d55ca5f";
        assert_eq!(policy(digest), PullPolicy::IfNotPresent);
    }

    #[test]
    fn the_digest_is_that_of_the_repository_asked_for() {
        let digest = |image: &str, flavour| {
            let inspect =
                serde_json::json!({ "Id": "sha256:1", "RepoDigests": ["box/a@sha256:aa", "python@sha256:bb"] });
            here(flavour, &image.parse().unwrap(), serde_json::from_value(inspect).unwrap()).image.digest
        };
        assert_eq!(digest("docker.io/library/python:3", Flavour::Docker).as_deref(), Some("sha256:bb"));
        assert_eq!(digest("localhost/python:3", Flavour::Podman), None);
    }
}
