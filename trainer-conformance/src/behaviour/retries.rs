//! Attempts after a failure: as many as the runtime's `backoffLimit` allows.

use trainer_core::TrainerBackend;

use crate::{
    lab::Lab,
    trial::{Behaviour, Outcome, behaviours},
};

pub(super) fn behaviours<B: TrainerBackend>() -> Vec<Behaviour<B>> {
    behaviours![
        a_failed_gang_is_started_again(Retries),
        a_job_fails_when_no_attempt_is_left(Retries),
        all_nodes_are_started_again(Retries),
    ]
}

async fn a_failed_gang_is_started_again<B: TrainerBackend>(lab: Lab<B>) -> Outcome {
    let job = lab.sh("echo attempt $TRAINER_ATTEMPT; [ $TRAINER_ATTEMPT = 3 ]").retries(2).complete().await?;
    assert_eq!(job.get().await?.attempt, 3);
    assert!(job.log().await?.says("attempt 3"));
    Ok(())
}

async fn a_job_fails_when_no_attempt_is_left<B: TrainerBackend>(lab: Lab<B>) -> Outcome {
    let (_, job) = lab.sh("exit 9").retries(1).fail().await?;
    assert_eq!(job.attempt, 2);
    let reason = job.reason.unwrap_or_default();
    assert!(reason.contains('9'), "{reason:?}");
    Ok(())
}

async fn all_nodes_are_started_again<B: TrainerBackend>(lab: Lab<B>) -> Outcome {
    let script = "
        echo node $TRAINER_NODE attempt $TRAINER_ATTEMPT
        [ $TRAINER_ATTEMPT = 2 ] || { [ $TRAINER_NODE = 1 ] && sleep 0.5 && exit 1; sleep 60; }";
    let job = lab.sh(script).nodes(2).retries(1).complete().await?;
    let log = job.log().await?;
    for node in 0..2 {
        assert!(log.says(&format!("node {node} attempt 2")), "{log}");
    }
    Ok(())
}
