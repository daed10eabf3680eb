//! Changing a job that is there.

use serde_json::{Value, json};
use trainer_core::{Phase, TrainerBackend};

use crate::{
    lab::Lab,
    trial::{Behaviour, Outcome, behaviours},
};

pub(super) fn behaviours<B: TrainerBackend>() -> Vec<Behaviour<B>> {
    behaviours![
        a_suspended_job_can_be_changed_and_then_runs(Update),
        a_change_of_what_may_not_change_is_refused(Update)
    ]
}

async fn a_suspended_job_can_be_changed_and_then_runs<B: TrainerBackend>(lab: Lab<B>) -> Outcome {
    let draft = lab.sh("echo here").suspended();
    let mut changed = draft.again().request;
    changed.job.metadata.labels.insert("example.com/team".to_owned(), "vision".to_owned());
    changed.job.spec.runtime_patches = Some(tolerating("example.com/queue"));
    let submitted = draft.submit().await?;
    let before = submitted.reaches(Phase::Suspended).await?;

    let client = &submitted.client;
    let after = client.update(&client.plan(changed.clone()).await?).await?;
    assert_eq!((&after.uid, after.created, after.phase), (&before.uid, before.created, Phase::Suspended));
    let there = submitted.get().await?.object;
    assert_eq!(there.metadata.labels.get("example.com/team").map(String::as_str), Some("vision"));
    assert_eq!(there.spec.runtime_patches, changed.job.spec.runtime_patches);

    client.resume(&submitted.name).await?;
    assert_eq!(submitted.reaches(Phase::Complete).await?.uid, before.uid);
    assert_eq!(submitted.log().await?.node(0), ["here"]);
    Ok(())
}

async fn a_change_of_what_may_not_change_is_refused<B: TrainerBackend>(lab: Lab<B>) -> Outcome {
    let draft = lab.sh("echo as before").suspended();
    let mut changed = draft.again().request;
    changed.job.spec.trainer.get_or_insert_default().command = Some(vec!["false".to_owned()]);
    let submitted = draft.submit().await?;
    submitted.reaches(Phase::Suspended).await?;

    let client = &submitted.client;
    let error = client.update(&client.plan(changed).await?).await.err().ok_or("it was changed")?;
    assert!(error.to_string().contains("field is immutable"), "{error}");
    client.resume(&submitted.name).await?;
    submitted.reaches(Phase::Complete).await?;
    assert_eq!(submitted.log().await?.node(0), ["as before"]);
    Ok(())
}

/// A patch of the runtime that changes nothing about what runs.
fn tolerating(taint: &str) -> Value {
    let pod = json!({ "tolerations": [{ "key": taint, "operator": "Exists" }] });
    let step = json!({ "name": "node", "template": { "spec": { "template": { "spec": pod } } } });
    json!([{
        "manager": "example.com/suite",
        "trainingRuntimeSpec": { "template": { "spec": { "replicatedJobs": [step] } } },
    }])
}
