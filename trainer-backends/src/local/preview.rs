//! The plan as it would be executed, with `<…>` for what is only known at launch.

use trainer_core::{
    Result,
    plan::{LaunchPlan, World},
    prepare::{NodeFacts, additions},
    request::ReviewedJob,
};
use trainer_supervisor::loopback;

use super::{
    launch::{Prepared, share_gpus},
    volumes,
};

pub(super) fn localized(job: &ReviewedJob, substitutions: &[String]) -> Result<LaunchPlan> {
    let plan = job.plan();
    let prepared = Prepared::of(job)?;
    let nodes = plan.steps.iter().flat_map(|step| step.nodes.iter().map(move |node| (step, node)));
    let added = nodes.map(|(step, node)| {
        let facts = NodeFacts {
            job: job.name(),
            uid: "<uid>",
            attempt: 1,
            step: &step.name,
            node: node.index,
            output_dir: prepared.output().path().to_str(),
            error_file: Some("<error file>"),
        };
        ((step.name.clone(), node.index), additions(&facts))
    });
    let mut additions = added.collect();
    share_gpus(&mut additions, plan)?;
    let mounts = volumes::folders(plan, &job.request().mounts, &job.request().volumes)?;
    let mut preview = loopback::preview(plan, World { mounts, additions, ..World::default() })?;
    preview.warnings.extend(substitutions.iter().cloned());
    Ok(preview)
}
