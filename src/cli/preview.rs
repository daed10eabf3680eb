//! What is said before a job is created: what the engine refuses, and what it does otherwise than asked.

use trainer_core::{Error, Result, TrainerClient, plan::LaunchPlan, registry::BackendRegistry, request::ReviewedJob};

use super::failure::{note, warn};

/// Puts `jobs` to the engine, all of them before the first is created, and says what it warns of.
///
/// # Errors
/// As [`TrainerClient::preview`].
pub(super) async fn put<'a, B: BackendRegistry>(
    client: &TrainerClient<B>,
    jobs: impl IntoIterator<Item = &'a ReviewedJob>,
) -> Result<()> {
    let jobs: Vec<_> = jobs.into_iter().collect();
    let mut previews = Vec::new();
    for &job in &jobs {
        let preview = client.preview(job).await;
        previews.push(if jobs.len() > 1 { preview.map_err(|error| of_job(job, &error))? } else { preview? });
    }
    say(&previews);
    Ok(())
}

/// Says what the user should know about `plans`, each thing once.
pub(super) fn say<'a>(plans: impl IntoIterator<Item = &'a LaunchPlan> + Clone) {
    each_once(plans.clone().into_iter().flat_map(|plan| &plan.warnings)).into_iter().for_each(warn);
    each_once(plans.into_iter().flat_map(|plan| &plan.notes)).into_iter().for_each(note);
}

fn each_once<'a>(lines: impl Iterator<Item = &'a String>) -> Vec<&'a str> {
    let mut once = Vec::new();
    for line in lines {
        if !once.contains(&line.as_str()) {
            once.push(line.as_str());
        }
    }
    once
}

/// `error`, which is about one job of several.
fn of_job(job: &ReviewedJob, error: &Error) -> Error {
    let named =
        Error::new(error.kind(), format!("{}: {error}", job.name())).with_violations(error.violations().to_vec());
    match error.hint() {
        Some(hint) => named.with_hint(hint),
        None => named,
    }
}
