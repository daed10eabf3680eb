//! Request → reviewed job: the runtime is looked up, the job reviewed, the plan made.

use crate::{
    JobRequest, Result, TrainerBackend,
    api::{Runtime, RuntimeRef},
    plan,
    request::ReviewedJob,
    runtimes::RuntimeCatalog,
};

pub(super) async fn plan(
    backend: &impl TrainerBackend,
    catalog: &RuntimeCatalog,
    mut request: JobRequest,
) -> Result<ReviewedJob> {
    let runtime = match request.runtime.take() {
        Some(runtime) => runtime,
        None => look_up(backend, catalog, &request.job.spec.runtime_ref).await?,
    };
    let name = request.job.metadata.name.as_deref().unwrap_or_default().parse()?;
    let plan = plan::plan(&request.job, &runtime)?;
    Ok(ReviewedJob { name, request, runtime, plan })
}

async fn look_up(backend: &impl TrainerBackend, catalog: &RuntimeCatalog, reference: &RuntimeRef) -> Result<Runtime> {
    match backend.runtime(reference).await? {
        Some(runtime) => Ok(runtime),
        None => catalog.find(reference).cloned(),
    }
}
