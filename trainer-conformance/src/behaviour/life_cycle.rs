//! From submission to completion and deletion.

use std::time::Duration;

use futures_util::StreamExt;
use tokio::time::timeout;
use trainer_core::{ErrorKind, JobName, Phase, TrainerBackend, job::NodeExit};

use crate::{
    lab::{AT_ONCE, Lab, Submitted},
    trial::{Behaviour, Outcome, behaviours},
};

pub(super) fn behaviours<B: TrainerBackend>() -> Vec<Behaviour<B>> {
    behaviours![
        an_engine_can_be_checked,
        a_job_runs_and_completes,
        a_job_is_there_once_submit_has_returned,
        what_review_refuses_is_never_created,
        phases_come_in_order,
        a_watch_begins_with_the_present_state,
        a_watch_ends_when_the_job_is_deleted,
        the_object_carries_its_status,
        a_job_outlives_the_client_that_submitted_it,
        every_client_sees_the_same_job,
        a_deleted_job_is_gone,
        a_running_job_can_be_deleted,
        a_job_that_does_not_exist_is_not_found,
    ]
}

async fn an_engine_can_be_checked<B: TrainerBackend>(lab: Lab<B>) -> Outcome {
    let findings = lab.client().check().await?;
    let bad: Vec<_> = findings.iter().filter(|finding| !finding.ok).collect();
    assert!(bad.is_empty(), "{bad:?}");
    Ok(())
}

async fn a_job_runs_and_completes<B: TrainerBackend>(lab: Lab<B>) -> Outcome {
    let job = lab.sh("echo hello").nodes(2).complete().await?.get().await?;
    assert_eq!((job.phase, job.attempt), (Phase::Complete, 1));
    assert_eq!(job.steps.len(), 1);
    let step = &job.steps[0];
    assert_eq!((step.name.as_str(), step.phase, step.nodes.len()), ("node", Phase::Complete, 2));
    for (index, node) in (0..).zip(&step.nodes) {
        assert_eq!((node.index.0, node.phase, node.exit), (index, Phase::Complete, Some(NodeExit::Code(0))));
    }
    let (Some(started), Some(finished)) = (job.started, job.finished) else { panic!("no times: {job:?}") };
    assert!(job.created <= started && started <= finished, "{job:?}");
    Ok(())
}

async fn a_job_is_there_once_submit_has_returned<B: TrainerBackend>(lab: Lab<B>) -> Outcome {
    let draft = lab.sh("sleep 60");
    let submitted = lab.client().submit(draft.request).await?;
    let found = lab.client().get(&draft.name).await?;
    assert_eq!((&found.name, &found.uid, found.created), (&draft.name, &submitted.uid, submitted.created));
    assert!(!found.uid.is_empty() && !found.backend.is_empty(), "{found:?}");
    assert!(!found.phase.is_settled(), "{found:?}");
    Ok(())
}

async fn what_review_refuses_is_never_created<B: TrainerBackend>(lab: Lab<B>) -> Outcome {
    let draft = lab.sh("exit 0").runtime("torch-distributed").env("PET_NNODES", "7");
    let error = lab.client().submit(draft.request).await.map(drop).map_err(|error| error.kind());
    assert_eq!(error, Err(ErrorKind::Invalid));
    assert_absent(&lab, &draft.name).await
}

async fn phases_come_in_order<B: TrainerBackend>(lab: Lab<B>) -> Outcome {
    let job = lab.sh("sleep 0.3").submit().await?;
    let mut phases = Vec::new();
    let mut states = job.client.watch(&job.name).await?;
    while let Some(state) = states.next().await {
        let phase = state?.phase;
        phases.push(phase);
        if phase.is_settled() {
            break;
        }
    }
    phases.dedup();
    let order = [Phase::Created, Phase::Queued, Phase::Running, Phase::Complete];
    let ranks: Vec<_> = phases.iter().map(|phase| order.iter().position(|it| it == phase)).collect();
    assert!(ranks.is_sorted() && ranks.iter().all(Option::is_some), "{phases:?}");
    assert!(phases.ends_with(&[Phase::Running, Phase::Complete]), "{phases:?}");
    Ok(())
}

async fn a_watch_begins_with_the_present_state<B: TrainerBackend>(lab: Lab<B>) -> Outcome {
    let job = lab.sh("exit 0").complete().await?;
    let Some(first) = job.client.watch(&job.name).await?.next().await else { panic!("the watch is empty") };
    assert_eq!(first?.phase, Phase::Complete);
    Ok(())
}

async fn a_watch_ends_when_the_job_is_deleted<B: TrainerBackend>(lab: Lab<B>) -> Outcome {
    let job = lab.sh("sleep 60").submit().await?;
    job.reaches(Phase::Running).await?;
    let mut states = job.client.watch(&job.name).await?;
    job.client.delete(&job.name, &AT_ONCE).await?;
    let rest = async {
        while let Some(state) = states.next().await {
            assert_ne!(state?.phase, Phase::Complete);
        }
        Outcome::Ok(())
    };
    timeout(Duration::from_secs(10), rest).await?
}

async fn the_object_carries_its_status<B: TrainerBackend>(lab: Lab<B>) -> Outcome {
    for (script, expected, other) in [("exit 0", "Complete", "Failed"), ("exit 1", "Failed", "Complete")] {
        let job = lab.sh(script).submit().await?;
        let client = &job.client;
        let settled = client.wait(&job.name, &Default::default()).await?.into_job();
        let conditions = settled.object.status.clone().unwrap_or_default().conditions;
        let is_true = |kind: &str| conditions.iter().any(|it| it.kind == kind && it.status == "True");
        assert!(is_true(expected) && !is_true(other), "{settled:?}");
        assert_eq!(settled.object.metadata.name.as_deref(), Some(job.name.as_str()));
        assert_eq!(settled.object.metadata.uid.as_deref(), Some(settled.uid.as_str()));
    }
    Ok(())
}

async fn a_job_outlives_the_client_that_submitted_it<B: TrainerBackend>(lab: Lab<B>) -> Outcome {
    let draft = lab.sh("sleep 0.5; echo done");
    let (client, name, request) = (lab.connect()?, draft.name.clone(), draft.request);
    // With the client's runtime gone, nothing of it can be left in this process.
    let submission = std::thread::spawn(move || -> Outcome {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        runtime.block_on(client.submit(request))?;
        Ok(())
    });
    tokio::task::spawn_blocking(|| submission.join()).await?.map_err(|_| "submitting panicked")??;

    let job = Submitted { client: lab.connect()?, name };
    job.reaches(Phase::Complete).await?;
    assert_eq!(job.log().await?.node(0), ["done"]);
    Ok(())
}

async fn every_client_sees_the_same_job<B: TrainerBackend>(lab: Lab<B>) -> Outcome {
    let job = lab.sh("echo seen").complete().await?;
    assert_eq!(lab.connect()?.get(&job.name).await?, job.get().await?);
    Ok(())
}

async fn a_deleted_job_is_gone<B: TrainerBackend>(lab: Lab<B>) -> Outcome {
    let draft = lab.sh("echo first");
    let (name, mut again) = (draft.name.clone(), draft.request.clone());
    let job = draft.complete().await?;
    let first = job.get().await?;
    job.client.delete(&name, &AT_ONCE).await?;
    assert_absent(&lab, &name).await?;

    if let Some(trainer) = &mut again.job.spec.trainer {
        trainer.command = Some(["sh", "-c", "echo second"].map(str::to_owned).to_vec());
    }
    let second = job.client.submit(again).await?;
    assert_ne!(second.uid, first.uid, "another job of the name is another job");
    job.reaches(Phase::Complete).await?;
    assert_eq!(job.log().await?.node(0), ["second"], "nothing of the first one is left");
    Ok(())
}

async fn a_running_job_can_be_deleted<B: TrainerBackend>(lab: Lab<B>) -> Outcome {
    let job = lab.sh("trap '' TERM; echo up; sleep 600").nodes(2).submit().await?;
    job.says("up", 2).await?;
    job.client.delete(&job.name, &AT_ONCE).await?;
    assert_absent(&lab, &job.name).await
}

async fn a_job_that_does_not_exist_is_not_found<B: TrainerBackend>(lab: Lab<B>) -> Outcome {
    assert_absent(&lab, &lab.name()).await
}

/// Sees that every request about the job is answered with `NotFound`, and that it is in no list.
async fn assert_absent<B: TrainerBackend>(lab: &Lab<B>, name: &JobName) -> Outcome {
    let client = lab.client();
    let answers = [
        ("get", client.get(name).await.map(drop)),
        ("watch", client.watch(name).await.map(drop)),
        ("wait", client.wait(name, &Default::default()).await.map(drop)),
        ("logs", client.logs(name, &Default::default()).await.map(drop)),
        ("events", client.events(name).await.map(drop)),
        ("stop", client.stop(name, &AT_ONCE).await),
        ("resume", client.resume(name).await),
        ("delete", client.delete(name, &AT_ONCE).await),
    ];
    for (request, answer) in answers {
        let kind = answer.map_err(|error| error.kind());
        assert_eq!(kind, Err(ErrorKind::NotFound), "{request}");
    }
    let mut all = std::pin::pin!(client.list_all());
    while let Some(job) = all.next().await {
        assert_ne!(job?.name, *name);
    }
    Ok(())
}
