//! A state folder, a working directory, a launcher of plain processes, and one of processes that outlive their supervisor.

mod detached;

use std::{
    ffi::OsString,
    fs,
    path::{Path, PathBuf},
    process::{Command, ExitCode},
    time::{Duration, Instant},
};

pub(crate) use detached::{node_folder, remove_node};
use futures_util::StreamExt as _;
use tempfile::TempDir;
use trainer_core::{
    Error, Job, JobName, JobRequest, Phase, Result,
    api::{EnvVar, RuntimeRef, TrainJob, Trainer},
    job::{LogItem, LogQuery, StopRequest},
    plan::{LaunchPlan, PlannedNode, PlannedStep, World, plan},
    runtimes::RuntimeCatalog,
};
use trainer_supervisor::{
    Attempt, Claim, JobFolder, Jobs, Launcher, NodeProcess, PortLeases, ProcessSpec, Settings, Submission,
};

const BACKEND: &str = "test";

/// Its nodes outlive their supervisor.
const DETACHED: &str = "detached";

/// Where the jobs of one test live. They end with it.
pub(crate) struct Place {
    pub(crate) jobs: Jobs,
    home: TempDir,
    backend: &'static str,
}

impl Place {
    pub(crate) fn new() -> Self {
        Self::of(BACKEND)
    }

    /// For jobs whose nodes outlive their supervisor.
    pub(crate) fn detached() -> Self {
        Self::of(DETACHED)
    }

    fn of(backend: &'static str) -> Self {
        let home = tempfile::tempdir().unwrap();
        fs::create_dir(home.path().join("work")).unwrap();
        Self { jobs: jobs(backend, home.path().join("state")), home, backend }
    }

    /// As the next command has them.
    pub(crate) fn next_command(&self) -> Jobs {
        jobs(self.backend, self.state_dir())
    }

    /// Gives the state folder a disk of its own, of `kilobytes`. `false`: this user may not.
    pub(crate) fn limit_state_dir(&self, kilobytes: u32) -> bool {
        fs::create_dir(self.state_dir()).unwrap();
        let size = format!("size={kilobytes}k");
        let mount = Command::new("mount").args(["-t", "tmpfs", "-o", &size, "tmpfs"]).arg(self.state_dir()).output();
        mount.is_ok_and(|output| output.status.success())
    }

    pub(crate) fn state_dir(&self) -> PathBuf {
        self.home.path().join("state")
    }

    /// From here on the state folder is called as it is seen from the working directory.
    pub(crate) fn call_state_dir_relatively(&mut self) {
        let depth = std::env::current_dir().unwrap().components().count() - 1;
        let up: PathBuf = std::iter::repeat_n("..", depth).collect();
        self.jobs = jobs(self.backend, up.join(self.state_dir().strip_prefix("/").unwrap()));
    }

    pub(crate) fn write(&self, name: &str, text: &str) {
        fs::write(self.work_dir().join(name), text).unwrap();
    }

    pub(crate) fn has(&self, name: &str) -> bool {
        self.work_dir().join(name).exists()
    }

    pub(crate) fn remove(&self, name: &str) {
        fs::remove_file(self.work_dir().join(name)).unwrap();
    }

    pub(crate) fn work_dir(&self) -> PathBuf {
        self.home.path().join("work")
    }

    pub(crate) async fn start(&self, script: &str, nodes: i32) -> Job {
        self.start_as("job", script, nodes).await
    }

    pub(crate) async fn start_as(&self, name: &str, script: &str, nodes: i32) -> Job {
        self.try_start(name, script, nodes).await.unwrap()
    }

    pub(crate) async fn try_start(&self, name: &str, script: &str, nodes: i32) -> Result<Job> {
        self.claim(name, script, nodes)?.start(&self.work_dir()).await
    }

    pub(crate) async fn begin(&self, claim: Claim) -> Job {
        claim.start(&self.work_dir()).await.unwrap()
    }

    pub(crate) async fn start_argv(&self, argv: &[&str], nodes: i32) -> Job {
        self.claim_argv("job", argv, nodes, |_| {}).unwrap().start(&self.work_dir()).await.unwrap()
    }

    pub(crate) async fn start_with_retries(&self, script: &str, retries: u32) -> Job {
        self.start_planned(script, 1, |plan| plan.steps[0].backoff_limit = retries).await
    }

    pub(crate) async fn start_planned(&self, script: &str, nodes: i32, change: impl FnOnce(&mut LaunchPlan)) -> Job {
        self.begin(self.claim_argv("job", &["sh", "-c", script], nodes, change).unwrap()).await
    }

    pub(crate) fn claim(&self, name: &str, script: &str, nodes: i32) -> Result<Claim> {
        self.claim_argv(name, &["sh", "-c", script], nodes, |_| {})
    }

    fn claim_argv(&self, name: &str, argv: &[&str], nodes: i32, change: impl FnOnce(&mut LaunchPlan)) -> Result<Claim> {
        claim(&self.jobs, self.backend, name, argv, nodes, change)
    }

    pub(crate) async fn reaches(&self, name: &JobName, phase: Phase) -> Job {
        let mut changes = self.jobs.watch(name).await.unwrap();
        while let Some(job) = changes.next().await {
            let job = job.unwrap();
            if job.phase == phase {
                return job;
            }
            assert!(!job.phase.is_settled(), "{} instead of {phase}: {:?}", job.phase, job.reason);
        }
        panic!("the job is gone");
    }

    /// Waits until its nodes have been launched.
    pub(crate) async fn launched(&self, job: &Job) {
        let mut changes = self.jobs.watch(&job.name).await.unwrap();
        while changes.next().await.unwrap().unwrap().steps[0].phase != Phase::Running {}
    }

    pub(crate) async fn log(&self, job: &Job) -> Vec<String> {
        self.log_of(job, &LogQuery::default()).await
    }

    pub(crate) async fn log_of(&self, job: &Job, query: &LogQuery) -> Vec<String> {
        let items: Vec<_> = self.jobs.logs(&job.name, query).await.unwrap().collect().await;
        items.into_iter().map(|item| text(item.unwrap())).collect()
    }

    /// Ends the supervisor, its reaper with it, and waits until nobody supervises.
    pub(crate) async fn lose_supervisor(&self, job: &Job) {
        kill(self.tree(job).supervisor);
        self.is_unsupervised(job).await;
    }

    pub(crate) async fn is_unsupervised(&self, job: &Job) {
        let folder = self.folder(job);
        wait_until("nobody supervises", || !folder.is_supervised()).await;
    }

    pub(crate) fn folder(&self, job: &Job) -> JobFolder {
        JobFolder::at(self.state_dir().join("jobs").join(job.name.as_str()))
    }

    /// The messages of its events of this reason.
    pub(crate) async fn events(&self, job: &Job, reason: &str) -> Vec<String> {
        let events = self.jobs.events(&job.name).await.unwrap();
        events.into_iter().filter(|event| event.reason == reason).map(|event| event.message).collect()
    }

    pub(crate) async fn first_line(&self, job: &Job) -> String {
        let query = LogQuery { follow: true, ..LogQuery::default() };
        text(self.jobs.logs(&job.name, &query).await.unwrap().next().await.unwrap().unwrap())
    }

    pub(crate) fn folders(&self) -> Vec<String> {
        let entries = fs::read_dir(self.state_dir().join("jobs")).unwrap();
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
    }

    pub(crate) fn copy_of_claim(&self, folder: &Path, name: &str) -> PathBuf {
        let copy = folder.parent().unwrap().join(name);
        fs::create_dir(&copy).unwrap();
        for file in ["request.json", "plan.json", "lock"] {
            fs::copy(folder.join(file), copy.join(file)).unwrap();
        }
        copy
    }

    pub(crate) fn edit(&self, job: &Job, file: &str, change: impl FnOnce(&mut serde_json::Value)) {
        let path = self.state_dir().join("jobs").join(job.name.as_str()).join(file);
        let mut value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
        change(&mut value);
        fs::write(&path, value.to_string()).unwrap();
    }

    pub(crate) fn tree(&self, job: &Job) -> Tree {
        let path = self.state_dir().join("jobs").join(job.name.as_str()).join("status.json");
        let status: serde_json::Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
        let supervisor = i32::try_from(status["supervisor"]["pid"].as_i64().unwrap()).unwrap();
        let stat = fs::read_to_string(format!("/proc/{supervisor}/stat")).unwrap();
        let reaper = stat.rsplit(')').next().unwrap().split_ascii_whitespace().nth(1).unwrap().parse().unwrap();
        Tree { reaper, supervisor }
    }
}

impl Drop for Place {
    /// Ends what a test, failed or not, has left running.
    fn drop(&mut self) {
        let jobs = self.jobs.clone();
        let names: Vec<JobName> = fs::read_dir(self.state_dir().join("jobs"))
            .into_iter()
            .flatten()
            .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
            .collect();
        let cleaning = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            for name in names {
                let _ = runtime.block_on(jobs.delete(&name, &StopRequest { grace: Some(Duration::ZERO) }));
            }
        });
        let _ = cleaning.join();
        // Of a test on a small disk; for the others it isn't a mount and nothing happens.
        let _ = Command::new("umount").arg("-l").arg(self.state_dir()).output();
    }
}

pub(crate) struct Tree {
    pub(crate) reaper: i32,
    pub(crate) supervisor: i32,
}

impl Tree {
    pub(crate) fn has(&self, pid: i32) -> bool {
        pid == self.reaper || pid == self.supervisor
    }
}

/// Submits a job to `state_dir` and is killed.
pub(crate) fn submit_and_die(state_dir: PathBuf) -> ! {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let script = "sleep 1; echo still here";
        let claim = claim(&jobs(BACKEND, state_dir), BACKEND, "orphan", &["sh", "-c", script], 1, |_| {}).unwrap();
        claim.start(&"/").await.unwrap();
    });
    kill(i32::try_from(std::process::id()).unwrap());
    unreachable!("killed")
}

fn jobs(backend: &'static str, state_dir: PathBuf) -> Jobs {
    Jobs::new(backend, Settings { state_dir: Some(state_dir), executable: None })
}

fn claim(
    jobs: &Jobs,
    backend: &str,
    name: &str,
    argv: &[&str],
    nodes: i32,
    change: impl FnOnce(&mut LaunchPlan),
) -> Result<Claim> {
    let name: JobName = name.parse()?;
    let mut job = TrainJob::new(&name, "plain");
    job.spec.trainer = Some(Trainer {
        command: Some(argv.iter().map(|&word| word.to_owned()).collect()),
        env: Some(vec![EnvVar::new("PORT", "12345")]),
        num_nodes: Some(nodes),
        ..Trainer::default()
    });
    let catalog = RuntimeCatalog::builtin();
    let runtime = catalog.find(&RuntimeRef { name: "plain".to_owned(), ..RuntimeRef::default() })?;
    let mut plan = plan(&job, runtime)?;
    change(&mut plan);
    jobs.claim(Submission::new(name, &JobRequest::new(job), backend), &plan)
}

pub(crate) fn supervise(backend: &str, folder: &Path) -> Result<ExitCode> {
    if backend == DETACHED {
        return trainer_supervisor::supervise(folder, detached::Launches::open);
    }
    if fs::read_to_string(folder.join("job.yaml")).is_ok_and(|job| job.contains("inside-of-a-runtime")) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        return runtime.block_on(async { run(folder) });
    }
    run(folder)
}

fn run(folder: &Path) -> Result<ExitCode> {
    trainer_supervisor::supervise(folder, |folder| {
        if fs::read_to_string(folder.path().join("job.yaml")).is_ok_and(|job| job.contains("fail-to-connect")) {
            return Err(Error::unsupported("this launcher refuses"));
        }
        Ok(Processes { directory: folder.prepared()?, port: None })
    })
}

/// Launches nodes as processes. `PORT` is leased for each attempt.
struct Processes {
    directory: PathBuf,
    port: Option<PortLeases>,
}

impl Launcher for Processes {
    type Node = NodeProcess;

    async fn world(&mut self, attempt: &Attempt<'_>) -> Result<World> {
        self.port = Some(PortLeases::acquire(attempt.folder, 1)?);
        let additions = attempt.additions(None, |step, node| {
            Some(attempt.folder.error_file(attempt.number, &step.name, node.index).to_str()?.to_owned())
        });
        Ok(World { additions, ..World::default() })
    }

    async fn launch(&self, attempt: &Attempt<'_>, step: &PlannedStep, node: &PlannedNode) -> Result<NodeProcess> {
        let container = &node.containers[0];
        let mut environment: Vec<(OsString, OsString)> = vec![("PATH".into(), std::env::var_os("PATH").unwrap())];
        for variable in &container.env {
            environment.push((variable.name.clone().into(), variable.value.clone().unwrap_or_default().into()));
        }
        let port = self.port.as_ref().unwrap().ports()[0].to_string();
        environment.push(("PORT".into(), port.into()));
        NodeProcess::spawn(ProcessSpec {
            argv: container.command.clone(),
            environment,
            directory: self.directory.clone(),
            uid: attempt.submission.uid.clone(),
            step: step.name.clone(),
            node: node.index,
        })
    }
}

fn text(item: LogItem) -> String {
    match item {
        LogItem::Line(line) => String::from_utf8_lossy(&line.bytes).into_owned(),
        other => format!("{other:?}"),
    }
}

/// The processes that carry the mark of the job; zombies don't run any more.
pub(crate) fn alive(uid: &str) -> Vec<i32> {
    let mark = format!("TRAINER_JOB_UID={uid}");
    pids()
        .filter(|pid| {
            let environment = fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
            environment.split(|byte| *byte == 0).any(|entry| entry == mark.as_bytes())
        })
        .collect()
}

/// Whether some process has this argument.
pub(crate) fn runs(argument: &str) -> bool {
    pids().any(|pid| {
        let arguments = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        arguments.split(|byte| *byte == 0).any(|entry| entry == argument.as_bytes())
    })
}

fn pids() -> impl Iterator<Item = i32> {
    fs::read_dir("/proc").unwrap().filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
}

pub(crate) fn kill(pid: i32) {
    signal(pid, "KILL");
}

pub(crate) fn signal(pid: i32, signal: &str) {
    assert!(Command::new("kill").args([&format!("-{signal}"), &pid.to_string()]).status().unwrap().success());
}

pub(crate) async fn wait_until(what: &str, condition: impl Fn() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(20);
    while !condition() {
        assert!(Instant::now() < deadline, "{what}: never");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}
