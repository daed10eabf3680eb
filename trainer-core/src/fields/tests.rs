//! Every field of the schema, set in a job and held against columns.
#![allow(clippy::unwrap_used)]

use serde_json::{Value, json};

use super::{Treatment::*, *};
use crate::{
    Error, JobName, JobRequest, Result,
    api::{Runtime, TrainJob, Trainer},
    request::ReviewedJob,
    review::schema,
};

#[test]
fn what_nobody_answers_is_refused() {
    for (place, field) in undecided() {
        let error = held_against(&[], place, &field).unwrap_err();
        assert!(names(&error, &field), "{place:?} {field}: {error}");
    }
}

#[test]
fn every_field_is_treated_as_its_rule_says() {
    for (place, field) in undecided() {
        for treatment in [Honour, Within("limits"), Moot, Substitute("that"), Warn("so"), Refuse("do this")] {
            let column = leak(vec![rule(place, &field, treatment), FieldRule::all(Honour)]);
            match (treatment, held_against(column, place, &field)) {
                (Refuse(hint), Err(error)) => {
                    assert!(names(&error, &field) && error.hint() == Some(hint), "{place:?} {field}: {error}");
                }
                (Substitute(_) | Warn(_), Ok(said)) => assert_eq!(said, [&column[0]], "{place:?} {field}"),
                (Honour | Within(_) | Moot, Ok(said)) => assert_eq!(said, [] as [&FieldRule; 0], "{place:?} {field}"),
                (treatment, result) => panic!("{place:?} {field} {treatment:?}: {result:?}"),
            }
        }
    }
}

#[test]
fn the_longest_rule_decides() {
    let column = leak(vec![
        rule(Place::Container, "securityContext", Refuse("no")),
        rule(Place::Container, "securityContext.runAsUser", Honour),
        FieldRule::all(Honour),
    ]);
    held_against(column, Place::Container, "securityContext.runAsUser").unwrap();
    let error = held_against(column, Place::Container, "securityContext.privileged").unwrap_err();
    assert!(names(&error, "securityContext.privileged"), "{error}");
}

#[test]
fn what_is_set_without_details_is_treated_as_the_rule_for_the_whole_says() {
    let mut runtime = runtime(Place::Pod, "volumes.emptyDir");
    let pod = runtime.pointer_mut("/spec/template/spec/replicatedJobs/0/template/spec/template/spec").unwrap();
    pod["volumes"][0]["emptyDir"] = json!({});
    let column = leak(vec![
        rule(Place::Pod, "volumes", Refuse("no")),
        rule(Place::Pod, "volumes.emptyDir.medium", Honour),
        FieldRule::all(Honour),
    ]);
    let error = check("testing", column, &reviewed(runtime)).unwrap_err();
    assert!(names(&error, "volumes.emptyDir"), "{error}");
}

#[test]
fn one_entry_honours_everything() {
    const COLUMN: &[FieldRule] = &[FieldRule::all(Honour)];
    for (place, field) in undecided() {
        assert_eq!(held_against(COLUMN, place, &field).unwrap(), [] as [&FieldRule; 0]);
    }
    assert!(table(COLUMN).iter().all(|line| line.treatment == Some(Honour)));
}

#[test]
fn a_field_that_the_schema_lacks_is_refused() {
    let mut runtime = runtime(Place::Pod, "tolerations");
    let pod = runtime.pointer_mut("/spec/template/spec/replicatedJobs/0/template/spec/template/spec").unwrap();
    pod["tomorrow"] = json!(true);
    let error = check("testing", &[], &reviewed(runtime)).unwrap_err();
    assert!(names(&error, "tomorrow"), "{error}");
}

#[test]
fn all_that_is_refused_is_named_at_once() {
    let mut runtime = runtime(Place::Pod, "overhead");
    let steps = runtime["spec"]["template"]["spec"]["replicatedJobs"].as_array_mut().unwrap();
    steps[0]["template"]["spec"]["suspend"] = json!(true);
    steps.push(steps[0].clone());
    const COLUMN: &[FieldRule] = &[
        FieldRule::of(Place::Pod, &["containers"], Honour),
        FieldRule::of(Place::Pod, &["overhead"], Refuse("carry less")),
    ];
    let error = check("testing", COLUMN, &reviewed(runtime)).unwrap_err();
    let expected = "the backend `testing` can't honour `suspend` of the job of step `node`, nor `overhead` of the pods of step `node`";
    assert_eq!((error.to_string().as_str(), error.hint()), (expected, Some("carry less")));
}

#[test]
fn a_way_out_names_the_variable() {
    let column =
        leak(vec![rule(Place::Container, "env.valueFrom", Refuse("give --env NAME=…")), FieldRule::all(Honour)]);
    let error = held_against(column, Place::Container, "env.valueFrom").unwrap_err();
    assert_eq!(error.hint(), Some("give --env x=…"));
}

#[test]
fn the_table_has_every_field() {
    let lines = table(&[]);
    for place in Place::ALL {
        let Some(Shape::Fields(names)) = place.shape(&[]) else { panic!("{place:?} isn't in the schema") };
        for name in names {
            let is_line = |line: &Line| line.place == place && line.path[0] == name;
            assert!(lines.iter().any(is_line), "{place:?} {name}");
        }
    }
}

#[test]
fn mistakes_of_a_column_are_found() {
    let planned = plan::RULES.iter().flat_map(|rule| rule.fields.iter().map(|field| (rule.place, *field)));
    for (place, field) in planned {
        assert!(
            place.unwrap().shape(&field.split('.').collect::<Vec<_>>()).is_some(),
            "the schema lacks the plan's {place:?} {field}"
        );
    }
    let column = leak(vec![
        rule(Place::Pod, "afinity", Moot),
        rule(Place::Pod, "volumes.floppy", Moot),
        rule(Place::Pod, "containers.image", Moot),
        rule(Place::Container, "env.value", Moot),
        rule(Place::Container, "resources.limits.nvidia.com/gpu", Honour),
        rule(Place::Pod, "affinity", Moot),
        rule(Place::Pod, "affinity", Honour),
        FieldRule::all(Honour),
    ]);
    let expected = [
        "`afinity` of Pod isn't in the schema",
        "`volumes.floppy` of Pod isn't in the schema",
        "`containers.image` of Pod isn't in the schema",
        "`env.value` of Container is the plan's",
        "`affinity` of Pod has two answers",
    ];
    assert_eq!(mistakes(column), expected);
}

/// Every field that isn't the plan's, and what is below it, as far as the schema says.
fn undecided() -> Vec<(Place, String)> {
    let mut fields = Vec::new();
    for line in table(&[]).into_iter().filter(|line| line.treatment.is_none()) {
        let path: Vec<&str> = line.path.iter().map(String::as_str).collect();
        let below = match line.place.shape(&path) {
            Some(Shape::Fields(names)) => names,
            Some(Shape::Keys) => vec!["example.com/widget"],
            Some(Shape::Leaf) | None => Vec::new(),
        };
        fields.extend(below.iter().map(|name| (line.place, format!("{}.{name}", line.field()))));
        fields.push((line.place, line.field()));
    }
    assert!(fields.len() > 200, "{}", fields.len());
    fields
}

fn held_against(column: &'static [FieldRule], place: Place, field: &str) -> Result<Vec<&'static FieldRule>> {
    check("testing", column, &reviewed(runtime(place, field)))
}

/// Whether a refusal is about this field, or about what it is part of.
fn names(error: &Error, field: &str) -> bool {
    let text = error.to_string().replace("[x]", "");
    let words: Vec<&str> = field.split('.').collect();
    (1..=words.len()).any(|length| text.contains(&format!("`{}`", words[..length].join("."))))
}

/// A runtime in which the field is set.
fn runtime(place: Place, field: &str) -> Value {
    let mut path = place.way().to_vec();
    match field.split_once(".example.com/") {
        Some((map, _)) => path.extend(map.split('.').chain(["example.com/widget"])),
        None => path.extend(field.split('.')),
    }
    schema::training_runtime().sample(&path)
}

/// The job that this runtime makes, whatever review says of it.
fn reviewed(mut runtime: Value) -> ReviewedJob {
    runtime["apiVersion"] = json!(crate::api::API_VERSION);
    runtime["kind"] = json!("ClusterTrainingRuntime");
    runtime["metadata"] = json!({ "name": "every-field" });
    let steps = &mut runtime["spec"]["template"]["spec"]["replicatedJobs"];
    if steps.is_null() {
        *steps = json!([{}]);
    }
    let step = &mut steps[0];
    step["name"] = json!("node");
    let pod = &mut step["template"]["spec"]["template"]["spec"];
    // A volume counts where it is mounted.
    if let Some(volume) = pod.pointer("/volumes/0") {
        pod["containers"] =
            json!([{ "name": "node", "volumeMounts": [{ "name": volume["name"], "mountPath": "/x" }] }]);
    }
    let runtime: Runtime = serde_json::from_value(runtime).unwrap();
    let name: JobName = "alpha".parse().unwrap();
    let mut request = JobRequest::new(TrainJob::new(&name, "every-field"));
    // The controller fails at Flux without it.
    request.job.spec.trainer = Some(Trainer { num_nodes: Some(1), ..Trainer::default() });
    let plan = crate::plan::plan(&request.job, &runtime).unwrap();
    ReviewedJob { name, request, runtime, plan }
}

fn rule(place: Place, field: &str, treatment: Treatment) -> FieldRule {
    FieldRule::of(place, leak(vec![leak_text(field)]), treatment)
}

fn leak<T>(items: Vec<T>) -> &'static [T] {
    Box::leak(items.into_boxed_slice())
}

fn leak_text(text: &str) -> &'static str {
    Box::leak(text.to_owned().into_boxed_str())
}
