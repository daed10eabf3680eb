//! Nodes that go on when their supervisor ends, and the next one that takes them over.

use std::{fs, time::Duration};

use trainer_core::{
    ErrorKind, Job, Phase,
    job::{LogQuery, NodeExit, StopRequest},
};

use crate::place::{self, Place, node_folder, remove_node, wait_until};

trials![Place::detached() =>
    the_next_command_adopts_a_job_and_its_log_is_whole,
    what_ends_a_supervisor_does_not_end_its_nodes,
    a_step_that_was_being_launched_is_launched_once,
    a_stop_goes_on_under_the_next_supervisor,
    a_stop_reaches_a_job_that_nobody_supervised,
    a_deletion_reaches_a_job_that_nobody_supervised,
    a_deletion_reaches_a_job_that_lost_its_supervisor,
    the_end_of_a_node_that_nobody_saw_is_found_out,
    a_node_that_was_removed_is_lost,
    a_failure_that_was_recorded_still_ends_the_gang,
    failures_count_over_an_adoption,
    a_job_between_attempts_goes_on_with_the_next,
    a_deadline_counts_from_the_start_of_the_job,
    commands_at_once_start_one_supervisor,
    a_restart_of_the_machine_is_said,
    a_log_whose_beginning_is_gone_has_a_gap,
    a_submission_that_dies_before_its_supervisor_is_a_failure,
];

/// Goes on until there is a file `go`.
const UNTIL_GO: &str = "while [ ! -e go ]; do sleep 0.02; done";

async fn the_next_command_adopts_a_job_and_its_log_is_whole(place: Place) {
    let script = "i=0; while [ $i -lt 100 ]; do echo out $i; echo err $i >&2; i=$((i+1)); sleep 0.01; done; printf end";
    let job = place.start(script, 2).await;
    for seen in ["out 10", "out 60"] {
        wait_until("some of it is in the log", || log_file(&place, &job).contains(seen)).await;
        place.lose_supervisor(&job).await;
        assert_eq!(place.next_command().get(&job.name).await.unwrap().phase, Phase::Running);
    }
    let job = place.reaches(&job.name, Phase::Complete).await;
    assert_eq!(job.attempt, 1);
    assert_eq!(place.events(&job, "Adopted").await.len(), 2);
    for node in [0, 1] {
        let query = LogQuery { nodes: vec![trainer_core::NodeIndex(node)], ..LogQuery::default() };
        let log = place.log_of(&job, &query).await;
        let lines = |word: &str| log.iter().filter(|line| line.starts_with(word)).cloned().collect::<Vec<_>>();
        for word in ["out", "err"] {
            assert_eq!(lines(word), (0..100).map(|index| format!("{word} {index}")).collect::<Vec<_>>());
        }
        assert_eq!(log.len(), 201, "{log:?}");
    }
}

async fn what_ends_a_supervisor_does_not_end_its_nodes(place: Place) {
    let job = place.start(&format!("{UNTIL_GO}; echo end"), 1).await;
    place.launched(&job).await;
    for signal in ["TERM", "INT", "KILL"] {
        let tree = place.tree(&job);
        place::signal(tree.supervisor, signal);
        place.is_unsupervised(&job).await;
        assert_eq!(place.next_command().get(&job.name).await.unwrap().phase, Phase::Running, "after {signal}");
    }
    place::kill(place.tree(&job).reaper);
    place.is_unsupervised(&job).await;
    assert_eq!(place.next_command().get(&job.name).await.unwrap().phase, Phase::Running);
    place.write("go", "");
    place.reaches(&job.name, Phase::Complete).await;
    assert_eq!(place.log(&job).await, ["end"]);
}

async fn a_step_that_was_being_launched_is_launched_once(place: Place) {
    place.write("die-at-launch", "");
    let job = place.start(&format!("echo up; {UNTIL_GO}"), 3).await;
    place.is_unsupervised(&job).await;
    assert!(node_folder(place.folder(&job).path(), 1, "node", 0).exists(), "the first was launched");
    assert!(!node_folder(place.folder(&job).path(), 1, "node", 2).exists(), "the others were not");
    place.launched(&job).await;
    place.write("go", "");
    place.reaches(&job.name, Phase::Complete).await;
    assert_eq!(place.log(&job).await, ["up", "up", "up"]);
}

async fn a_stop_goes_on_under_the_next_supervisor(place: Place) {
    let job = place.start(&format!("trap '{UNTIL_GO}; exit 3' TERM; echo up; while :; do sleep 0.02; done"), 2).await;
    place.first_line(&job).await;
    place.jobs.stop(&job.name, &StopRequest { grace: Some(Duration::from_secs(600)) }).await.unwrap();
    place.reaches(&job.name, Phase::Stopping).await;
    place.lose_supervisor(&job).await;
    assert_eq!(place.next_command().get(&job.name).await.unwrap().phase, Phase::Stopping);
    place.write("go", "");
    let job = place.reaches(&job.name, Phase::Stopped).await;
    assert!(job.reason.unwrap().starts_with("stopped by "));
    wait_until("nothing is left", || place::alive(&job.uid).is_empty()).await;
}

async fn a_stop_reaches_a_job_that_nobody_supervised(place: Place) {
    let job = place.start("sleep 600", 1).await;
    place.launched(&job).await;
    place.write("unreachable", "");
    place.lose_supervisor(&job).await;
    let unknown = place.next_command().get(&job.name).await.unwrap();
    assert_eq!(unknown.phase, Phase::Unknown);
    assert!(unknown.reason.unwrap().contains("the engine is away"));
    let stop = StopRequest { grace: Some(Duration::ZERO) };
    let error = place.next_command().stop(&job.name, &stop).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unreachable, "{error}");
    assert!(!place::alive(&job.uid).is_empty(), "it goes on");
    place.remove("unreachable");
    let adopted = place.next_command().get(&job.name).await.unwrap();
    assert!(matches!(adopted.phase, Phase::Running | Phase::Stopping | Phase::Stopped), "{}", adopted.phase);
    place.is_unsupervised(&job).await;
    assert_eq!(place.next_command().get(&job.name).await.unwrap().phase, Phase::Stopped);
    wait_until("nothing is left", || place::alive(&job.uid).is_empty()).await;
}

async fn a_deletion_reaches_a_job_that_nobody_supervised(place: Place) {
    let job = place.start("sleep 600", 1).await;
    place.launched(&job).await;
    place.write("unreachable", "");
    place.lose_supervisor(&job).await;
    let error = place.next_command().delete(&job.name, &StopRequest::default()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unreachable, "{error}");
    assert!(!place::alive(&job.uid).is_empty(), "it goes on");
    place.remove("unreachable");
    // It may be gone before it can be shown.
    let _ = place.next_command().get(&job.name).await;
    wait_until("it is removed", || place.folders().is_empty()).await;
    wait_until("nothing is left", || place::alive(&job.uid).is_empty()).await;
}

async fn a_deletion_reaches_a_job_that_lost_its_supervisor(place: Place) {
    let job = place.start("sleep 600", 2).await;
    place.launched(&job).await;
    place.lose_supervisor(&job).await;
    place.next_command().delete(&job.name, &StopRequest { grace: Some(Duration::ZERO) }).await.unwrap();
    assert_eq!(place.folders(), Vec::<String>::new());
    wait_until("nothing is left", || place::alive(&job.uid).is_empty()).await;
}

async fn the_end_of_a_node_that_nobody_saw_is_found_out(place: Place) {
    let job = place.start(&format!("echo up; {UNTIL_GO}; echo KeyError: 7 >&2; exit 7"), 1).await;
    place.first_line(&job).await;
    place.lose_supervisor(&job).await;
    place.write("go", "");
    wait_until("it has ended", || place::alive(&job.uid).is_empty()).await;
    let job = place.reaches(&job.name, Phase::Failed).await;
    assert_eq!(job.reason.as_deref(), Some("node 0 exited with code 7: KeyError: 7"));
    assert_eq!(place.log(&job).await, ["up", "KeyError: 7"]);
}

async fn a_node_that_was_removed_is_lost(place: Place) {
    let job = place.start("sleep 600", 2).await;
    place.launched(&job).await;
    place.lose_supervisor(&job).await;
    remove_node(&node_folder(place.folder(&job).path(), 1, "node", 1));
    let job = place.reaches(&job.name, Phase::Failed).await;
    assert!(job.reason.as_ref().unwrap().contains("node 1"), "{:?}", job.reason);
    assert!(job.reason.unwrap().contains("removed while nobody supervised"));
    assert_eq!(job.steps[0].nodes[1].exit, Some(NodeExit::Lost));
    wait_until("nothing is left", || place::alive(&job.uid).is_empty()).await;
}

async fn a_failure_that_was_recorded_still_ends_the_gang(place: Place) {
    let script =
        format!("[ $TRAINER_NODE = 1 ] && exit 5; trap '{UNTIL_GO}; exit 0' TERM; while :; do sleep 0.02; done");
    let job = place.start(&script, 2).await;
    place.launched(&job).await;
    let status = || fs::read_to_string(place.folder(&job).path().join("status.json")).unwrap();
    wait_until("the failure is recorded", || status().contains("\"Failed\"")).await;
    place.lose_supervisor(&job).await;
    place.write("go", "");
    let job = place.reaches(&job.name, Phase::Failed).await;
    assert_eq!(job.reason.unwrap(), "node 1 exited with code 5");
}

async fn failures_count_over_an_adoption(place: Place) {
    let script = format!("[ $TRAINER_ATTEMPT = 1 ] && exit 1; echo $TRAINER_ATTEMPT; {UNTIL_GO}; exit 1");
    let job = place.start_with_retries(&script, 1).await;
    assert_eq!(place.first_line(&job).await, "2");
    place.lose_supervisor(&job).await;
    place.write("go", "");
    let job = place.reaches(&job.name, Phase::Failed).await;
    assert_eq!(job.attempt, 2);
    assert_eq!(place.log(&job).await, ["2"]);
}

async fn a_job_between_attempts_goes_on_with_the_next(place: Place) {
    let job = place.start_with_retries("[ $TRAINER_ATTEMPT = 2 ]", 1).await;
    place.reaches(&job.name, Phase::Restarting).await;
    place.lose_supervisor(&job).await;
    let job = place.reaches(&job.name, Phase::Complete).await;
    assert_eq!(job.attempt, 2);
}

async fn a_deadline_counts_from_the_start_of_the_job(place: Place) {
    let job = place.start_planned("sleep 600", 1, |plan| plan.active_deadline_seconds = Some(600)).await;
    place.launched(&job).await;
    place.lose_supervisor(&job).await;
    place.edit(&job, "status.json", |status| status["begun"] = "2026-01-02T03:04:05Z".into());
    let job = place.reaches(&job.name, Phase::Failed).await;
    assert!(job.reason.as_ref().unwrap().starts_with("DeadlineExceeded"), "{:?}", job.reason);
}

async fn commands_at_once_start_one_supervisor(place: Place) {
    let job = place.start(UNTIL_GO, 1).await;
    place.launched(&job).await;
    place.lose_supervisor(&job).await;
    let commands = (0..8).map(|_| place.next_command());
    let looks = futures_util::future::join_all(commands.map(async |jobs| jobs.get(&job.name).await.unwrap().phase));
    assert_eq!(looks.await, [Phase::Running; 8]);
    assert_eq!(place.events(&job, "Adopted").await.len(), 1);
    place.write("go", "");
    place.reaches(&job.name, Phase::Complete).await;
}

async fn a_restart_of_the_machine_is_said(place: Place) {
    let job = place.start(UNTIL_GO, 1).await;
    place.launched(&job).await;
    place.lose_supervisor(&job).await;
    place.edit(&job, "status.json", |status| status["supervisor"]["boot"] = "another".into());
    place.write("go", "");
    let job = place.reaches(&job.name, Phase::Complete).await;
    let adopted = place.events(&job, "Adopted").await;
    assert!(adopted[0].contains("the machine was restarted"), "{adopted:?}");
}

async fn a_log_whose_beginning_is_gone_has_a_gap(place: Place) {
    let job = place.start(&format!("echo before; {UNTIL_GO}; echo after"), 1).await;
    place.first_line(&job).await;
    place.lose_supervisor(&job).await;
    // As if it had been rotated away.
    let path = place.folder(&job).path().join("logs/node-0.log");
    let text = fs::read_to_string(&path).unwrap();
    fs::write(
        &path,
        text.lines().filter(|line| line.contains(" stdout ")).map(|line| format!("{line}\n")).collect::<String>(),
    )
    .unwrap();
    assert_eq!(place.next_command().get(&job.name).await.unwrap().phase, Phase::Running);
    place.write("go", "");
    place.reaches(&job.name, Phase::Complete).await;
    let log = place.log(&job).await;
    assert_eq!((log.len(), log[0].as_str(), log[2].as_str()), (3, "before", "after"), "{log:?}");
    assert!(log[1].starts_with("Gap"), "{log:?}");
}

async fn a_submission_that_dies_before_its_supervisor_is_a_failure(place: Place) {
    let job = place.start("true", 1).await;
    place.reaches(&job.name, Phase::Complete).await;
    place.is_unsupervised(&job).await;
    place.edit(&job, "status.json", |status| {
        status["phase"] = "Created".into();
        status["supervisor"] = serde_json::Value::Null;
    });
    let job = place.next_command().get(&job.name).await.unwrap();
    assert_eq!(job.phase, Phase::Failed);
    assert!(job.reason.unwrap().contains("the command that submitted it was killed"));
}

fn log_file(place: &Place, job: &Job) -> String {
    fs::read_to_string(place.folder(job).path().join("logs/node-0.log")).unwrap_or_default()
}
