//! What to do about an objection, in our words: behind the server's there is always one hint. A rule that knows more
//! than its name gives its own.

use crate::Violation;

/// Of a rule, by what its message has in it; the first that fits counts.
const BY_RULE: &[(&str, &str, &str)] = &[
    (
        "V1",
        "unsupported runtime",
        "kind is ClusterTrainingRuntime or TrainingRuntime, apiGroup is trainer.kubeflow.org",
    ),
    ("V1", "", "`trainer runtimes` lists the runtimes there are"),
    ("V2", "", "`trainer runtimes` lists the runtimes there are"),
    ("V4", "", "name a runtime with a step `dataset-initializer`, or leave spec.initializer.dataset out"),
    ("V5", "", "call the container `dataset-initializer`, as its step in the runtime"),
    ("V6", "", "mount the volume `initializer` into that container of the runtime"),
    ("V7", "", "name a runtime with a step `model-initializer`, or leave spec.initializer.model out"),
    ("V8", "", "call the container `model-initializer`, as its step in the runtime"),
    ("V9", "", "mount the volume `initializer` into that container of the runtime"),
    ("V10", "", "write a name with a domain of yours before it: `example.com/team`"),
    ("V14", "", "put them into spec.trainer.env or spec.initializer"),
    ("V15", "", "stop the job first"),
    ("V16", "", "leave them out: they are set from the number of nodes and processes"),
    ("V17", "", "correct jobName and containerNames under envInjection in the runtime"),
    ("V18", "supported pretrained model", "name a runtime of TorchTune: `trainer runtimes` lists them"),
    ("V18", "immutable config", "leave it out: the runtime sets it"),
    ("V18", "LoRA is not supported", "leave the quantization of the model out of the arguments"),
    ("V18", "must be auto or 1", "set numProcPerNode to 1"),
    ("V18", "gpu resource", "ask for one GPU: `nvidia.com/gpu: 1`"),
    ("V18", "", "set numNodes to 1"),
    ("V19", "", "set numNodes to 1, or name a runtime with the steps `launcher` and `node`"),
    ("V20", "", "leave them out: they are set from the number of nodes and processes"),
    ("V21", "", "leave it out: it is set from the number of nodes and GPUs"),
    ("V22", "reserved", "give the init container another name"),
    ("V22", "", "set numProcPerNode to 1 or more"),
    ("V23", "", "name a queue in the annotation, or leave it out"),
    ("V24", "", "leave priorityClassName out, or name a class of Kubernetes' own: `system-node-critical`"),
    ("V25", "", "set `replicas: 1`; the number of nodes is numNodes"),
    ("V26", "", "call a container of the step `node`, or as the initializer that it is"),
    ("crd:envInjection", "", "leave `node` out of containerNames"),
    ("crd:flux.numProcPerNode", "", "set numProcPerNode of the runtime to 1 or more"),
    ("crd:immutable", "", "give the changed job another name, or delete the other one first"),
    ("crd:managedBy", "", "leave it out, unless Kueue sends the job to other clusters"),
    ("crd:metadata", "bytes", "keep large things out of annotations"),
    (
        "crd:metadata",
        "",
        "keys and labels are letters and digits with `-`, `_` and `.` between them: `example.com/team: vision`",
    ),
    ("crd:mlPolicy.one", "", "keep one of torch, mpi, jax, xgboost and flux in the runtime"),
    ("crd:mpi.mpiImplementation", "", "write OpenMPI"),
    ("crd:name", "", "a name like `llama-ft-2` works"),
    ("crd:runtime.jobset", "StartupPolicy", "leave startupPolicy out of the runtime, or dependsOn"),
    ("crd:runtime.jobset", "", "leave the namespace out: the claims are where the job is"),
    ("crd:storageUri", "", "hf://OWNER/NAME and s3://BUCKET/PATH work"),
    ("crd:types", "quantities must match", QUANTITY),
    ("crd:types", "numProcPerNode", "a number; without it there is a process for each GPU, or else for each CPU"),
    ("crd:types", "of type string", "write it in quotes: numbers, `true` and `yes` aren't text in YAML"),
    ("crd:types", "of type []string", "write a list: [first, second]"),
    ("crd:types", "of type bool", "write true or false, without quotes"),
    ("crd:types", "of type int", "write a whole number, without quotes"),
    ("crd:types", "parsing time", "write a time like 2026-01-31T09:00:00Z"),
    ("crd:types", "", EXAMPLE),
    ("crd:unknown", "", "leave it out; `trainer run --dry-run -- true` writes a sound TrainJob to start from"),
    ("flux:panic", "", "set spec.trainer.numNodes: without it the controller crashes under Flux"),
    ("job:count", "", "write a number from 0"),
    ("job:env", "ASCII", "give the variable a name of letters, digits and `_`"),
    ("job:env", "`value` is not empty", "keep `value` or `valueFrom`"),
    ("job:env", "", "keep one source under `valueFrom`"),
    ("job:image", "", "name an image for the container"),
    ("job:name", "Duplicate", "give each container of a pod a name of its own"),
    ("job:name", "", "give the container a name of lower-case letters, digits and dashes"),
    (
        "job:resources",
        "standard resource",
        "resources are cpu, memory and ephemeral-storage; others have a domain: `nvidia.com/gpu`",
    ),
    ("job:resources", "less than or equal", "ask for no more than the limit"),
    ("job:resources", "Limit must be set", "set the limit too"),
    ("job:resources", "", QUANTITY),
    ("job:restartPolicy", "", "write OnFailure or Never"),
    ("job:toleration", "", "`operator` is Equal and has a key, or Exists"),
    ("job:volume", "Not found", "name one of the volumes of the pod"),
    (
        "job:volume",
        "",
        "give the volume a name and one source: `emptyDir: {}`, `persistentVolumeClaim: {claimName: NAME}`",
    ),
    ("jobset:claims", "", "correct the claim templates of the runtime, or choose a shorter name for the job"),
    ("jobset:containers", "", "give the step of the runtime a container"),
    ("jobset:coordinator", "", "name a step of the runtime, and a Job and pod that it has"),
    ("jobset:dependsOn", "", "let a step depend on one that stands before it in the runtime"),
    ("jobset:failurePolicy", "", "name steps of the runtime"),
    ("jobset:name", "", "choose a shorter name for the job"),
    ("jobset:ports", "", "give each port of the container a name: ports without one count as the same"),
    ("jobset:replicas", "", "write a number from 0"),
    ("jobset:subdomain", "", "choose a subdomain of at most 63 lower-case letters, digits and dashes"),
    ("jobset:successPolicy", "", "name steps of the runtime"),
    ("trainer:plan", "", "correct what the message names, or choose another runtime"),
];

/// Of the schema, whose rules are many and speak in few forms: type of objection, part of the message.
const BY_FORM: &[(&str, &str, &str)] = &[
    ("Required value", "", "add it"),
    ("Duplicate value", "", "keep one of them"),
    ("Unsupported value", "", "write one of those"),
    ("Too many", "", "leave some of them out"),
    ("Too long", "", "make it shorter"),
    ("Invalid value", "must validate at least one schema", QUANTITY),
    ("Invalid value", "of type integer", "write a whole number, or a quantity in quotes"),
    ("Invalid value", "of type string", "write it in quotes"),
    ("Invalid value", "of type array", "write a list: [first, second]"),
    ("Invalid value", "of type boolean", "write true or false, without quotes"),
    ("Invalid value", "of type object", "write fields below it: `name: value`"),
    ("Invalid value", "should be at least", "add what is missing"),
    ("Invalid value", "should have at least", "add what is missing"),
    ("Invalid value", "should be greater than or equal to", "write a larger number"),
    ("Invalid value", "should be less than or equal to", "write a smaller number"),
    ("Invalid value", "should match", "write it in the form that the message ends with"),
    ("Invalid value", "", EXAMPLE),
];

const QUANTITY: &str = "write a quantity: `4`, `500m`, `16Gi`";
const EXAMPLE: &str = "compare with a sound one: `trainer run --dry-run -- true` writes a TrainJob";

/// The hint for `violation`, unless it brings its own.
pub(super) fn complete(violation: &mut Violation) {
    if violation.hint.is_none() {
        violation.hint = of(violation).map(str::to_owned);
    }
}

fn of(violation: &Violation) -> Option<&'static str> {
    let kind = violation.kind.as_deref().unwrap_or_default();
    let fits = |key: &str, (name, part, _): &&(&str, &str, &str)| *name == key && violation.message.contains(part);
    let by_rule = BY_RULE.iter().find(|entry| fits(&violation.rule, entry));
    let by_form = || BY_FORM.iter().find(|entry| fits(kind, entry));
    by_rule.or_else(by_form).map(|(.., hint)| *hint)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::{fs, path::Path};

    use super::*;
    use crate::{
        manifest::Manifest,
        review::{Verdict, review, review_runtime, review_update},
    };

    #[test]
    fn every_rule_has_a_hint() {
        let mut rules = Vec::new();
        collect_rules(Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/src/review")), &mut rules);
        collect_rules(Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/src/plan")), &mut rules);
        assert!(rules.len() > 50, "the rules were looked for where they are: {rules:?}");
        // The entry without a part of a message fits whatever the rule says.
        let has_one = |rule: &&String| BY_RULE.iter().any(|(name, part, _)| name == *rule && part.is_empty());
        let without: Vec<_> = rules.iter().filter(|rule| !has_one(rule)).collect();
        assert!(without.is_empty(), "no hint for {without:?}");
        let unknown: Vec<_> = BY_RULE.iter().filter(|(name, ..)| !rules.iter().any(|rule| rule == name)).collect();
        assert!(unknown.is_empty(), "no such rule: {unknown:?}");
    }

    /// Whatever in a source file looks like the name of a rule.
    fn collect_rules(folder: &Path, rules: &mut Vec<String>) {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                collect_rules(&path, rules);
            } else if path.file_name().is_some_and(|name| name != "hints.rs") {
                let text = fs::read_to_string(&path).unwrap();
                let names = text.split('"').filter(|word| is_rule(word));
                rules.extend(names.map(str::to_owned));
            }
        }
    }

    fn is_rule(word: &str) -> bool {
        if let Some(number) = word.strip_prefix('V') {
            return !number.is_empty() && number.chars().all(|c| c.is_ascii_digit());
        }
        let families = ["crd", "job", "jobset", "flux", "trainer"];
        word.split_once(':').is_some_and(|(family, name)| {
            families.contains(&family)
                && !name.is_empty()
                && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '.')
        })
    }

    #[test]
    fn every_objection_to_a_golden_case_has_a_hint() {
        let mut seen = 0;
        let mut without = Vec::new();
        for entry in fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/corpus")).unwrap() {
            let path = entry.unwrap().path();
            if path.extension().is_none_or(|extension| extension != "yaml") {
                continue;
            }
            let Ok(manifest) = Manifest::open(&path) else { continue };
            let runtime = manifest.runtimes.first().map(|runtime| &runtime.value);
            let mut verdicts: Vec<_> = runtime.map(review_runtime).into_iter().collect();
            verdicts.extend(manifest.jobs.iter().map(|job| review(&job.value, runtime)));
            if let [old, new] = &manifest.jobs[..] {
                verdicts.push(review_update(&old.value, &new.value, runtime));
            }
            for verdict in verdicts {
                let Verdict::Rejected(rejection) = verdict else { continue };
                seen += rejection.violations.len();
                without.extend(rejection.violations.into_iter().filter(|violation| violation.hint.is_none()));
            }
        }
        assert!(seen > 200, "{seen} objections");
        assert!(without.is_empty(), "no hint for {without:#?}");
    }
}
