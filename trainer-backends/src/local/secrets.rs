//! Secret variables of a job: the caller's own. Values are read at each launch and written nowhere.

use std::{env, ffi::OsString};

use trainer_core::{Error, Result, api::EnvVar, plan::LaunchPlan, request::SecretKeys};

/// # Errors
/// `Invalid` if a variable that the job takes from here isn't set, or nothing says which one it is; `Unsupported` if
/// a value would become visible.
pub(super) fn review(plan: &LaunchPlan, names: &[String], keys: &SecretKeys) -> Result<()> {
    let needed = keys.needed(names, plan)?;
    match needed.iter().find(|needed| !needed.optional && env::var_os(needed.name).is_none()) {
        None => Ok(()),
        Some(missing) => Err(unset(missing.name)),
    }
}

/// The value of a variable that comes from a key of a Secret; `None` if it is optional and not set here.
///
/// # Errors
/// `Invalid` if it is neither.
pub(super) fn value(variable: &EnvVar, keys: &SecretKeys) -> Result<Option<OsString>> {
    let Some(caller) = keys.from_caller(variable)? else { return Ok(None) };
    match env::var_os(caller.name) {
        None if !caller.optional => Err(unset(caller.name)),
        value => Ok(value),
    }
}

fn unset(name: &str) -> Error {
    Error::invalid(format!("the secret `{name}` is not set in the environment")).with_hint(format!("export {name}=…"))
}
