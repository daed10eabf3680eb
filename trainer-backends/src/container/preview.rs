//! The plan as it would be executed, with `<…>` for what is only known at launch.

use trainer_core::{
    Result,
    api::EnvVar,
    plan::{LaunchPlan, World, localize},
    prepare::{NodeFacts, additions},
    request::ReviewedJob,
};

use super::prepared::OUTPUT;

pub(super) fn localized(job: &ReviewedJob, substitutions: &[String]) -> Result<LaunchPlan> {
    let plan = job.plan();
    let nodes = plan.steps.iter().flat_map(|step| step.nodes.iter().map(move |node| (step, node)));
    let added = nodes.map(|(step, node)| {
        let facts = NodeFacts {
            job: job.name(),
            uid: "<uid>",
            attempt: 1,
            step: &step.name,
            node: node.index,
            output_dir: Some(OUTPUT),
            error_file: Some("<error file>"),
        };
        let secrets = job.request().secrets.iter().map(|name| EnvVar::new(name, format!("<secret {name}>")));
        ((step.name.clone(), node.index), additions(&facts).into_iter().chain(secrets).collect())
    });
    let world = World { additions: added.collect(), ..World::default() };
    let mut preview = localize(plan, &world);
    preview.warnings.extend(substitutions.iter().cloned());
    Ok(preview)
}
