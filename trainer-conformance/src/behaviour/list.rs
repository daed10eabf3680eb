//! Lists and their pages.

use futures_util::TryStreamExt;
use trainer_core::{
    ErrorKind, JobName, Phase, TrainerBackend,
    job::{ListQuery, PageToken},
};

use crate::{
    lab::Lab,
    trial::{Behaviour, Outcome, behaviours},
};

pub(super) fn behaviours<B: TrainerBackend>() -> Vec<Behaviour<B>> {
    behaviours![a_list_tells_how_each_job_stands, a_list_comes_in_pages, a_foreign_page_token_is_refused]
}

async fn a_list_tells_how_each_job_stands<B: TrainerBackend>(lab: Lab<B>) -> Outcome {
    let complete = lab.sh("exit 0").complete().await?;
    let (failed, _) = lab.sh("exit 1").fail().await?;
    let all: Vec<_> = lab.client().list_all().try_collect().await?;
    for (job, phase) in [(&complete, Phase::Complete), (&failed, Phase::Failed)] {
        let listed = all.iter().find(|it| it.name == job.name);
        assert_eq!(listed.map(|it| it.phase), Some(phase));
        assert_eq!(listed, Some(&job.get().await?), "a list and `get` agree");
    }
    Ok(())
}

async fn a_list_comes_in_pages<B: TrainerBackend>(lab: Lab<B>) -> Outcome {
    let mut names = Vec::new();
    for _ in 0..3 {
        names.push(lab.sh("sleep 60").submit().await?.name);
    }

    let mut query = ListQuery { limit: 2, after: None };
    let mut seen: Vec<JobName> = Vec::new();
    loop {
        let page = lab.client().list(&query).await?;
        assert!(page.items.len() <= 2, "{} jobs in a page of 2", page.items.len());
        seen.extend(page.items.into_iter().map(|job| job.name));
        let Some(next) = page.next else { break };
        query.after = Some(next);
    }

    // Other trials have jobs, too, which come and go.
    seen.retain(|name| names.contains(name));
    names.reverse();
    assert_eq!(seen, names, "newest first, each once");
    Ok(())
}

async fn a_foreign_page_token_is_refused<B: TrainerBackend>(lab: Lab<B>) -> Outcome {
    let query = ListQuery { after: Some(PageToken("?/../no token".to_owned())), ..ListQuery::default() };
    let error = lab.client().list(&query).await.err().map(|error| error.kind());
    assert_eq!(error, Some(ErrorKind::Invalid));
    Ok(())
}
