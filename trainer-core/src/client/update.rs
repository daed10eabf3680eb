//! A reviewed change of a job that is there.

use serde::Serialize;
use serde_json::Value;

use crate::{
    Error, ErrorKind, Job, Result, TrainerBackend,
    request::ReviewedJob,
    review::{Verdict, review_update},
};

pub(super) async fn update(backend: &impl TrainerBackend, job: &ReviewedJob) -> Result<Job> {
    let there = backend.get(job.name()).await?;
    let (old, new, runtime) = (value(&there.object)?, value(&job.request().job)?, value(job.runtime())?);
    match review_update(&old, &new, Some(&runtime)) {
        Verdict::Rejected(rejection) => Err(Error::from(rejection)),
        Verdict::Accepted { .. } => backend.update(job).await,
    }
}

fn value(object: &impl Serialize) -> Result<Value> {
    serde_json::to_value(object).map_err(|error| Error::new(ErrorKind::Internal, error.to_string()).with_source(error))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::{JobRequest, Phase, TrainerClient, api::TrainJob, client::WaitRequest, testing::ScriptedBackend};

    fn request(change: impl FnOnce(&mut TrainJob)) -> JobRequest {
        let mut job = TrainJob::new(&"alpha".parse().unwrap(), "plain");
        job.spec.suspend = Some(true);
        change(&mut job);
        JobRequest::new(job)
    }

    #[tokio::test]
    async fn a_suspended_job_takes_a_change_that_the_server_would() {
        let client = TrainerClient::new(ScriptedBackend::new());
        let uid = client.submit(request(|_| ())).await.unwrap().uid;
        let changed = request(|job| drop(job.metadata.labels.insert("team".to_owned(), "vision".to_owned())));
        let job = client.update(&client.plan(changed).await.unwrap()).await.unwrap();
        assert_eq!((job.uid, job.phase), (uid, Phase::Suspended));
        assert_eq!(client.get(&job.name).await.unwrap().object.metadata.labels["team"], "vision");
    }

    #[tokio::test]
    async fn a_change_that_the_server_would_refuse_never_reaches_the_engine() {
        let client = TrainerClient::new(ScriptedBackend::new());
        client.submit(request(|job| job.spec.active_deadline_seconds = Some(60))).await.unwrap();
        let changed = client.plan(request(|job| job.spec.active_deadline_seconds = Some(61))).await.unwrap();
        let error = client.update(&changed).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Invalid);
        assert!(error.to_string().contains("field is immutable"), "{error}");
        assert!(!client.backend().calls().contains(&"update"));
    }

    #[tokio::test]
    async fn a_job_that_has_ended_is_not_changed() {
        let client = TrainerClient::new(ScriptedBackend::new());
        let name = client.submit(request(|job| job.spec.suspend = None)).await.unwrap().name;
        client.wait(&name, &WaitRequest::default()).await.unwrap();
        let changed = request(|job| drop(job.metadata.labels.insert("team".to_owned(), "vision".to_owned())));
        let error = client.update(&client.plan(changed).await.unwrap()).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Conflict);
    }
}
