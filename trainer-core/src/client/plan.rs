//! Request → reviewed job: the runtime is looked up, the job reviewed, the plan made.

use serde::Serialize;
use serde_json::Value;

use crate::{
    Error, ErrorKind, JobRequest, Result, TrainerBackend,
    api::{Runtime, RuntimeRef},
    plan,
    request::ReviewedJob,
    review::{self, Verdict},
    runtimes::RuntimeCatalog,
};

pub(super) async fn plan(
    backend: &impl TrainerBackend,
    catalog: &RuntimeCatalog,
    mut request: JobRequest,
) -> Result<ReviewedJob> {
    backend.check_options(&request.options)?;
    for mount in &request.mounts {
        request.volumes.named(&mount.name)?;
    }
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
        Verdict::Rejected(rejection) => {
            let rejection = match found {
                Ok(_) => rejection,
                Err(missing) => rejection.without_runtime(&missing),
            };
            return Err(rejection.into());
        }
    };
    let runtime = found?;
    let name = request.job.job_name()?;
    let mut plan = plan::plan(&request.job, &runtime)?;
    for warning in warnings {
        if !plan.warnings.contains(&warning) {
            plan.warnings.push(warning);
        }
    }
    request.volumes.keep_used(&request.mounts, &plan);
    request.secret_keys.keep_used(&request.secrets, &plan);
    Ok(ReviewedJob { name, request, runtime, plan })
}

async fn look_up(backend: &impl TrainerBackend, catalog: &RuntimeCatalog, reference: &RuntimeRef) -> Result<Runtime> {
    match backend.runtime(reference).await? {
        Some(runtime) => Ok(runtime),
        None => catalog.find(reference).cloned(),
    }
}

fn as_value(object: &impl Serialize) -> Result<Value> {
    serde_json::to_value(object).map_err(|error| Error::new(ErrorKind::Internal, error.to_string()).with_source(error))
}
