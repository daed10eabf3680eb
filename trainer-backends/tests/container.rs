//! What only the engine `container` does, on real engines: faults, what is left of a job, and what is in a container.
//! What every engine does is in the behaviour suite. Nothing is tried unless `TRAINER_TEST_DOCKER_HOST` or
//! `TRAINER_TEST_PODMAN_HOST` names an engine, with the image `TRAINER_TEST_IMAGE`.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

use std::{
    collections::HashMap,
    env, fs,
    hash::{BuildHasher as _, RandomState},
    path::{Path, PathBuf},
    process::{Command, ExitCode},
    sync::Arc,
    time::Duration,
};

use bollard::{
    models::{ContainerCreateBody, NetworkCreateRequest},
    query_parameters::{
        CreateContainerOptions, KillContainerOptions, ListContainersOptions, ListNetworksOptions, ListVolumesOptions,
        RemoveContainerOptions,
    },
};
use futures_util::{StreamExt as _, future::join_all};
use libtest_mimic::{Arguments, Trial};
use serde_json::{Value, json};
use trainer_backends::container::{ContainerBackend, ContainerConfig, Engine, Flavour, Selected};
use trainer_core::{
    ErrorKind, Job, JobName, JobRequest, NodeIndex, Phase, Result, TrainerBackend as _, TrainerClient,
    api::{RuntimeRef, TrainJob, Trainer},
    client::WaitRequest,
    job::{LogItem, LogQuery, NodeExit, StopRequest},
    registry::ConnectBackend as _,
    request::Source,
    runtimes::RuntimeCatalog,
};

/// Set in the run that has the prepared environment.
const PLACE: &str = "CONTAINER_TEST_PLACE";

fn main() -> ExitCode {
    if let Some(code) = trainer_supervisor::entry(|_, folder| ContainerBackend::supervise(folder)) {
        return code;
    }
    match env::var_os(PLACE) {
        Some(place) => {
            let mut arguments = Arguments::from_args();
            arguments.test_threads.get_or_insert(6);
            libtest_mimic::run(&arguments, all_trials(Path::new(&place))).exit_code()
        }
        None => {
            let place = tempfile::tempdir().unwrap();
            let status = Command::new(env::current_exe().unwrap())
                .args(env::args_os().skip(1))
                .env(PLACE, place.path())
                .env("A_SECRET", "swordfish-4711")
                .status()
                .unwrap();
            if status.success() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
        }
    }
}

fn all_trials(place: &Path) -> Vec<Trial> {
    let engines = [("docker", "TRAINER_TEST_DOCKER_HOST"), ("podman", "TRAINER_TEST_PODMAN_HOST")];
    let engines = engines.into_iter().filter_map(|(name, variable)| Some((name, env::var(variable).ok()?)));
    let mut trials: Vec<_> = engines.flat_map(|(name, host)| trials(place, name, &host)).collect();
    if let Ok(host) = env::var("TRAINER_TEST_DOCKER_HOST") {
        // A daemon of one's own takes root.
        let is_root = rustix::process::getuid().is_root();
        for (name, option) in [
            ("a_job_goes_on_while_its_engine_is_restarted", Some("--live-restore")),
            ("a_job_that_ends_with_its_engine_is_told_so", None),
        ] {
            // The path of a socket has little room.
            let folder = place.join(if option.is_some() { "live" } else { "plain" });
            let (bench, host) = (Bench::new(place, "docker", &host, name), host.clone());
            let daemon = Dockerd { folder, option };
            let trial = Trial::test(format!("docker::{name}"), move || {
                let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
                runtime.block_on(restarts_the_engine(bench, &host, daemon));
                Ok(())
            });
            trials.push(trial.with_ignored_flag(!is_root));
        }
    }
    trials
}

macro_rules! trials {
    ($($name:ident),* $(,)?) => {
        fn trials(place: &Path, engine: &'static str, host: &str) -> Vec<Trial> {
            vec![$({
                let bench = Bench::new(place, engine, host, stringify!($name));
                Trial::test(format!("{engine}::{}", stringify!($name)), move || {
                    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
                    runtime.block_on(async {
                        tokio::time::timeout(Duration::from_secs(180), $name(bench)).await.map_err(|_| "hangs")
                    })?;
                    Ok(())
                })
            }),*]
        }
    };
}

trials![
    a_job_goes_on_without_its_supervisor,
    a_job_that_ends_without_its_supervisor_is_known_to_have_ended,
    a_container_that_is_killed_fails_the_job,
    a_container_that_is_removed_fails_the_job,
    a_program_that_exceeds_its_memory_is_told,
    an_image_that_is_not_there_leaves_nothing,
    a_second_job_of_the_name_leaves_the_first_as_it_was,
    another_client_of_the_engine_reads_and_deletes_a_job,
    what_a_dead_command_left_is_removed_by_the_next,
    a_container_of_somebody_else_is_left_alone,
    a_network_of_somebody_else_is_left_alone,
    twenty_jobs_run_at_once,
    a_deleted_job_leaves_nothing,
    a_job_that_has_ended_takes_no_network,
    the_program_below_a_shell_is_asked_to_end,
    init_containers_run_before_the_program_and_share_its_volumes,
    xgboost_nodes_get_what_the_preview_says,
    files_of_the_output_belong_to_the_chosen_user,
    a_secret_is_nowhere_but_in_the_container,
    a_program_gains_no_privileges_where_the_job_forbids_it,
    nodes_ask_for_gpus_of_their_own,
    an_engine_that_does_not_answer_is_not_an_engine_without_the_job,
];

async fn a_job_goes_on_without_its_supervisor(bench: Bench) {
    let script = "for i in $(seq 1 40); do echo $i; echo e$i >&2; sleep 0.1; done; printf unfinished";
    let job = bench.submit(&["sh", "-c", script]).await.unwrap();
    bench.says(&job.name, "10").await;
    bench.kill_supervisor(&job.name);
    bench.says(&job.name, "20").await;
    bench.kill_supervisor(&job.name);
    let job = bench.end(&job.name).await;
    assert_eq!(job.phase, Phase::Complete, "{:?}", job.reason);
    assert_eq!(job.attempt, 1);
    let lines = bench.log(&job.name).await;
    let out: Vec<_> = lines.iter().filter(|line| !line.starts_with('e')).cloned().collect();
    let expected: Vec<_> = (1..=40).map(|i| i.to_string()).chain(["unfinished".to_owned()]).collect();
    assert_eq!(out, expected);
    assert_eq!(lines.iter().filter(|line| line.starts_with('e')).count(), 40);
}

async fn a_job_that_ends_without_its_supervisor_is_known_to_have_ended(bench: Bench) {
    let job = bench.submit(&["sh", "-c", "echo begun; sleep 2; echo ended; exit 3"]).await.unwrap();
    bench.says(&job.name, "begun").await;
    bench.kill_supervisor(&job.name);
    tokio::time::sleep(Duration::from_secs(3)).await;
    let job = bench.end(&job.name).await;
    assert_eq!((job.phase, job.steps[0].nodes[0].exit), (Phase::Failed, Some(NodeExit::Code(3))));
    assert_eq!(bench.log(&job.name).await, ["begun", "ended"]);
}

async fn a_container_that_is_killed_fails_the_job(bench: Bench) {
    let mut request = bench.request(&["sh", "-c", "echo up; sleep 60"]);
    request.job.spec.trainer.as_mut().unwrap().num_nodes = Some(2);
    let job = bench.client().submit(request).await.unwrap();
    bench.says(&job.name, "up").await;
    let options = KillContainerOptions { signal: "SIGKILL".to_owned() };
    let engine = bench.engine().await;
    engine.client.kill_container(&format!("{}-node-0-1", job.name), Some(options)).await.unwrap();
    let job = bench.end(&job.name).await;
    assert_eq!((job.phase, job.steps[0].nodes[1].exit), (Phase::Failed, Some(NodeExit::Signal(9))));
    assert!(job.reason.unwrap().contains("node 1"));
}

async fn a_container_that_is_removed_fails_the_job(bench: Bench) {
    let job = bench.submit(&["sh", "-c", "echo up; sleep 60"]).await.unwrap();
    bench.says(&job.name, "up").await;
    let options = RemoveContainerOptions { force: true, ..RemoveContainerOptions::default() };
    let engine = bench.engine().await;
    engine.client.remove_container(&format!("{}-node-0-0", job.name), Some(options)).await.unwrap();
    assert_eq!(bench.end(&job.name).await.phase, Phase::Failed);
}

async fn a_program_that_exceeds_its_memory_is_told(bench: Bench) {
    let hog = "x = []\nwhile True: x.append(b'x' * 1_000_000)";
    let mut request = bench.request(&["python3", "-c", hog]);
    request.job.spec.trainer.as_mut().unwrap().resources_per_node = Some(json!({ "limits": { "memory": "64Mi" } }));
    let job = bench.client().submit(request).await.unwrap();
    let job = bench.end(&job.name).await;
    assert_eq!(job.steps[0].nodes[0].exit, Some(NodeExit::OutOfMemory), "{:?}", job.reason);
    let events = bench.backend().events(&job.name).await.unwrap();
    assert!(events.iter().any(|event| event.reason == "OutOfMemory"), "{events:?}");
}

async fn an_image_that_is_not_there_leaves_nothing(bench: Bench) {
    let mut request = bench.request(&["true"]);
    request.job.spec.trainer.as_mut().unwrap().image = Some("trainer.test/pyton:1".to_owned());
    request.options.insert("pull".to_owned(), "Never".into());
    let name = name_of(&request);
    let error = bench.client().submit(request).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
    assert!(error.to_string().contains("trainer.test/pyton:1"), "{error}");
    assert_eq!(bench.left_of(&name).await, Vec::<String>::new());
    assert_eq!(bench.backend().get(&name).await.unwrap_err().kind(), ErrorKind::NotFound);
}

async fn a_second_job_of_the_name_leaves_the_first_as_it_was(bench: Bench) {
    let request = bench.request(&["sh", "-c", "echo up; sleep 3; echo end"]);
    let first = bench.client().submit(request.clone()).await.unwrap();
    let error = bench.client().submit(request.clone()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::AlreadyExists, "{error}");
    // What another machine is to the engine.
    let error = TrainerClient::new(bench.elsewhere()).submit(request).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::AlreadyExists, "{error}");
    let job = bench.end(&first.name).await;
    assert_eq!((job.phase, job.uid), (Phase::Complete, first.uid));
    assert_eq!(bench.log(&first.name).await, ["up", "end"]);
}

async fn another_client_of_the_engine_reads_and_deletes_a_job(bench: Bench) {
    let job = bench.submit(&["sh", "-c", "echo up; sleep 60"]).await.unwrap();
    bench.says(&job.name, "up").await;
    let other = TrainerClient::new(bench.elsewhere());
    let seen = other.get(&job.name).await.unwrap();
    assert_eq!((seen.uid.as_str(), seen.phase), (job.uid.as_str(), Phase::Running));
    assert!(seen.reason.unwrap().contains("supervised on this machine"));
    let listed: Vec<_> = other.list_all().collect::<Vec<_>>().await;
    assert!(listed.iter().any(|listed| listed.as_ref().unwrap().uid == job.uid));
    let items: Vec<_> = other.logs(&job.name, &LogQuery::default()).await.unwrap().collect().await;
    let [Ok(LogItem::Line(line))] = &items[..] else { panic!("{items:?}") };
    assert_eq!((line.bytes.as_slice(), line.step.as_str(), line.node), (&b"up"[..], "node", NodeIndex(0)));
    let error = other.stop(&job.name, &StopRequest::default()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unreachable, "{error}");
    other.delete(&job.name, &StopRequest::default()).await.unwrap();
    assert_eq!(bench.end(&job.name).await.phase, Phase::Failed);
    assert_eq!(other.get(&job.name).await.unwrap_err().kind(), ErrorKind::NotFound);
}

async fn what_a_dead_command_left_is_removed_by_the_next(bench: Bench) {
    let job = bench.submit(&["sh", "-c", "echo up; sleep 60"]).await.unwrap();
    bench.says(&job.name, "up").await;
    bench.kill_supervisor(&job.name);
    // As after a deletion that was killed before it had asked the engine.
    fs::remove_dir_all(bench.folder(&job.name)).unwrap();
    assert!(!bench.left_of(&job.name).await.is_empty());
    bench.backend().list(&trainer_core::job::ListQuery::default()).await.unwrap();
    assert_eq!(bench.left_of(&job.name).await, Vec::<String>::new());
}

async fn a_container_of_somebody_else_is_left_alone(bench: Bench) {
    let request = bench.request(&["true"]);
    let name = name_of(&request);
    let engine = bench.engine().await;
    let body = ContainerCreateBody { image: Some(image()), cmd: Some(vec!["true".to_owned()]), ..Default::default() };
    let options = CreateContainerOptions { name: Some(name.to_string()), ..CreateContainerOptions::default() };
    let stranger = engine.client.create_container(Some(options), body).await.unwrap().id;
    let error = bench.client().submit(request).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::AlreadyExists, "{error}");
    let error = bench.client().delete(&name, &StopRequest::default()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound, "{error}");
    engine.client.remove_container(&stranger, None).await.expect("it is still there");
}

async fn a_network_of_somebody_else_is_left_alone(bench: Bench) {
    let request = bench.request(&["sh", "-c", "getent hosts $(hostname)"]);
    let name = name_of(&request);
    let engine = bench.engine().await;
    let network = NetworkCreateRequest { name: name.to_string(), ..NetworkCreateRequest::default() };
    engine.client.create_network(network).await.unwrap();
    let job = bench.client().submit(request).await.unwrap();
    assert_eq!(bench.end(&job.name).await.phase, Phase::Complete);
    bench.client().delete(&name, &StopRequest::default()).await.unwrap();
    engine.client.remove_network(name.as_str()).await.expect("it is still there");
}

async fn twenty_jobs_run_at_once(bench: Bench) {
    let jobs = join_all((0..20).map(|_| bench.submit(&["sh", "-c", "echo $TRAINER_JOB_NAME"]))).await;
    for job in jobs {
        let name = job.unwrap().name;
        let job = bench.end(&name).await;
        assert_eq!(job.phase, Phase::Complete, "{:?}", job.reason);
        assert_eq!(bench.log(&name).await, [name.as_str()]);
        bench.client().delete(&name, &StopRequest::default()).await.unwrap();
    }
}

async fn a_deleted_job_leaves_nothing(bench: Bench) {
    let request = bench.with_scratch(bench.request(&["sh", "-c", "echo up; touch /scratch/x; sleep 60"]));
    let job = bench.client().submit(request).await.unwrap();
    bench.says(&job.name, "up").await;
    let left = bench.left_of(&job.name).await;
    for kind in ["container", "network", "volume"] {
        assert!(left.iter().any(|object| object.starts_with(kind)), "{left:?}");
    }
    bench.client().delete(&job.name, &StopRequest { grace: Some(Duration::ZERO) }).await.unwrap();
    assert_eq!(bench.left_of(&job.name).await, Vec::<String>::new());
    assert!(!bench.folder(&job.name).exists());
}

async fn a_job_that_has_ended_takes_no_network(bench: Bench) {
    let job = bench.submit(&["true"]).await.unwrap();
    bench.end(&job.name).await;
    let left = bench.left_of(&job.name).await;
    assert!(!left.iter().any(|object| object.starts_with("network")), "{left:?}");
    assert!(left.iter().any(|object| object.starts_with("container")), "its containers can be looked at: {left:?}");
}

async fn the_program_below_a_shell_is_asked_to_end(bench: Bench) {
    let program = "import signal, sys, time\n\
                   def saved(*_): time.sleep(1); print('checkpoint saved', flush=True); sys.exit(0)\n\
                   signal.signal(signal.SIGTERM, saved)\nprint('up', flush=True)\nwhile True: time.sleep(1)";
    // The shell has no ear for signals, and more to do behind the program.
    let job = bench.submit(&["sh", "-c", "python3 -c \"$0\"; echo \"shell saw $?\"; sleep 60", program]).await.unwrap();
    bench.says(&job.name, "up").await;
    bench.client().stop(&job.name, &StopRequest::default()).await.unwrap();
    let job = bench.end(&job.name).await;
    assert_eq!(job.phase, Phase::Stopped);
    let log = bench.log(&job.name).await;
    assert_eq!(log.iter().filter(|line| *line == "checkpoint saved").count(), 1, "{log:?}");
}

async fn init_containers_run_before_the_program_and_share_its_volumes(bench: Bench) {
    let mut request = bench.with_scratch(bench.request(&["cat", "/scratch/made"]));
    let pod = pod_of(&mut request);
    pod["initContainers"] = json!([
        { "name": "first", "image": image(), "command": ["sh", "-c", "echo first init; echo one > /scratch/made"],
          "volumeMounts": [{ "name": "scratch", "mountPath": "/scratch" }] },
        { "name": "second", "image": image(), "command": ["sh", "-c", "echo two >> /scratch/made"],
          "volumeMounts": [{ "name": "scratch", "mountPath": "/scratch" }] },
    ]);
    let job = bench.client().submit(request).await.unwrap();
    let job = bench.end(&job.name).await;
    assert_eq!(job.phase, Phase::Complete, "{:?}", job.reason);
    assert_eq!(bench.log(&job.name).await, ["first init", "one", "two"]);
}

async fn xgboost_nodes_get_what_the_preview_says(bench: Bench) {
    let mut request = bench.request(&["env"]);
    request.job.spec.runtime_ref.name = "xgboost-distributed".to_owned();
    request.job.spec.trainer.as_mut().unwrap().num_nodes = Some(2);
    let reviewed = bench.client().plan(request).await.unwrap();
    let preview = bench.client().preview(&reviewed).await.unwrap();
    let job = bench.client().submit_reviewed(&reviewed).await.unwrap();
    assert_eq!(bench.end(&job.name).await.phase, Phase::Complete);
    for node in [0, 1] {
        let query = LogQuery { nodes: vec![NodeIndex(node)], ..LogQuery::default() };
        let lines = bench.log_of(&job.name, &query).await;
        let actual: HashMap<&str, &str> = lines.iter().filter_map(|line| line.split_once('=')).collect();
        for variable in &preview.steps[0].nodes[node as usize].containers[0].env {
            let planned = variable.value.as_deref().unwrap();
            if !planned.contains('<') {
                assert_eq!(actual.get(variable.name.as_str()), Some(&planned), "{}", variable.name);
            }
        }
        assert_eq!(actual["DMLC_TRACKER_URI"], format!("{0}-node-0-0.{0}", job.name));
    }
}

async fn files_of_the_output_belong_to_the_chosen_user(bench: Bench) {
    use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
    let script = "id -u; echo x > /scratch/x && mv /scratch/x $TRAINER_OUTPUT_DIR";
    let mut request = bench.with_scratch(bench.request(&["sh", "-c", script]));
    let output = bench.directory.join("open");
    fs::create_dir(&output).unwrap();
    fs::set_permissions(&output, fs::Permissions::from_mode(0o777)).unwrap();
    request.output = Some(output.clone());
    request.options.insert("user".to_owned(), "4711:4712".into());
    let job = bench.client().submit(request).await.unwrap();
    assert_eq!(bench.end(&job.name).await.phase, Phase::Complete);
    assert_eq!(bench.log(&job.name).await, ["4711"]);
    let metadata = fs::metadata(output.join("x")).unwrap();
    assert_eq!((metadata.uid(), metadata.gid()), (4711, 4712));
}

async fn a_secret_is_nowhere_but_in_the_container(bench: Bench) {
    let mut request = bench.request(&["sh", "-c", "echo ${#A_SECRET}"]);
    request.secrets = vec!["A_SECRET".to_owned()];
    let job = bench.client().submit(request).await.unwrap();
    assert_eq!(bench.end(&job.name).await.phase, Phase::Complete);
    assert_eq!(bench.log(&job.name).await, ["14"]);
    for file in ["request.json", "plan.json", "prepared.json", "status.json", "events.jsonl", "job.yaml"] {
        let text = fs::read_to_string(bench.folder(&job.name).join(file)).unwrap();
        assert!(!text.contains("swordfish"), "{file}");
    }
    let anchor = bench.engine().await.client.inspect_container(job.name.as_str(), None).await.unwrap();
    assert!(!format!("{anchor:?}").contains("swordfish"));
}

async fn a_program_gains_no_privileges_where_the_job_forbids_it(bench: Bench) {
    let mut request = bench.request(&["grep", "NoNewPrivs", "/proc/self/status"]);
    pod_of(&mut request)["containers"][0]["securityContext"] = json!({ "allowPrivilegeEscalation": false });
    let job = bench.client().submit(request).await.unwrap();
    assert_eq!(bench.end(&job.name).await.phase, Phase::Complete);
    assert_eq!(bench.log(&job.name).await, ["NoNewPrivs:\t1"]);
}

/// There may be no GPU, nor what gives one to a container: what counts is what the engine was asked for.
async fn nodes_ask_for_gpus_of_their_own(bench: Bench) {
    let mut request = bench.request(&["true"]);
    let name: JobName = request.job.metadata.name.as_deref().unwrap().parse().unwrap();
    request.job.spec.runtime_ref.name = "torch-distributed".to_owned();
    let trainer = request.job.spec.trainer.as_mut().unwrap();
    trainer.num_nodes = Some(2);
    trainer.resources_per_node = Some(json!({ "limits": { "nvidia.com/gpu": 2 } }));
    let engine = bench.engine().await;
    match bench.client().submit(request).await {
        Ok(_) => drop(bench.end(&name).await),
        // Podman before 5.4 would start the nodes without their GPUs.
        Err(error) => {
            assert_eq!((error.kind(), engine.flavour), (ErrorKind::Unsupported, Flavour::Podman), "{error}");
            assert_eq!(bench.left_of(&name).await, Vec::<String>::new());
            return;
        }
    }
    for (node, ids) in [(0, ["0", "1"]), (1, ["2", "3"])] {
        let container = engine.client.inspect_container(&format!("{name}-node-0-{node}"), None).await.unwrap();
        let asked = container.host_config.unwrap().device_requests.unwrap();
        let asked: Vec<String> = asked.into_iter().flat_map(|request| request.device_ids.unwrap()).collect();
        let numbers: Vec<&str> = asked.iter().map(|id| id.rsplit('=').next().unwrap()).collect();
        assert_eq!(numbers, ids, "node {node}");
    }
}

async fn an_engine_that_does_not_answer_is_not_an_engine_without_the_job(bench: Bench) {
    let mut config = bench.config();
    config.host = Some("unix:///nowhere/engine.sock".to_owned());
    let backend = ContainerBackend::new(Selected::Any, config);
    let error = backend.get(&"no-such-job".parse().unwrap()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unreachable, "{error}");
    let error = backend.list(&trainer_core::job::ListQuery::default()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unreachable, "{error}");
}

/// A dockerd of this trial's own, which is killed and started again while a job runs on it.
async fn restarts_the_engine(mut bench: Bench, images: &str, daemon: Dockerd) {
    daemon.run("start");
    bench.host = format!("unix://{}/docker.sock", daemon.folder.display());
    let from = Engine::find(Selected::Any, Some(images)).await.unwrap();
    let archive: Vec<_> = from.client.export_image(&image()).map(Result::unwrap).collect().await;
    let options = bollard::query_parameters::ImportImageOptions::default();
    let archive = bollard::body_stream(futures_util::stream::iter(archive));
    let to = bench.engine().await;
    to.client.import_image(options, archive, None).for_each(async |said| drop(said.unwrap())).await;

    let job =
        bench.submit(&["sh", "-c", "for i in $(seq 1 60); do echo $i; sleep 0.1; done; printf end"]).await.unwrap();
    bench.says(&job.name, "10").await;
    daemon.kill();
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(bench.backend().get(&job.name).await.unwrap().phase, Phase::Running);
    daemon.run("start");
    let job = bench.end(&job.name).await;
    let events = bench.backend().events(&job.name).await.unwrap();
    let has = |reason: &str| events.iter().any(|event| event.reason == reason);
    assert!(has("EngineUnreachable") && has("EngineAnswers"), "{events:?}");
    if daemon.option.is_some() {
        assert_eq!(job.phase, Phase::Complete, "{:?}", job.reason);
        let expected: Vec<_> = (1..=60).map(|i| i.to_string()).chain(["end".to_owned()]).collect();
        assert_eq!(bench.log(&job.name).await, expected);
    } else {
        assert_eq!(job.phase, Phase::Failed);
        assert!(has("EngineRestarted"), "{events:?}");
    }
    bench.client().delete(&job.name, &StopRequest::default()).await.unwrap();
}

struct Dockerd {
    folder: PathBuf,
    option: Option<&'static str>,
}

impl Dockerd {
    fn run(&self, script: &str) {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/engines/docker").join(script);
        let mut command = Command::new(&script);
        command.arg(&self.folder).args(self.option.filter(|_| script.ends_with("start")));
        assert!(command.status().unwrap().success(), "{}", script.display());
    }

    fn kill(&self) {
        let record = fs::read_to_string(self.folder.join("daemon")).unwrap();
        let pid = record.split_whitespace().next().unwrap().parse().unwrap();
        let pid = rustix::process::Pid::from_raw(pid).unwrap();
        rustix::process::kill_process(pid, rustix::process::Signal::KILL).unwrap();
    }
}

impl Drop for Dockerd {
    fn drop(&mut self) {
        self.run("stop");
    }
}

/// The place of one trial: a state folder, a working directory, and an engine.
#[derive(Clone)]
struct Bench {
    host: String,
    state: PathBuf,
    directory: PathBuf,
    trial: &'static str,
    _cleaner: Arc<Cleaner>,
}

/// Deletes the jobs of a trial that failed.
struct Cleaner {
    host: String,
    state: PathBuf,
}

impl Drop for Cleaner {
    fn drop(&mut self) {
        let (host, state) = (self.host.clone(), self.state.clone());
        let _ = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                let mut config = ContainerConfig::default();
                (config.host, config.state_dir) = (Some(host), Some(state.clone()));
                let client = TrainerClient::new(ContainerBackend::new(Selected::Any, config));
                for entry in fs::read_dir(state.join("jobs")).into_iter().flatten().flatten() {
                    let Ok(name) = entry.file_name().to_string_lossy().parse::<JobName>() else { continue };
                    let _ = client.delete(&name, &StopRequest { grace: Some(Duration::ZERO) }).await;
                }
            });
        })
        .join();
    }
}

fn image() -> String {
    env::var("TRAINER_TEST_IMAGE").expect("TRAINER_TEST_IMAGE names an image")
}

fn name_of(request: &JobRequest) -> JobName {
    request.job.metadata.name.clone().unwrap().parse().unwrap()
}

/// The template of the pods, in a copy of the runtime that the request carries from then on.
fn pod_of(request: &mut JobRequest) -> &mut Value {
    let reference = RuntimeRef { name: "plain".to_owned(), ..RuntimeRef::default() };
    let runtime = request.runtime.get_or_insert_with(|| RuntimeCatalog::builtin().find(&reference).unwrap().clone());
    let template = runtime.spec.template.as_mut().unwrap();
    template.pointer_mut("/spec/replicatedJobs/0/template/spec/template/spec").unwrap()
}

impl Bench {
    fn new(place: &Path, name: &'static str, host: &str, trial: &'static str) -> Self {
        let place = place.join(name).join(trial);
        let (state, directory) = (place.join("state"), place.join("work"));
        fs::create_dir_all(&directory).unwrap();
        let cleaner = Cleaner { host: host.to_owned(), state: state.clone() };
        Self { host: host.to_owned(), state, directory, trial, _cleaner: Arc::new(cleaner) }
    }

    fn config(&self) -> ContainerConfig {
        let mut config = ContainerConfig::default();
        (config.host, config.image) = (Some(self.host.clone()), Some(image()));
        config.state_dir = Some(self.state.clone());
        config
    }

    fn backend(&self) -> ContainerBackend {
        ContainerBackend::new(Selected::Any, self.config())
    }

    /// A backend on the same engine that knows nothing of this state folder.
    fn elsewhere(&self) -> ContainerBackend {
        let mut config = self.config();
        config.state_dir = Some(self.state.with_file_name("elsewhere"));
        ContainerBackend::new(Selected::Any, config)
    }

    fn client(&self) -> TrainerClient<ContainerBackend> {
        TrainerClient::new(self.backend())
    }

    async fn engine(&self) -> Engine {
        Engine::find(Selected::Any, Some(&self.host)).await.unwrap()
    }

    fn request(&self, argv: &[&str]) -> JobRequest {
        let words: String = self.trial.replace('_', "-").chars().take(18).collect();
        let unique = RandomState::new().hash_one(self.trial) as u32;
        let name: JobName = format!("{}-{unique:08x}", words.trim_end_matches('-')).parse().unwrap();
        let mut job = TrainJob::new(&name, "plain");
        job.spec.trainer = Some(Trainer {
            command: Some(argv.iter().map(|word| trainer_core::plan::literal(word).into_owned()).collect()),
            num_nodes: Some(1),
            ..Trainer::default()
        });
        let mut request = JobRequest::new(job);
        request.source = Some(Source { directory: self.directory.clone(), commit: None, dirty: false });
        request
    }

    /// The same with an `emptyDir` at `/scratch`.
    fn with_scratch(&self, mut request: JobRequest) -> JobRequest {
        let pod = pod_of(&mut request);
        pod["volumes"] = json!([{ "name": "scratch", "emptyDir": {} }]);
        pod["containers"][0]["volumeMounts"] = json!([{ "name": "scratch", "mountPath": "/scratch" }]);
        request
    }

    async fn submit(&self, argv: &[&str]) -> Result<Job> {
        self.client().submit(self.request(argv)).await
    }

    async fn end(&self, name: &JobName) -> Job {
        self.client().wait(name, &WaitRequest::default()).await.unwrap().into_job()
    }

    async fn log(&self, name: &JobName) -> Vec<String> {
        self.log_of(name, &LogQuery::default()).await
    }

    /// Whole lines: parts are put together.
    async fn log_of(&self, name: &JobName, query: &LogQuery) -> Vec<String> {
        let items: Vec<_> = self.client().logs(name, query).await.unwrap().collect().await;
        let mut lines = Vec::new();
        let mut part = String::new();
        for item in items {
            let LogItem::Line(line) = item.unwrap() else { panic!("a gap") };
            part += &String::from_utf8_lossy(&line.bytes);
            if !line.partial {
                lines.push(std::mem::take(&mut part));
            }
        }
        lines
    }

    async fn says(&self, name: &JobName, text: &str) {
        let follow = LogQuery { follow: true, ..LogQuery::default() };
        let mut items = self.client().logs(name, &follow).await.unwrap();
        while let Some(item) = items.next().await {
            if matches!(item.unwrap(), LogItem::Line(line) if line.bytes == text.as_bytes()) {
                return;
            }
        }
        panic!("the log ended before `{text}`: {:?}", self.client().get(name).await);
    }

    fn folder(&self, name: &JobName) -> PathBuf {
        self.state.join("jobs").join(name.as_str())
    }

    /// Kills the supervisor of the job with its reaper.
    fn kill_supervisor(&self, name: &JobName) {
        let folder = self.folder(name);
        let mut killed = 0;
        for entry in fs::read_dir("/proc").unwrap().flatten() {
            let Some(pid) = entry.file_name().to_str().and_then(|pid| pid.parse::<i32>().ok()) else { continue };
            let line = fs::read(entry.path().join("cmdline")).unwrap_or_default();
            if line.split(|byte| *byte == 0).any(|word| word == folder.as_os_str().as_encoded_bytes()) {
                let pid = rustix::process::Pid::from_raw(pid).unwrap();
                let _ = rustix::process::kill_process(pid, rustix::process::Signal::KILL);
                killed += 1;
            }
        }
        assert!(killed > 0, "nobody supervises {name}");
    }

    /// What the engine has of the job.
    async fn left_of(&self, name: &JobName) -> Vec<String> {
        let client = self.engine().await.client;
        let filters = HashMap::from([("label".to_owned(), vec![format!("trainer.dev/job={name}")])]);
        let options = ListContainersOptions { all: true, filters: Some(filters.clone()), ..Default::default() };
        let containers = client.list_containers(Some(options)).await.unwrap();
        let networks =
            client.list_networks(Some(ListNetworksOptions { filters: Some(filters.clone()) })).await.unwrap();
        let volumes = client.list_volumes(Some(ListVolumesOptions { filters: Some(filters) })).await.unwrap();
        let containers = containers.into_iter().map(|it| format!("container {:?}", it.names));
        let networks = networks.into_iter().map(|it| format!("network {:?}", it.name));
        let volumes = volumes.volumes.unwrap_or_default().into_iter().map(|it| format!("volume {}", it.name));
        containers.chain(networks).chain(volumes).collect()
    }
}
