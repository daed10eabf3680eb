//! Where an engine may be, and how that is known.

use std::{
    env, fmt,
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};
use trainer_core::{Error, Result};

use super::contexts;

/// Which engine is looked for: the name by which the backend was chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Selected {
    /// `container`: whichever there is.
    Any,
    /// `docker`.
    Docker,
    /// `podman`.
    Podman,
}

impl Selected {
    /// What the backend's name or alias asks for.
    #[must_use]
    pub fn of(name: &str) -> Self {
        match name {
            "docker" => Self::Docker,
            "podman" => Self::Podman,
            _ => Self::Any,
        }
    }
}

/// One place of an engine. A job's record has it, so that its supervisor talks to the same engine.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Endpoint {
    /// `unix://PATH` or `tcp://HOST:PORT`.
    pub url: String,
    /// The folder of `ca.pem`, `cert.pem` and `key.pem`, if it wants TLS.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tls: Option<PathBuf>,
    /// Who named it.
    pub found: Found,
}

/// Who named an endpoint.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Found {
    /// `host` in the backend's configuration.
    Configured,
    /// A variable of this name.
    Variable(String),
    /// The Docker context of this name.
    Context(String),
    /// Nobody: engines usually are there.
    Usual,
}

impl Endpoint {
    /// The endpoint that the configuration names.
    #[must_use]
    pub fn configured(url: &str) -> Self {
        Self { url: url.to_owned(), tls: None, found: Found::Configured }
    }

    fn usual(path: &Path) -> Self {
        Self { url: format!("unix://{}", path.display()), tls: None, found: Found::Usual }
    }

    /// Whether somebody chose it, so that no other will do.
    pub(super) fn is_chosen(&self) -> bool {
        self.found != Found::Usual
    }

    /// How it is reached.
    ///
    /// # Errors
    /// `Unsupported` for a transport that isn't ours, `Invalid` for what is no URL of an engine.
    pub(super) fn transport(&self) -> Result<Transport<'_>> {
        let (scheme, rest) = self.url.split_once("://").ok_or_else(|| {
            let hint = format!("write unix://{0} or tcp://{0}", self.url);
            Error::invalid(format!("`{self}` is no URL of a container engine")).with_hint(hint)
        })?;
        match scheme {
            "unix" => Ok(Transport::Unix(Path::new(rest))),
            "tcp" | "http" | "https" if rest.trim_end_matches('/').is_empty() => {
                Err(Error::invalid(format!("`{self}` names no host")).with_hint("write tcp://HOST:PORT"))
            }
            "https" if self.tls.is_none() => Err(Error::invalid(format!(
                "`{self}` wants TLS, and no certificates are named"
            ))
            .with_hint("DOCKER_TLS_VERIFY=1 and DOCKER_CERT_PATH=FOLDER with ca.pem, cert.pem and key.pem name them")),
            "tcp" | "http" | "https" => Ok(Transport::Tcp { tls: self.tls.as_deref() }),
            "ssh" => {
                let host = rest.split('/').next().unwrap_or_default();
                Err(Error::unsupported(format!("`{self}`: engines are not reached through ssh:// here")).with_hint(format!(
                    "forward its socket, `ssh -fNL /tmp/engine.sock:/var/run/docker.sock {host}`, and use unix:///tmp/engine.sock"
                )))
            }
            _ => Err(Error::unsupported(format!(
                "`{self}`: engines are reached through unix:// or tcp://, not {scheme}://"
            ))),
        }
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.found {
            Found::Configured => write!(f, "{} (configured)", self.url),
            Found::Variable(name) => write!(f, "{} ({name})", self.url),
            Found::Context(name) => write!(f, "{} (Docker context `{name}`)", self.url),
            Found::Usual => f.write_str(&self.url),
        }
    }
}

/// How an endpoint is reached.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Transport<'a> {
    Unix(&'a Path),
    Tcp { tls: Option<&'a Path> },
}

/// Where engines may be, in the order in which they are asked: the configured host, `DOCKER_HOST`
/// (`docker`, `container`), `CONTAINER_HOST` (`podman`, `container`), the Docker context (`docker`,
/// `container`), the usual sockets. One that somebody chose is the only one.
///
/// # Errors
/// Those of the Docker context.
pub(super) fn candidates(selected: Selected, configured: Option<&str>, here: &Surroundings) -> Result<Vec<Endpoint>> {
    if let Some(chosen) = chosen(selected, configured, here)? {
        return Ok(vec![chosen]);
    }
    let mut sockets = Vec::new();
    if selected != Selected::Podman {
        sockets.extend(docker_sockets(here));
    }
    if selected != Selected::Docker {
        sockets.extend(podman_sockets(here));
    }
    Ok(sockets.iter().map(|path| Endpoint::usual(path)).collect())
}

fn chosen(selected: Selected, configured: Option<&str>, here: &Surroundings) -> Result<Option<Endpoint>> {
    if let Some(url) = configured {
        return here.with_tls(Endpoint::configured(url)).map(Some);
    }
    let variable = |name: &str| -> Option<Endpoint> {
        let url = here.variable(name)?;
        Some(Endpoint { url, tls: None, found: Found::Variable(name.to_owned()) })
    };
    if selected != Selected::Podman
        && let Some(endpoint) = variable("DOCKER_HOST")
    {
        return here.with_tls(endpoint).map(Some);
    }
    if selected != Selected::Docker
        && let Some(endpoint) = variable("CONTAINER_HOST")
    {
        return here.with_tls(endpoint).map(Some);
    }
    match (selected, here.docker_folder()) {
        (Selected::Any | Selected::Docker, Some(folder)) => {
            contexts::current(here.variable("DOCKER_CONTEXT").as_deref(), &folder)
        }
        _ => Ok(None),
    }
}

fn docker_sockets(here: &Surroundings) -> Vec<PathBuf> {
    let mut sockets = vec![PathBuf::from("/var/run/docker.sock"), here.runtime_dir.join("docker.sock")];
    if let Some(home) = &here.home {
        // Docker Desktop, Colima (its folder of today and before), Rancher Desktop, Lima.
        sockets.push(home.join(".docker/run/docker.sock"));
        if let Some(config) = here.variable("XDG_CONFIG_HOME") {
            sockets.push(Path::new(&config).join("colima/default/docker.sock"));
        }
        let others =
            [".colima/default/docker.sock", ".colima/docker.sock", ".rd/docker.sock", ".lima/docker/sock/docker.sock"];
        sockets.extend(others.map(|socket| home.join(socket)));
    }
    sockets
}

fn podman_sockets(here: &Surroundings) -> Vec<PathBuf> {
    let service = here.runtime_dir.join("podman/podman.sock");
    let machine = here.runtime_dir.join("podman/podman-machine-default-api.sock");
    let mut sockets = vec![PathBuf::from("/run/podman/podman.sock"), service, machine];
    if let Some(temporary) = here.variable("TMPDIR") {
        sockets.push(Path::new(&temporary).join("podman/podman-machine-default-api.sock"));
    }
    if let Some(home) = &here.home {
        sockets.push(home.join(".local/share/containers/podman/machine/podman.sock"));
        sockets.push(home.join(".lima/podman/sock/podman.sock"));
    }
    sockets
}

/// Reads a variable of the environment.
type Variables = Box<dyn Fn(&str) -> Option<String> + Send + Sync>;

/// What of this process's surroundings says where engines are.
pub(super) struct Surroundings {
    variables: Variables,
    home: Option<PathBuf>,
    runtime_dir: PathBuf,
}

impl Surroundings {
    /// Those of this process.
    pub(super) fn here() -> Self {
        Self::of(|name| env::var(name).ok(), env::home_dir())
    }

    pub(super) fn of(
        variables: impl Fn(&str) -> Option<String> + Send + Sync + 'static,
        home: Option<PathBuf>,
    ) -> Self {
        let runtime_dir = variables("XDG_RUNTIME_DIR")
            .filter(|dir| !dir.is_empty())
            .map_or_else(|| PathBuf::from(format!("/run/user/{}", rustix::process::getuid().as_raw())), PathBuf::from);
        Self { variables: Box::new(variables), home, runtime_dir }
    }

    /// A variable that says something.
    pub(super) fn variable(&self, name: &str) -> Option<String> {
        (self.variables)(name).filter(|value| !value.is_empty())
    }

    /// The folder of the user's own files.
    pub(super) fn home(&self) -> Option<&Path> {
        self.home.as_deref()
    }

    /// Where sockets and credentials of this login are.
    pub(super) fn runtime_dir(&self) -> &Path {
        &self.runtime_dir
    }

    /// Where the `docker` command keeps its configuration.
    pub(super) fn docker_folder(&self) -> Option<PathBuf> {
        match self.variable("DOCKER_CONFIG") {
            Some(folder) => Some(folder.into()),
            None => self.home.as_ref().map(|home| home.join(".docker")),
        }
    }

    /// `endpoint` with the certificates that the variables of the `docker` command name.
    fn with_tls(&self, mut endpoint: Endpoint) -> Result<Endpoint> {
        if endpoint.url.starts_with("unix://") {
            return Ok(endpoint);
        }
        if self.variable("DOCKER_TLS_VERIFY").is_some() {
            endpoint.tls = self.variable("DOCKER_CERT_PATH").map(PathBuf::from).or_else(|| self.docker_folder());
        } else if self.variable("DOCKER_TLS").is_some() {
            return Err(Error::unsupported(
                "DOCKER_TLS without DOCKER_TLS_VERIFY leaves the engine's certificate unchecked",
            )
            .with_hint("set DOCKER_TLS_VERIFY=1, and DOCKER_CERT_PATH to the folder of ca.pem, cert.pem and key.pem"));
        }
        Ok(endpoint)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use trainer_core::ErrorKind;

    use super::*;

    fn here(variables: &'static [(&'static str, &'static str)]) -> Surroundings {
        let variable =
            |name: &str| variables.iter().find(|(other, _)| *other == name).map(|(_, value)| (*value).to_owned());
        Surroundings::of(variable, Some("/nowhere/me".into()))
    }

    fn urls(selected: Selected, configured: Option<&str>, here: &Surroundings) -> Vec<String> {
        candidates(selected, configured, here).unwrap().iter().map(ToString::to_string).collect()
    }

    #[test]
    fn what_is_chosen_is_the_only_one_and_the_nearest_choice_wins() {
        let both = here(&[("DOCKER_HOST", "tcp://a:1"), ("CONTAINER_HOST", "unix:///b"), ("DOCKER_CONTEXT", "c")]);
        assert_eq!(urls(Selected::Any, Some("tcp://own:1"), &both), ["tcp://own:1 (configured)"]);
        assert_eq!(urls(Selected::Any, None, &both), ["tcp://a:1 (DOCKER_HOST)"]);
        assert_eq!(urls(Selected::Docker, None, &both), ["tcp://a:1 (DOCKER_HOST)"]);
        assert_eq!(urls(Selected::Podman, None, &both), ["unix:///b (CONTAINER_HOST)"]);
        let context = here(&[("DOCKER_CONTEXT", "c")]);
        assert_eq!(candidates(Selected::Docker, None, &context).unwrap_err().kind(), ErrorKind::Invalid);
        assert!(candidates(Selected::Podman, None, &context).is_ok(), "contexts are Docker's");
    }

    #[test]
    fn the_usual_sockets_come_in_this_order() {
        let here = here(&[("XDG_RUNTIME_DIR", "/run/me"), ("DOCKER_HOST", ""), ("TMPDIR", "/tmp/me")]);
        let docker = [
            "unix:///var/run/docker.sock",
            "unix:///run/me/docker.sock",
            "unix:///nowhere/me/.docker/run/docker.sock",
            "unix:///nowhere/me/.colima/default/docker.sock",
            "unix:///nowhere/me/.colima/docker.sock",
            "unix:///nowhere/me/.rd/docker.sock",
            "unix:///nowhere/me/.lima/docker/sock/docker.sock",
        ];
        let podman = [
            "unix:///run/podman/podman.sock",
            "unix:///run/me/podman/podman.sock",
            "unix:///run/me/podman/podman-machine-default-api.sock",
            "unix:///tmp/me/podman/podman-machine-default-api.sock",
            "unix:///nowhere/me/.local/share/containers/podman/machine/podman.sock",
            "unix:///nowhere/me/.lima/podman/sock/podman.sock",
        ];
        assert_eq!(urls(Selected::Docker, None, &here), docker);
        assert_eq!(urls(Selected::Podman, None, &here), podman);
        assert_eq!(urls(Selected::Any, None, &here), [&docker[..], &podman[..]].concat());
    }

    #[test]
    fn certificates_are_those_that_the_docker_command_would_take() {
        let tls = |here: Surroundings| candidates(Selected::Docker, None, &here).map(|found| found[0].tls.clone());
        let named = here(&[("DOCKER_HOST", "tcp://a:1"), ("DOCKER_TLS_VERIFY", "1"), ("DOCKER_CERT_PATH", "/certs")]);
        assert_eq!(tls(named).unwrap(), Some("/certs".into()));
        let usual = here(&[("DOCKER_HOST", "tcp://a:1"), ("DOCKER_TLS_VERIFY", "1")]);
        assert_eq!(tls(usual).unwrap(), Some("/nowhere/me/.docker".into()));
        let plain = here(&[("DOCKER_HOST", "tcp://a:1"), ("DOCKER_CERT_PATH", "/certs")]);
        assert_eq!(tls(plain).unwrap(), None);
        let unchecked = here(&[("DOCKER_HOST", "tcp://a:1"), ("DOCKER_TLS", "1")]);
        assert_eq!(tls(unchecked).unwrap_err().kind(), ErrorKind::Unsupported);
    }

    #[test]
    fn what_cannot_be_reached_from_here_is_refused_with_a_way_out() {
        let refused = |url: &str| Endpoint::configured(url).transport().unwrap_err();
        assert_eq!(refused("ssh://me@box:22").kind(), ErrorKind::Unsupported);
        assert!(refused("ssh://me@box").hint().unwrap().contains("/var/run/docker.sock me@box`"));
        assert_eq!(refused("npipe:////./pipe/docker_engine").kind(), ErrorKind::Unsupported);
        for url in ["/var/run/docker.sock", "tcp://", "https://box:2376"] {
            assert_eq!(refused(url).kind(), ErrorKind::Invalid, "{url}");
        }
        assert_eq!(Endpoint::configured("unix:///a b").transport().unwrap(), Transport::Unix(Path::new("/a b")));
        assert_eq!(Endpoint::configured("tcp://box:2375").transport().unwrap(), Transport::Tcp { tls: None });
    }
}
