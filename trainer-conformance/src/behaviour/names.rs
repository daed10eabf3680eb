//! A name belongs to the job that took it first.

use futures_util::{StreamExt, future::join_all};
use trainer_core::{ErrorKind, Phase, TrainerBackend};

use crate::{
    lab::{Lab, Submitted},
    trial::{Behaviour, Outcome, behaviours},
};

pub(super) fn behaviours<B: TrainerBackend>() -> Vec<Behaviour<B>> {
    behaviours![
        a_name_that_is_taken_is_refused_and_its_job_untouched,
        the_name_of_a_finished_job_is_still_taken,
        of_several_that_want_one_name_one_gets_it,
        a_name_that_is_no_name_is_refused,
    ]
}

async fn a_name_that_is_taken_is_refused_and_its_job_untouched<B: TrainerBackend>(lab: Lab<B>) -> Outcome {
    let first = lab.sh("echo first; sleep 1; echo first").submit().await?;
    first.says("first", 1).await?;
    let before = first.get().await?;

    let mut second = lab.sh("echo second");
    second.request.job.metadata.name = Some(first.name.to_string());
    let error = lab.connect()?.submit(second.request).await.map(drop).map_err(|error| error.kind());
    assert_eq!(error, Err(ErrorKind::AlreadyExists));

    assert_eq!(first.get().await?.uid, before.uid);
    first.reaches(Phase::Complete).await?;
    assert_eq!(first.log().await?.sorted(), ["first", "first"]);
    Ok(())
}

async fn the_name_of_a_finished_job_is_still_taken<B: TrainerBackend>(lab: Lab<B>) -> Outcome {
    let draft = lab.sh("echo first");
    let again = draft.request.clone();
    let first = draft.complete().await?;
    let error = first.client.submit(again).await.map(drop).map_err(|error| error.kind());
    assert_eq!(error, Err(ErrorKind::AlreadyExists));
    assert_eq!(first.log().await?.node(0), ["first"]);
    Ok(())
}

async fn of_several_that_want_one_name_one_gets_it<B: TrainerBackend>(lab: Lab<B>) -> Outcome {
    let draft = lab.sh("echo once");
    let submissions = (0..6).map(|_| lab.client().submit(draft.request.clone()));
    let mut won = Vec::new();
    for answer in join_all(submissions).await {
        match answer {
            Ok(job) => won.push(job.uid),
            Err(error) => assert_eq!(error.kind(), ErrorKind::AlreadyExists, "{error:?}"),
        }
    }
    assert_eq!(won.len(), 1, "{won:?}");
    let job = Submitted { client: lab.client().clone(), name: draft.name };
    assert_eq!(job.reaches(Phase::Complete).await?.uid, won[0]);
    assert_eq!(job.log().await?.sorted(), ["once"]);
    Ok(())
}

async fn a_name_that_is_no_name_is_refused<B: TrainerBackend>(lab: Lab<B>) -> Outcome {
    let names = ["", "Upper", "1st", "-a", "a-", "under_score", "a b", "../../escape", "a/b", "ä", &"a".repeat(64)];
    for name in names {
        let mut request = lab.sh("exit 0").request;
        request.job.metadata.name = Some(name.to_owned());
        let error = lab.client().submit(request).await.map(drop).map_err(|error| error.kind());
        assert_eq!(error, Err(ErrorKind::Invalid), "{name:?}");
    }
    let mut all = std::pin::pin!(lab.client().list_all());
    while let Some(job) = all.next().await {
        let name = job?.name;
        assert!(!names.contains(&name.as_str()), "{name}");
    }
    Ok(())
}
