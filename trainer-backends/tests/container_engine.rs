//! Engines and images, on what really answers: sockets that are no engine, real engines, and a registry that
//! wants a password. What needs an engine is ignored unless `TRAINER_TEST_DOCKER_HOST` or
//! `TRAINER_TEST_PODMAN_HOST` names one, with the image `TRAINER_TEST_IMAGE`.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::print_stdout)]

mod registry;

use std::{
    env, fs,
    os::unix::{fs::PermissionsExt as _, net::UnixListener, process::CommandExt as _},
    path::Path,
    process::{Child, Command, ExitCode, Stdio},
    sync::{Arc, Mutex},
    time::Duration,
};

use bollard::query_parameters::RemoveImageOptionsBuilder;
use libtest_mimic::{Arguments, Failed, Trial};
use registry::{Registry, SECRET};
use trainer_backends::container::{
    Endpoint, Engine, Flavour, Selected,
    images::{PullPolicy, provide},
};
use trainer_core::{
    Error, ErrorKind,
    request::{Progress, ProgressEvent},
};

/// Set in the run that has the prepared environment: the folder that is the user's `DOCKER_CONFIG`.
const PLACE: &str = "CONTAINER_ENGINE_TEST_PLACE";

/// Set in a run that only asks whether there is an engine there.
const ASKED: &str = "CONTAINER_ENGINE_TEST_ASKED";

fn main() -> ExitCode {
    if let Ok(url) = env::var(ASKED) {
        let error = find(Selected::Any, &url).unwrap_err();
        println!("{:?}: {error}\n{}", error.kind(), error.hint().unwrap_or_default());
        return ExitCode::SUCCESS;
    }
    match env::var_os(PLACE) {
        Some(place) => libtest_mimic::run(&Arguments::from_args(), trials(Path::new(&place))).exit_code(),
        None => run_in_a_prepared_environment(),
    }
}

/// Runs this executable again, with a folder of the `docker` command of its own. A process can't change its own
/// environment safely.
fn run_in_a_prepared_environment() -> ExitCode {
    let place = tempfile::tempdir().unwrap();
    let status = Command::new(env::current_exe().unwrap())
        .args(env::args_os().skip(1))
        .env(PLACE, place.path())
        .env("DOCKER_CONFIG", place.path())
        .env("XDG_RUNTIME_DIR", place.path())
        .env_remove("REGISTRY_AUTH_FILE")
        .status()
        .unwrap();
    if status.success() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn trials(place: &Path) -> Vec<Trial> {
    let mut trials = vec![
        trial("a stale socket is named, with why it is no engine", a_stale_socket),
        trial("a socket that never answers is given up", a_silent_socket),
        trial("a socket of somebody else is told with what to do about it", a_forbidden_socket),
        trial("a server that is no engine is told from one", another_server),
    ];
    let registry = Arc::new(Registry::start());
    fs::write(place.join("config.json"), registry.config()).unwrap();
    for (flavour, variable) in
        [(Flavour::Docker, "TRAINER_TEST_DOCKER_HOST"), (Flavour::Podman, "TRAINER_TEST_PODMAN_HOST")]
    {
        let host = env::var(variable).ok();
        let image = env::var("TRAINER_TEST_IMAGE").unwrap_or_default();
        let mut add = |name: &str, needs_image: bool, test: fn(&Site)| {
            let site = Site {
                flavour,
                host: host.clone().unwrap_or_default(),
                image: image.clone(),
                registry: Arc::clone(&registry),
            };
            let ignored = host.is_none() || needs_image && image.is_empty();
            let name = format!("{flavour}: {name}").to_lowercase();
            trials.push(Trial::test(name, move || caught(|| test(&site))).with_ignored_flag(ignored));
        };
        add("says what it is, and is found again by its record", false, an_engine);
        add("is refused under the other's name", false, the_other_engine);
        add("has an image that is here without a word to a registry", true, an_image_that_is_here);
        add("tells the nearest image where there is none", true, an_image_that_is_not_here);
        add("tells of a registry that doesn't exist", false, no_registry);
        add("takes what is here where no registry answers", true, an_image_without_its_registry);
        add("pulls with the user's credentials, once for all who ask", false, a_pull);
    }
    trials
}

fn trial(name: &str, test: fn()) -> Trial {
    Trial::test(name, move || caught(test))
}

#[expect(clippy::unnecessary_wraps, reason = "what a trial is made of")]
fn caught(test: impl FnOnce()) -> Result<(), Failed> {
    test();
    Ok(())
}

// Without an engine

fn a_stale_socket() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("engine.sock");
    drop(UnixListener::bind(&path).unwrap());
    let error = find(Selected::Any, &url(&path)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unreachable);
    assert_eq!(
        error.to_string(),
        format!(
            "the container engine at {} (configured) doesn't answer: connection refused, nothing listens there any more",
            url(&path)
        )
    );
}

fn a_silent_socket() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("engine.sock");
    let listener = UnixListener::bind(&path).unwrap();
    let error = find(Selected::Any, &url(&path)).unwrap_err();
    drop(listener);
    assert_eq!(error.kind(), ErrorKind::Unreachable);
    assert!(error.to_string().ends_with("doesn't answer: no answer within 10 s"), "{error}");
}

fn a_forbidden_socket() {
    let folder = tempfile::tempdir().unwrap();
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
    let path = folder.path().join("engine.sock");
    let _listener = UnixListener::bind(&path).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o000)).unwrap();
    // Nothing is forbidden to root, and the build folder may be closed to anybody else.
    let program = folder.path().join("asks");
    fs::copy(env::current_exe().unwrap(), &program).unwrap();
    let mut command = Command::new(&program);
    if rustix::process::getuid().is_root() {
        command.uid(65534).gid(65534);
    }
    let output = command.env(ASKED, url(&path)).current_dir("/").output().unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    let said: Vec<&str> = said.lines().collect();
    assert!(said[0].starts_with("Denied: ") && said[0].ends_with("doesn't answer: permission denied"), "{said:?}");
    assert!(said[1].contains("docker $USER"), "{said:?}");
}

fn another_server() {
    let server = registry::serve(|_| registry::Answer::text(200, "hello"));
    let error = find(Selected::Any, &format!("tcp://127.0.0.1:{server}")).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unreachable);
    assert!(error.to_string().contains("not a container engine"), "{error}");
}

// With an engine

/// An engine that is there, and what is needed to try it.
struct Site {
    flavour: Flavour,
    host: String,
    image: String,
    registry: Arc<Registry>,
}

impl Site {
    fn engine(&self) -> Engine {
        find(Selected::Any, &self.host).unwrap()
    }

    /// By its own name, and by the other's.
    fn selected(&self) -> (Selected, Selected) {
        match self.flavour {
            Flavour::Docker => (Selected::Docker, Selected::Podman),
            Flavour::Podman => (Selected::Podman, Selected::Docker),
        }
    }
}

fn an_engine(site: &Site) {
    let engine = find(site.selected().0, &site.host).unwrap();
    assert_eq!(engine.flavour, site.flavour);
    assert!(engine.version.numbers().0 > 0, "{}", engine.version);
    assert!(engine.is_local(), "{:?}", engine.info.name);
    let record = serde_json::to_string(&engine.endpoint).unwrap();
    let endpoint: Endpoint = serde_json::from_str(&record).unwrap();
    assert_eq!(block_on(Engine::open(&endpoint)).unwrap().flavour, site.flavour);
}

fn the_other_engine(site: &Site) {
    let error = find(site.selected().1, &site.host).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Invalid);
    assert!(error.to_string().ends_with(&format!("(configured) is {}", site.flavour)), "{error}");
}

fn an_image_that_is_here(site: &Site) {
    let engine = site.engine();
    let (progress, said) = listening();
    let image = block_on(provide(&engine, &site.image, Some(PullPolicy::IfNotPresent), &progress)).unwrap();
    assert!(image.id.starts_with("sha256:"), "{image:?}");
    assert_eq!(*said.lock().unwrap(), []);
    let again = block_on(provide(&engine, &site.image, Some(PullPolicy::Never), &progress)).unwrap();
    assert_eq!(again, image);
}

fn an_image_that_is_not_here(site: &Site) {
    let wanted = format!("{}-other", site.image);
    let error = block_on(provide(&site.engine(), &wanted, Some(PullPolicy::Never), &Progress::default())).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
    assert!(error.hint().unwrap().contains(&site.image), "{error:?}");
}

fn no_registry(site: &Site) {
    let image = "127.0.0.1:1/nobody/here:1";
    let error = block_on(provide(&site.engine(), image, None, &Progress::default())).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unreachable);
    let said = error.to_string();
    assert!(said.starts_with(&format!("failed to pull the image `{image}`: ")), "{said}");
    assert_eq!(said.matches("connection refused").count(), 1, "{said}");
}

fn an_image_without_its_registry(site: &Site) {
    let engine = site.engine();
    let image = block_on(provide(&engine, &site.image, Some(PullPolicy::Always), &Progress::default())).unwrap();
    assert_eq!(image.warnings.len(), 1, "{image:?}");
    assert!(image.warnings[0].contains(&format!("`{}`", site.image)), "{image:?}");
}

fn a_pull(site: &Site) {
    let podman;
    // Podman wants TLS of a registry on this machine too, unless its own configuration says otherwise.
    let host = match site.flavour {
        Flavour::Docker => site.host.clone(),
        Flavour::Podman => {
            podman = OwnPodman::start(&site.registry);
            podman.host()
        }
    };
    let engine = find(Selected::Any, &host).unwrap();
    let repository = format!("trainer/{}", site.flavour.to_string().to_lowercase());
    let (known, strange) = (site.registry.known(), site.registry.strange());

    let refused = block_on(provide(&engine, &format!("{strange}/{repository}:1"), None, &Progress::default()));
    let refused = refused.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Denied, "{refused:?}");
    assert!(refused.hint().unwrap().contains(&format!("login {strange}")), "{refused:?}");

    let missing = block_on(provide(&engine, &format!("{known}/{repository}:missing"), None, &Progress::default()));
    let missing = missing.unwrap_err();
    assert_eq!(missing.kind(), ErrorKind::NotFound, "{missing:?}");

    let image = format!("{known}/{repository}:1");
    let (progress, said) = listening();
    let three = block_on(async {
        let ask = || provide(&engine, &image, Some(PullPolicy::Always), &progress);
        futures_util::future::try_join3(ask(), ask(), ask()).await.unwrap()
    });
    let options = RemoveImageOptionsBuilder::default().force(true).build();
    block_on(engine.client.remove_image(&image, Some(options), None)).unwrap();
    assert_eq!(three.0, three.1);
    assert_eq!(three.1, three.2);
    assert_eq!(three.0.digest.as_deref(), Some(site.registry.digest(&repository).as_str()));
    assert!(three.0.env.contains(&"FROM=registry".to_owned()), "{:?}", three.0);
    assert_eq!((three.0.entrypoint, three.0.command), (vec!["/program".to_owned()], vec!["argument".to_owned()]));
    assert_eq!((three.0.user.as_str(), three.0.workdir.as_str()), ("7", "/work"));
    assert_eq!(site.registry.layers_served(&repository), 1);
    let said = said.lock().unwrap();
    let count = |wanted: &ProgressEvent| said.iter().filter(|event| *event == wanted).count();
    assert_eq!(count(&ProgressEvent::Began(format!("pulling {image}"))), 1, "{said:?}");
    assert_eq!(count(&ProgressEvent::Done), 1, "{said:?}");
    let sized =
        |event: &ProgressEvent| matches!(event, ProgressEvent::Said(line) if line.starts_with("2.8 of 2.8 MB, "));
    assert!(said.iter().any(sized), "{said:?}");
    assert!(!format!("{said:?}{refused:?}{missing:?}").contains(SECRET));
}

/// A Podman of our own, for which our registry needs no TLS.
struct OwnPodman {
    folder: tempfile::TempDir,
    service: Child,
}

impl OwnPodman {
    fn start(registry: &Registry) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let insecure = |host: &str| format!("[[registry]]\nlocation = \"{host}\"\ninsecure = true\n");
        let conf = [insecure(&registry.known()), insecure(&registry.strange())].concat();
        fs::write(folder.path().join("registries.conf"), conf).unwrap();
        let service = Command::new("podman")
            .arg("--root")
            .arg(folder.path().join("root"))
            .arg("--runroot")
            .arg(folder.path().join("run"))
            .args(["--storage-driver", "vfs", "system", "service", "--time", "0"])
            .arg(url(&folder.path().join("podman.sock")))
            .env("CONTAINERS_REGISTRIES_CONF", folder.path().join("registries.conf"))
            .stdin(Stdio::null())
            .stderr(fs::File::create(folder.path().join("log")).unwrap())
            .spawn()
            .unwrap();
        let podman = Self { folder, service };
        for _ in 0..300 {
            if find(Selected::Podman, &podman.host()).is_ok() {
                return podman;
            }
            std::thread::sleep(Duration::from_millis(100));
        }
        panic!("{}", fs::read_to_string(podman.folder.path().join("log")).unwrap());
    }

    fn host(&self) -> String {
        url(&self.folder.path().join("podman.sock"))
    }
}

impl Drop for OwnPodman {
    fn drop(&mut self) {
        let _ = self.service.kill();
        let _ = self.service.wait();
    }
}

fn find(selected: Selected, host: &str) -> Result<Engine, Error> {
    block_on(Engine::find(selected, Some(host)))
}

fn url(path: &Path) -> String {
    format!("unix://{}", path.display())
}

fn listening() -> (Progress, Arc<Mutex<Vec<ProgressEvent>>>) {
    let said = Arc::new(Mutex::new(Vec::new()));
    let heard = Arc::clone(&said);
    (Progress::to(move |event| heard.lock().unwrap().push(event)), said)
}

fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
}
