//! The plan as it would be executed, with `<…>` for what is only known at launch.

use trainer_core::{
    Result,
    plan::{LaunchPlan, World},
    prepare,
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
    let mut additions = prepare::preview(job, prepared.output().path().to_str());
    share_gpus(&mut additions, plan)?;
    let mounts = volumes::folders(plan, &job.request().mounts, &job.request().volumes)?;
    let mut preview = loopback::preview(plan, World { mounts, additions, ..World::default() })?;
    preview.warnings.extend(substitutions.iter().cloned());
    Ok(preview)
}
