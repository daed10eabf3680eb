//! `mlPolicy.jax`: what a program passes to `jax.distributed.initialize`.

use super::{
    assembly::{Assembly, completion_index, reserved_port},
    upsert,
};
use crate::api::EnvVar;

pub(super) fn enforce(assembly: &mut Assembly) {
    assembly.take_nodes_from_job();
    if assembly.trainer.is_none() {
        return;
    }
    let nodes = assembly.trainer_step().map_or(1, |step| step.count);
    let coordinator = format!("{}:{}", assembly.first_node(), reserved_port());
    if let Some(container) = assembly.trainer_container() {
        upsert::env(
            &mut container.env,
            [
                EnvVar::new("JAX_NUM_PROCESSES", nodes.to_string()),
                completion_index("JAX_PROCESS_ID"),
                EnvVar::new("JAX_COORDINATOR_ADDRESS", coordinator),
            ],
        );
        container.add_trainer_port();
    }
}
