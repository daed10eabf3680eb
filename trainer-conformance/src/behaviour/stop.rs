//! Stopping, suspending and resuming.

use std::time::{Duration, Instant};

use trainer_core::{
    ErrorKind, Phase, TrainerBackend,
    client::{WaitOutcome, WaitRequest},
    job::StopRequest,
};

use crate::{
    lab::Lab,
    trial::{Behaviour, Outcome, behaviours},
};

pub(super) fn behaviours<B: TrainerBackend>() -> Vec<Behaviour<B>> {
    behaviours![
        stopping_lets_the_program_say_goodbye(Resume),
        a_stopped_job_is_not_complete_even_if_its_program_exits_well(Resume),
        a_program_that_does_not_listen_is_ended_after_its_grace(Resume),
        a_stopped_job_can_be_resumed(Resume),
        a_resumed_job_is_not_reported_as_stopped(Resume),
        stopping_twice_is_no_error(Resume),
        a_finished_job_can_not_be_stopped(Resume),
        a_running_job_can_not_be_resumed(Resume),
        a_suspended_job_waits_to_be_resumed(Resume),
        a_stopped_job_can_be_deleted(Resume),
    ]
}

/// Runs until it is told to end, and then ends well.
const POLITE: &str = "trap 'echo goodbye; exit 0' TERM; echo up; while :; do sleep 0.1; done";

async fn stopping_lets_the_program_say_goodbye<B: TrainerBackend>(lab: Lab<B>) -> Outcome {
    let job = lab.sh(POLITE).nodes(2).submit().await?;
    job.says("up", 2).await?;
    job.stop().await?;
    let log = job.log().await?;
    for node in 0..2 {
        assert_eq!(log.node(node), ["up", "goodbye"]);
    }
    Ok(())
}

async fn a_stopped_job_is_not_complete_even_if_its_program_exits_well<B: TrainerBackend>(lab: Lab<B>) -> Outcome {
    let job = lab.sh(POLITE).submit().await?;
    job.says("up", 1).await?;
    job.client.stop(&job.name, &StopRequest::default()).await?;
    let outcome = job.client.wait(&job.name, &WaitRequest::default()).await?;
    assert!(matches!(&outcome, WaitOutcome::Missed(job) if job.phase == Phase::Stopped), "{outcome:?}");
    let conditions = outcome.into_job().object.status.unwrap_or_default().conditions;
    assert!(!conditions.iter().any(|it| it.kind == "Complete" && it.status == "True"), "{conditions:?}");
    Ok(())
}

async fn a_program_that_does_not_listen_is_ended_after_its_grace<B: TrainerBackend>(lab: Lab<B>) -> Outcome {
    let job = lab.sh("trap '' TERM; echo up; sleep 600 & wait; sleep 600").submit().await?;
    job.says("up", 1).await?;
    let start = Instant::now();
    job.client.stop(&job.name, &StopRequest { grace: Some(Duration::from_secs(1)) }).await?;
    job.reaches(Phase::Stopped).await?;
    let elapsed = start.elapsed();
    assert!(elapsed >= Duration::from_secs(1), "it had {elapsed:?} of its second");
    assert!(elapsed < Duration::from_secs(20), "{elapsed:?}");
    Ok(())
}

async fn a_stopped_job_can_be_resumed<B: TrainerBackend>(lab: Lab<B>) -> Outcome {
    let script = "echo attempt $TRAINER_ATTEMPT; [ $TRAINER_ATTEMPT != 1 ] || sleep 60";
    let job = lab.sh(script).nodes(2).submit().await?;
    job.says("attempt 1", 2).await?;
    let stopped = job.stop().await?;
    job.client.resume(&job.name).await?;
    let resumed = job.reaches(Phase::Complete).await?;
    assert_eq!((resumed.uid, resumed.attempt), (stopped.uid, 2), "the same job, started once more");
    let log = job.log().await?;
    for node in 0..2 {
        let lines = log.node(node);
        assert_eq!(lines.last().map(String::as_str), Some("attempt 2"), "{log}");
    }
    Ok(())
}

async fn a_resumed_job_is_not_reported_as_stopped<B: TrainerBackend>(lab: Lab<B>) -> Outcome {
    let job = lab.sh("sleep 60").submit().await?;
    job.reaches(Phase::Running).await?;
    job.stop().await?;
    job.client.resume(&job.name).await?;
    // Else a wait for what comes next would end at once.
    let phase = job.get().await?.phase;
    assert!(!phase.is_settled(), "{phase}");
    job.reaches(Phase::Running).await?;
    Ok(())
}

async fn stopping_twice_is_no_error<B: TrainerBackend>(lab: Lab<B>) -> Outcome {
    let job = lab.sh(POLITE).submit().await?;
    job.says("up", 1).await?;
    let request = StopRequest::default();
    let (first, second) = tokio::join!(job.client.stop(&job.name, &request), job.client.stop(&job.name, &request));
    first?;
    second?;
    job.reaches(Phase::Stopped).await?;
    job.client.stop(&job.name, &request).await?;
    assert_eq!(job.get().await?.phase, Phase::Stopped);
    Ok(())
}

async fn a_finished_job_can_not_be_stopped<B: TrainerBackend>(lab: Lab<B>) -> Outcome {
    let job = lab.sh("exit 0").complete().await?;
    let error = job.client.stop(&job.name, &StopRequest::default()).await.map_err(|error| error.kind());
    assert_eq!(error, Err(ErrorKind::Conflict));
    let error = job.client.resume(&job.name).await.map_err(|error| error.kind());
    assert_eq!(error, Err(ErrorKind::Conflict));
    assert_eq!(job.get().await?.phase, Phase::Complete);
    Ok(())
}

async fn a_running_job_can_not_be_resumed<B: TrainerBackend>(lab: Lab<B>) -> Outcome {
    let job = lab.sh("sleep 60").submit().await?;
    job.reaches(Phase::Running).await?;
    let error = job.client.resume(&job.name).await.map_err(|error| error.kind());
    assert_eq!(error, Err(ErrorKind::Conflict));
    assert_eq!(job.get().await?.phase, Phase::Running);
    Ok(())
}

async fn a_suspended_job_waits_to_be_resumed<B: TrainerBackend>(lab: Lab<B>) -> Outcome {
    let job = lab.sh("echo ran").suspended().submit().await?;
    let suspended = job.reaches(Phase::Suspended).await?;
    assert_eq!((suspended.started, suspended.attempt), (None, 0));
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert_eq!(job.get().await?.phase, Phase::Suspended);
    assert_eq!(job.log().await?.lines.len(), 0);

    job.client.resume(&job.name).await?;
    job.reaches(Phase::Complete).await?;
    assert_eq!(job.log().await?.node(0), ["ran"]);
    Ok(())
}

async fn a_stopped_job_can_be_deleted<B: TrainerBackend>(lab: Lab<B>) -> Outcome {
    let job = lab.sh(POLITE).submit().await?;
    job.says("up", 1).await?;
    job.stop().await?;
    job.client.delete(&job.name, &StopRequest::default()).await?;
    assert_eq!(job.get().await.map_err(|error| error.kind()), Err(ErrorKind::NotFound));
    Ok(())
}
