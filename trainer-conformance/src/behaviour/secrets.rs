//! Secrets travel by reference.

use futures_util::TryStreamExt;
use trainer_core::{ErrorKind, TrainerBackend};

use crate::{
    lab::Lab,
    trial::{Behaviour, Outcome, behaviours},
};

pub(super) fn behaviours<B: TrainerBackend>() -> Vec<Behaviour<B>> {
    behaviours![
        a_secret_reaches_the_program_and_nothing_else(Secrets),
        a_secret_that_nobody_has_is_named_at_submission(Secrets),
    ]
}

async fn a_secret_reaches_the_program_and_nothing_else<B: TrainerBackend>(lab: Lab<B>) -> Outcome {
    let secret = lab.secret()?;
    // The program shows the secret's length only: a log is no place for it either.
    let mut draft = lab.sh(&format!(r#"echo "${{#{}}}""#, secret.variable)).nodes(2);
    draft.request.secrets = vec![secret.variable.clone()];

    let reviewed = lab.client().plan(draft.request.clone()).await?;
    let preview = lab.client().preview(&reviewed).await?;
    let job = draft.complete().await?;
    let log = job.log().await?;
    for node in 0..2 {
        assert_eq!(log.node(node), [secret.value.len().to_string()]);
    }

    let listed: Vec<_> = lab.client().list_all().try_collect().await?;
    let shown = [
        ("the plan", format!("{reviewed:?}")),
        ("the preview", format!("{preview:?}")),
        ("the job", format!("{:?}", job.get().await?)),
        ("the events", format!("{:?}", job.client.events(&job.name).await?)),
        ("the list", format!("{listed:?}")),
    ];
    for (what, text) in shown {
        assert!(!text.contains(&secret.value), "{what} shows the secret");
    }
    assert!(format!("{preview:?}").contains(&secret.variable), "the preview names the secret");
    Ok(())
}

async fn a_secret_that_nobody_has_is_named_at_submission<B: TrainerBackend>(lab: Lab<B>) -> Outcome {
    let mut draft = lab.sh("exit 0");
    draft.request.secrets = vec!["NO_SUCH_SECRET_HERE".to_owned()];
    let name = draft.name.clone();
    let Err(error) = draft.submit().await else { panic!("it was accepted") };
    assert!(matches!(error.kind(), ErrorKind::Invalid | ErrorKind::NotFound), "{error:?}");
    assert!(error.to_string().contains("NO_SUCH_SECRET_HERE"), "{error}");
    assert!(lab.client().get(&name).await.is_err(), "nothing is left of it");
    Ok(())
}
