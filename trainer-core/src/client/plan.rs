//! Request → reviewed job: the runtime is looked up, the job reviewed, the plan made.

use serde::Serialize;
use serde_json::Value;

use crate::{
    Error, ErrorKind, JobRequest, Result, TrainerBackend,
    api::{Runtime, RuntimeRef},
    plan,
    request::ReviewedJob,
    review::{self, Rejection, Verdict},
    runtimes::RuntimeCatalog,
};

pub(super) async fn plan(
    backend: &impl TrainerBackend,
    catalog: &RuntimeCatalog,
    mut request: JobRequest,
) -> Result<ReviewedJob> {
    let found = match request.runtime.take() {
        Some(runtime) => Ok(runtime),
        None => look_up(backend, catalog, &request.job.spec.runtime_ref).await,
    };
    let found = match found {
        // Review says so, where it belongs: after what is wrong with the job itself.
        Err(missing) if missing.kind() == ErrorKind::NotFound => Err(missing),
        found => Ok(found?),
    };
    let job = as_value(&request.job)?;
    let runtime_value = found.as_ref().ok().map(as_value).transpose()?;
    let warnings = match review::review(&job, runtime_value.as_ref()) {
        Verdict::Accepted { warnings } => warnings,
        Verdict::Rejected(rejection) => return Err(refused(rejection, found.err())),
    };
    let runtime = found?;
    let name = request.job.metadata.name.as_deref().unwrap_or_default().parse()?;
    let mut plan = plan::plan(&request.job, &runtime)?;
    plan.warnings.extend(warnings);
    Ok(ReviewedJob { name, request, runtime, plan })
}

async fn look_up(backend: &impl TrainerBackend, catalog: &RuntimeCatalog, reference: &RuntimeRef) -> Result<Runtime> {
    match backend.runtime(reference).await? {
        Some(runtime) => Ok(runtime),
        None => catalog.find(reference).cloned(),
    }
}

/// `missing` is why there is no runtime, if there is none.
fn refused(rejection: Rejection, missing: Option<Error>) -> Error {
    let Rejection { violations, .. } = rejection;
    let mut message = "the job is refused".to_owned();
    if let Some(first) = violations.first() {
        let field = first.field.as_ref().map(|field| format!(": {field}")).unwrap_or_default();
        message += &format!("{field}: {}", first.message);
    }
    if violations.len() > 1 {
        message += &format!(" (and {} more)", violations.len() - 1);
    }
    let hint = violations.iter().find_map(|violation| violation.hint.clone());
    let hint = hint.or_else(|| missing?.hint().map(str::to_owned));
    let error = Error::invalid(message).with_violations(violations);
    match hint {
        Some(hint) => error.with_hint(hint),
        None => error,
    }
}

fn as_value(object: &impl Serialize) -> Result<Value> {
    serde_json::to_value(object).map_err(|error| Error::new(ErrorKind::Internal, error.to_string()).with_source(error))
}
