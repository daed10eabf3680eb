//! A job and a runtime in few words, for the tests of review.

use trainer_core::{
    manifest::{Document, Manifest},
    review::{Verdict, review},
};

/// A runtime with one step of one container.
pub(crate) const RUNTIME: &str = "
apiVersion: trainer.kubeflow.org/v1alpha1
kind: ClusterTrainingRuntime
metadata: {name: r}
spec:
  mlPolicy: {torch: {}}
  template:
    spec:
      replicatedJobs:
      - name: node
        template:
          metadata:
            labels: {trainer.kubeflow.org/trainjob-ancestor-step: trainer}
          spec:
            template:
              spec:
                containers:
                - {name: node, image: i}
";

/// The job `a` with this `spec`, but for its runtime: what stands below the kind.
pub(crate) fn spec(rest: &str) -> String {
    format!("metadata: {{name: a}}\nspec: {{runtimeRef: {{name: r}}, {rest}}}")
}

/// The TrainJob with this below its kind.
pub(crate) fn job(body: &str) -> Document {
    let text = format!("apiVersion: trainer.kubeflow.org/v1alpha1\nkind: TrainJob\n{body}\n");
    Manifest::parse(&text, "job").unwrap().jobs.remove(0)
}

/// The runtime that `text` is.
pub(crate) fn parsed_runtime(text: &str) -> Document {
    Manifest::parse(text, "runtime").unwrap().runtimes.remove(0)
}

/// What review says of a job under a runtime.
pub(crate) fn verdict(body: &str, runtime: &str) -> Verdict {
    review(&job(body).value, Some(&parsed_runtime(runtime).value))
}
