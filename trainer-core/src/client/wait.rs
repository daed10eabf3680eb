//! Waiting for a phase: driven by the backend's watch, through its interruptions.

use std::time::Duration;

use futures_util::StreamExt;
use tokio::time::{sleep, timeout};

use crate::{Error, ErrorKind, Job, JobName, Phase, Result, TrainerBackend};

/// What to wait for, and how long.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WaitRequest {
    /// Any of these ends the wait; `Complete` by default.
    pub phases: Vec<Phase>,
    /// How long to wait; `None`: as long as it takes; zero: not at all, but look how it stands.
    pub timeout: Option<Duration>,
}

impl Default for WaitRequest {
    fn default() -> Self {
        Self { phases: vec![Phase::Complete], timeout: None }
    }
}

/// How a wait ended. Either way, with the job as it stands.
#[derive(Clone, Debug, PartialEq)]
pub enum WaitOutcome {
    /// In one of the phases asked for.
    Reached(Job),
    /// Settled in another phase: what was asked for doesn't come any more by itself.
    Missed(Job),
}

impl WaitOutcome {
    /// The job as it stands.
    #[must_use]
    pub fn into_job(self) -> Job {
        match self {
            Self::Reached(job) | Self::Missed(job) => job,
        }
    }
}

pub(super) async fn wait(backend: &impl TrainerBackend, name: &JobName, request: &WaitRequest) -> Result<WaitOutcome> {
    if request.timeout.is_some_and(|limit| limit.is_zero()) {
        return look(backend, name, request).await;
    }
    let mut seen = None;
    let outcome = follow(backend, name, &request.phases, &mut seen);
    let Some(limit) = request.timeout else { return outcome.await };
    match timeout(limit, outcome).await {
        Ok(outcome) => outcome,
        Err(_) => Err(timed_out(name, request, limit, seen.as_ref())),
    }
}

/// A watch would be cut off before it has told anything.
async fn look(backend: &impl TrainerBackend, name: &JobName, request: &WaitRequest) -> Result<WaitOutcome> {
    let job = backend.get(name).await?;
    outcome(&request.phases, &job).ok_or_else(|| timed_out(name, request, Duration::ZERO, Some(&job)))
}

/// What `job` means for whoever waits for one of the phases `wanted`; nothing yet, if that may still come.
fn outcome(wanted: &[Phase], job: &Job) -> Option<WaitOutcome> {
    match job.phase {
        phase if wanted.contains(&phase) => Some(WaitOutcome::Reached(job.clone())),
        phase if phase.is_settled() => Some(WaitOutcome::Missed(job.clone())),
        _ => None,
    }
}

/// Follows the job from watch to watch. `seen` is its last known state.
async fn follow(
    backend: &impl TrainerBackend,
    name: &JobName,
    wanted: &[Phase],
    seen: &mut Option<Job>,
) -> Result<WaitOutcome> {
    let mut pause = FIRST_PAUSE;
    loop {
        match watch_once(backend, name, wanted, seen, &mut pause).await {
            Ok(Some(outcome)) => return Ok(outcome),
            // The stream ended: the job is gone, or only the connection is. The next watch tells.
            Ok(None) => {}
            // Nothing has been seen yet: better to say that at once than to wait for an engine that may not exist.
            Err(error) if error.kind() != ErrorKind::Unreachable || seen.is_none() => return Err(error),
            Err(_) => {}
        }
        sleep(pause).await;
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}

/// `None` when the stream ends before there is an outcome.
async fn watch_once(
    backend: &impl TrainerBackend,
    name: &JobName,
    wanted: &[Phase],
    seen: &mut Option<Job>,
    pause: &mut Duration,
) -> Result<Option<WaitOutcome>> {
    let mut states = backend.watch(name).await.map_err(|error| match seen {
        Some(_) if error.kind() == ErrorKind::NotFound => deleted(name),
        _ => error,
    })?;
    while let Some(job) = states.next().await {
        let job = job?;
        if seen.as_ref().is_some_and(|seen| seen.uid != job.uid) {
            return Err(deleted(name));
        }
        if let Some(outcome) = outcome(wanted, &job) {
            return Ok(Some(outcome));
        }
        // Only news makes the next pause short again: a watch that does nothing but repeat the
        // present state and end would otherwise become a poll.
        if seen.as_ref() != Some(&job) {
            *pause = FIRST_PAUSE;
        }
        *seen = Some(job);
    }
    Ok(None)
}

const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(10);

fn deleted(name: &JobName) -> Error {
    Error::new(ErrorKind::NotFound, format!("job `{name}` was deleted"))
}

fn timed_out(name: &JobName, request: &WaitRequest, limit: Duration, seen: Option<&Job>) -> Error {
    let wanted: Vec<_> = request.phases.iter().map(|phase| phase.as_str()).collect();
    let wanted = wanted.join(" or ");
    let stands = seen.map_or_else(String::new, |job| format!(": it is {}", job.phase));
    Error::new(ErrorKind::Timeout, format!("job `{name}` did not become {wanted} within {limit:?}{stands}"))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use tokio::time::Instant;

    use super::*;
    use crate::{
        JobRequest, TrainerClient,
        api::TrainJob,
        job::StopRequest,
        testing::{Script, ScriptedBackend},
    };

    const SECOND: Duration = Duration::from_secs(1);

    #[tokio::test(start_paused = true)]
    async fn a_wait_ends_with_the_phase_that_was_asked_for() {
        let (client, name) = submitted(Script::new().pause(SECOND).phase(Phase::Running).pause(60 * SECOND)).await;
        let start = Instant::now();

        let WaitOutcome::Reached(job) = client.wait(&name, &until(&[Phase::Running])).await.unwrap() else { panic!() };

        assert_eq!(job.phase, Phase::Running);
        assert_eq!(start.elapsed(), SECOND, "neither early nor at the next poll");
    }

    #[tokio::test(start_paused = true)]
    async fn any_of_several_phases_ends_a_wait() {
        let (client, name) = submitted(Script::new().phase(Phase::Running).pause(SECOND).fail("no luck")).await;
        let both = until(&[Phase::Complete, Phase::Failed]);
        let WaitOutcome::Reached(job) = client.wait(&name, &both).await.unwrap() else { panic!() };
        assert_eq!((job.phase, job.reason.as_deref()), (Phase::Failed, Some("no luck")));
    }

    #[tokio::test(start_paused = true)]
    async fn a_job_that_settles_elsewhere_ends_a_wait_at_once() {
        for (settled, wanted) in [
            (Phase::Failed, Phase::Complete),
            (Phase::Complete, Phase::Running),
            (Phase::Complete, Phase::Failed),
            (Phase::Stopped, Phase::Complete),
            (Phase::Suspended, Phase::Running),
        ] {
            let (client, name) = submitted(Script::new().pause(SECOND).phase(settled)).await;
            let start = Instant::now();
            let outcome = client.wait(&name, &until(&[wanted])).await.unwrap();
            assert!(matches!(outcome, WaitOutcome::Missed(job) if job.phase == settled), "{settled} for {wanted}");
            assert_eq!(start.elapsed(), SECOND);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_wait_watches_once_and_never_polls() {
        let (client, name) =
            submitted(Script::new().phase(Phase::Running).pause(3600 * SECOND).phase(Phase::Complete)).await;
        client.wait(&name, &WaitRequest::default()).await.unwrap();
        assert_eq!(client.backend().calls(), ["runtime", "submit", "watch"]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_timeout_says_what_was_waited_for_and_how_the_job_stands() {
        let (client, name) = submitted(Script::new().phase(Phase::Running)).await;
        let start = Instant::now();

        let request = WaitRequest { timeout: Some(5 * SECOND), ..WaitRequest::default() };
        let error = client.wait(&name, &request).await.unwrap_err();

        assert_eq!(error.kind(), ErrorKind::Timeout);
        assert_eq!(error.to_string(), "job `alpha` did not become Complete within 5s: it is Running");
        assert_eq!(start.elapsed(), 5 * SECOND);
        assert_eq!(client.get(&name).await.unwrap().phase, Phase::Running, "a timeout leaves the job alone");
    }

    #[tokio::test(start_paused = true)]
    async fn a_wait_of_no_time_looks_how_the_job_stands() {
        let (client, name) = submitted(Script::new().phase(Phase::Running).pause(SECOND).phase(Phase::Complete)).await;
        let request = WaitRequest { timeout: Some(Duration::ZERO), ..WaitRequest::default() };
        assert_eq!(client.wait(&name, &request).await.unwrap_err().kind(), ErrorKind::Timeout);
        sleep(2 * SECOND).await;
        assert!(matches!(client.wait(&name, &request).await.unwrap(), WaitOutcome::Reached(_)));
        assert_eq!(client.backend().calls()[2..], ["get", "get"], "a watch may take longer than no time");
    }

    #[tokio::test(start_paused = true)]
    async fn an_outage_during_a_wait_is_outlived() {
        let script = Script::new().phase(Phase::Running).pause(SECOND).outage(600 * SECOND).phase(Phase::Complete);
        let (client, name) = submitted(script).await;

        let outcome = client.wait(&name, &WaitRequest::default()).await.unwrap();

        assert!(matches!(outcome, WaitOutcome::Reached(_)));
        let watches = client.backend().calls().iter().filter(|call| **call == "watch").count();
        assert!((10..100).contains(&watches), "pauses grow, up to a bound: {watches} watches in ten minutes");
    }

    #[tokio::test(start_paused = true)]
    async fn the_timeout_holds_during_an_outage_too() {
        let (client, name) = submitted(Script::new().phase(Phase::Running).pause(SECOND).outage(600 * SECOND)).await;
        let start = Instant::now();
        let request = WaitRequest { timeout: Some(30 * SECOND), ..WaitRequest::default() };
        let error = client.wait(&name, &request).await.unwrap_err();
        assert_eq!((error.kind(), start.elapsed()), (ErrorKind::Timeout, 30 * SECOND));
    }

    #[tokio::test(start_paused = true)]
    async fn an_engine_that_does_not_answer_at_first_is_an_error_at_once() {
        let (client, name) = submitted(Script::new().outage(60 * SECOND)).await;
        tokio::task::yield_now().await;
        let error = client.wait(&name, &WaitRequest::default()).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unreachable);
    }

    #[tokio::test(start_paused = true)]
    async fn a_watch_that_ends_early_is_taken_up_again() {
        let script =
            Script::new().phase(Phase::Running).pause(SECOND).end_watches().pause(SECOND).phase(Phase::Complete);
        let (client, name) = submitted(script).await;
        let outcome = client.wait(&name, &WaitRequest::default()).await.unwrap();
        assert!(matches!(outcome, WaitOutcome::Reached(_)));
        assert_eq!(client.backend().calls(), ["runtime", "submit", "watch", "watch"]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_job_deleted_during_a_wait_is_not_found() {
        let (client, name) = submitted(Script::new().phase(Phase::Running)).await;
        let request = WaitRequest::default();
        let delete = async {
            tokio::time::sleep(SECOND).await;
            client.delete(&name, &StopRequest::default()).await.unwrap();
        };
        let (outcome, ()) = tokio::join!(client.wait(&name, &request), delete);
        let error = outcome.unwrap_err();
        assert_eq!((error.kind(), error.to_string().as_str()), (ErrorKind::NotFound, "job `alpha` was deleted"));
    }

    #[tokio::test(start_paused = true)]
    async fn another_job_of_the_same_name_is_not_taken_for_this_one() {
        let (client, name) = submitted(Script::new().phase(Phase::Running)).await;
        let request = WaitRequest::default();
        let replace = async {
            tokio::time::sleep(SECOND).await;
            client.delete(&name, &StopRequest::default()).await.unwrap();
            client.submit(JobRequest::new(TrainJob::new(&name, "plain"))).await.unwrap();
        };
        let (outcome, ()) = tokio::join!(client.wait(&name, &request), replace);
        assert_eq!(outcome.unwrap_err().kind(), ErrorKind::NotFound);
    }

    #[tokio::test]
    async fn a_job_that_never_was_is_not_found() {
        let client = TrainerClient::new(ScriptedBackend::new());
        let error = client.wait(&"nobody".parse().unwrap(), &WaitRequest::default()).await.unwrap_err();
        assert_eq!((error.kind(), error.to_string().as_str()), (ErrorKind::NotFound, "no job named `nobody`"));
    }

    #[tokio::test(start_paused = true)]
    async fn a_resumed_job_can_be_waited_for_at_once() {
        let (client, name) = submitted(Script::new().phase(Phase::Running).pause(SECOND).phase(Phase::Complete)).await;
        client.stop(&name, &StopRequest::default()).await.unwrap();
        let outcome = client.wait(&name, &WaitRequest::default()).await.unwrap();
        assert!(matches!(outcome, WaitOutcome::Missed(job) if job.phase == Phase::Stopped));

        client.resume(&name).await.unwrap();
        let outcome = client.wait(&name, &WaitRequest::default()).await.unwrap();
        assert!(matches!(outcome, WaitOutcome::Reached(job) if job.attempt == 2));
    }

    async fn submitted(script: Script) -> (TrainerClient<ScriptedBackend>, JobName) {
        let name: JobName = "alpha".parse().unwrap();
        let client = TrainerClient::new(ScriptedBackend::new().with_script(&name, script));
        client.submit(JobRequest::new(TrainJob::new(&name, "plain"))).await.unwrap();
        (client, name)
    }

    fn until(phases: &[Phase]) -> WaitRequest {
        WaitRequest { phases: phases.to_vec(), ..WaitRequest::default() }
    }
}
