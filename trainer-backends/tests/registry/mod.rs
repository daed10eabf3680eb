//! A registry of one image, small enough to be read: HTTP on a port of this machine, with a password.

use std::{
    io::{BufRead as _, BufReader, Write as _},
    net::{TcpListener, TcpStream},
    sync::{Arc, Mutex},
    thread,
    time::Duration,
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::json;
use sha2::{Digest as _, Sha256};

/// Who may pull. Of the password, base64 makes the two letters in which its two alphabets differ.
const USER: &str = "somebody";
pub(crate) const SECRET: &str = "~~~???>>>~~~???";

/// The registry: one service at two addresses. The user has credentials for one.
pub(crate) struct Registry {
    known: u16,
    strange: u16,
    log: Arc<Mutex<Vec<String>>>,
}

impl Registry {
    pub(crate) fn start() -> Self {
        let log = Arc::new(Mutex::new(Vec::new()));
        let start = || {
            let log = Arc::clone(&log);
            serve(move |request| {
                let answer = answer(request);
                if answer.status == 200 && request.method == "GET" {
                    log.lock().unwrap().push(request.path.clone());
                }
                answer
            })
        };
        let (known, strange) = (start(), start());
        Self { known, strange, log }
    }

    /// The address that the user has logged in to.
    pub(crate) fn known(&self) -> String {
        format!("127.0.0.1:{}", self.known)
    }

    /// One that the user hasn't.
    pub(crate) fn strange(&self) -> String {
        format!("127.0.0.1:{}", self.strange)
    }

    /// What `docker login` would have left.
    pub(crate) fn config(&self) -> String {
        let auth = STANDARD.encode(format!("{USER}:{SECRET}"));
        json!({ "auths": { self.known(): { "auth": auth } } }).to_string()
    }

    /// Digest of the image in `repository`.
    pub(crate) fn digest(&self, repository: &str) -> String {
        digest(Image::of(repository).manifest.as_bytes())
    }

    /// How often the layer in `repository` was sent.
    pub(crate) fn layers_served(&self, repository: &str) -> usize {
        let path = format!("/v2/{repository}/blobs/{}", digest(&Image::of(repository).layer));
        self.log.lock().unwrap().iter().filter(|served| **served == path).count()
    }
}

fn answer(request: &Request) -> Answer {
    let expected = format!("Basic {}", STANDARD.encode(format!("{USER}:{SECRET}")));
    if request.authorization.as_deref() != Some(&expected) {
        let errors = r#"{"errors":[{"code":"UNAUTHORIZED","message":"authentication required"}]}"#;
        return Answer::text(401, errors).header("Www-Authenticate: Basic realm=\"test\"");
    }
    let Some(path) = request.path.strip_prefix("/v2/") else { return Answer::text(404, "") };
    if path.is_empty() {
        return Answer::text(200, "{}");
    }
    if let Some((repository, wanted)) = path.split_once("/blobs/") {
        let image = Image::of(repository);
        let found = [image.layer, image.config.into_bytes()].into_iter().find(|blob| digest(blob) == wanted);
        return found.map_or_else(|| Answer::text(404, ""), |blob| Answer { body: blob, ..Answer::text(200, "") });
    }
    match path.split_once("/manifests/") {
        Some((repository, "missing")) => {
            let message = format!("manifest of {repository} unknown");
            let errors = json!({ "errors": [{ "code": "MANIFEST_UNKNOWN", "message": message }] });
            Answer::text(404, &errors.to_string())
        }
        Some((repository, _)) => {
            let manifest = Image::of(repository).manifest;
            Answer::text(200, &manifest)
                .header(&format!("Content-Type: {MANIFEST}"))
                .header(&format!("Docker-Content-Digest: {}", digest(manifest.as_bytes())))
        }
        None => Answer::text(404, ""),
    }
}

const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";

/// The image of a repository: one layer with one file, which differs from repository to repository.
struct Image {
    manifest: String,
    config: String,
    layer: Vec<u8>,
}

impl Image {
    fn of(repository: &str) -> Self {
        let layer = tar("file", &repository.repeat(200_000).into_bytes());
        let config = json!({
            "architecture": if cfg!(target_arch = "aarch64") { "arm64" } else { "amd64" },
            "os": "linux",
            "config": {
                "Env": ["FROM=registry"], "Entrypoint": ["/program"], "Cmd": ["argument"], "User": "7", "WorkingDir": "/work"
            },
            "rootfs": { "type": "layers", "diff_ids": [digest(&layer)] },
            "history": [{ "created_by": "a test" }],
        })
        .to_string();
        let manifest = json!({
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "config": {
                "mediaType": "application/vnd.oci.image.config.v1+json",
                "size": config.len(),
                "digest": digest(config.as_bytes())
            },
            "layers": [{
                "mediaType": "application/vnd.oci.image.layer.v1.tar", "size": layer.len(), "digest": digest(&layer)
            }],
        })
        .to_string();
        Self { manifest, config, layer }
    }
}

fn digest(bytes: &[u8]) -> String {
    let hex: String = Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect();
    format!("sha256:{hex}")
}

/// An archive with one file: a header, the content, and two empty blocks, in blocks of 512 bytes.
fn tar(name: &str, content: &[u8]) -> Vec<u8> {
    let mut header = [0_u8; 512];
    let mut write = |at: usize, text: &str| header[at..at + text.len()].copy_from_slice(text.as_bytes());
    write(0, name);
    write(100, "0000644");
    write(108, "0000000");
    write(116, "0000000");
    write(124, &format!("{:011o}", content.len()));
    write(136, "00000000000");
    write(148, "        ");
    write(156, "0");
    write(257, "ustar");
    write(263, "00");
    let sum: u32 = header.iter().map(|byte| u32::from(*byte)).sum();
    header[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    let mut archive = [&header, content].concat();
    archive.resize(archive.len().next_multiple_of(512) + 1024, 0);
    archive
}

/// One request.
pub(crate) struct Request {
    method: String,
    path: String,
    authorization: Option<String>,
}

/// What is answered to one.
pub(crate) struct Answer {
    status: u16,
    headers: String,
    body: Vec<u8>,
}

impl Answer {
    pub(crate) fn text(status: u16, body: &str) -> Self {
        Self { status, headers: String::new(), body: body.as_bytes().to_vec() }
    }

    fn header(mut self, header: &str) -> Self {
        self.headers.push_str(header);
        self.headers.push_str("\r\n");
        self
    }
}

/// Serves HTTP on a port of this machine for as long as the process lives.
pub(crate) fn serve(answer: impl Fn(&Request) -> Answer + Send + Sync + 'static) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let answer = Arc::new(answer);
    thread::spawn(move || {
        for stream in listener.incoming() {
            let answer = Arc::clone(&answer);
            thread::spawn(move || respond(stream.unwrap(), &*answer));
        }
    });
    port
}

/// One request a connection. Whoever hangs up early has their reason.
fn respond(mut stream: TcpStream, answer: &dyn Fn(&Request) -> Answer) -> Option<()> {
    let mut lines = BufReader::new(stream.try_clone().ok()?).lines();
    let first = lines.next()?.ok()?;
    let mut words = first.split(' ').map(str::to_owned);
    let mut request = Request { method: words.next()?, path: words.next()?, authorization: None };
    for line in lines.map_while(Result::ok).take_while(|line| !line.is_empty()) {
        if let Some((name, value)) = line.split_once(": ")
            && name.eq_ignore_ascii_case("authorization")
        {
            request.authorization = Some(value.to_owned());
        }
    }
    let Answer { status, headers, body } = answer(&request);
    let length = body.len();
    let head = format!("HTTP/1.1 {status} Status\r\nContent-Length: {length}\r\nConnection: close\r\n{headers}\r\n");
    stream.write_all(head.as_bytes()).ok()?;
    if request.method == "HEAD" {
        return Some(());
    }
    // In pieces: Podman tells of its progress once a second.
    for piece in body.chunks(1 << 19) {
        stream.write_all(piece).ok()?;
        thread::sleep(Duration::from_millis(400));
    }
    Some(())
}
