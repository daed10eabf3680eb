//! `mlPolicy.mpi`: V19 and V20.

use serde_json::json;

use super::{invalid, torch::reserved_env};
use crate::{
    Violation,
    api::TrainJob,
    plan::{assembly::Assembly, policy::Mpi},
};

const RESERVED: [&str; 4] = [
    "OMPI_MCA_orte_default_hostfile",
    "OMPI_MCA_orte_keep_fqdn_hostnames",
    "OMPI_MCA_orte_set_default_slots",
    "OMPI_MCA_plm_rsh_args",
];

pub(super) fn check(job: &TrainJob, template: &Assembly, policy: &Mpi) -> Vec<Violation> {
    let mut found = Vec::new();
    let nodes = job.spec.trainer.as_ref().and_then(|trainer| trainer.num_nodes).unwrap_or(1);
    let has = |name: &str| template.steps.iter().any(|step| step.name == name);
    if nodes >= 2 && policy.launcher_is_node() && !(has("launcher") && has("node")) {
        let message = "must have 1 when MPI trainingRuntime with enabled runLauncherAsNode does not have either launcher and node";
        found.push(invalid("V19", "spec.trainer.numNodes", json!(nodes), message));
    }
    found.extend(reserved_env(job, "V20", &RESERVED));
    found
}
