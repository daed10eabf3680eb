//! A program that doesn't hand over to the supervisor is told so, instead of being run again and again.

#![allow(clippy::unwrap_used)]

use trainer_core::{
    ErrorKind, JobName, JobRequest,
    api::{RuntimeRef, TrainJob},
    plan::plan,
    runtimes::RuntimeCatalog,
};
use trainer_supervisor::{Jobs, Settings, Submission};

#[test]
fn a_submission_says_what_main_has_to_call() {
    let home = tempfile::tempdir().unwrap();
    let state_dir = home.path().join("state");
    let name: JobName = "any".parse().unwrap();
    let job = TrainJob::new(&name, "plain");
    let catalog = RuntimeCatalog::builtin();
    let runtime = catalog.find(&RuntimeRef { name: "plain".to_owned(), ..RuntimeRef::default() }).unwrap();
    let plan = plan(&job, runtime).unwrap();
    let jobs = Jobs::new("test", Settings { state_dir: Some(state_dir.clone()), executable: None });
    let error = jobs.claim(Submission::new(name, &JobRequest::new(job), "test"), &plan).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported);
    assert!(error.hint().unwrap().contains("trainer::init()"));
    assert!(!state_dir.exists());
}
