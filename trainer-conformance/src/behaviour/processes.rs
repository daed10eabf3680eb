//! All processes of a node end with it, also those that left its session, as the workers of torchrun do.

use libtest_mimic::Failed;
use trainer_core::{Phase, TrainerBackend};

use crate::{
    lab::{AT_ONCE, Lab, Submitted},
    trial::{Behaviour, Outcome, behaviours},
};

pub(super) fn behaviours<B: TrainerBackend>() -> Vec<Behaviour<B>> {
    behaviours![
        nothing_of_a_deleted_job_runs_on,
        nothing_of_a_stopped_job_runs_on(Resume),
        nothing_of_a_failed_job_runs_on,
        nothing_of_a_complete_job_runs_on,
    ]
}

async fn nothing_of_a_deleted_job_runs_on<B: TrainerBackend>(lab: Lab<B>) -> Outcome {
    let (job, witness) = job_with_a_stray(&lab, "sleep").await?;
    job.client.delete(&job.name, &AT_ONCE).await?;
    sees_the_end(&witness).await
}

async fn nothing_of_a_stopped_job_runs_on<B: TrainerBackend>(lab: Lab<B>) -> Outcome {
    let (job, witness) = job_with_a_stray(&lab, "sleep").await?;
    job.stop().await?;
    sees_the_end(&witness).await
}

async fn nothing_of_a_failed_job_runs_on<B: TrainerBackend>(lab: Lab<B>) -> Outcome {
    let (job, witness) = job_with_a_stray(&lab, "fail").await?;
    job.reaches(Phase::Failed).await?;
    sees_the_end(&witness).await
}

async fn nothing_of_a_complete_job_runs_on<B: TrainerBackend>(lab: Lab<B>) -> Outcome {
    let (job, witness) = job_with_a_stray(&lab, "succeed").await?;
    job.reaches(Phase::Complete).await?;
    sees_the_end(&witness).await
}

/// A job with a process in a session of its own, and a second job that holds a connection to that
/// process: it breaks when the process ends, on whatever engine, and not before.
async fn job_with_a_stray<B: TrainerBackend>(lab: &Lab<B>, then: &str) -> Result<(Submitted<B>, Submitted<B>), Failed> {
    let witness = lab.python(WITNESS).runtime("torch-distributed").submit().await?;
    witness.says("at ", 1).await?;
    let said = witness.log().await?.node(0);
    let place = said.iter().find_map(|line| line.strip_prefix("at ")).unwrap_or_default();

    let job = lab.python(PARENT).env("STRAY", STRAY).env("WITNESS", place).env("THEN", then).grace(1).submit().await?;
    witness.says("connected", 1).await?;
    Ok((job, witness))
}

async fn sees_the_end<B: TrainerBackend>(witness: &Submitted<B>) -> Outcome {
    witness.reaches(Phase::Complete).await?;
    assert_eq!(witness.log().await?.node(0).last().map(String::as_str), Some("gone"));
    Ok(())
}

const WITNESS: &str = "
import os, socket, time
host, port = os.environ['PET_MASTER_ADDR'], int(os.environ['PET_MASTER_PORT'])
while True:
    try:
        server = socket.create_server((host, port))
        break
    except socket.gaierror:
        time.sleep(0.1)
print(f'at {host}:{port}', flush=True)
call, _ = server.accept()
print('connected', flush=True)
try:
    call.recv(1)
except ConnectionError:
    pass
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
import os, socket, time
host, port = os.environ['WITNESS'].rsplit(':', 1)
call = socket.create_connection((host, int(port)), 30)
print('connected', flush=True)
time.sleep(600)
";
