//! The contexts of the `docker` command: which engine it talks to when nothing else says so.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use serde::Deserialize;
use sha2::{Digest as _, Sha256};
use trainer_core::{Error, Result};

use super::endpoint::{Endpoint, Found};

/// The context that means "no context".
const DEFAULT: &str = "default";

/// The endpoint of the current context; `None` if it is the default one.
///
/// `named` is what `DOCKER_CONTEXT` says, `folder` the `docker` command's configuration.
///
/// # Errors
/// `Invalid` if the context that was chosen isn't there or its files aren't what they should be, `Unsupported` if it
/// asks for what this client can't do.
pub(super) fn current(named: Option<&str>, folder: &Path) -> Result<Option<Endpoint>> {
    let chosen = match named.filter(|name| !name.is_empty()) {
        Some(name) => Some(name.to_owned()),
        None => Config::read(folder)?.current_context.filter(|name| !name.is_empty()),
    };
    let Some(name) = chosen.filter(|name| name != DEFAULT) else { return Ok(None) };
    // The `docker` command names the folders of a context by its name's digest.
    let digest: String = Sha256::digest(name.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect();
    let path = folder.join("contexts/meta").join(&digest).join("meta.json");
    let text = fs::read_to_string(&path).map_err(|source| match source.kind() {
        io::ErrorKind::NotFound => {
            let error = Error::invalid(format!("there is no Docker context named `{name}`"));
            let hint =
                "`docker context ls` shows those there are; DOCKER_CONTEXT or `docker context use` chose this one";
            error.with_hint(hint).with_context("path", path.display().to_string())
        }
        _ => Error::io("read the Docker context", &path, source),
    })?;
    let meta: Meta = parse(&path, &text)?;
    let docker = meta.endpoints.docker;
    let Some(host) = docker.host.filter(|host| !host.is_empty()) else {
        return Err(Error::invalid(format!("the Docker context `{name}` names no host")));
    };
    if docker.skip_tls_verify {
        return Err(Error::unsupported(format!(
            "the Docker context `{name}` skips the check of its engine's certificate"
        ))
        .with_hint("give it the engine's CA: `docker context update --docker host=…,ca=…`"));
    }
    let tls = folder.join("contexts/tls").join(&digest).join("docker");
    let tls: Option<PathBuf> = tls.is_dir().then_some(tls);
    Ok(Some(Endpoint { url: host, tls, found: Found::Context(name) }))
}

/// What is read of the `docker` command's config.json here.
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Config {
    current_context: Option<String>,
}

impl Config {
    fn read(folder: &Path) -> Result<Self> {
        let path = folder.join("config.json");
        match fs::read_to_string(&path) {
            Ok(text) => parse(&path, &text),
            // The file may be another user's: who can't read it has chosen nothing in it.
            Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::PermissionDenied) => {
                Ok(Self::default())
            }
            Err(error) => Err(Error::io("read", &path, error)),
        }
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Meta {
    endpoints: Endpoints,
}

#[derive(Deserialize)]
struct Endpoints {
    docker: Docker,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Docker {
    host: Option<String>,
    #[serde(rename = "SkipTLSVerify", default)]
    skip_tls_verify: bool,
}

fn parse<T: serde::de::DeserializeOwned>(path: &Path, text: &str) -> Result<T> {
    serde_json::from_str(text).map_err(|error| {
        Error::invalid(format!("{} is not what the `docker` command writes: {error}", path.display()))
            .with_source(error)
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use trainer_core::ErrorKind;

    use super::*;

    /// The digest of `remote`, as `docker context create remote` names the context's folders.
    const REMOTE: &str = "b71199ebd070b36beab7317920c2c2f1d777df8d05e5527d8458fda57cb17a7a";

    fn folder(meta: &str, chosen: &str) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("contexts/meta").join(REMOTE);
        fs::create_dir_all(&path).unwrap();
        fs::write(path.join("meta.json"), meta).unwrap();
        fs::write(folder.path().join("config.json"), format!(r#"{{"auths":{{}},"currentContext":"{chosen}"}}"#))
            .unwrap();
        folder
    }

    const META: &str =
        r#"{"Name":"remote","Metadata":{},"Endpoints":{"docker":{"Host":"tcp://box:2376","SkipTLSVerify":false}}}"#;

    #[test]
    fn the_variable_decides_before_the_configuration() {
        let folder = folder(META, "default");
        assert_eq!(current(None, folder.path()).unwrap(), None);
        let endpoint = current(Some("remote"), folder.path()).unwrap().unwrap();
        assert_eq!(endpoint.url, "tcp://box:2376");
        assert_eq!(endpoint.tls, None);
        assert_eq!(endpoint.to_string(), "tcp://box:2376 (Docker context `remote`)");
    }

    #[test]
    fn a_contexts_certificates_are_found() {
        let folder = folder(META, "remote");
        let tls = folder.path().join("contexts/tls").join(REMOTE).join("docker");
        fs::create_dir_all(&tls).unwrap();
        assert_eq!(current(None, folder.path()).unwrap().unwrap().tls, Some(tls.clone()));
        assert_eq!(current(Some("default"), folder.path()).unwrap(), None, "chosen to have none");
    }

    #[test]
    fn a_context_that_cannot_be_had_is_an_error_and_not_the_next_best_engine() {
        let skips = META.replace("false", "true");
        let kind = |meta: &str, chosen: &str| current(Some(chosen), folder(meta, "default").path()).unwrap_err().kind();
        assert_eq!(kind(META, "gone"), ErrorKind::Invalid);
        assert_eq!(kind(&skips, "remote"), ErrorKind::Unsupported);
        assert_eq!(kind("{", "remote"), ErrorKind::Invalid);
        assert_eq!(kind(r#"{"Endpoints":{"docker":{}}}"#, "remote"), ErrorKind::Invalid);
    }

    #[test]
    fn without_configuration_there_is_no_context() {
        assert_eq!(current(None, tempfile::tempdir().unwrap().path()).unwrap(), None);
    }
}
