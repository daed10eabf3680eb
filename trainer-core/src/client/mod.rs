//! The client: what is the same for all engines.

mod plan;
mod update;
mod wait;

use std::{fmt, sync::Arc, time::Duration};

use futures_core::Stream;
use futures_util::{StreamExt, TryStreamExt, stream};
use jiff::{SignedDuration, Timestamp};

pub use wait::{WaitOutcome, WaitRequest};

use crate::{
    Error, ErrorKind, Job, JobName, JobRequest, Result, TrainerBackend,
    backend::Finding,
    job::{Event, JobStream, ListQuery, LogQuery, LogStream, Page, StopRequest},
    plan::LaunchPlan,
    request::ReviewedJob,
    runtimes::RuntimeCatalog,
};

/// Submits jobs to a backend and follows them.
///
/// A clone is another handle of the same backend and costs two reference counts; all futures and
/// streams are `Send`. Dropping a future cancels what has not been asked of the engine yet, and
/// nothing else: jobs go on without a client.
///
/// ```
/// use trainer_core::{
///     JobRequest, Phase, TrainerClient,
///     api::TrainJob,
///     client::{WaitOutcome, WaitRequest},
///     testing::ScriptedBackend,
/// };
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> trainer_core::Result<()> {
/// let client = TrainerClient::new(ScriptedBackend::new());
/// let name = "digits".parse()?;
///
/// let job = client.submit(JobRequest::new(TrainJob::new(&name, "plain"))).await?;
/// assert_eq!(job.phase, Phase::Created);
///
/// let outcome = client.wait(&name, &WaitRequest::default()).await?;
/// assert!(matches!(outcome, WaitOutcome::Reached(job) if job.phase == Phase::Complete));
/// # Ok(())
/// # }
/// ```
pub struct TrainerClient<B> {
    backend: Arc<B>,
    runtimes: Arc<RuntimeCatalog>,
}

impl<B: TrainerBackend> TrainerClient<B> {
    /// A client of `backend` that knows the built-in runtimes.
    pub fn new(backend: B) -> Self {
        Self { backend: Arc::new(backend), runtimes: Arc::new(RuntimeCatalog::builtin()) }
    }

    /// The same client with other runtimes: those that a job may name where neither its request
    /// nor the backend has one.
    #[must_use]
    pub fn with_runtimes(self, runtimes: RuntimeCatalog) -> Self {
        Self { runtimes: Arc::new(runtimes), ..self }
    }

    /// The backend.
    #[must_use]
    pub fn backend(&self) -> &B {
        &self.backend
    }

    /// Looks whether the engine is usable from here, and returns what a person wants to know about it.
    ///
    /// # Errors
    /// `Unreachable`, `Denied` or `Unsupported`, with what to do about it.
    pub async fn check(&self) -> Result<Vec<Finding>> {
        self.backend.check().await
    }

    /// The runtimes that a job may name: the backend's, then those of this client. Where both
    /// have one of the same kind and name, the backend's is the one.
    ///
    /// # Errors
    /// As [`check`](Self::check).
    pub async fn runtimes(&self) -> Result<RuntimeCatalog> {
        Ok(RuntimeCatalog::of_backend(self.backend.runtimes().await?).over(&self.runtimes))
    }

    /// Checks the options, looks up the runtime, reviews the job and plans it. Creates nothing.
    ///
    /// The runtime is the request's own, else the backend's, else this client's.
    ///
    /// # Errors
    /// `Invalid` for an option that the backend doesn't take, and if review objects;
    /// [`Error::violations`](crate::Error::violations) says to what.
    pub async fn plan(&self, request: JobRequest) -> Result<ReviewedJob> {
        plan::plan(&*self.backend, &self.runtimes, request).await
    }

    /// The plan as this engine would execute it. What is only known at launch is shown as `<…>`.
    ///
    /// # Errors
    /// `Unsupported` if the job asks for what the engine can't honour.
    pub async fn preview(&self, job: &ReviewedJob) -> Result<LaunchPlan> {
        self.backend.preview(job).await
    }

    /// Reviews the job and starts it. Returns when the engine has taken it over.
    ///
    /// # Errors
    /// As [`plan`](Self::plan) and [`submit_reviewed`](Self::submit_reviewed).
    pub async fn submit(&self, request: JobRequest) -> Result<Job> {
        self.submit_reviewed(&self.plan(request).await?).await
    }

    /// Starts a job that has been reviewed. Returns when the engine has taken it over.
    ///
    /// # Errors
    /// `AlreadyExists` if there is a job of this name; it stays as it was.
    /// `Unsupported` if the job asks for what the engine can't honour.
    pub async fn submit_reviewed(&self, job: &ReviewedJob) -> Result<Job> {
        self.backend.submit(job).await
    }

    /// The job as it stands.
    ///
    /// # Errors
    /// `NotFound`.
    pub async fn get(&self, name: &JobName) -> Result<Job> {
        self.backend.get(name).await
    }

    /// A page of jobs, newest first.
    ///
    /// # Errors
    /// `Invalid` if the page token isn't one of this backend's.
    pub async fn list(&self, query: &ListQuery) -> Result<Page<Job>> {
        self.backend.list(query).await
    }

    /// All jobs, newest first. A page is asked for when the one before has been read; the stream
    /// ends after an error.
    pub fn list_all(&self) -> impl Stream<Item = Result<Job>> + Send + use<B> {
        let backend = Arc::clone(&self.backend);
        stream::try_unfold(Some(ListQuery::default()), move |query| {
            let backend = Arc::clone(&backend);
            async move {
                let Some(query) = query else { return Ok::<_, Error>(None) };
                let page = backend.list(&query).await?;
                let next = page.next.map(|after| ListQuery { after: Some(after), ..query });
                Ok(Some((stream::iter(page.items.into_iter().map(Ok)), next)))
            }
        })
        .try_flatten()
    }

    /// The job as it stands, then each change, until it is gone. Unlike [`wait`](Self::wait), a
    /// watch isn't taken up again when the connection to the engine breaks.
    ///
    /// # Errors
    /// `NotFound`.
    pub async fn watch(&self, name: &JobName) -> Result<JobStream> {
        self.backend.watch(name).await
    }

    /// Waits until the job reaches one of the phases asked for, or can't any more.
    ///
    /// The second is the case as soon as the job has [settled](crate::Phase::is_settled) in another
    /// phase: nothing will change by itself then. That somebody could resume a stopped or suspended
    /// job doesn't keep `wait` waiting.
    ///
    /// It watches and never polls. A watch that ends or breaks is taken up again, with growing pauses
    /// of at most ten seconds, for as long as [`WaitRequest::timeout`] allows.
    ///
    /// ```
    /// use std::time::Duration;
    /// use trainer_core::{
    ///     ErrorKind, JobRequest, Phase, TrainerClient,
    ///     api::TrainJob,
    ///     client::{WaitOutcome, WaitRequest},
    ///     testing::{Script, ScriptedBackend},
    /// };
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> trainer_core::Result<()> {
    /// let name = "alpha".parse()?;
    /// let script = Script::new().phase(Phase::Running).fail("node-0 exited with code 3");
    /// let client = TrainerClient::new(ScriptedBackend::new().with_script(&name, script));
    /// client.submit(JobRequest::new(TrainJob::new(&name, "plain"))).await?;
    ///
    /// let request = WaitRequest { timeout: Some(Duration::from_secs(5)), ..WaitRequest::default() };
    /// let WaitOutcome::Missed(job) = client.wait(&name, &request).await? else { panic!("it fails") };
    /// assert_eq!(job.phase, Phase::Failed);
    /// assert_eq!(job.reason.as_deref(), Some("node-0 exited with code 3"));
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// `NotFound` if there is no such job, or it is deleted meanwhile, also if another one has taken
    /// its name. `Timeout` when the time is up. Whatever watching meets at first, and later whatever
    /// isn't `Unreachable`.
    pub async fn wait(&self, name: &JobName, request: &WaitRequest) -> Result<WaitOutcome> {
        wait::wait(&*self.backend, name, request).await
    }

    /// What its nodes wrote.
    ///
    /// # Errors
    /// `NotFound`, also for a step or node that the job doesn't have.
    pub async fn logs(&self, name: &JobName, query: &LogQuery) -> Result<LogStream> {
        self.backend.logs(name, query).await
    }

    /// What happened to it, oldest first.
    ///
    /// # Errors
    /// `NotFound`.
    pub async fn events(&self, name: &JobName) -> Result<Vec<Event>> {
        self.backend.events(name).await
    }

    /// Ends its nodes and keeps the job. Returns when the request is safely recorded: wait for
    /// [`Phase::Stopped`](crate::Phase::Stopped) to see it done. Stopping a stopped job is no error.
    ///
    /// # Errors
    /// `NotFound`; `Conflict` if it has finished.
    pub async fn stop(&self, name: &JobName, request: &StopRequest) -> Result<()> {
        self.backend.stop(name, request).await
    }

    /// Starts a stopped or suspended job again.
    ///
    /// # Errors
    /// `NotFound`; `Conflict` if it isn't stopped.
    pub async fn resume(&self, name: &JobName) -> Result<()> {
        self.backend.resume(name).await
    }

    /// Reviews the job as a change of the one of its name, and has the engine keep it in its place. A job that runs
    /// has to be stopped first, and goes on as changed when it is resumed.
    ///
    /// # Errors
    /// `NotFound`; `Invalid` if review objects to the change; `Conflict` if the job would have to be stopped first;
    /// `Unsupported` if the engine can't change a job, or the job asks for what it can't honour.
    pub async fn update(&self, job: &ReviewedJob) -> Result<Job> {
        update::update(&*self.backend, job).await
    }

    /// Ends it if need be and removes everything that it left in the engine. Returns when it is gone.
    ///
    /// # Errors
    /// `NotFound`.
    pub async fn delete(&self, name: &JobName, request: &StopRequest) -> Result<()> {
        self.backend.delete(name, request).await
    }

    /// Deletes the jobs that have [finished](crate::Phase::is_finished), and of these, with
    /// `older_than`, only those that did so at least that long ago. Returns the names, newest job first.
    ///
    /// # Errors
    /// Of listing and deleting. After one, some jobs may be gone; the rest is as it was.
    pub async fn prune(&self, older_than: Option<Duration>) -> Result<Vec<JobName>> {
        let now = Timestamp::now();
        // All are listed before the first is deleted: a page token need not survive a deletion.
        let old: Vec<_> = self
            .list_all()
            .try_filter_map(async |job| Ok(is_prunable(&job, older_than, now).then_some(job.name)))
            .try_collect()
            .await?;
        let deleted: Vec<_> = stream::iter(old)
            .map(|name| async {
                match self.delete(&name, &StopRequest::default()).await {
                    Ok(()) => Ok(Some(name)),
                    // Somebody else was faster.
                    Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
                    Err(error) => Err(error),
                }
            })
            .buffered(DELETIONS_AT_ONCE)
            .try_filter_map(async |name| Ok(name))
            .try_collect()
            .await?;
        Ok(deleted)
    }
}

const DELETIONS_AT_ONCE: usize = 8;

fn is_prunable(job: &Job, older_than: Option<Duration>, now: Timestamp) -> bool {
    let Some(older_than) = older_than else { return job.phase.is_finished() };
    let age = job.finished.map(|finished| now.duration_since(finished));
    job.phase.is_finished()
        && age.is_some_and(|age| SignedDuration::try_from(older_than).is_ok_and(|limit| age >= limit))
}

impl<B> Clone for TrainerClient<B> {
    fn clone(&self) -> Self {
        Self { backend: Arc::clone(&self.backend), runtimes: Arc::clone(&self.runtimes) }
    }
}

impl<B: fmt::Debug> fmt::Debug for TrainerClient<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TrainerClient").field("backend", &self.backend).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::future::Future;

    use serde_json::json;

    use super::*;
    use crate::{
        Phase,
        api::{Runtime, TrainJob},
        registry::Key,
        request::{Mount, SecretKey, Volume},
        testing::{Script, ScriptedBackend},
    };

    #[tokio::test]
    async fn listing_all_asks_for_a_page_when_it_is_needed() {
        let client = client_with_jobs(501, &Script::new()).await;
        let list_calls = || client.backend().calls().iter().filter(|call| **call == "list").count();

        let mut all = std::pin::pin!(client.list_all());
        assert_eq!(list_calls(), 0);
        assert_eq!(all.next().await.unwrap().unwrap().name.as_str(), "job-500", "newest first");
        assert_eq!(list_calls(), 1);

        let rest: Vec<_> = all.try_collect().await.unwrap();
        assert_eq!((rest.len(), rest[499].name.as_str()), (500, "job-0"));
        assert_eq!(list_calls(), 2);
    }

    #[tokio::test]
    async fn pruning_deletes_finished_jobs_only() {
        let backend = ["complete", "failed", "stopped", "running"]
            .into_iter()
            .zip([Phase::Complete, Phase::Failed, Phase::Stopped, Phase::Running])
            .fold(ScriptedBackend::new(), |backend, (name, phase)| {
                backend.with_script(&name.parse().unwrap(), Script::new().phase(phase))
            });
        let client = TrainerClient::new(backend);
        for name in ["complete", "failed", "stopped", "running"] {
            submit(&client, name).await;
        }

        assert_eq!(names(&client.prune(Some(Duration::from_secs(3600))).await.unwrap()), [""; 0], "too young");
        assert_eq!(names(&client.prune(None).await.unwrap()), ["failed", "complete"]);

        let left: Vec<_> = client.list_all().try_collect().await.unwrap();
        assert_eq!(left.iter().map(|job| job.name.as_str()).collect::<Vec<_>>(), ["running", "stopped"]);
    }

    #[test]
    fn a_job_is_prunable_once_it_is_as_old_as_asked() {
        let now = Timestamp::now();
        let name = "alpha".parse().unwrap();
        let mut job = Job::new(name, "uid", "scripted", TrainJob::new(&"alpha".parse().unwrap(), "plain"));
        job.phase = Phase::Complete;
        assert!(is_prunable(&job, None, now));
        assert!(!is_prunable(&job, Some(Duration::ZERO), now), "nobody knows how old it is");
        job.finished = Some(now - SignedDuration::from_secs(60));
        assert!(is_prunable(&job, Some(Duration::from_secs(60)), now));
        assert!(!is_prunable(&job, Some(Duration::from_secs(61)), now));
        assert!(!is_prunable(&job, Some(Duration::MAX), now));
    }

    #[tokio::test]
    async fn the_requests_runtime_goes_before_the_backends_and_that_before_the_clients() {
        let backend = ScriptedBackend::new().with_runtimes(vec![runtime("plain", "the backend's")]);
        let client = TrainerClient::new(backend);
        let request = |name: &str| JobRequest::new(TrainJob::new(&"alpha".parse().unwrap(), name));

        let mut own = request("plain");
        own.runtime = Some(runtime("plain", "the request's"));
        assert_eq!(origin(client.plan(own).await.unwrap().runtime()), "the request's");
        assert_eq!(origin(client.plan(request("plain")).await.unwrap().runtime()), "the backend's");
        assert_eq!(client.plan(request("torch-distributed")).await.unwrap().runtime().name(), "torch-distributed");
    }

    #[tokio::test]
    async fn runtimes_of_the_backend_hide_those_of_the_client() {
        let backend = ScriptedBackend::new().with_runtimes(vec![runtime("plain", "the backend's")]);
        let runtimes = TrainerClient::new(backend).runtimes().await.unwrap();
        let plain: Vec<_> = runtimes.iter().filter(|runtime| runtime.name() == "plain").map(origin).collect();
        assert_eq!(plain, ["the backend's"]);
        assert!(runtimes.iter().any(|runtime| runtime.name() == "torch-distributed"));
    }

    #[tokio::test]
    async fn an_unknown_runtime_is_refused_before_anything_is_created() {
        let client = TrainerClient::new(ScriptedBackend::new());
        let job = TrainJob::new(&"alpha".parse().unwrap(), "torch-distribute");
        let error = client.submit(JobRequest::new(job)).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Invalid);
        assert_eq!(error.hint().unwrap().split(',').next(), Some("there are torch-distributed"));
        assert_eq!(client.backend().calls(), ["runtime"]);
    }

    #[tokio::test]
    async fn what_is_wrong_with_a_job_itself_is_not_answered_with_the_runtimes_there_are() {
        let client = TrainerClient::new(ScriptedBackend::new());
        let mut job = TrainJob::new(&"alpha".parse().unwrap(), "torch-distribute");
        job.spec.managed_by = Some("me".to_owned());
        let error = client.submit(JobRequest::new(job)).await.unwrap_err();
        assert!(error.hint().is_none_or(|hint| !hint.contains("torch-distributed")), "{error:?}");
    }

    #[tokio::test]
    async fn an_option_that_the_backend_lacks_is_refused_before_the_engine_is_asked_anything() {
        const KEYS: &[Key] = &[Key::new("partition", "which machines")];
        let client = TrainerClient::new(ScriptedBackend::new().with_options(KEYS));
        let mut request = JobRequest::new(TrainJob::new(&"alpha".parse().unwrap(), "plain"));
        request.options.insert("partition".to_owned(), "a100".into());
        assert!(client.plan(request.clone()).await.is_ok());

        let client = TrainerClient::new(ScriptedBackend::new());
        let error = client.submit(request).await.unwrap_err();
        assert_eq!(error.to_string(), "the backend `scripted` has no option `partition`");
        assert_eq!((error.kind(), client.backend().calls().len()), (ErrorKind::Invalid, 0));
    }

    #[tokio::test]
    async fn a_job_takes_along_what_its_names_stand_for_and_no_more() {
        let client = TrainerClient::new(ScriptedBackend::new());
        let mut request = JobRequest::new(TrainJob::new(&"alpha".parse().unwrap(), "plain"));
        let reference = json!({ "secretKeyRef": { "name": "hub", "key": "token" } });
        let trainer = json!({ "env": [{ "name": "TOKEN", "valueFrom": reference }] });
        request.job.spec.trainer = Some(serde_json::from_value(trainer).unwrap());
        request.mounts = vec![Mount { name: "data".to_owned(), path: "/data".to_owned() }];
        request.volumes = ["data", "models"].map(Volume::new).into_iter().collect();
        request.secrets = vec!["ASKED".to_owned()];
        let key =
            |name: &str, key: &str| SecretKey { name: name.to_owned(), secret: "hub".to_owned(), key: key.to_owned() };
        request.secret_keys = [key("ASKED", "a"), key("OTHER", "o"), key("HF", "token")].into_iter().collect();

        let job = client.plan(request.clone()).await.unwrap();
        let names = |job: &ReviewedJob| -> Vec<String> {
            let volumes = job.request().volumes.iter().map(|volume| volume.name.clone());
            volumes.chain(job.request().secret_keys.iter().map(|key| key.name.clone())).collect()
        };
        assert_eq!(names(&job), ["data", "ASKED", "HF"]);

        request.mounts[0].name = "dat".to_owned();
        let error = client.plan(request).await.unwrap_err();
        assert_eq!(error.to_string(), "no volume is called `dat`");
    }

    #[tokio::test]
    async fn everything_can_be_awaited_on_another_thread() {
        fn sent<T: Send + 'static>(future: impl Future<Output = T> + Send + 'static) -> impl Future<Output = T> {
            let task = tokio::spawn(future);
            async { task.await.unwrap() }
        }
        let client = TrainerClient::new(ScriptedBackend::new());
        let name = submit(&client, "alpha").await;
        let on = || (client.clone(), name.clone());

        let (it, of) = on();
        sent(async move { it.wait(&of, &WaitRequest::default()).await }).await.unwrap();
        let (it, _) = on();
        sent(async move { it.runtimes().await }).await.unwrap();
        let all = client.list_all();
        assert_eq!(sent(all.try_collect::<Vec<_>>()).await.unwrap().len(), 1);
        let (it, _) = on();
        assert_eq!(sent(async move { it.prune(None).await }).await.unwrap(), [name]);
    }

    async fn client_with_jobs(count: usize, script: &Script) -> TrainerClient<ScriptedBackend> {
        let mut backend = ScriptedBackend::new();
        for index in 0..count {
            backend = backend.with_script(&format!("job-{index}").parse().unwrap(), script.clone());
        }
        let client = TrainerClient::new(backend);
        for index in 0..count {
            submit(&client, &format!("job-{index}")).await;
        }
        client
    }

    async fn submit(client: &TrainerClient<ScriptedBackend>, name: &str) -> JobName {
        let name = name.parse().unwrap();
        client.submit(JobRequest::new(TrainJob::new(&name, "plain"))).await.unwrap();
        tokio::task::yield_now().await;
        name
    }

    fn runtime(name: &str, origin: &str) -> Runtime {
        let builtin = RuntimeCatalog::builtin();
        let mut runtime = builtin.iter().find(|it| it.name() == name).unwrap().clone();
        runtime.metadata.annotations.insert("origin".to_owned(), origin.to_owned());
        runtime
    }

    fn origin(runtime: &Runtime) -> &str {
        &runtime.metadata.annotations["origin"]
    }

    fn names(names: &[JobName]) -> Vec<&str> {
        names.iter().map(JobName::as_str).collect()
    }
}
