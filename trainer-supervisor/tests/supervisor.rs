//! What only the process tree can get wrong: deaths in every order, strays, ports, rotation, and what a
//! folder looks like to others. Jobs are real processes of this machine.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

macro_rules! trials {
    ($place:expr => $($name:ident),* $(,)?) => {
        pub(crate) fn trials() -> Vec<libtest_mimic::Trial> {
            // Only root can mount a disk that is soon full.
            let small_disks = crate::place::Place::new().limit_state_dir(64);
            vec![$(libtest_mimic::Trial::test(stringify!($name), || {
                let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
                runtime.block_on(async {
                    tokio::time::timeout(Duration::from_secs(60), $name($place)).await.map_err(|_| "hangs")
                })?;
                Ok(())
            }).with_ignored_flag(stringify!($name).ends_with("_disk") && !small_disks)),*]
        }
    };
}

mod adoption;
mod place;

use std::{
    collections::BTreeSet,
    fs,
    os::unix::fs::symlink,
    process::{Command, ExitCode},
    time::{Duration, Instant},
};

use futures_util::StreamExt as _;
use libtest_mimic::Arguments;
use place::{Place, wait_until};
use trainer_core::{
    ErrorKind, Phase,
    job::{ListQuery, LogItem, LogQuery, NodeExit, StopRequest},
};

fn main() -> ExitCode {
    if let Some(code) = trainer_supervisor::entry(place::supervise) {
        return code;
    }
    // This executable is also the command that dies right after its submission.
    if let Some(state_dir) = std::env::var_os("SUBMIT_AND_DIE") {
        place::submit_and_die(state_dir.into());
    }
    let mut arguments = Arguments::from_args();
    arguments.test_threads.get_or_insert(8);
    let trials = trials().into_iter().chain(adoption::trials()).collect();
    libtest_mimic::run(&arguments, trials).exit_code()
}

trials![Place::new() =>
    a_job_outlives_the_process_that_submitted_it,
    a_grandchild_in_a_session_of_its_own_ends_with_its_node,
    a_process_that_a_node_leaves_behind_ends_with_its_node,
    a_killed_supervisor_takes_its_job_along_and_the_reaper_says_so,
    a_killed_reaper_ends_the_job_and_the_supervisor_says_so,
    the_next_command_ends_what_outlived_reaper_and_supervisor,
    a_stop_that_loses_its_supervisor_is_still_a_stop,
    a_deletion_removes_the_folder_and_every_process,
    a_submission_that_dies_before_it_is_accepted_leaves_its_name_free,
    a_clash_leaves_the_first_job_as_it_was,
    jobs_at_once_have_ports_of_their_own,
    a_failed_start_leaves_nothing,
    a_supervisor_inside_of_a_runtime_says_what_to_call_when,
    a_state_folder_may_be_relative,
    a_second_stop_can_shorten_the_grace,
    a_large_gang_is_stopped_at_once,
    the_data_loaders_of_a_program_are_not_asked_to_end,
    attempts_have_error_files_of_their_own,
    an_exception_in_the_error_file_is_the_reason,
    the_node_at_fault_is_blamed_not_those_that_lost_it,
    a_job_that_submits_a_job_does_not_take_it_along,
    a_long_log_is_rotated_and_its_loss_is_marked,
    the_end_of_a_job_is_recorded_on_a_full_disk,
    a_job_can_be_stopped_and_deleted_on_a_full_disk,
    a_log_that_can_not_be_written_stops_no_training,
    a_job_of_another_machine_is_shown_but_not_touched,
    a_damaged_folder_is_listed_with_its_reason_and_can_be_deleted,
    a_folder_of_a_later_version_is_listed_with_its_reason,
    an_unwritable_state_folder_is_an_error_that_names_it,
];

async fn a_job_outlives_the_process_that_submitted_it(place: Place) {
    let submitter = std::env::current_exe().unwrap();
    let status = Command::new(submitter).env("SUBMIT_AND_DIE", place.state_dir()).status().unwrap();
    assert!(!status.success(), "it kills itself");
    let name = "orphan".parse().unwrap();
    assert_eq!(place.jobs.get(&name).await.unwrap().phase, Phase::Running);
    let job = place.reaches(&name, Phase::Complete).await;
    assert_eq!(place.log(&job).await, ["still here"]);
}

async fn a_grandchild_in_a_session_of_its_own_ends_with_its_node(place: Place) {
    let script = "setsid sleep 600 & setsid sh -c 'trap : TERM; while :; do sleep 1; done' & sleep 600";
    let job = place.start(script, 1).await;
    wait_until("all run", || place::alive(&job.uid).len() >= 6).await;
    place.jobs.stop(&job.name, &StopRequest { grace: Some(Duration::from_millis(300)) }).await.unwrap();
    place.reaches(&job.name, Phase::Stopped).await;
    wait_until("nothing is left", || place::alive(&job.uid).is_empty()).await;
}

async fn a_process_that_a_node_leaves_behind_ends_with_its_node(place: Place) {
    // The second has nothing of the job in its environment; it is found by a number that no other test run has.
    let number = format!("6{:07}", std::process::id());
    let script = format!("setsid sleep 601 & env -i setsid sleep {number} & sleep 0.3; echo done");
    let job = place.start(&script, 1).await;
    place.reaches(&job.name, Phase::Complete).await;
    wait_until("nothing is left", || place::alive(&job.uid).is_empty()).await;
    assert!(!place::runs(&number), "a process without the mark is left");
}

async fn a_killed_supervisor_takes_its_job_along_and_the_reaper_says_so(place: Place) {
    let job = place.start("setsid sleep 600 & sleep 600", 2).await;
    place.launched(&job).await;
    let tree = place.tree(&job);
    place::kill(tree.supervisor);
    let job = place.reaches(&job.name, Phase::Failed).await;
    let reason = job.reason.unwrap();
    assert!(reason.contains("supervisor was ended by signal 9"), "{reason}");
    assert_eq!(job.steps[0].nodes[0].exit, Some(NodeExit::Lost));
    let left: Vec<i32> = place::alive(&job.uid).into_iter().filter(|pid| *pid != tree.reaper).collect();
    assert_eq!(left, Vec::<i32>::new(), "the reaper ends before it records");
}

async fn a_killed_reaper_ends_the_job_and_the_supervisor_says_so(place: Place) {
    let job = place.start("setsid sleep 600 & sleep 600", 2).await;
    place.launched(&job).await;
    place::kill(place.tree(&job).reaper);
    let job = place.reaches(&job.name, Phase::Failed).await;
    let reason = job.reason.unwrap();
    assert!(reason.contains("reaper"), "{reason}");
    wait_until("nothing is left", || place::alive(&job.uid).is_empty()).await;
}

async fn the_next_command_ends_what_outlived_reaper_and_supervisor(place: Place) {
    let job = place.start("setsid sleep 600 & sleep 600", 2).await;
    place.launched(&job).await;
    wait_until("all run", || place::alive(&job.uid).len() >= 6).await;
    let tree = place.tree(&job);
    // Held, so that neither sees the other die.
    place::signal(tree.reaper, "STOP");
    place::kill(tree.supervisor);
    place::kill(tree.reaper);
    wait_until("both are gone", || !place::alive(&job.uid).iter().any(|pid| tree.has(*pid))).await;
    assert!(!place::alive(&job.uid).is_empty(), "something must be left for this to mean anything");
    let page = place.jobs.list(&ListQuery::default()).await.unwrap();
    assert_eq!(page.items[0].phase, Phase::Failed);
    assert!(page.items[0].reason.as_ref().unwrap().contains("supervisor was killed"), "{:?}", page.items[0].reason);
    assert_eq!(place::alive(&job.uid), Vec::<i32>::new());
}

async fn a_stop_that_loses_its_supervisor_is_still_a_stop(place: Place) {
    let job = place.start("trap '' TERM; echo up; while :; do sleep 0.1; done", 1).await;
    place.first_line(&job).await;
    place.jobs.stop(&job.name, &StopRequest { grace: Some(Duration::from_secs(60)) }).await.unwrap();
    place.reaches(&job.name, Phase::Stopping).await;
    place::kill(place.tree(&job).supervisor);
    let job = place.reaches(&job.name, Phase::Stopped).await;
    assert!(job.reason.unwrap().starts_with("stopped by "));
}

async fn a_deletion_removes_the_folder_and_every_process(place: Place) {
    let job = place.start("setsid sleep 600 & trap '' TERM; while :; do sleep 0.1; done", 2).await;
    place.jobs.delete(&job.name, &StopRequest { grace: Some(Duration::from_millis(100)) }).await.unwrap();
    assert_eq!(place.folders(), Vec::<String>::new());
    wait_until("nothing is left", || place::alive(&job.uid).is_empty()).await;
    let again = place.jobs.delete(&job.name, &StopRequest::default()).await.unwrap_err();
    assert_eq!(again.kind(), ErrorKind::NotFound);
}

async fn a_submission_that_dies_before_it_is_accepted_leaves_its_name_free(place: Place) {
    let claim = place.claim("first", "true", 1).unwrap();
    let clash = place.claim("first", "true", 1).unwrap_err();
    assert_eq!(clash.kind(), ErrorKind::AlreadyExists);
    // As if the process had been killed: the lock goes, the folder stays.
    let copy = place.copy_of_claim(claim.folder().path(), "second");
    drop(claim);
    assert_eq!(place.folders(), ["second"]);
    assert!(place.jobs.list(&ListQuery::default()).await.unwrap().items.is_empty());
    assert!(!copy.exists());
    place.claim("second", "true", 1).unwrap();
}

async fn a_clash_leaves_the_first_job_as_it_was(place: Place) {
    let job = place.start("sleep 600", 1).await;
    place.reaches(&job.name, Phase::Running).await;
    let error = place.claim(job.name.as_str(), "true", 1).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::AlreadyExists);
    assert!(error.hint().unwrap().contains("delete"));
    let now = place.jobs.get(&job.name).await.unwrap();
    assert_eq!((now.uid, now.phase), (job.uid, Phase::Running));
}

async fn jobs_at_once_have_ports_of_their_own(place: Place) {
    let mut ports = BTreeSet::new();
    for index in 0..6 {
        let job = place.start_as(&format!("job-{index}"), "echo $PORT; sleep 600", 1).await;
        let port: u16 = place.first_line(&job).await.parse().unwrap();
        assert!(ports.insert(port), "{port} was given twice");
    }
}

async fn a_failed_start_leaves_nothing(place: Place) {
    let error = place.try_start("refused", "fail-to-connect", 1).await.unwrap_err();
    assert!(error.to_string().contains("this launcher refuses"), "{error}");
    assert_eq!(place.folders(), Vec::<String>::new());
}

async fn a_supervisor_inside_of_a_runtime_says_what_to_call_when(place: Place) {
    let error = place.try_start("refused", "inside-of-a-runtime", 1).await.unwrap_err();
    assert!(error.to_string().contains("before it starts"), "{error}");
}

async fn a_state_folder_may_be_relative(mut place: Place) {
    place.call_state_dir_relatively();
    let job = place.start("echo up", 1).await;
    let job = place.reaches(&job.name, Phase::Complete).await;
    assert_eq!(place.log(&job).await, ["up"]);
}

async fn a_second_stop_can_shorten_the_grace(place: Place) {
    let job = place.start("trap '' TERM; echo up; while :; do sleep 0.1; done", 1).await;
    place.first_line(&job).await;
    let start = Instant::now();
    place.jobs.stop(&job.name, &StopRequest { grace: Some(Duration::from_secs(600)) }).await.unwrap();
    place.reaches(&job.name, Phase::Stopping).await;
    place.jobs.stop(&job.name, &StopRequest { grace: Some(Duration::ZERO) }).await.unwrap();
    let job = place.reaches(&job.name, Phase::Stopped).await;
    assert!(start.elapsed() < Duration::from_secs(20));
    assert_eq!(job.steps[0].nodes[0].exit, Some(NodeExit::Signal(9)));
}

async fn a_large_gang_is_stopped_at_once(place: Place) {
    let job = place.start_argv(&["sleep", "600"], 128).await;
    place.launched(&job).await;
    let start = Instant::now();
    place.jobs.stop(&job.name, &StopRequest::default()).await.unwrap();
    place.reaches(&job.name, Phase::Stopped).await;
    // With a look at all processes for each node it is seconds.
    assert!(start.elapsed() < Duration::from_secs(3), "{:?}", start.elapsed());
}

async fn the_data_loaders_of_a_program_are_not_asked_to_end(place: Place) {
    let program = r#"
import os, signal, time
worker = os.fork()
if worker == 0:
    signal.signal(signal.SIGTERM, lambda *_: (os.write(1, b"worker told\n"), os._exit(1)))
    time.sleep(600)
def save(*_):
    time.sleep(0.5)
    print("saved, worker alive:", os.waitpid(worker, os.WNOHANG) == (0, 0), flush=True)
    os._exit(0)
signal.signal(signal.SIGTERM, save)
print("up", flush=True)
time.sleep(600)
"#;
    let job = place.start_argv(&["sh", "-c", "python3 -c \"$0\"; echo over", program], 1).await;
    assert_eq!(place.first_line(&job).await, "up");
    let start = Instant::now();
    place.jobs.stop(&job.name, &StopRequest { grace: Some(Duration::from_secs(20)) }).await.unwrap();
    let job = place.reaches(&job.name, Phase::Stopped).await;
    // The shell is gone at once, the program has its time, and then the worker is told.
    assert_eq!(place.log(&job).await, ["up", "saved, worker alive: True", "worker told"]);
    assert!(start.elapsed() < Duration::from_secs(10), "nothing waits for the end of the grace");
}

async fn attempts_have_error_files_of_their_own(place: Place) {
    let script = "echo $TRAINER_ATTEMPT $TORCHELASTIC_ERROR_FILE; [ $TRAINER_ATTEMPT = 3 ]";
    let job = place.start_with_retries(script, 2).await;
    let job = place.reaches(&job.name, Phase::Complete).await;
    assert_eq!(job.attempt, 3);
    let log = place.log(&job).await;
    let of = |column: usize| log.iter().map(|line| line.split(' ').nth(column).unwrap()).collect::<BTreeSet<_>>();
    assert_eq!((of(0), of(1).len()), (BTreeSet::from(["1", "2", "3"]), 3));
}

async fn an_exception_in_the_error_file_is_the_reason(place: Place) {
    let report = r#"{"message": {"message": "RuntimeError: NCCL timed out", "extraInfo": {"py_callstack": "x"}}}"#;
    let script = format!("echo '{report}' > $TORCHELASTIC_ERROR_FILE; echo noise >&2; exit 1");
    let job = place.start(&script, 1).await;
    let job = place.reaches(&job.name, Phase::Failed).await;
    assert_eq!(job.reason.unwrap(), "node 0 exited with code 1: RuntimeError: NCCL timed out");
}

async fn the_node_at_fault_is_blamed_not_those_that_lost_it(place: Place) {
    let report = |text: &str| format!(r#"{{"message": {{"message": "{text}", "extraInfo": {{"timestamp": "1"}}}}}}"#);
    let lost = report("RuntimeError: Connection closed by peer [127.0.0.1]:1");
    let own = report("ValueError: bad batch");
    let script = format!(
        "if [ $TRAINER_NODE = 1 ]; then sleep 0.3; echo '{own}' > $TORCHELASTIC_ERROR_FILE; exit 7; fi
        echo '{lost}' > $TORCHELASTIC_ERROR_FILE; exit 1"
    );
    let job = place.start(&script, 2).await;
    let job = place.reaches(&job.name, Phase::Failed).await;
    assert_eq!(job.reason.unwrap(), "node 1 exited with code 7: ValueError: bad batch");
}

async fn a_job_that_submits_a_job_does_not_take_it_along(place: Place) {
    // The submitter is this executable, run by a node.
    let submitter = std::env::current_exe().unwrap();
    let script = format!("SUBMIT_AND_DIE={} {}; exit 0", place.state_dir().display(), submitter.display());
    let outer = place.start(&script, 1).await;
    place.reaches(&outer.name, Phase::Complete).await;
    let inner = place.reaches(&"orphan".parse().unwrap(), Phase::Complete).await;
    assert_eq!(place.log(&inner).await, ["still here"]);
}

async fn a_long_log_is_rotated_and_its_loss_is_marked(place: Place) {
    // More than a log and its predecessor hold.
    let job = place.start("yes 0123456789012345678901234567890123456789 | head -c 102500000; echo end", 1).await;
    place.reaches(&job.name, Phase::Complete).await;
    let mut items = place.jobs.logs(&job.name, &LogQuery::default()).await.unwrap();
    let first = items.next().await.unwrap().unwrap();
    assert!(matches!(first, LogItem::Gap(_)), "{first:?}");
    let logs = place.state_dir().join("jobs").join(job.name.as_str()).join("logs");
    let size: u64 = fs::read_dir(logs).unwrap().map(|entry| entry.unwrap().metadata().unwrap().len()).sum();
    assert!(size < 140_000_000, "{size}");
    let tail = LogQuery { tail: Some(2), ..LogQuery::default() };
    assert_eq!(place.log_of(&job, &tail).await, ["0123456789012345678901234567890123456789", "end"]);
}

async fn the_end_of_a_job_is_recorded_on_a_full_disk(place: Place) {
    assert!(place.limit_state_dir(600));
    let job = place.start("yes | head -c 3000000", 1).await;
    place.reaches(&job.name, Phase::Complete).await;
    place.jobs.delete(&job.name, &StopRequest::default()).await.unwrap();
    assert_eq!(place.folders(), Vec::<String>::new());
}

async fn a_job_can_be_stopped_and_deleted_on_a_full_disk(place: Place) {
    assert!(place.limit_state_dir(1200));
    let script = "yes | head -c 3000000; touch full; sleep 600";
    for name in ["stopped", "deleted"] {
        let job = place.start_as(name, script, 1).await;
        wait_until("the disk is full", || place.has("full")).await;
        let filler = place.state_dir().join("filler");
        // To the last block, which the log's records may have left.
        let _ = fs::write(&filler, vec![b'.'; 4_000_000]);
        if name == "stopped" {
            place.jobs.stop(&job.name, &StopRequest::default()).await.unwrap();
            place.reaches(&job.name, Phase::Stopped).await;
        }
        place.jobs.delete(&job.name, &StopRequest::default()).await.unwrap();
        wait_until("nothing is left", || place::alive(&job.uid).is_empty()).await;
        fs::remove_file(filler).unwrap();
        place.remove("full");
    }
    assert_eq!(place.folders(), Vec::<String>::new());
}

async fn a_log_that_can_not_be_written_stops_no_training(place: Place) {
    let claim = place.claim("job", "seq 1 100000; exec >&-; sleep 0.1; [ -e go ]", 1).unwrap();
    // Every write to it fails: the device is full.
    symlink("/dev/full", claim.folder().path().join("logs/node-0.log")).unwrap();
    place.write("go", "");
    let job = place.begin(claim).await;
    place.reaches(&job.name, Phase::Complete).await;
}

async fn a_job_of_another_machine_is_shown_but_not_touched(place: Place) {
    let job = place.start("sleep 600", 1).await;
    let tree = place.tree(&job);
    place.edit(&job, "request.json", |request| {
        request["machine"]["id"] = "another".into();
        request["machine"]["host"] = "login-7".into();
    });
    let seen = place.jobs.get(&job.name).await.unwrap();
    assert_eq!(seen.phase, Phase::Unknown);
    assert!(seen.reason.unwrap().contains("supervised on login-7"));
    for error in [
        place.jobs.stop(&job.name, &StopRequest::default()).await.unwrap_err(),
        place.jobs.delete(&job.name, &StopRequest::default()).await.unwrap_err(),
    ] {
        assert_eq!(error.kind(), ErrorKind::Unreachable);
    }
    assert!(place::alive(&job.uid).contains(&tree.supervisor));
    place::kill(tree.supervisor);
    wait_until("its nodes are gone", || place::alive(&job.uid).is_empty()).await;
}

async fn a_damaged_folder_is_listed_with_its_reason_and_can_be_deleted(place: Place) {
    let job = place.start("true", 1).await;
    place.reaches(&job.name, Phase::Complete).await;
    let path = place.state_dir().join("jobs").join(job.name.as_str()).join("request.json");
    fs::write(&path, "{").unwrap();
    let page = place.jobs.list(&ListQuery::default()).await.unwrap();
    assert_eq!((page.items.len(), page.items[0].phase), (1, Phase::Unknown));
    assert!(page.items[0].reason.as_ref().unwrap().contains("request.json"));
    place.jobs.delete(&job.name, &StopRequest::default()).await.unwrap();
    assert_eq!(place.folders(), Vec::<String>::new());
}

async fn a_folder_of_a_later_version_is_listed_with_its_reason(place: Place) {
    let job = place.start("true", 1).await;
    place.reaches(&job.name, Phase::Complete).await;
    place.edit(&job, "status.json", |status| status["version"] = 99.into());
    let page = place.jobs.list(&ListQuery::default()).await.unwrap();
    assert_eq!(page.items[0].phase, Phase::Unknown);
    assert!(page.items[0].reason.as_ref().unwrap().contains("version 99"));
}

async fn an_unwritable_state_folder_is_an_error_that_names_it(place: Place) {
    // A file where the folder would be: root isn't stopped by permissions.
    let path = place.state_dir();
    fs::write(&path, "").unwrap();
    let error = place.claim("any", "true", 1).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Io);
    assert!(error.to_string().contains(path.to_str().unwrap()), "{error}");
    assert!(error.hint().is_some());
    assert!(!place.jobs.check().ok);
}
