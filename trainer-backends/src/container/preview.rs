//! The plan as it would be executed, with `<…>` for what is only known at launch.

use trainer_core::{
    Result,
    api::EnvVar,
    plan::{LaunchPlan, World, localize},
    prepare,
    request::ReviewedJob,
};

use super::prepared::OUTPUT;

pub(super) fn localized(job: &ReviewedJob, substitutions: &[String]) -> Result<LaunchPlan> {
    let mut additions = prepare::preview(job, Some(OUTPUT));
    for added in additions.values_mut() {
        added.extend(job.request().secrets.iter().map(|name| EnvVar::new(name, format!("<secret {name}>"))));
    }
    let mut preview = localize(job.plan(), &World { additions, ..World::default() });
    preview.warnings.extend(substitutions.iter().cloned());
    Ok(preview)
}
