//! The environment of a container: the plan's, and secrets, whose values are nowhere but in the engine's container.

use std::env;

use trainer_core::{Error, JobRequest, Result, plan::Container};
use trainer_supervisor::Submission;

/// `NAME=value`, in the order of the plan, then the secrets.
///
/// # Errors
/// `Invalid` for a secret that isn't set here, or that nothing is known of.
pub(super) fn of(submission: &Submission, container: &Container) -> Result<Vec<String>> {
    let mut variables = Vec::new();
    for variable in &container.env {
        if variable.value_from.is_none() {
            variables.push(format!("{}={}", variable.name, variable.value.as_deref().unwrap_or_default()));
        } else if let Some(found) = submission.secret_keys.from_caller(variable)? {
            match secret(found.name) {
                Ok(value) => variables.push(format!("{}={value}", variable.name)),
                Err(_) if found.optional => {}
                Err(error) => return Err(error),
            }
        }
    }
    for name in &submission.secrets {
        if !container.env.iter().any(|variable| variable.name == *name) {
            variables.push(format!("{name}={}", secret(name)?));
        }
    }
    Ok(variables)
}

/// Looks whether all secrets are there.
///
/// # Errors
/// As [`of`].
pub(super) fn review<'a>(request: &JobRequest, containers: impl Iterator<Item = &'a Container>) -> Result<()> {
    request.secrets.iter().try_for_each(|name| secret(name).map(drop))?;
    for variable in containers.flat_map(|container| &container.env) {
        if let Some(found) = request.secret_keys.from_caller(variable)?.filter(|found| !found.optional) {
            secret(found.name)?;
        }
    }
    Ok(())
}

fn secret(name: &str) -> Result<String> {
    env::var(name).map_err(|_| {
        Error::invalid(format!("the secret `{name}` is not set in the environment"))
            .with_hint(format!("export {name}=…"))
    })
}
