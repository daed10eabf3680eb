//! Waiting, on a real engine. The rules themselves are tested beside the client.

use std::time::{Duration, Instant};

use trainer_core::{
    ErrorKind, Phase, TrainerBackend,
    client::{WaitOutcome, WaitRequest},
};

use crate::{
    lab::{AT_ONCE, Lab},
    trial::{Behaviour, Outcome, behaviours},
};

pub(super) fn behaviours<B: TrainerBackend>() -> Vec<Behaviour<B>> {
    behaviours![
        a_wait_that_times_out_leaves_the_job_alone,
        a_wait_ends_when_its_phase_can_not_come_any_more,
        a_wait_ends_when_the_job_is_deleted,
    ]
}

async fn a_wait_that_times_out_leaves_the_job_alone<B: TrainerBackend>(lab: Lab<B>) -> Outcome {
    let job = lab.sh("sleep 60").submit().await?;
    job.reaches(Phase::Running).await?;
    let start = Instant::now();
    let request = WaitRequest { timeout: Some(Duration::from_millis(300)), ..WaitRequest::default() };
    let error = job.client.wait(&job.name, &request).await.err().map(|error| error.kind());
    assert_eq!(error, Some(ErrorKind::Timeout));
    assert!(start.elapsed() < Duration::from_secs(10), "{:?}", start.elapsed());
    assert_eq!(job.get().await?.phase, Phase::Running);
    Ok(())
}

async fn a_wait_ends_when_its_phase_can_not_come_any_more<B: TrainerBackend>(lab: Lab<B>) -> Outcome {
    let job = lab.sh("exit 3").submit().await?;
    let outcome = job.client.wait(&job.name, &WaitRequest::default()).await?;
    assert!(matches!(&outcome, WaitOutcome::Missed(job) if job.phase == Phase::Failed), "{outcome:?}");
    Ok(())
}

async fn a_wait_ends_when_the_job_is_deleted<B: TrainerBackend>(lab: Lab<B>) -> Outcome {
    let job = lab.sh("sleep 60").submit().await?;
    job.reaches(Phase::Running).await?;
    let request = WaitRequest::default();
    let (outcome, deleted) =
        tokio::join!(job.client.wait(&job.name, &request), lab.client().delete(&job.name, &AT_ONCE));
    deleted?;
    assert_eq!(outcome.map_err(|error| error.kind()), Err(ErrorKind::NotFound));
    Ok(())
}
