//! Whatever a file says, review and plan answer: they never panic, and what review accepts has a plan.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::{fs, path::Path, sync::LazyLock};

use proptest::{collection::vec, prelude::*, sample::Index};
use serde_json::{Map, Value, json};
use trainer_core::{
    api::{Runtime, TrainJob},
    manifest::Manifest,
    plan::{World, localize, plan},
    review::{Verdict, review, review_update},
};

/// Job and runtime of every golden case.
static SEEDS: LazyLock<Vec<(Value, Option<Value>)>> = LazyLock::new(|| {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/corpus");
    let mut files: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.retain(|path| path.extension().is_some_and(|extension| extension == "yaml"));
    files.sort();
    files
        .iter()
        .map(|file| {
            let mut manifest = Manifest::open(file).unwrap();
            (manifest.jobs.remove(0).value, manifest.runtimes.pop().map(|document| document.value))
        })
        .collect()
});

fn any_value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i32>().prop_map(Value::from),
        (-2..4_i64).prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f32>().prop_map(Value::from),
        prop_oneof![".{0,8}", "[a-z]([-a-z0-9]{0,60}[a-z0-9])?", "[0-9.]{1,4}[a-zA-Z]{0,2}"].prop_map(Value::from),
        prop::sample::select(vec![
            "",
            "node",
            "launcher",
            "1Gi",
            "InOrder",
            "All",
            "tune",
            "NonIndexed",
            "x".repeat(600).leak()
        ])
        .prop_map(Value::from),
    ];
    let key = prop::sample::select(vec![
        "name",
        "env",
        "value",
        "valueFrom",
        "containers",
        "replicatedJobs",
        "template",
        "spec",
        "metadata",
        "labels",
        "torch",
        "mpi",
        "flux",
        "numNodes",
        "command",
        "requests",
        "nvidia.com/gpu",
        "containerPort",
        "dependsOn",
        "status",
    ]);
    leaf.prop_recursive(4, 24, 5, move |inner| {
        prop_oneof![
            vec(inner.clone(), 0..4).prop_map(Value::from),
            vec((key.clone(), inner), 0..4).prop_map(|fields| {
                fields.into_iter().map(|(key, value)| (key.to_owned(), value)).collect::<Map<_, _>>().into()
            }),
        ]
    })
}

/// Walks down by `path` and puts `value` there, or removes what is there.
fn disturb(document: &mut Value, path: &[Index], value: &Option<Value>) {
    let mut place = document;
    for (depth, index) in path.iter().enumerate() {
        let last = depth + 1 == path.len();
        let count = match &*place {
            Value::Object(fields) => fields.len(),
            Value::Array(items) => items.len(),
            _ => 0,
        };
        if count == 0 {
            break;
        }
        let at = index.index(count);
        place = match place {
            Value::Object(fields) => {
                let key = fields.keys().nth(at).unwrap().clone();
                if last && value.is_none() {
                    fields.remove(&key);
                    return;
                }
                &mut fields[&key]
            }
            Value::Array(items) => {
                if last && value.is_none() {
                    items.remove(at);
                    return;
                }
                &mut items[at]
            }
            _ => return,
        };
    }
    if let Some(value) = value {
        *place = value.clone();
    }
}

fn disturbed() -> impl Strategy<Value = (Value, Option<Value>)> {
    let changes = vec((any::<bool>(), vec(any::<Index>(), 1..12), prop::option::of(any_value())), 0..3);
    (any::<Index>(), changes).prop_map(|(seed, changes)| {
        let (mut job, mut runtime) = seed.get(&SEEDS).clone();
        for (in_job, path, value) in &changes {
            match &mut runtime {
                Some(runtime) if !in_job => disturb(runtime, path, value),
                _ => disturb(&mut job, path, value),
            }
        }
        (job, runtime)
    })
}

fn plan_of(job: &Value, runtime: &Value) -> Option<trainer_core::Result<trainer_core::plan::LaunchPlan>> {
    let job: TrainJob = serde_json::from_value(job.clone()).ok()?;
    let runtime: Runtime = serde_json::from_value(runtime.clone()).ok()?;
    Some(plan(&job, &runtime))
}

#[test]
fn a_patch_applied_twice_is_a_patch_applied_once() {
    let mut compared = 0;
    for (job, runtime) in SEEDS.iter() {
        let (Some(runtime), Some(patches)) = (runtime, job["spec"]["runtimePatches"].as_array()) else { continue };
        if !matches!(review(job, Some(runtime)), Verdict::Accepted { .. }) {
            continue;
        }
        let mut twice = job.clone();
        twice["spec"]["runtimePatches"] = patches.iter().flat_map(|patch| [patch.clone(), patch.clone()]).collect();
        let of = |job: &Value| plan_of(job, runtime).unwrap().unwrap();
        assert_eq!(of(job), of(&twice), "{}", job["metadata"]["name"]);
        compared += 1;
    }
    assert!(compared > 10, "{compared}");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, ..ProptestConfig::default() })]

    #[test]
    fn review_and_plan_answer_to_a_disturbed_job((job, runtime) in disturbed()) {
        let verdict = review(&job, runtime.as_ref());
        if let Some(runtime) = &runtime {
            let plan = plan_of(&job, runtime);
            if let (Verdict::Accepted { .. }, Some(plan)) = (&verdict, plan) {
                let plan = plan.map_err(|error| TestCaseError::fail(format!("accepted without a plan: {error:?}")))?;
                let _ = localize(&plan, &World::default());
            }
        }
        let _ = review_update(&job, &job, runtime.as_ref());
    }

    #[test]
    fn review_answers_to_anything(job in any_value(), runtime in any_value()) {
        let _ = review(&job, Some(&runtime));
        let _ = review(&json!({"kind": "TrainJob", "spec": job.clone()}), Some(&json!({"spec": runtime.clone()})));
        plan_of(&json!({"apiVersion": "", "kind": "TrainJob", "metadata": {"name": "a"}, "spec": job}),
            &json!({"apiVersion": "", "kind": "TrainingRuntime", "metadata": {}, "spec": runtime}));
    }
}
