//! The user's credentials for a registry, where `docker login` and `podman login` left them.
//!
//! **Rule: they go from their file or program to the engine, and nowhere else.** Nothing here is logged, and no
//! type that holds one can be printed.

use std::{
    collections::HashMap,
    fs, io,
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use bollard::auth::DockerCredentials;
use serde::Deserialize;
use tokio::{io::AsyncWriteExt as _, process::Command, time::timeout};

use super::{
    super::{endpoint::Surroundings, engine::Flavour},
    reference::ImageRef,
};

/// How long a credential helper may take. It may have to ask the user's keychain.
const HELPER: Duration = Duration::from_secs(20);

/// What helpers and files call Docker's Hub.
const HUB: &str = "https://index.docker.io/v1/";
const HUB_NAMES: [&str; 3] = ["index.docker.io", "docker.io", "registry-1.docker.io"];

/// What there is for a registry.
#[derive(Default)]
pub(super) struct Credentials {
    /// None: it is asked as anybody.
    pub(super) credentials: Option<DockerCredentials>,
    /// What went wrong while looking, said if the registry then refuses.
    pub(super) trouble: Option<String>,
}

/// The credentials for the registry of `reference`.
pub(super) async fn find(reference: &ImageRef, flavour: Flavour, here: &Surroundings) -> Credentials {
    let mut trouble = None;
    for path in files(flavour, here) {
        let file = match AuthFile::read(&path) {
            Ok(Some(file)) => file,
            Ok(None) => continue,
            Err(why) => {
                trouble.get_or_insert(format!("{} can't be read: {why}", path.display()));
                continue;
            }
        };
        let server = server(reference);
        if let Some(helper) = file.helper(reference) {
            match ask(helper, &server, here).await {
                Ok(Some(credentials)) => return Credentials { credentials: Some(credentials), trouble },
                Ok(None) => {}
                Err(why) => {
                    trouble.get_or_insert(why);
                }
            }
        }
        if let Some(credentials) = file.entry(reference).and_then(|entry| entry.credentials(&server)) {
            return Credentials { credentials: Some(credentials), trouble };
        }
    }
    Credentials { credentials: None, trouble }
}

/// Where credentials may be, the engine's own command first.
fn files(flavour: Flavour, here: &Surroundings) -> Vec<PathBuf> {
    let docker = here.docker_folder().map(|folder| folder.join("config.json"));
    let podman = here
        .variable("REGISTRY_AUTH_FILE")
        .map(PathBuf::from)
        .into_iter()
        .chain([here.runtime_dir().join("containers/auth.json")])
        .chain(here.home().map(|home| home.join(".config/containers/auth.json")));
    match flavour {
        Flavour::Docker => docker.into_iter().chain(podman).collect(),
        Flavour::Podman => podman.chain(docker).collect(),
    }
}

/// What a helper is asked for.
fn server(reference: &ImageRef) -> String {
    if HUB_NAMES.contains(&reference.registry()) { HUB.to_owned() } else { reference.registry().to_owned() }
}

/// `config.json` of Docker, `auth.json` of Podman.
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct AuthFile {
    auths: HashMap<String, Entry>,
    cred_helpers: HashMap<String, String>,
    creds_store: Option<String>,
}

impl AuthFile {
    fn read(path: &Path) -> Result<Option<Self>, String> {
        match fs::read_to_string(path) {
            // The parser's message would show a piece of the file.
            Ok(text) => serde_json::from_str(&text)
                .map(Some)
                .map_err(|error| format!("line {}, column {} is not as expected", error.line(), error.column())),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error.to_string()),
        }
    }

    fn helper(&self, reference: &ImageRef) -> Option<&str> {
        let own = self.cred_helpers.iter().find(|(key, _)| names(key, reference.registry()));
        own.map(|(_, helper)| helper).or(self.creds_store.as_ref()).map(String::as_str).filter(|name| !name.is_empty())
    }

    /// The entry for the longest part of the image's path: Podman's may be for a folder of a registry.
    fn entry(&self, reference: &ImageRef) -> Option<&Entry> {
        let repository = reference.repository();
        let mut scope = repository.as_str();
        loop {
            if let Some((_, entry)) = self.auths.iter().find(|(key, _)| names(key, scope)) {
                return Some(entry);
            }
            scope = scope.rsplit_once('/')?.0;
        }
    }
}

/// Whether `key` of a file is for `scope`, a registry or a folder in one. Docker's keys may be URLs.
fn names(key: &str, scope: &str) -> bool {
    let key = match key.split_once("://") {
        Some((_, rest)) => rest.split('/').next().unwrap_or(rest),
        None => key.trim_end_matches('/'),
    };
    key == scope || HUB_NAMES.contains(&key) && HUB_NAMES.contains(&scope)
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Entry {
    auth: Option<String>,
    username: Option<String>,
    password: Option<String>,
    identitytoken: Option<String>,
    registrytoken: Option<String>,
}

impl Entry {
    fn credentials(&self, server: &str) -> Option<DockerCredentials> {
        let decoded = self.auth.as_deref().and_then(decode);
        let (username, password) = decoded.or_else(|| Some((self.username.clone()?, self.password.clone()?))).unzip();
        let given = |token: &Option<String>| token.clone().filter(|token| !token.is_empty());
        let (identitytoken, registrytoken) = (given(&self.identitytoken), given(&self.registrytoken));
        if username.is_none() && identitytoken.is_none() && registrytoken.is_none() {
            return None;
        }
        Some(DockerCredentials {
            username,
            password,
            identitytoken,
            registrytoken,
            serveraddress: Some(server.to_owned()),
            ..DockerCredentials::default()
        })
    }
}

/// `user:password` in base64.
fn decode(auth: &str) -> Option<(String, String)> {
    let text = String::from_utf8(STANDARD.decode(auth.trim()).ok()?).ok()?;
    let (user, password) = text.split_once(':')?;
    Some((user.to_owned(), password.trim_end_matches('\0').to_owned()))
}

/// Asks the program `docker-credential-HELPER` for `server`: `None` if it knows none.
async fn ask(helper: &str, server: &str, here: &Surroundings) -> Result<Option<DockerCredentials>, String> {
    let name = format!("docker-credential-{helper}");
    let failed = |why: String| format!("the credential helper `{name}` {why}");
    if helper.contains('/') {
        return Err(failed("is no name of a program".to_owned()));
    }
    let mut command = Command::new(&name);
    command.arg("get").stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).kill_on_drop(true);
    if let Some(path) = here.variable("PATH") {
        command.env("PATH", path);
    }
    let answer = async {
        let mut child = command.spawn()?;
        if let Some(mut stdin) = child.stdin.take() {
            // A helper that doesn't read answers all the same.
            let _ = stdin.write_all(server.as_bytes()).await;
        }
        child.wait_with_output().await
    };
    let output = match timeout(HELPER, answer).await {
        Err(_) => return Err(failed(format!("didn't answer within {} s", HELPER.as_secs()))),
        Ok(Err(error)) if error.kind() == io::ErrorKind::NotFound => return Err(failed("isn't installed".to_owned())),
        Ok(Err(error)) => return Err(failed(format!("can't be run: {error}"))),
        Ok(Ok(output)) => output,
    };
    if !output.status.success() {
        // The one answer that the protocol knows by its words.
        let unknown = String::from_utf8_lossy(&output.stdout).to_lowercase().contains("credentials not found");
        return if unknown { Ok(None) } else { Err(failed(format!("failed ({})", output.status))) };
    }
    let answer: Answer = serde_json::from_slice(&output.stdout)
        .map_err(|_| failed("answered with something that is no credential".to_owned()))?;
    Ok(Some(answer.credentials(server)))
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Answer {
    username: String,
    secret: String,
}

impl Answer {
    fn credentials(self, server: &str) -> DockerCredentials {
        let serveraddress = Some(server.to_owned());
        // So the protocol marks a secret that is a token, not a password.
        if self.username == "<token>" {
            return DockerCredentials {
                identitytoken: Some(self.secret),
                serveraddress,
                ..DockerCredentials::default()
            };
        }
        DockerCredentials {
            username: Some(self.username),
            password: Some(self.secret),
            serveraddress,
            ..DockerCredentials::default()
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    /// A user's folder with these files in it.
    fn home(files: &[(&str, &str)]) -> tempfile::TempDir {
        let home = tempfile::tempdir().unwrap();
        for (name, text) in files {
            let path = home.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(&path, text).unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(0o700)).unwrap();
        }
        home
    }

    fn found(image: &str, flavour: Flavour, home: &tempfile::TempDir) -> Credentials {
        let path = home.path().to_owned();
        let variables = move |name: &str| match name {
            "XDG_RUNTIME_DIR" => Some(path.join("run").display().to_string()),
            "PATH" => Some(format!("{}:/usr/bin:/bin", path.join("bin").display())),
            _ => None,
        };
        let here = Surroundings::of(variables, Some(home.path().to_owned()));
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(find(&image.parse().unwrap(), flavour, &here))
    }

    fn user(image: &str, flavour: Flavour, home: &tempfile::TempDir) -> Option<String> {
        found(image, flavour, home).credentials.and_then(|credentials| credentials.username)
    }

    #[test]
    fn docker_s_file_is_read_by_registry() {
        // me:se:cret and hub:x
        let config = r#"{ "auths": { "box:5000": { "auth": "bWU6c2U6Y3JldA==" }, "https://index.docker.io/v1/": { "auth": "aHViOng=" }, "empty.io": {} } }"#;
        let home = home(&[(".docker/config.json", config)]);
        let here = found("box:5000/a/b:1", Flavour::Docker, &home).credentials.unwrap();
        assert_eq!((here.username.as_deref(), here.password.as_deref()), (Some("me"), Some("se:cret")));
        assert_eq!(here.serveraddress.as_deref(), Some("box:5000"));
        assert_eq!(user("python", Flavour::Docker, &home).as_deref(), Some("hub"));
        assert_eq!(user("empty.io/a", Flavour::Docker, &home), None);
        assert_eq!(user("box:5001/a", Flavour::Docker, &home), None);
    }

    #[test]
    fn podman_s_own_file_goes_first_and_knows_folders() {
        // folder:x, registry:x, docker:x
        let auth =
            r#"{ "auths": { "quay.io/acme": { "auth": "Zm9sZGVyOng=" }, "quay.io": { "auth": "cmVnaXN0cnk6eA==" } } }"#;
        let config = r#"{ "auths": { "quay.io": { "auth": "ZG9ja2VyOng=" } } }"#;
        let home = home(&[("run/containers/auth.json", auth), (".docker/config.json", config)]);
        assert_eq!(user("quay.io/acme/a", Flavour::Podman, &home).as_deref(), Some("folder"));
        assert_eq!(user("quay.io/other/a", Flavour::Podman, &home).as_deref(), Some("registry"));
        assert_eq!(user("quay.io/acme/a", Flavour::Docker, &home).as_deref(), Some("docker"));
    }

    #[test]
    fn helpers_are_asked_and_their_trouble_is_told_without_what_they_say() {
        let config =
            r#"{ "credsStore": "store", "credHelpers": { "own.io": "own", "gone.io": "gone", "sick.io": "sick" } }"#;
        let store = "#!/bin/sh\necho 'credentials not found in native keychain'; exit 1\n";
        let own = "#!/bin/sh\nread server; printf '{\"ServerURL\":\"%s\",\"Username\":\"<token>\",\"Secret\":\"of %s\"}' \"$server\" \"$server\"\n";
        let home = home(&[
            (".docker/config.json", config),
            ("bin/docker-credential-store", store),
            ("bin/docker-credential-own", own),
            ("bin/docker-credential-sick", "#!/bin/sh\necho hunter2; exit 3\n"),
        ]);
        let here = found("own.io/a", Flavour::Docker, &home);
        assert_eq!(here.credentials.unwrap().identitytoken.as_deref(), Some("of own.io"));
        let none = found("other.io/a", Flavour::Docker, &home);
        assert!(none.credentials.is_none() && none.trouble.is_none());
        let gone = found("gone.io/a", Flavour::Docker, &home).trouble.unwrap();
        assert_eq!(gone, "the credential helper `docker-credential-gone` isn't installed");
        let sick = found("sick.io/a", Flavour::Docker, &home).trouble.unwrap();
        assert_eq!(sick, "the credential helper `docker-credential-sick` failed (exit status: 3)");
    }

    #[test]
    fn a_file_that_cannot_be_read_is_told_without_what_is_in_it() {
        let home = home(&[(".docker/config.json", "{ \"auths\": \"hunter2\" }")]);
        let trouble = found("a", Flavour::Docker, &home).trouble.unwrap();
        assert!(trouble.ends_with("can't be read: line 1, column 20 is not as expected"), "{trouble}");
    }
}
