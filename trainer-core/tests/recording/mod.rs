//! One case: what the control plane said, and where we differ from it.

mod expected;

use std::{fs, path::Path};

use serde_json::{Value, json};
use trainer_core::{
    api::{Runtime, TrainJob},
    manifest::Manifest,
    plan,
    review::{self, Rejection, Verdict},
};

/// A recorded case.
pub(crate) struct Case {
    manifest: Manifest,
    recording: Value,
}

impl Case {
    /// Reads `<id>.json` and the `<id>.yaml` beside it.
    pub(crate) fn read(recording: &Path) -> Self {
        let manifest = Manifest::open(&recording.with_extension("yaml")).unwrap();
        Self { manifest, recording: serde_json::from_str(&fs::read_to_string(recording).unwrap()).unwrap() }
    }

    /// What differs from every recorded answer; empty if nothing does.
    pub(crate) fn differences(&self) -> Vec<String> {
        let mut answers = vec![self.recording.clone()];
        for alternative in self.recording["alternatives"].as_array().into_iter().flatten() {
            let mut answer = self.recording.clone();
            for (pointer, value) in alternative.as_object().unwrap() {
                *answer.pointer_mut(pointer).unwrap() = value.clone();
            }
            answers.push(answer);
        }
        answers.iter().map(|answer| self.differences_from(answer)).min_by_key(Vec::len).unwrap_or_default()
    }

    fn differences_from(&self, answer: &Value) -> Vec<String> {
        let job = &self.manifest.jobs[0].value;
        let runtime = self.manifest.runtimes.first().map(|document| &document.value);
        let verdict = review::review(job, runtime);
        if answer["update"].is_null() {
            return differences(&verdict, answer, job, runtime);
        }
        let mut found = match &verdict {
            Verdict::Accepted { .. } => Vec::new(),
            Verdict::Rejected(rejection) => vec![format!("the first job is refused: {rejection:?}")],
        };
        let update = review::review_update(job, &self.manifest.jobs[1].value, runtime);
        found.extend(match (&update, answer["update"]["allowed"] == true) {
            (Verdict::Accepted { .. }, true) => Vec::new(),
            (Verdict::Rejected(rejection), false) => refusal_differences(rejection, &answer["update"], None),
            (update, _) => vec![format!("the update: {update:?}")],
        });
        found
    }
}

fn differences(verdict: &Verdict, answer: &Value, job: &Value, runtime: Option<&Value>) -> Vec<String> {
    let warnings: Vec<String> = ["runtime", "job"]
        .iter()
        .flat_map(|part| answer[part]["warnings"].as_array().cloned().unwrap_or_default())
        .map(|warning| warning.as_str().unwrap().to_owned())
        .collect();
    let refused = ["runtime", "job"].into_iter().find(|part| answer[part]["allowed"] == false);
    let never_runs = ["/resourcesCreationFailed", "/controllerPanic", "/created/jobsCreationFailed"]
        .iter()
        .find_map(|pointer| answer.pointer(pointer).filter(|message| !message.is_null()));
    match (verdict, refused, never_runs) {
        (Verdict::Rejected(rejection), Some(part), _) => {
            refusal_differences(rejection, &answer[part], Some((part, &warnings)))
        }
        (Verdict::Rejected(rejection), None, Some(_)) => {
            if json!(rejection)["stage"] == "creation" {
                Vec::new()
            } else {
                vec![format!("refused at the wrong stage: {rejection:?}")]
            }
        }
        (Verdict::Accepted { .. }, None, Some(message)) => vec![format!("accepted, but can't run: {message}")],
        (Verdict::Accepted { .. }, Some(part), _) => vec![format!("accepted, but: {}", answer[part]["message"])],
        (Verdict::Rejected(rejection), None, None) => vec![format!("refused: {rejection:?}")],
        (Verdict::Accepted { warnings: ours }, None, None) => {
            let mut found = Vec::new();
            if *ours != warnings {
                found.push(format!("warnings: {ours:?}, recorded {warnings:?}"));
            }
            let job: TrainJob = serde_json::from_value(job.clone()).unwrap();
            let runtime: Runtime = serde_json::from_value(runtime.unwrap().clone()).unwrap();
            match plan::plan(&job, &runtime) {
                Err(error) => found.push(format!("no plan: {error:?}")),
                Ok(plan) => {
                    let plan = serde_json::to_value(&plan).unwrap();
                    let expected = expected::plan(answer, &job, &runtime);
                    compare(&expected::normal(expected), &expected::normal(plan), "", &mut found);
                }
            }
            found
        }
    }
}

/// As a set: the controller's rules in their words, the API server's schema errors by field and type.
fn refusal_differences(rejection: &Rejection, answer: &Value, expect: Option<(&str, &[String])>) -> Vec<String> {
    let mut found = Vec::new();
    let ours = serde_json::to_value(rejection).unwrap();
    if ours["stage"] != "admission" {
        found.push(format!("refused at the wrong stage: {rejection:?}"));
    }
    if let Some((_, warnings)) = expect
        && rejection.warnings != warnings
    {
        found.push(format!("warnings: {:?}, recorded {warnings:?}", rejection.warnings));
    }
    // Where the API server says nothing but the type, so may we say what we like.
    let silent: Vec<&Value> =
        answer["violations"].as_array().unwrap().iter().filter(|item| item["detail"] == "").collect();
    let key = |item: &Value, said: &str| {
        let told = silent.iter().any(|other| other["field"] == item["field"] && other["type"] == item["type"]);
        let message = if told { &Value::Null } else { &item[said] };
        let value = &item["value"];
        let plain = if value.is_object() || value.is_array() || told { &Value::Null } else { value };
        json!([item["field"], item["type"], message, plain]).to_string()
    };
    let mut recorded: Vec<String> =
        answer["violations"].as_array().unwrap().iter().map(|item| key(item, "detail")).collect();
    let mut given: Vec<String> =
        ours["violations"].as_array().unwrap().iter().map(|item| key(item, "message")).collect();
    recorded.sort();
    given.sort();
    if recorded != given {
        found.push(format!(
            "violations: {}\n  recorded: {}",
            given.join("\n            "),
            recorded.join("\n            ")
        ));
    }
    found
}

fn compare(recorded: &Value, ours: &Value, path: &str, found: &mut Vec<String>) {
    match (recorded, ours) {
        (Value::Object(a), Value::Object(b)) => {
            for key in a.keys().chain(b.keys().filter(|key| !a.contains_key(*key))) {
                compare(&recorded[key.as_str()], &ours[key.as_str()], &format!("{path}/{key}"), found);
            }
        }
        (Value::Array(a), Value::Array(b)) if a.len() == b.len() => {
            for (index, (a, b)) in a.iter().zip(b).enumerate() {
                compare(a, b, &format!("{path}/{index}"), found);
            }
        }
        (a, b) if a == b => {}
        (a, b) => found.push(format!("{path}: {b}, recorded {a}")),
    }
}
