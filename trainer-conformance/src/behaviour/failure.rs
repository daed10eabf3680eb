//! Failures, and whether their cause is told.

use std::time::{Duration, Instant};

use trainer_core::{
    Phase, TrainerBackend,
    job::{NodeExit, Severity},
};

use crate::{
    lab::Lab,
    trial::{Behaviour, Outcome, behaviours},
};

pub(super) fn behaviours<B: TrainerBackend>() -> Vec<Behaviour<B>> {
    behaviours![
        a_failure_names_the_node_and_its_exit_code,
        a_failure_names_the_signal,
        a_failing_node_ends_the_others,
        a_node_that_ignores_the_signal_does_not_hold_up_the_end,
        events_tell_what_happened,
        a_deadline_ends_a_job,
        a_node_that_leaves_early_and_well_does_not_end_the_others,
    ]
}

async fn a_failure_names_the_node_and_its_exit_code<B: TrainerBackend>(lab: Lab<B>) -> Outcome {
    let (_, job) = lab.sh("[ $TRAINER_NODE != 1 ] || exit 42; sleep 60").nodes(3).fail().await?;
    let reason = job.reason.clone().unwrap_or_default();
    assert!(reason.contains("node-1") || reason.contains("node 1"), "{reason:?}");
    assert!(reason.contains("42"), "{reason:?}");
    assert_eq!(job.steps[0].nodes[1].exit, Some(NodeExit::Code(42)));
    assert_eq!(job.attempt, 1, "nobody asked for retries");
    assert!(job.finished.is_some());
    Ok(())
}

async fn a_failure_names_the_signal<B: TrainerBackend>(lab: Lab<B>) -> Outcome {
    let (_, job) = lab.sh("kill -SEGV $$").fail().await?;
    assert_eq!(job.steps[0].nodes[0].exit, Some(NodeExit::Signal(11)));
    let reason = job.reason.unwrap_or_default();
    assert!(reason.contains("SIGSEGV"), "{reason:?}");
    Ok(())
}

async fn a_failing_node_ends_the_others<B: TrainerBackend>(lab: Lab<B>) -> Outcome {
    let script = "
        trap 'echo told to end; exit 0' TERM
        echo up
        if [ $TRAINER_NODE = 2 ]; then sleep 0.5; exit 7; fi
        while :; do sleep 0.1; done";
    let (submitted, job) = lab.sh(script).nodes(3).fail().await?;
    assert!(job.steps[0].nodes.iter().all(|node| node.exit.is_some()), "{job:?}");
    let log = submitted.log().await?;
    for node in 0..2 {
        assert_eq!(log.node(node), ["up", "told to end"]);
    }
    let reason = job.reason.unwrap_or_default();
    assert!(reason.contains('7') && reason.contains('2'), "the first failure is the cause: {reason:?}");
    Ok(())
}

async fn a_node_that_ignores_the_signal_does_not_hold_up_the_end<B: TrainerBackend>(lab: Lab<B>) -> Outcome {
    let script = "
        trap '' TERM
        if [ $TRAINER_NODE = 0 ]; then sleep 0.5; exit 7; fi
        sleep 600";
    let start = Instant::now();
    let (_, job) = lab.sh(script).nodes(2).grace(1).fail().await?;
    assert!(start.elapsed() < Duration::from_secs(20), "{:?}", start.elapsed());
    assert_eq!(job.steps[0].nodes[1].exit, Some(NodeExit::Signal(9)));
    Ok(())
}

async fn events_tell_what_happened<B: TrainerBackend>(lab: Lab<B>) -> Outcome {
    let (job, _) = lab.sh("[ $TRAINER_NODE != 1 ] || exit 42; sleep 60").nodes(2).fail().await?;
    let events = job.client.events(&job.name).await?;
    assert!(events.iter().any(|event| event.severity == Severity::Normal), "{events:?}");
    let failures: Vec<_> = events.iter().filter(|event| event.severity == Severity::Warning).collect();
    assert!(failures.iter().any(|event| event.message.contains("42")), "{events:?}");
    assert!(events.iter().any(|event| event.object.contains("node-1")), "{events:?}");
    assert!(events.iter().map(|event| event.time).is_sorted(), "oldest first: {events:?}");
    Ok(())
}

async fn a_deadline_ends_a_job<B: TrainerBackend>(lab: Lab<B>) -> Outcome {
    let mut draft = lab.sh("trap 'exit 0' TERM; while :; do sleep 0.1; done").nodes(2);
    draft.request.job.spec.active_deadline_seconds = Some(1);
    let (_, job) = draft.fail().await?;
    let reason = job.reason.unwrap_or_default();
    assert!(reason.to_lowercase().contains("deadline"), "{reason:?}");
    Ok(())
}

async fn a_node_that_leaves_early_and_well_does_not_end_the_others<B: TrainerBackend>(lab: Lab<B>) -> Outcome {
    let job = lab.sh("[ $TRAINER_NODE = 0 ] || sleep 1; echo end").nodes(2).complete().await?;
    assert_eq!(job.log().await?.sorted(), ["end", "end"]);
    assert_eq!(job.get().await?.phase, Phase::Complete);
    Ok(())
}
