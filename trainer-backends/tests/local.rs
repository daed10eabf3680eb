//! What only the engine `local` does: it runs on the user's own Python and environment, and refuses what
//! only a container could honour. What every engine does is in the behaviour suite.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::{Command, ExitCode},
    sync::{Arc, Mutex},
    time::Duration,
};

use futures_util::StreamExt as _;
use libtest_mimic::{Arguments, Trial};
use serde_json::{Value, json};
use trainer_backends::local::{LocalBackend, LocalConfig};
use trainer_core::{
    ErrorKind, Job, JobName, JobRequest, Phase, Result, TrainerBackend as _, TrainerClient,
    api::{EnvVar, Runtime, TrainJob, Trainer},
    job::{LogItem, LogQuery},
    registry::ConnectBackend as _,
    request::{Mount, Packages, Progress, ProgressEvent, ReviewedJob, SecretKey, Source, Volume},
};

/// Set in the run that has the prepared environment.
const PLACE: &str = "LOCAL_TEST_PLACE";

/// A variable of that run, and its value.
const SECRET: (&str, &str) = ("LOCAL_TEST_TOKEN", "hunter2-of-the-hub");

fn main() -> ExitCode {
    if let Some(code) = trainer_supervisor::entry(|_, folder| LocalBackend::supervise(folder)) {
        return code;
    }
    match env::var_os(PLACE) {
        Some(place) => {
            let mut arguments = Arguments::from_args();
            arguments.test_threads.get_or_insert(8);
            libtest_mimic::run(&arguments, trials(&PathBuf::from(place))).exit_code()
        }
        None => run_in_a_prepared_environment(),
    }
}

/// Runs this executable again, in a virtual environment that has a package of its own, with an index of one
/// package, and with the variables of a launcher around it. A process can't change its own environment safely.
fn run_in_a_prepared_environment() -> ExitCode {
    let place = tempfile::tempdir().unwrap();
    let active = place.path().join("active");
    let wheels = place.path().join("wheels");
    fs::create_dir(&wheels).unwrap();
    python(&["-m", "venv", "--without-pip", active.to_str().unwrap()]);
    let site = python(&["-c", "import sys; print('lib/python%d.%d/site-packages' % sys.version_info[:2])"]);
    fs::write(active.join(site.trim()).join("underneath.py"), "here = 'underneath'\n").unwrap();
    python(&["-c", WHEEL, wheels.to_str().unwrap()]);
    let path = env::join_paths([active.join("bin")].into_iter().chain(env::split_paths(&env::var_os("PATH").unwrap())))
        .unwrap();
    let status = Command::new(env::current_exe().unwrap())
        .args(env::args_os().skip(1))
        .env(PLACE, place.path())
        .env("PATH", path)
        .env(SECRET.0, SECRET.1)
        .env("VIRTUAL_ENV", &active)
        .env("XDG_STATE_HOME", place.path().join("state"))
        .env("XDG_CACHE_HOME", place.path().join("cache"))
        .envs([("PIP_NO_INDEX", "1"), ("PIP_FIND_LINKS", wheels.to_str().unwrap()), ("PIP_USER", "1")])
        .envs([("RANK", "7"), ("PET_NNODES", "9"), ("MASTER_PORT", "1"), ("MINE", "mine")])
        .status()
        .unwrap();
    if status.success() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

const WHEEL: &str = r#"
import sys, zipfile
info = "ontop-1.0.dist-info"
with zipfile.ZipFile(sys.argv[1] + "/ontop-1.0-py3-none-any.whl", "w") as wheel:
    wheel.writestr("ontop.py", "here = 'ontop'\n")
    wheel.writestr(info + "/METADATA", "Metadata-Version: 2.1\nName: ontop\nVersion: 1.0\n")
    wheel.writestr(info + "/WHEEL", "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
    wheel.writestr(info + "/RECORD", "ontop.py,,\n" + info + "/METADATA,,\n" + info + "/WHEEL,,\n" + info + "/RECORD,,\n")
"#;

fn python(arguments: &[&str]) -> String {
    let output = Command::new("python3").args(arguments).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

macro_rules! trials {
    ($($name:ident),* $(,)?) => {
        fn trials(place: &Path) -> Vec<Trial> {
            vec![$({
                let bench = Bench::new(place, stringify!($name));
                Trial::test(stringify!($name), move || {
                    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
                    runtime.block_on(async {
                        tokio::time::timeout(Duration::from_secs(120), $name(bench)).await.map_err(|_| "hangs")
                    })?;
                    Ok(())
                })
            }),*]
        }
    };
}

trials![
    a_node_has_the_users_environment_without_foreign_rendezvous,
    packages_come_on_top_of_the_active_environment,
    an_environment_is_built_once,
    jobs_at_once_wait_for_one_build,
    packages_that_can_not_be_installed_leave_nothing,
    what_only_a_container_could_honour_is_refused_before_anything_is_created,
    what_is_replaced_is_said_once,
    a_volume_is_a_folder_that_all_nodes_see,
    a_key_of_a_secret_is_the_callers_variable,
    the_preview_shows_what_is_known_and_marks_what_is_not,
    a_preview_warns_of_what_is_not_as_asked_and_of_nothing_else,
    output_goes_below_the_working_directory,
    an_empty_output_folder_goes_with_the_end_of_the_job,
    an_output_folder_that_can_not_be_made_is_refused_and_leaves_no_job,
    a_working_directory_that_is_not_there_is_named,
    a_check_finds_python_and_a_place_for_state,
];

async fn a_node_has_the_users_environment_without_foreign_rendezvous(bench: Bench) {
    let script = "echo ${MINE-no} ${RANK-no} ${PET_NNODES-no} ${MASTER_PORT-no} $(pwd) $PWD";
    let job = bench.run(bench.request(&["sh", "-c", script])).await.unwrap();
    let here = bench.directory.display();
    assert_eq!(bench.log(&job).await, [format!("mine no no no {here} {here}")]);
}

async fn packages_come_on_top_of_the_active_environment(bench: Bench) {
    let mut request = bench.request(&["python", "-c", "import ontop, underneath; print(ontop.here, underneath.here)"]);
    request.packages.specifiers = vec!["ontop".to_owned()];
    let said = Arc::new(Mutex::new(Vec::new()));
    let listener = said.clone();
    request.progress = Progress::to(move |event| listener.lock().unwrap().push(event));
    let job = bench.run(request).await.unwrap();
    assert_eq!(bench.log(&job).await, ["ontop underneath"]);
    let said = said.lock().unwrap().clone();
    assert!(matches!(said.first(), Some(ProgressEvent::Began(_))), "{said:?}");
    assert!(said.iter().any(|event| matches!(event, ProgressEvent::Said(line) if line.contains("ontop"))), "{said:?}");
    assert_eq!(said.last(), Some(&ProgressEvent::Done));

    let without = bench.request(&["python", "-c", "import ontop"]);
    let job = bench.run_to(without, Phase::Failed).await.unwrap();
    assert!(job.reason.unwrap().contains("ModuleNotFoundError"), "the active environment stays as it was");
}

async fn an_environment_is_built_once(bench: Bench) {
    fs::write(bench.directory.join("requirements.txt"), "# mine\nontop == 1.0\n").unwrap();
    let builds = Arc::new(Mutex::new(0));
    for _ in 0..2 {
        let mut request = bench.request(&["python", "-c", "import ontop"]);
        request.packages.requirements = Some(bench.directory.join("requirements.txt"));
        let count = builds.clone();
        request.progress = Progress::to(move |event| {
            *count.lock().unwrap() += usize::from(matches!(event, ProgressEvent::Began(_)));
        });
        bench.run(request).await.unwrap();
    }
    assert_eq!(*builds.lock().unwrap(), 1);
}

async fn jobs_at_once_wait_for_one_build(bench: Bench) {
    let builds = Arc::new(Mutex::new(0));
    let jobs = (0..3).map(|_| {
        let mut request = bench.request(&["python", "-c", "import ontop"]);
        request.packages.specifiers = vec!["ontop>=1".to_owned()];
        let count = builds.clone();
        request.progress = Progress::to(move |event| {
            *count.lock().unwrap() += usize::from(matches!(event, ProgressEvent::Began(_)));
        });
        bench.run(request)
    });
    for job in futures_util::future::join_all(jobs).await {
        job.unwrap();
    }
    assert_eq!(*builds.lock().unwrap(), 1);
}

async fn packages_that_can_not_be_installed_leave_nothing(bench: Bench) {
    let cache = bench.directory.join("cache");
    let backend = LocalBackend::new(bench.config(|config| config["cache_dir"] = json!(cache)));
    let mut request = bench.request(&["true"]);
    request.packages.specifiers = vec!["there-is-no-such-package".to_owned()];
    let job = review(&backend, request).await.unwrap();
    let error = backend.submit(&job).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Invalid);
    assert!(error.to_string().contains("No matching distribution found"), "{error}");
    assert_eq!(backend.get(job.name()).await.unwrap_err().kind(), ErrorKind::NotFound);
    assert_eq!(fs::read_dir(cache.join("environments")).unwrap().count(), 0);
}

async fn what_only_a_container_could_honour_is_refused_before_anything_is_created(bench: Bench) {
    let node = |change: fn(&mut Value)| {
        let mut runtime = plain_runtime();
        change(&mut runtime["spec"]["template"]["spec"]["replicatedJobs"][0]["template"]["spec"]["template"]["spec"]);
        runtime
    };
    let cases: &[(&str, Value)] = &[
        ("`initContainers`", node(|pod| pod["initContainers"] = json!([{ "name": "fetch", "image": "x" }]))),
        (
            "2 containers",
            node(|pod| {
                let side = json!({ "name": "side", "image": "x", "command": ["x"] });
                pod["containers"].as_array_mut().unwrap().push(side);
            }),
        ),
        ("`envFrom`", node(|pod| pod["containers"][0]["envFrom"] = json!([{ "secretRef": { "name": "s" } }]))),
        (
            "`env[KEY].valueFrom",
            node(|pod| {
                let from = json!({ "configMapKeyRef": { "name": "s", "key": "k" } });
                pod["containers"][0]["env"] = json!([{ "name": "KEY", "valueFrom": from }]);
            }),
        ),
        (
            "`volumes[v].hostPath`",
            node(|pod| {
                pod["volumes"] = json!([{ "name": "v", "hostPath": { "path": "/c" } }]);
                pod["containers"][0]["volumeMounts"] = json!([{ "name": "v", "mountPath": "/data" }]);
            }),
        ),
        ("`lifecycle`", node(|pod| pod["containers"][0]["lifecycle"] = json!({}))),
        ("`runtimeClassName`", node(|pod| pod["runtimeClassName"] = json!("gvisor"))),
        (
            "`resources.limits.google.com/tpu`",
            node(|pod| pod["containers"][0]["resources"] = json!({ "limits": { "google.com/tpu": 4 } })),
        ),
    ];
    for (what, runtime) in cases {
        let mut request = bench.request(&["true"]);
        request.runtime = Some(serde_json::from_value(runtime.clone()).unwrap());
        let error = bench.submit(request).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unsupported, "{what}: {error}");
        assert!(error.to_string().contains(what), "{what}: {error}");
        assert!(error.hint().is_some(), "{what}");
    }
    let mut empty = bench.request(&[]);
    empty.job.spec.trainer = None;
    let error = bench.submit(empty).await.unwrap_err();
    assert!(error.to_string().contains("there is no command"), "{error}");
    assert!(!bench.state_dir().exists(), "something was created");
}

async fn a_volume_is_a_folder_that_all_nodes_see(bench: Bench) {
    let folder = bench.directory.join("corpus");
    fs::create_dir(&folder).unwrap();
    fs::write(folder.join("words"), "one two").unwrap();
    let script = r#"cat /data/words; echo "$FILE"; echo here > /claim/part-$TRAINER_NODE; pwd"#;
    let mut request = bench.request(&["sh", "-c", script]);
    let trainer = request.job.spec.trainer.as_mut().unwrap();
    trainer.num_nodes = Some(2);
    trainer.env = Some(vec![EnvVar::new("FILE", "/data/words")]);
    let mut runtime = plain_runtime();
    let pod = &mut runtime["spec"]["template"]["spec"]["replicatedJobs"][0]["template"]["spec"]["template"]["spec"];
    pod["volumes"] = json!([{ "name": "v", "persistentVolumeClaim": { "claimName": "pvc-corpus" } }]);
    pod["containers"][0]["volumeMounts"] = json!([{ "name": "v", "mountPath": "/claim", "subPath": "parts" }]);
    pod["containers"][0]["workingDir"] = json!("/claim");
    request.runtime = Some(serde_json::from_value(runtime).unwrap());
    request.mounts = vec![Mount { name: "corpus".to_owned(), path: "/data".to_owned() }];
    let mut volume = Volume::new("corpus");
    volume.claim = Some("pvc-corpus".to_owned());

    let unmapped = bench.submit(request.clone()).await.unwrap_err();
    assert_eq!(unmapped.to_string(), "no volume is called `corpus`");
    request.volumes = [volume.clone()].into_iter().collect();
    let unknown = bench.submit(request.clone()).await.unwrap_err();
    assert!(unknown.hint().unwrap().contains("[volumes.corpus]\n  folder = "), "{unknown:?}");
    volume.folder = Some(folder.join("nowhere"));
    request.volumes = [volume.clone()].into_iter().collect();
    let absent = bench.submit(request.clone()).await.unwrap_err();
    assert!(absent.to_string().starts_with("there is no folder "), "{absent}");

    volume.folder = Some(folder.clone());
    request.volumes = [volume].into_iter().collect();
    let job = bench.run(request).await.unwrap();
    let parts = folder.join("parts");
    for node in ["0", "1"] {
        assert_eq!(fs::read_to_string(parts.join(format!("part-{node}"))).unwrap(), "here\n");
    }
    let log = bench.log(&job).await;
    for line in [format!("one two{}", folder.join("words").display()), parts.display().to_string()] {
        assert_eq!(log.iter().filter(|seen| **seen == line).count(), 2, "{line}: {log:?}");
    }
    let events = bench.backend().events(&job.name).await.unwrap();
    let said = format!("the volume `corpus` at /data is {}", folder.display());
    assert_eq!(events.iter().filter(|event| event.message.starts_with(&said)).count(), 1, "{events:?}");
}

async fn a_key_of_a_secret_is_the_callers_variable(bench: Bench) {
    let of = |key: &str, optional: bool| {
        let from = json!({ "secretKeyRef": { "name": "hub", "key": key, "optional": optional } });
        serde_json::from_value(json!({ "name": format!("{key}_HERE"), "valueFrom": from })).unwrap()
    };
    // The program shows the value's length only: a log is no place for it.
    let mut request = bench.request(&["sh", "-c", r#"echo "${#TOKEN_HERE} ${OTHER_HERE-none} ${GONE_HERE-none}""#]);
    let trainer = request.job.spec.trainer.as_mut().unwrap();
    trainer.env = Some(vec![of("TOKEN", false), of("OTHER", true), of("GONE", true)]);
    let unmapped = bench.submit(request.clone()).await.unwrap_err();
    assert!(unmapped.hint().unwrap().contains("[secrets.TOKEN_HERE]"), "{unmapped:?}");

    let key = |name: &str, key: &str| SecretKey { name: name.into(), secret: "hub".into(), key: key.into() };
    request.secret_keys = [key(SECRET.0, "TOKEN"), key("NOT_SET_ANYWHERE", "GONE")].into_iter().collect();
    let job = bench.run(request.clone()).await.unwrap();
    assert_eq!(bench.log(&job).await, [format!("{} none none", SECRET.1.len())]);
    let folder = bench.state_dir().join("jobs").join(job.name.as_str());
    for entry in fs::read_dir(folder).unwrap().flatten().filter(|entry| entry.path().is_file()) {
        let text = fs::read(entry.path()).unwrap();
        assert!(!String::from_utf8_lossy(&text).contains(SECRET.1), "{:?} has the value", entry.file_name());
    }

    let trainer = request.job.spec.trainer.as_mut().unwrap();
    trainer.env = Some(vec![of("GONE", false)]);
    let unset = bench.submit(request.clone()).await.unwrap_err();
    assert_eq!(unset.to_string(), "the secret `NOT_SET_ANYWHERE` is not set in the environment");

    let trainer = request.job.spec.trainer.as_mut().unwrap();
    trainer.env = Some(vec![of("TOKEN", false)]);
    trainer.args = Some(vec!["--token=$(TOKEN_HERE)".to_owned()]);
    let visible = bench.submit(request).await.unwrap_err();
    assert_eq!(visible.kind(), ErrorKind::Unsupported, "{visible}");
}

async fn what_is_replaced_is_said_once(bench: Bench) {
    let mut request = bench.request(&["true"]);
    let trainer = request.job.spec.trainer.as_mut().unwrap();
    trainer.num_nodes = Some(3);
    trainer.resources_per_node = Some(json!({ "limits": { "cpu": "2", "memory": "1Gi" } }));
    let job = bench.run(request).await.unwrap();
    let events = bench.backend().events(&job.name).await.unwrap();
    let replaced: Vec<_> = events.iter().filter(|event| event.reason == "Substituted").collect();
    assert_eq!(replaced.len(), 2, "the image and the limits: {replaced:?}");
}

async fn the_preview_shows_what_is_known_and_marks_what_is_not(bench: Bench) {
    let mut request = bench.request(&["train"]);
    request.job.spec.runtime_ref.name = "torch-distributed".to_owned();
    request.job.spec.trainer.as_mut().unwrap().num_nodes = Some(2);
    let job = review(&bench.backend(), request).await.unwrap();
    let preview = bench.backend().preview(&job).await.unwrap();
    let env = &preview.steps[0].nodes[1].containers[0].env;
    let value = |name: &str| env.iter().find(|variable| variable.name == name).unwrap().value.clone().unwrap();
    assert_eq!(value("PET_MASTER_ADDR"), "127.0.0.1");
    assert_eq!(value("PET_MASTER_PORT"), "<port for 29500>");
    assert_eq!(value("TRAINER_JOB_UID"), "<uid>");
    assert!(!bench.state_dir().exists(), "a preview creates nothing");
}

async fn a_preview_warns_of_what_is_not_as_asked_and_of_nothing_else(bench: Bench) {
    let plain = review(&bench.backend(), bench.request(&["true"])).await.unwrap();
    let preview = bench.backend().preview(&plain).await.unwrap();
    assert_eq!((preview.warnings, preview.notes), (Vec::new(), Vec::new()));

    let mut request = bench.request(&["true"]);
    let trainer = request.job.spec.trainer.as_mut().unwrap();
    trainer.image = Some("mine:1".to_owned());
    trainer.resources_per_node = Some(json!({ "limits": { "cpu": "64", "memory": "100Ti" } }));
    let job = review(&bench.backend(), request).await.unwrap();
    let warnings = bench.backend().preview(&job).await.unwrap().warnings;
    assert_eq!(warnings.len(), 2, "{warnings:?}");
    assert!(warnings[0].contains("not enforced") && warnings[1].contains("mine:1"), "{warnings:?}");
}

async fn output_goes_below_the_working_directory(bench: Bench) {
    let job = bench.run(bench.request(&["sh", "-c", "echo model > $TRAINER_OUTPUT_DIR/model"])).await.unwrap();
    let model = bench.directory.join("outputs").join(job.name.as_str()).join("model");
    assert_eq!(fs::read_to_string(model).unwrap(), "model\n");
}

async fn an_empty_output_folder_goes_with_the_end_of_the_job(bench: Bench) {
    bench.run(bench.request(&["sh", "-c", "test -d $TRAINER_OUTPUT_DIR"])).await.unwrap();
    assert!(!bench.directory.join("outputs").exists());

    let mut request = bench.request(&["true"]);
    request.output = Some("mine".into());
    fs::create_dir(bench.directory.join("mine")).unwrap();
    bench.run(request).await.unwrap();
    assert!(bench.directory.join("mine").exists(), "it was there before the job");
}

async fn an_output_folder_that_can_not_be_made_is_refused_and_leaves_no_job(bench: Bench) {
    let mut request = bench.request(&["true"]);
    request.output = Some("/proc/nowhere".into());
    let error = bench.submit(request).await.unwrap_err();
    assert!(error.hint().unwrap().contains("--output DIR"), "{error}");
    assert!(bench.state_dir().join("jobs").read_dir().unwrap().next().is_none());
}

async fn a_working_directory_that_is_not_there_is_named(bench: Bench) {
    let mut request = bench.request(&["true"]);
    request.source.as_mut().unwrap().directory = bench.directory.join("nowhere");
    let error = bench.submit(request).await.unwrap_err();
    assert!(error.to_string().contains("nowhere"), "{error}");
    assert!(!bench.state_dir().exists());
}

async fn a_check_finds_python_and_a_place_for_state(bench: Bench) {
    let findings = bench.backend().check().await.unwrap();
    for subject in ["python", "state folder"] {
        assert!(findings.iter().any(|finding| finding.ok && finding.subject == subject), "{findings:?}");
    }
}

/// A working directory and a state folder for one test.
struct Bench {
    directory: PathBuf,
    name: &'static str,
}

impl Bench {
    fn new(place: &Path, name: &'static str) -> Self {
        let directory = place.join(name);
        fs::create_dir_all(&directory).unwrap();
        Self { directory, name }
    }

    fn state_dir(&self) -> PathBuf {
        self.directory.join("state")
    }

    fn config(&self, change: impl FnOnce(&mut Value)) -> LocalConfig {
        let mut config = json!({ "state_dir": self.state_dir() });
        change(&mut config);
        serde_json::from_value(config).unwrap()
    }

    fn backend(&self) -> LocalBackend {
        LocalBackend::new(self.config(|_| {}))
    }

    fn request(&self, argv: &[&str]) -> JobRequest {
        static COUNT: Mutex<u32> = Mutex::new(0);
        let mut count = COUNT.lock().unwrap();
        *count += 1;
        let name: JobName = format!("{}-{count}", self.name.replace('_', "-").split_at(20).0).parse().unwrap();
        let mut job = TrainJob::new(&name, "plain");
        let command = argv.iter().map(|&word| word.to_owned()).collect();
        job.spec.trainer = Some(Trainer { command: Some(command), ..Trainer::default() });
        let mut request = JobRequest::new(job);
        request.source = Some(Source { directory: self.directory.clone(), commit: None, dirty: false });
        request.packages = Packages::default();
        request
    }

    async fn submit(&self, request: JobRequest) -> Result<Job> {
        let backend = self.backend();
        let job = review(&backend, request).await?;
        backend.submit(&job).await
    }

    async fn run(&self, request: JobRequest) -> Result<Job> {
        self.run_to(request, Phase::Complete).await
    }

    async fn run_to(&self, request: JobRequest, phase: Phase) -> Result<Job> {
        let name = self.submit(request).await?.name;
        let mut changes = self.backend().watch(&name).await?;
        loop {
            let job = changes.next().await.expect("the job stays")?;
            if job.phase.is_settled() {
                assert_eq!(job.phase, phase, "{:?}", job.reason);
                return Ok(job);
            }
        }
    }

    async fn log(&self, job: &Job) -> Vec<String> {
        let items: Vec<_> = self.backend().logs(&job.name, &LogQuery::default()).await.unwrap().collect().await;
        items
            .into_iter()
            .map(|item| match item.unwrap() {
                LogItem::Line(line) => String::from_utf8(line.bytes).unwrap(),
                other => format!("{other:?}"),
            })
            .collect()
    }
}

async fn review(backend: &LocalBackend, request: JobRequest) -> Result<ReviewedJob> {
    TrainerClient::new(backend.clone()).plan(request).await
}

fn plain_runtime() -> Value {
    let catalog = trainer_core::runtimes::RuntimeCatalog::builtin();
    let reference = trainer_core::api::RuntimeRef { name: "plain".to_owned(), ..Default::default() };
    let runtime: &Runtime = catalog.find(&reference).unwrap();
    serde_json::to_value(runtime).unwrap()
}
