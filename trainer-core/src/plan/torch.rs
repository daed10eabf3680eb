//! `mlPolicy.torch`: what torchrun reads from its environment.

use super::{
    assembly::{Assembly, completion_index, reserved_port},
    policy::Torch,
    resources::ProcessCount,
    torchtune, upsert,
};
use crate::api::EnvVar;

pub(super) fn enforce(assembly: &mut Assembly, policy: &Torch) {
    assembly.take_nodes_from_job();
    let processes = assembly.processes_per_node();
    assembly.give_trainer_env();

    let nodes = assembly.trainer_step().map_or(1, |step| step.count);
    let shared = [
        EnvVar::new("PET_NNODES", nodes.to_string()),
        EnvVar::new("PET_NPROC_PER_NODE", processes.to_string()),
        completion_index("PET_NODE_RANK"),
    ];
    let master = [
        EnvVar::new("PET_MASTER_ADDR", assembly.first_node()),
        EnvVar::new("PET_MASTER_PORT", reserved_port().to_string()),
    ];

    let tuned = torchtune::applies(assembly.trainer.as_ref());
    if assembly.trainer.is_some() && assembly.trainer_container().is_some() {
        if tuned {
            torchtune::rewrite_command(assembly, nodes, processes);
        }
        if let Some(container) = assembly.trainer_container() {
            upsert::env(&mut container.env, shared.clone());
            if !tuned {
                upsert::env(&mut container.env, master.clone());
            }
            container.add_trainer_port();
        }
    }

    // Sidecars have no rendezvous on their command line, so they are always told the master.
    let targets = policy.env_injection.as_ref().and_then(|injection| injection.targets.as_deref());
    for target in targets.unwrap_or_default() {
        for name in &target.container_names {
            if let Some(container) = assembly.container_of(&target.job_name, name) {
                upsert::env(&mut container.env, shared.clone());
                upsert::env(&mut container.env, master.clone());
            }
        }
    }
}

/// `PET_NPROC_PER_NODE`: asked for, or one for each GPU (`auto`), or one for each CPU.
impl std::fmt::Display for ProcessCount {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Auto { .. } => f.write_str("auto"),
            Self::Fixed(count) => write!(f, "{count}"),
        }
    }
}
