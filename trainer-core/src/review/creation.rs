//! What the server accepts and what then never runs: the JobSet can't be created, or no Job of it.

use crate::{
    Violation,
    api::{Runtime, TrainJob},
    plan::assembly,
    review::{jobset, pods},
};

/// Only the first that objects is heard: the controller, JobSet, then the API server with its Jobs.
pub(super) fn check(job: &TrainJob, runtime: &Runtime) -> Vec<Violation> {
    let assembly = match assembly::assemble(job, runtime) {
        Ok(Ok(assembly)) => assembly,
        Ok(Err(violation)) => return vec![*violation],
        Err(error) => {
            let violation = Violation::new("trainer:plan", None, error.to_string());
            let asked = job.spec.trainer.as_ref().is_some_and(|trainer| trainer.num_nodes.is_some());
            return vec![if asked { violation.at("spec.trainer.numNodes") } else { violation }];
        }
    };
    [jobset::merge, jobset::structure, jobset::check, pods::check]
        .into_iter()
        .map(|layer| layer(&assembly))
        .find(|found| !found.is_empty())
        .unwrap_or_default()
        .into_iter()
        .map(|violation| if violation.object.is_some() { violation } else { violation.of("the JobSet made of it") })
        .collect()
}
