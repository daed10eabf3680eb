//! A plan of each built-in runtime, as a Kubeflow user would read it.

#![allow(clippy::unwrap_used)]

use trainer_core::{
    JobName,
    api::{EnvVar, TrainJob, Trainer},
    manifest::{Manifest, to_yaml},
    plan::{LaunchPlan, plan},
    review::{Verdict, review},
    runtimes::RuntimeCatalog,
};

#[test]
fn every_builtin_runtime_has_a_readable_plan() {
    for runtime in RuntimeCatalog::builtin().iter() {
        let name: JobName = "alpha".parse().unwrap();
        let mut job = TrainJob::new(&name, runtime.name());
        let (command, nodes): (&[&str], _) = match runtime.framework() {
            Some("torch") => (&["torchrun", "train.py"], 2),
            Some("mpi") => (&["mpirun", "python", "train.py"], 2),
            Some("torchtune") => (&["tune", "run"], 1),
            _ => (&["python", "train.py"], 2),
        };
        job.spec.trainer = Some(Trainer {
            command: Some(command.iter().map(|word| (*word).to_owned()).collect()),
            env: Some(vec![EnvVar::new("EPOCHS", "3")]),
            num_nodes: Some(nodes),
            ..Trainer::default()
        });
        let verdict = review(&serde_json::to_value(&job).unwrap(), Some(&serde_json::to_value(runtime).unwrap()));
        assert_eq!(verdict, Verdict::Accepted { warnings: Vec::new() }, "{}", runtime.name());
        insta::assert_snapshot!(runtime.name(), to_yaml(&plan(&job, runtime).unwrap()).unwrap());
    }
}

/// The plan of a job with `trainer` and a runtime with `spec`, whose one step is called `node`.
fn planned(trainer: &str, policy: &str, pod: &str) -> LaunchPlan {
    let text = format!(
        "apiVersion: trainer.kubeflow.org/v1alpha1
kind: ClusterTrainingRuntime
metadata: {{name: r}}
spec:
  {policy}
  template:
    spec:
      replicatedJobs:
      - name: node
        template:
          metadata:
            labels: {{trainer.kubeflow.org/trainjob-ancestor-step: trainer}}
          spec:
            template:
              spec: {{{pod}}}
---
apiVersion: trainer.kubeflow.org/v1alpha1
kind: TrainJob
metadata: {{name: a}}
spec:
  runtimeRef: {{name: r}}
  trainer: {trainer}
"
    );
    let manifest = Manifest::parse(&text, "case").unwrap();
    plan(&manifest.jobs[0].job().unwrap(), &manifest.runtimes[0].runtime().unwrap()).unwrap()
}

#[test]
fn an_mpi_host_has_a_slot_for_each_gpu_unless_the_runtime_says_more() {
    let pod = "containers: [{name: node, image: i, resources: {limits: {nvidia.com/gpu: 4}}}]";
    for (trainer, policy, slots) in [
        ("{}", "mlPolicy: {mpi: {}}", 4),
        ("{}", "mlPolicy: {mpi: {numProcPerNode: 2}}", 2),
        ("{numProcPerNode: 3}", "mlPolicy: {mpi: {numProcPerNode: 2}}", 3),
    ] {
        let plan = planned(trainer, policy, pod);
        assert_eq!(plan.files[0].content, format!("a-node-0-0.a slots={slots}\n"));
    }
}

#[test]
fn a_gang_asks_for_what_its_pods_ask_for_together() {
    let pod = "containers: [{name: node, image: i, resources: {requests: {cpu: 1500m}}}, \
               {name: side, image: i, resources: {requests: {cpu: 500m, memory: 1Gi}}}], \
               initContainers: [{name: init, image: i, resources: {requests: {cpu: 3}}}]";
    let plan = planned("{numNodes: 2}", "podGroupPolicy: {coscheduling: {}}\n  mlPolicy: {torch: {}}", pod);
    let group = &plan.pod_groups[0];
    assert_eq!(group["minMember"], 2);
    assert_eq!(group["minResources"], serde_json::json!({"cpu": "6", "memory": "2Gi"}));
}
