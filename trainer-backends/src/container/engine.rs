//! Finding an engine, and asking what it is.
//!
//! **Rule: what an engine is, it says itself.** A socket named after Docker may well be Podman's, and a socket
//! of this machine may lead to a virtual machine or to another host.

use std::{fmt, future::Future, path::Path, time::Duration};

use bollard::{API_DEFAULT_VERSION, BollardRequest, Docker, errors::Error as EngineError, models::SystemInfo};
use tokio::{net::UnixStream, time::timeout};
use trainer_core::{Error, ErrorKind, Result};

use super::{
    endpoint::{Endpoint, Found, Selected, Surroundings, Transport, candidates},
    error,
};

/// How long a request may take.
const REQUEST: Duration = Duration::from_secs(120);

/// How long an engine may take to say that it is there, if somebody chose it, or else.
const CHOSEN: Duration = Duration::from_secs(10);
const USUAL: Duration = Duration::from_secs(4);

/// An engine that answered.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Engine {
    /// Its client.
    pub client: Docker,
    /// What it is.
    pub flavour: Flavour,
    /// Which it is.
    pub version: Version,
    /// Where it answered.
    pub endpoint: Endpoint,
    /// What it says of itself and its machine.
    pub info: SystemInfo,
    local: bool,
}

/// What an engine is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flavour {
    /// Docker, or an engine that says no more than that it has Docker's API.
    Docker,
    /// Podman.
    Podman,
}

impl fmt::Display for Flavour {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Docker => "Docker",
            Self::Podman => "Podman",
        })
    }
}

/// An engine's own version, not that of its API.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Version {
    text: String,
}

impl Version {
    /// Major and minor number; zero where the engine says none.
    #[must_use]
    pub fn numbers(&self) -> (u32, u32) {
        let mut numbers = self.text.split(|other: char| !other.is_ascii_digit()).map(|part| part.parse().unwrap_or(0));
        (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0))
    }
}

impl From<&str> for Version {
    fn from(text: &str) -> Self {
        Self { text: text.to_owned() }
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl Engine {
    /// Finds an engine, in this order:
    ///
    /// 1. `configured`, the `host` of the backend's configuration;
    /// 2. `DOCKER_HOST` (not for `podman`), then `CONTAINER_HOST` (not for `docker`);
    /// 3. the current Docker context, by `DOCKER_CONTEXT` or `docker context use` (not for `podman`);
    /// 4. the usual sockets: Docker's with and without root, of Docker Desktop, Colima, Rancher Desktop and Lima, then
    ///    Podman's with and without root, of a Podman machine and Lima.
    ///
    /// The first three are choices: if one doesn't answer, no other is tried.
    ///
    /// # Errors
    /// `Unreachable` if none answers, with all that were asked; `Denied` if the only one may not be asked by this
    /// user; `Invalid` or `Unsupported` if what was chosen can't be one.
    pub async fn find(selected: Selected, configured: Option<&str>) -> Result<Self> {
        Self::find_in(selected, configured, &Surroundings::here()).await
    }

    async fn find_in(selected: Selected, configured: Option<&str>, here: &Surroundings) -> Result<Self> {
        let candidates = candidates(selected, configured, here)?;
        let mut silent = Vec::new();
        for endpoint in candidates {
            let chosen = endpoint.is_chosen();
            let silence = match ask(&endpoint, if chosen { CHOSEN } else { USUAL }).await? {
                Ok(engine) if is(selected, engine.flavour) => return Ok(engine),
                Ok(engine) => Silence::Is(engine.flavour),
                Err(silence) => silence,
            };
            if chosen {
                return Err(silence.of_the_chosen(&endpoint));
            }
            silent.push((endpoint, silence));
        }
        Err(none_answers(selected, &silent))
    }

    /// The engine of a job's record.
    ///
    /// # Errors
    /// `Unreachable` or `Denied` if it doesn't answer.
    pub async fn open(endpoint: &Endpoint) -> Result<Self> {
        ask(endpoint, CHOSEN).await?.map_err(|silence| silence.of_the_chosen(endpoint))
    }

    /// Whether its bind mounts see the files of this machine: it runs under the same host name and kernel. That is
    /// not so in a virtual machine, nor where this process is in a container itself.
    #[must_use]
    pub fn is_local(&self) -> bool {
        self.local
    }

    /// Waits for `request` no longer than requests may take. `doing` completes "failed to …".
    ///
    /// # Errors
    /// The engine's, as ours.
    pub async fn ask<T>(&self, doing: &str, request: impl Future<Output = Result<T, EngineError>>) -> Result<T> {
        let answer = timeout(REQUEST, request).await.unwrap_or(Err(EngineError::RequestTimeoutError));
        answer.map_err(|error| self.failed(doing, error))
    }

    /// The error of a request; `doing` completes "failed to …".
    #[must_use]
    pub fn failed(&self, doing: &str, error: EngineError) -> Error {
        error::failed(&self.endpoint, doing, error)
    }
}

fn is(selected: Selected, flavour: Flavour) -> bool {
    match selected {
        Selected::Any => true,
        Selected::Docker => flavour == Flavour::Docker,
        Selected::Podman => flavour == Flavour::Podman,
    }
}

/// Asks what is at `endpoint`.
///
/// # Errors
/// Of an endpoint that can't be one; inside, why there is no answer.
async fn ask(endpoint: &Endpoint, limit: Duration) -> Result<Result<Engine, Silence>> {
    let transport = endpoint.transport()?;
    if let Transport::Tcp { tls: Some(folder) } = transport {
        has_certificates(endpoint, folder)?;
    }
    let answer = timeout(limit, async {
        // Says why a socket can't be used. The client would say that there is none.
        if let Transport::Unix(path) = transport {
            UnixStream::connect(path).await.map_err(|error| Silence::of_socket(&error))?;
        }
        let client = connect(endpoint, &transport).map_err(Silence::of_request)?;
        client.ping().await.map_err(Silence::of_request)?;
        Ok(client)
    });
    match answer.await {
        // A busy Podman answers at once that it is there, and then takes its time to say what it is.
        Ok(Ok(client)) => {
            let introduced = timeout(REQUEST, introduce(endpoint, client)).await;
            Ok(introduced.unwrap_or(Err(Silence::TimedOut(REQUEST))))
        }
        Ok(Err(silence)) => Ok(Err(silence)),
        Err(_) => Ok(Err(Silence::TimedOut(limit))),
    }
}

fn has_certificates(endpoint: &Endpoint, folder: &Path) -> Result<()> {
    match CERTIFICATES.iter().map(|name| folder.join(name)).find(|path| !path.is_file()) {
        None => Ok(()),
        Some(missing) => Err(Error::invalid(format!("`{endpoint}` wants TLS, and there is no {}", missing.display()))
            .with_hint("DOCKER_CERT_PATH or the Docker context names the folder of ca.pem, cert.pem and key.pem")),
    }
}

const CERTIFICATES: [&str; 3] = ["ca.pem", "cert.pem", "key.pem"];

async fn introduce(endpoint: &Endpoint, client: Docker) -> Result<Engine, Silence> {
    // At the same time: Podman runs programs for each of the answers.
    let negotiated = client.clone().negotiate_version();
    let introduced = futures_util::future::try_join3(negotiated, client.version(), client.info()).await;
    let (client, version, info) = introduced.map_err(Silence::of_request)?;
    let components = version.components.unwrap_or_default();
    let podman = components.iter().any(|component| component.name.contains("Podman"));
    let uname = rustix::system::uname();
    let same = |said: Option<&str>, here: &std::ffi::CStr| said.is_some_and(|said| said.as_bytes() == here.to_bytes());
    Ok(Engine {
        client,
        flavour: if podman { Flavour::Podman } else { Flavour::Docker },
        version: version.version.as_deref().unwrap_or_default().into(),
        endpoint: endpoint.clone(),
        local: same(info.name.as_deref(), uname.nodename()) && same(version.kernel_version.as_deref(), uname.release()),
        info,
    })
}

fn connect(endpoint: &Endpoint, transport: &Transport<'_>) -> Result<Docker, EngineError> {
    let limit = REQUEST.as_secs();
    let client = match transport {
        Transport::Unix(_) => Docker::connect_with_unix(&endpoint.url, limit, API_DEFAULT_VERSION),
        Transport::Tcp { tls: None } => Docker::connect_with_http(&endpoint.url, limit, API_DEFAULT_VERSION),
        Transport::Tcp { tls: Some(folder) } => {
            let [ca, cert, key] = CERTIFICATES.map(|name| folder.join(name));
            Docker::connect_with_ssl(&endpoint.url, &key, &cert, &ca, limit, API_DEFAULT_VERSION)
        }
    };
    client.map(|client| client.with_request_modifier(with_readable_credentials))
}

/// Engines read credentials as URL-safe base64, and take what they can't read for none at all; bollard 0.21
/// writes the standard alphabet, which differs for some passwords.
fn with_readable_credentials(mut request: BollardRequest) -> BollardRequest {
    if let Some(value) = request.headers_mut().get_mut("x-registry-auth")
        && let Ok(text) = value.to_str()
        && let Ok(readable) = text.replace('+', "-").replace('/', "_").parse()
    {
        *value = readable;
        value.set_sensitive(true);
    }
    request
}

/// Why there is no engine at an endpoint.
#[derive(Debug)]
enum Silence {
    NoSuchFile,
    Denied,
    Refused,
    TimedOut(Duration),
    NoEngine(String),
    Failed(String),
    Is(Flavour),
}

impl Silence {
    fn of_socket(error: &std::io::Error) -> Self {
        match error.kind() {
            std::io::ErrorKind::NotFound => Self::NoSuchFile,
            std::io::ErrorKind::PermissionDenied => Self::Denied,
            std::io::ErrorKind::ConnectionRefused => Self::Refused,
            _ => Self::Failed(error.to_string()),
        }
    }

    fn of_request(error: EngineError) -> Self {
        match error {
            EngineError::DockerResponseServerError { status_code: 401 | 403, .. } => Self::Denied,
            // A daemon that wants TLS says so in the message.
            EngineError::DockerResponseServerError { status_code, message } => {
                let message = message.lines().next().unwrap_or_default();
                Self::NoEngine(format!("it answers with HTTP status {status_code}: {message}"))
            }
            EngineError::JsonDataError { .. }
            | EngineError::JsonSerdeError { .. }
            | EngineError::APIVersionParseError {} => Self::NoEngine("what it answers names no version".to_owned()),
            EngineError::RequestTimeoutError => Self::TimedOut(REQUEST),
            other => Self::Failed(error::cause(&other)),
        }
    }

    /// The error if this one was chosen, so that no other will do.
    fn of_the_chosen(&self, endpoint: &Endpoint) -> Error {
        if let Self::Is(flavour) = self {
            let other = flavour.to_string().to_lowercase();
            return Error::invalid(format!("the engine at {endpoint} is {flavour}"))
                .with_hint(format!("choose it by `--backend {other}`, or name another host"));
        }
        let error = Error::new(self.kind(), format!("the container engine at {endpoint} doesn't answer: {self}"));
        match (self, &endpoint.found) {
            (Self::Denied, _) => error.with_hint(MAY_NOT),
            (_, Found::Configured) => error.with_hint("start it, or take `host` out of the backend's configuration"),
            (_, Found::Variable(name)) => error.with_hint(format!("start it, or unset {name} to look for another")),
            (_, Found::Context(_)) => error.with_hint("start it, or `docker context use default`"),
            (_, Found::Usual) => error.with_hint("start it again; its containers may well go on without it"),
        }
    }

    fn kind(&self) -> ErrorKind {
        match self {
            Self::Denied => ErrorKind::Denied,
            _ => ErrorKind::Unreachable,
        }
    }
}

impl fmt::Display for Silence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoSuchFile => f.write_str("no such file"),
            Self::Denied => f.write_str("permission denied"),
            Self::Refused => f.write_str("connection refused, nothing listens there any more"),
            Self::TimedOut(limit) => write!(f, "no answer within {} s", limit.as_secs()),
            Self::NoEngine(why) => write!(f, "not a container engine, {why}"),
            Self::Failed(why) => f.write_str(why),
            Self::Is(flavour) => write!(f, "is {flavour}"),
        }
    }
}

const MAY_NOT: &str = "let your user use it, `sudo usermod -aG docker $USER` and a new login for Docker, \
                       or run an engine without root: `systemctl --user start podman.socket`";

fn none_answers(selected: Selected, silent: &[(Endpoint, Silence)]) -> Error {
    let (engine, start) = match selected {
        Selected::Any => {
            ("container engine", "start one: `sudo systemctl start docker`, or `systemctl --user start podman.socket`")
        }
        Selected::Docker => ("Docker engine", "start it: `sudo systemctl start docker`"),
        Selected::Podman => ("Podman engine", "start it: `systemctl --user start podman.socket`"),
    };
    // Those that are there come first: they are what a person can do something about.
    let (missing, there): (Vec<_>, Vec<_>) =
        silent.iter().partition(|(_, silence)| matches!(silence, Silence::NoSuchFile));
    let mut tried: Vec<String> = there.iter().map(|(endpoint, silence)| format!("{endpoint} ({silence})")).collect();
    let missing: Vec<String> = missing.iter().map(|(endpoint, _)| endpoint.to_string()).collect();
    if !missing.is_empty() {
        tried.push(format!("{} ({})", missing.join(", "), Silence::NoSuchFile));
    }
    let denied = there.iter().any(|(_, silence)| matches!(silence, Silence::Denied));
    let kind = if denied { ErrorKind::Denied } else { ErrorKind::Unreachable };
    Error::new(kind, format!("no {engine} answers; tried {}", tried.join("; "))).with_hint(if denied {
        MAY_NOT.to_owned()
    } else {
        format!("{start}; or name one by `host` or DOCKER_HOST")
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn usual(path: &str) -> Endpoint {
        Endpoint { url: format!("unix://{path}"), tls: None, found: Found::Usual }
    }

    #[test]
    fn where_none_answers_all_that_were_asked_are_named_with_the_reason() {
        let silent = [
            (usual("/a"), Silence::NoSuchFile),
            (usual("/b"), Silence::Refused),
            (usual("/c"), Silence::NoSuchFile),
            (usual("/d"), Silence::Is(Flavour::Podman)),
        ];
        let error = none_answers(Selected::Docker, &silent);
        assert_eq!(error.kind(), ErrorKind::Unreachable);
        assert_eq!(
            error.to_string(),
            "no Docker engine answers; tried unix:///b (connection refused, nothing listens there any more); \
             unix:///d (is Podman); unix:///a, unix:///c (no such file)"
        );
        assert!(error.hint().unwrap().starts_with("start it: `sudo systemctl start docker`"));
    }

    #[test]
    fn where_the_user_may_not_ask_the_hint_says_how_to_be_let() {
        let error = none_answers(Selected::Any, &[(usual("/a"), Silence::Denied), (usual("/b"), Silence::NoSuchFile)]);
        assert_eq!((error.kind(), error.hint()), (ErrorKind::Denied, Some(MAY_NOT)));
    }

    #[test]
    fn a_version_has_two_numbers_whatever_its_builder_adds() {
        for (text, numbers) in [("20.10.24+dfsg1", (20, 10)), ("5.4.0-dev", (5, 4)), ("29", (29, 0)), ("", (0, 0))] {
            assert_eq!(Version::from(text).numbers(), numbers, "{text}");
        }
    }
}
