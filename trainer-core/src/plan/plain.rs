//! No framework: node count and the job's variables, nothing else.

use super::assembly::Assembly;

pub(super) fn enforce(assembly: &mut Assembly) {
    assembly.take_nodes_from_job();
    assembly.give_trainer_env();
}
