//! Jobs side by side.

use futures_util::future::try_join_all;
use trainer_core::TrainerBackend;

use crate::{
    lab::{Lab, Submitted},
    trial::{Behaviour, Outcome, behaviours},
};

pub(super) fn behaviours<B: TrainerBackend>() -> Vec<Behaviour<B>> {
    behaviours![jobs_do_not_disturb_each_other, jobs_that_listen_get_ports_of_their_own]
}

async fn jobs_do_not_disturb_each_other<B: TrainerBackend>(lab: Lab<B>) -> Outcome {
    let script = "for i in 1 2 3; do echo $TRAINER_JOB_NAME $TRAINER_NODE; sleep 0.2; done";
    let jobs: Vec<Submitted<B>> = try_join_all((0..8).map(|_| lab.sh(script).nodes(2).complete())).await?;
    for job in jobs {
        let log = job.log().await?;
        for node in 0..2 {
            assert_eq!(log.node(node), vec![format!("{} {node}", job.name); 3]);
        }
    }
    Ok(())
}

async fn jobs_that_listen_get_ports_of_their_own<B: TrainerBackend>(lab: Lab<B>) -> Outcome {
    let program = "
import os, socket, time
place = (os.environ['PET_MASTER_ADDR'], int(os.environ['PET_MASTER_PORT']))
deadline = time.monotonic() + 30
while True:
    try:
        server = socket.create_server(place)
        break
    except socket.gaierror:
        assert time.monotonic() < deadline, 'its own name is unknown'
        time.sleep(0.1)
time.sleep(1)";
    try_join_all((0..4).map(|_| lab.python(program).runtime("torch-distributed").complete())).await?;
    Ok(())
}
