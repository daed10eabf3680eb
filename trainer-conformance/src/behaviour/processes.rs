//! All processes of a node end with it, also those that left its session, as the workers of torchrun do.

use libtest_mimic::Failed;
use tempfile::TempDir;
use trainer_core::{Phase, TrainerBackend};

use crate::{
    lab::{AT_ONCE, Draft, Lab, Submitted},
    trial::{Behaviour, Outcome, behaviours},
};

pub(super) fn behaviours<B: TrainerBackend>() -> Vec<Behaviour<B>> {
    behaviours![
        nothing_of_a_deleted_job_runs_on(SharedOutput),
        nothing_of_a_stopped_job_runs_on(SharedOutput, Resume),
        nothing_of_a_failed_job_runs_on(SharedOutput),
        nothing_of_a_complete_job_runs_on(SharedOutput),
    ]
}

async fn nothing_of_a_deleted_job_runs_on<B: TrainerBackend>(lab: Lab<B>) -> Outcome {
    let (job, witness, _folder) = job_with_a_stray(&lab, "sleep").await?;
    job.client.delete(&job.name, &AT_ONCE).await?;
    sees_the_end(&witness).await
}

async fn nothing_of_a_stopped_job_runs_on<B: TrainerBackend>(lab: Lab<B>) -> Outcome {
    let (job, witness, _folder) = job_with_a_stray(&lab, "sleep").await?;
    job.stop().await?;
    sees_the_end(&witness).await
}

async fn nothing_of_a_failed_job_runs_on<B: TrainerBackend>(lab: Lab<B>) -> Outcome {
    let (job, witness, _folder) = job_with_a_stray(&lab, "fail").await?;
    job.reaches(Phase::Failed).await?;
    sees_the_end(&witness).await
}

async fn nothing_of_a_complete_job_runs_on<B: TrainerBackend>(lab: Lab<B>) -> Outcome {
    let (job, witness, _folder) = job_with_a_stray(&lab, "succeed").await?;
    job.reaches(Phase::Complete).await?;
    sees_the_end(&witness).await
}

/// A job with a process in a session of its own that has a file locked, and a second job that waits for this lock: it is
/// given up when the process ends, on whatever engine, and not before.
async fn job_with_a_stray<B: TrainerBackend>(
    lab: &Lab<B>,
    then: &str,
) -> Result<(Submitted<B>, Submitted<B>, TempDir), Failed> {
    let folder = tempfile::tempdir()?;
    let in_folder = |mut draft: Draft<B>| {
        draft.request.output = Some(folder.path().to_owned());
        draft
    };
    let witness = in_folder(lab.python(WITNESS)).submit().await?;
    witness.says("up", 1).await?;
    let job = lab.python(PARENT).env("STRAY", STRAY).env("THEN", then).grace(1);
    let job = in_folder(job).submit().await?;
    witness.says("locked", 1).await?;
    Ok((job, witness, folder))
}

async fn sees_the_end<B: TrainerBackend>(witness: &Submitted<B>) -> Outcome {
    witness.reaches(Phase::Complete).await?;
    assert_eq!(witness.log().await?.node(0).last().map(String::as_str), Some("gone"));
    Ok(())
}

const WITNESS: &str = "
import fcntl, os, time
os.chdir(os.environ['TRAINER_OUTPUT_DIR'])
print('up', flush=True)
while not os.path.exists('locked'):
    time.sleep(0.1)
print('locked', flush=True)
fcntl.flock(open('lock', 'w'), fcntl.LOCK_EX)
print('gone')
";

const PARENT: &str = "
import os, subprocess, sys, time
command = [sys.executable, '-c', os.environ['STRAY']]
stray = subprocess.Popen(command, stdout=subprocess.PIPE, start_new_session=True)
stray.stdout.readline()
if os.environ['THEN'] == 'sleep':
    time.sleep(600)
os._exit(1 if os.environ['THEN'] == 'fail' else 0)
";

const STRAY: &str = "
import fcntl, os, time
os.chdir(os.environ['TRAINER_OUTPUT_DIR'])
lock = open('lock', 'w')
fcntl.flock(lock, fcntl.LOCK_EX)
open('locked', 'w').close()
print('locked', flush=True)
time.sleep(600)
";
