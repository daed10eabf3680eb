//! `mlPolicy.xgboost`: what the tracker and its workers read.

use super::{
    assembly::{Assembly, completion_index, reserved_port},
    upsert,
};
use crate::api::EnvVar;

pub(super) fn enforce(assembly: &mut Assembly) {
    // The controller runs the plain policy too, before or after this one as its start had it.
    // Before is what we settle on: the job's variables stand in front.
    assembly.take_nodes_from_job();
    assembly.give_trainer_env();
    if assembly.trainer.is_none() {
        return;
    }
    let nodes = assembly.trainer_step().map_or(1, |step| step.count);
    let workers_per_node = assembly.resources_per_node().gpus().max(1);
    // As in the controller, whose counts have 32 bits.
    let workers = nodes.wrapping_mul(workers_per_node as i32);
    let tracker = assembly.first_node();
    if let Some(container) = assembly.trainer_container() {
        upsert::env(
            &mut container.env,
            [
                EnvVar::new("DMLC_TRACKER_URI", tracker),
                EnvVar::new("DMLC_TRACKER_PORT", reserved_port().to_string()),
                completion_index("DMLC_TASK_ID"),
                EnvVar::new("DMLC_NUM_WORKER", workers.to_string()),
            ],
        );
        container.add_trainer_port();
    }
}
