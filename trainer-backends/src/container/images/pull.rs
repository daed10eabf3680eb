//! One pull: how far it is, and why it failed.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use bollard::{
    auth::DockerCredentials, errors::Error as EngineError, models::CreateImageInfo,
    query_parameters::CreateImageOptionsBuilder,
};
use futures_util::StreamExt as _;
use tokio::time::timeout;
use trainer_core::{
    Error, ErrorKind,
    request::{Progress, ProgressEvent},
};

use super::super::{engine::Engine, error::disk_full};
use super::reference::ImageRef;

/// How long an engine may say nothing of a pull.
const SILENCE: Duration = Duration::from_secs(300);

/// How often a person hears how far it is.
const PACE: Duration = Duration::from_secs(1);

/// Pulls `reference`.
pub(super) async fn pull(
    engine: &Engine,
    reference: &ImageRef,
    credentials: Option<DockerCredentials>,
    progress: &Progress,
) -> Result<(), Failure> {
    progress.report(ProgressEvent::Began(format!("pulling {reference}")));
    let pulled = follow(engine, reference, credentials, progress).await;
    progress.report(ProgressEvent::Done);
    pulled
}

async fn follow(
    engine: &Engine,
    reference: &ImageRef,
    credentials: Option<DockerCredentials>,
    progress: &Progress,
) -> Result<(), Failure> {
    let options = CreateImageOptionsBuilder::default().from_image(&reference.to_string()).build();
    let mut said = std::pin::pin!(engine.client.create_image(Some(options), None, credentials));
    let mut parts = Parts::default();
    let mut reported: Option<Instant> = None;
    loop {
        let item = timeout(SILENCE, said.next()).await.unwrap_or(Some(Err(EngineError::RequestTimeoutError)));
        let Some(item) = item else { break };
        parts.take(&item.map_err(Failure::of)?);
        if reported.is_none_or(|reported| reported.elapsed() >= PACE)
            && let Some(line) = parts.line()
        {
            progress.report(ProgressEvent::Said(line));
            reported = Some(Instant::now());
        }
    }
    if let Some(line) = parts.line() {
        progress.report(ProgressEvent::Said(line));
    }
    Ok(())
}

/// What is known of the parts of an image while it is pulled: its layers, and with Podman its configuration.
#[derive(Default)]
struct Parts(BTreeMap<String, Part>);

#[derive(Default)]
struct Part {
    /// Bytes that are here.
    here: u64,
    /// Bytes that there are, once that is known.
    size: Option<u64>,
    complete: bool,
}

impl Parts {
    /// Takes in one line of what the engine says.
    fn take(&mut self, info: &CreateImageInfo) {
        let (Some(id), Some(status)) = (&info.id, info.status.as_deref()) else { return };
        let known =
            ["Pulling fs layer", "Waiting", "Downloading", "Verifying Checksum", "Extracting"].contains(&status);
        let complete = ["Download complete", "Pull complete", "Already exists"].contains(&status);
        if !known && !complete {
            return;
        }
        // Podman ends with the id of the image, as if that were a layer.
        if status == "Download complete" && !self.0.contains_key(id) {
            return;
        }
        let part = self.0.entry(id.clone()).or_default();
        let positive =
            |bytes: Option<i64>| bytes.and_then(|bytes| u64::try_from(bytes).ok()).filter(|bytes| *bytes > 0);
        if let Some(detail) = &info.progress_detail
            && status == "Downloading"
        {
            part.size = positive(detail.total).or(part.size);
            part.here = positive(detail.current).unwrap_or(part.here);
        }
        if complete {
            part.complete = true;
            part.here = part.size.unwrap_or(part.here);
        }
    }

    /// How far it is; `None` while there is nothing to say.
    fn line(&self) -> Option<String> {
        if self.0.is_empty() {
            return None;
        }
        let complete = self.0.values().filter(|part| part.complete).count();
        let parts = match self.0.len() {
            1 => format!("{complete} of 1 part"),
            many => format!("{complete} of {many} parts"),
        };
        let here: u64 = self.0.values().map(|part| part.here).sum();
        // A layer that the engine has already tells no size.
        let sizes: Option<u64> =
            self.0.values().filter(|part| !part.complete || part.size.is_some()).map(|part| part.size).sum();
        Some(match sizes {
            _ if here == 0 => parts,
            Some(size) => format!("{} of {} MB, {parts}", megabytes(here), megabytes(size)),
            None => format!("{} MB, {parts}", megabytes(here)),
        })
    }
}

fn megabytes(bytes: u64) -> String {
    let tenths = (bytes + 50_000) / 100_000;
    format!("{}.{}", tenths / 10, tenths % 10)
}

/// Why a pull failed.
pub(super) struct Failure(Inner);

enum Inner {
    /// The engine tells why.
    Told(Reason, String),
    /// The engine didn't answer, or not what we understand.
    Engine(EngineError),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reason {
    Absent,
    Denied,
    Offline,
    Certificate,
    DiskFull,
    OtherMachine,
    Other,
}

impl Failure {
    fn of(error: EngineError) -> Self {
        Self(match error {
            EngineError::DockerResponseServerError { message, .. }
            | EngineError::DockerStreamError { error: message } => {
                Inner::Told(Reason::of(&message), message.trim().to_owned())
            }
            other => Inner::Engine(other),
        })
    }

    /// Whether the registry didn't answer, so that nothing is known of what it has.
    pub(super) fn is_offline(&self) -> bool {
        matches!(self.0, Inner::Told(Reason::Offline, _))
    }

    /// What the engine says, whole.
    pub(super) fn message(&self) -> String {
        match &self.0 {
            Inner::Told(_, message) => message.clone(),
            Inner::Engine(error) => error.to_string(),
        }
    }

    /// The error of a job that needs the image. `trouble` is what went wrong with the credentials.
    pub(super) fn into_error(
        self,
        engine: &Engine,
        reference: &ImageRef,
        trouble: Option<&str>,
        is_here: bool,
    ) -> Error {
        let (reason, message) = match self.0 {
            Inner::Told(reason, message) => (reason, message),
            Inner::Engine(error) => return engine.failed(&format!("pull the image `{reference}`"), error),
        };
        let registry = reference.registry();
        let error = Error::new(reason.kind(), format!("failed to pull the image `{reference}`: {message}"));
        if let Some(trouble) = trouble.filter(|_| matches!(reason, Reason::Absent | Reason::Denied)) {
            return error.with_hint(trouble.to_owned());
        }
        let login = engine.flavour.to_string().to_lowercase();
        match reason {
            Reason::Absent | Reason::Denied if is_here => {
                error.with_hint("`imagePullPolicy: IfNotPresent` uses the image that is here")
            }
            Reason::Absent => error.with_hint(format!("check its name; if it is private, `{login} login {registry}`")),
            Reason::Denied => error.with_hint(format!("`{login} login {registry}`")),
            Reason::Offline => {
                error.with_hint("bring the image here some other way, such as `docker load` or `podman load`, and it is used without the registry")
            }
            Reason::Certificate => error.with_hint(format!(
                "make the registry's certificate known to the engine, or `{registry}` one of its insecure registries"
            )),
            Reason::DiskFull => {
                error.with_hint(format!("make room where the engine keeps its data: `{login} system df` shows what is there"))
            }
            Reason::OtherMachine => error.with_hint("the image is for machines of another kind than the engine's"),
            Reason::Other => error,
        }
    }
}

impl Reason {
    /// What the engine's words mean: it has no other.
    fn of(message: &str) -> Self {
        const WORDS: &[(Reason, &[&str])] = &[
            (Reason::Certificate, &["x509", "certificate", "server gave http response to https client"]),
            (
                Reason::Offline,
                &[
                    "no such host",
                    "connection refused",
                    "connection reset",
                    "network is unreachable",
                    "no route to host",
                    "i/o timeout",
                    "tls handshake timeout",
                    "client.timeout",
                    "deadline exceeded",
                    "request canceled",
                    "name resolution",
                    "server misbehaving",
                ],
            ),
            (
                Reason::OtherMachine,
                &["no matching manifest", "no image found in manifest list", "no image found in image index"],
            ),
            // Docker's Hub doesn't tell an image that isn't there from one that isn't for everybody.
            (Reason::Absent, &["manifest unknown", "does not exist", "name unknown", "not found", "manifest invalid"]),
            (
                Reason::Denied,
                &[
                    "unauthorized",
                    "denied",
                    "authentication required",
                    "no basic auth",
                    "forbidden",
                    "toomanyrequests",
                    "username/password",
                    "username or password",
                ],
            ),
        ];
        if disk_full(message) {
            return Self::DiskFull;
        }
        let message = message.to_lowercase();
        let says = |words: &[&str]| words.iter().any(|word| message.contains(word));
        WORDS.iter().find(|(_, words)| says(words)).map_or(Self::Other, |(reason, _)| *reason)
    }

    const fn kind(self) -> ErrorKind {
        match self {
            Self::Absent => ErrorKind::NotFound,
            Self::Denied => ErrorKind::Denied,
            Self::Offline | Self::Certificate => ErrorKind::Unreachable,
            Self::DiskFull => ErrorKind::Io,
            Self::OtherMachine => ErrorKind::Unsupported,
            Self::Other => ErrorKind::Internal,
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use serde_json::{Value, json};

    use super::*;

    fn after(said: &Value) -> Option<String> {
        let mut parts = Parts::default();
        for info in said.as_array().unwrap() {
            parts.take(&serde_json::from_value(info.clone()).unwrap());
        }
        parts.line()
    }

    #[test]
    fn how_far_a_pull_is_is_one_line() {
        let down = |id: &str, current: u64, total: u64| json!({ "id": id, "status": "Downloading", "progressDetail": { "current": current, "total": total } });
        let layer = |id: &str, status: &str| json!({ "id": id, "status": status, "progressDetail": {} });
        assert_eq!(after(&json!([{ "id": "latest", "status": "Pulling from a" }])), None);
        assert_eq!(after(&json!([layer("a", "Pulling fs layer")])).unwrap(), "0 of 1 part");
        let some = json!([layer("a", "Pulling fs layer"), layer("b", "Waiting"), down("a", 1_000_000, 5_000_000)]);
        assert_eq!(after(&some).unwrap(), "1.0 MB, 0 of 2 parts");
        let more = json!([
            layer("0", "Already exists"),
            down("a", 1_000_000, 5_000_000),
            down("b", 10, 2_000_000),
            layer("b", "Download complete")
        ]);
        assert_eq!(after(&more).unwrap(), "3.0 of 7.0 MB, 2 of 3 parts");
        let extracting = json!([
            down("a", 5_000_000, 5_000_000),
            { "id": "a", "status": "Extracting", "progressDetail": { "current": 1, "total": 9 } },
            layer("a", "Pull complete"),
            layer("image", "Download complete"),
            { "status": "Digest: sha256:0f" }
        ]);
        assert_eq!(after(&extracting).unwrap(), "5.0 of 5.0 MB, 1 of 1 part");
    }

    /// What Docker 20.10, Docker's Hub, Podman 4.3 and registries say.
    #[test]
    fn the_engines_words_are_understood() {
        for (message, reason) in [
            ("Get \"https://r.invalid/v2/\": dial tcp: lookup r.invalid on 10.0.0.2:53: no such host", Reason::Offline),
            (
                "pinging container registry 127.0.0.1:1: dial tcp 127.0.0.1:1: connect: connection refused",
                Reason::Offline,
            ),
            ("manifest for a:1 not found: manifest unknown: manifest unknown", Reason::Absent),
            (
                "pull access denied for a, repository does not exist or may require 'docker login': denied",
                Reason::Absent,
            ),
            ("Head \"http://127.0.0.1:5000/v2/a/manifests/1\": no basic auth credentials", Reason::Denied),
            ("write /var/lib/docker/tmp/x: no space left on device", Reason::DiskFull),
            ("no matching manifest for linux/arm64/v8 in the manifest list entries", Reason::OtherMachine),
            ("Get \"https://a:5000/v2/\": http: server gave HTTP response to HTTPS client", Reason::Certificate),
            ("something else", Reason::Other),
        ] {
            assert_eq!(Reason::of(message), reason, "{message}");
        }
    }
}
