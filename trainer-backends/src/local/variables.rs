//! Which variables of the user's environment a node inherits.

use std::ffi::{OsStr, OsString};

use trainer_core::prepare::ADDED;

/// Rendezvous variables of a launcher that this one runs under: a node that inherited them would look for
/// somebody else's gang.
const FOREIGN: &[&str] = &[
    "MASTER_ADDR",
    "MASTER_PORT",
    "RANK",
    "WORLD_SIZE",
    "LOCAL_RANK",
    "LOCAL_WORLD_SIZE",
    "GROUP_RANK",
    "GROUP_WORLD_SIZE",
    "ROLE_RANK",
    "ROLE_NAME",
    "ROLE_WORLD_SIZE",
    "NODE_RANK",
    "JAX_NUM_PROCESSES",
    "JAX_PROCESS_ID",
    // The directory is another.
    "PWD",
    "OLDPWD",
];

/// Families of them, by the beginning of their names.
const FOREIGN_FAMILIES: &[&str] = &[
    "PET_",
    "TORCHELASTIC_",
    "JAX_COORDINATOR_",
    "DMLC_",
    "OMPI_",
    "PMI_",
    "PMIX_",
    "HYDRA_",
    "MPI_",
    "FLUX_",
    "KUBEFLOW_TRAINER_",
];

/// The user's environment as a node gets it, before the plan's.
pub(super) fn inherited(environment: impl Iterator<Item = (OsString, OsString)>) -> Vec<(OsString, OsString)> {
    environment.filter(|(name, _)| !is_foreign(name)).collect()
}

fn is_foreign(name: &OsStr) -> bool {
    let name = name.as_encoded_bytes();
    FOREIGN.iter().any(|foreign| foreign.as_bytes() == name)
        || ADDED.iter().any(|added| added.name.as_bytes() == name)
        || FOREIGN_FAMILIES.iter().any(|family| name.starts_with(family.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rendezvous_variables_stay_behind_and_the_users_come_along() {
        let kept = |name: &str| !inherited([(name.into(), "x".into())].into_iter()).is_empty();
        for foreign in ["RANK", "PET_NNODES", "TORCHELASTIC_RUN_ID", "JAX_COORDINATOR_ADDRESS", "OMPI_COMM_WORLD_RANK"]
        {
            assert!(!kept(foreign), "{foreign}");
        }
        for users in ["PATH", "HF_TOKEN", "CUDA_VISIBLE_DEVICES", "JAX_PLATFORMS", "NCCL_DEBUG", "LD_LIBRARY_PATH"] {
            assert!(kept(users), "{users}");
        }
    }
}
