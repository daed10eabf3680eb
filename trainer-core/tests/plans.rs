//! A plan of each built-in runtime, as a Kubeflow user would read it.

#![allow(clippy::unwrap_used)]

use trainer_core::{
    JobName,
    api::{EnvVar, TrainJob, Trainer},
    manifest::to_yaml,
    plan::plan,
    review::{Verdict, review},
    runtimes::RuntimeCatalog,
};

#[test]
fn every_builtin_runtime_has_a_readable_plan() {
    for runtime in RuntimeCatalog::builtin().iter() {
        let name: JobName = "alpha".parse().unwrap();
        let mut job = TrainJob::new(&name, runtime.name());
        job.spec.trainer = Some(Trainer {
            command: Some(vec!["python".to_owned(), "train.py".to_owned()]),
            env: Some(vec![EnvVar::new("EPOCHS", "3")]),
            num_nodes: Some(2),
            ..Trainer::default()
        });
        let verdict = review(&serde_json::to_value(&job).unwrap(), Some(&serde_json::to_value(runtime).unwrap()));
        assert_eq!(verdict, Verdict::Accepted { warnings: Vec::new() }, "{}", runtime.name());
        insta::assert_snapshot!(runtime.name(), to_yaml(&plan(&job, runtime).unwrap()).unwrap());
    }
}
