//! A job held against a column.

use serde_json::{Map, Value, json};

use super::{FieldRule, Place, Treatment, answer, has_rules_below};
use crate::{
    Error, Result,
    plan::{Container, PlannedNode, PlannedStep},
    request::ReviewedJob,
};

/// Holds `job` against the column of the engine that is called `engine`. Returns the rules by which something is
/// replaced or left undone, each text once: what the user is told.
///
/// # Errors
/// `Unsupported`, naming the fields that the engine refuses and a way out.
pub fn check(engine: &str, column: &'static [FieldRule], job: &ReviewedJob) -> Result<Vec<&'static FieldRule>> {
    let mut walk = Walk { column, refused: Vec::new(), hint: None, said: Vec::new() };
    let runtime = job.runtime();
    let plan = job.plan();
    walk.object(Place::TrainJob, &as_value(&job.request().job.spec), "the job");
    walk.object(Place::Runtime, &as_value(&runtime.spec), &format!("the runtime `{}`", runtime.name()));
    walk.fields(Place::JobSet, &plan.rest, "the runtime's JobSet");
    // What else would be refused follows from a policy that is.
    if walk.refused.is_empty() {
        plan.steps.iter().for_each(|step| walk.step(step));
    }
    walk.result(engine)
}

struct Walk {
    column: &'static [FieldRule],
    /// Where, what, and of what.
    refused: Vec<(Place, String, String)>,
    hint: Option<String>,
    said: Vec<&'static FieldRule>,
}

impl Walk {
    fn step(&mut self, step: &PlannedStep) {
        self.fields(Place::ReplicatedJob, &step.rest, &format!("step `{}`", step.name));
        self.fields(Place::Job, &step.job, &format!("the job of step `{}`", step.name));
        // The nodes of a step are alike but for their index.
        let Some(node) = step.nodes.first() else { return };
        self.fields(Place::Pod, &pod(step, node), &format!("the pods of step `{}`", step.name));
        // Whoever refuses a container needn't say what else is wrong with it.
        let init_containers = if self.refuses(Place::Pod, "initContainers") { &[][..] } else { &node.init_containers };
        for container in init_containers.iter().chain(&node.containers) {
            let of = format!("the container `{}` of step `{}`", container.name, step.name);
            self.object(Place::Container, &container_fields(container), &of);
        }
    }

    fn object(&mut self, place: Place, object: &Value, of: &str) {
        if let Some(fields) = object.as_object() {
            self.fields(place, fields, of);
        }
    }

    fn fields(&mut self, place: Place, fields: &Map<String, Value>, of: &str) {
        for (name, value) in fields {
            self.field(&Field { place, path: vec![name.clone()], shown: name.clone(), item: "NAME", of }, value);
        }
    }

    fn field(&mut self, field: &Field<'_>, value: &Value) {
        match value {
            Value::Null => {}
            Value::Array(items) if items.is_empty() => {}
            Value::Object(fields) if has_rules_below(self.column, field.place, &field.path) => {
                for (name, value) in fields {
                    self.field(&field.below(name), value);
                }
                // `emptyDir: {}` says something, `resources: {}` doesn't: whoever has a rule for it knows.
                if fields.is_empty() && answer(self.column, field.place, &field.path).is_some() {
                    self.treat(field);
                }
            }
            Value::Array(items) if has_rules_below(self.column, field.place, &field.path) => {
                for item in items {
                    self.field(&field.item(item), item);
                }
            }
            _ => self.treat(field),
        }
    }

    fn treat(&mut self, field: &Field<'_>) {
        let rule = answer(self.column, field.place, &field.path);
        match rule.map(|rule| rule.treatment) {
            Some(Treatment::Honour | Treatment::Within(_) | Treatment::Moot) => {}
            Some(Treatment::Substitute(_) | Treatment::Warn(_)) => {
                let said = |rule: &&FieldRule| self.said.iter().any(|said| said.treatment == rule.treatment);
                self.said.extend(rule.filter(|rule| !said(rule)));
            }
            None | Some(Treatment::Refuse(_)) => {
                if let Some(Treatment::Refuse(hint)) = rule.map(|rule| rule.treatment) {
                    self.hint.get_or_insert_with(|| hint.replace("NAME", field.item));
                }
                // Steps are often alike: the first stands for the others.
                let new = |(place, shown, _): &(Place, String, String)| *place != field.place || *shown != field.shown;
                if self.refused.iter().all(new) {
                    self.refused.push((field.place, field.shown.clone(), field.of.to_owned()));
                }
            }
        }
    }

    fn refuses(&self, place: Place, field: &str) -> bool {
        let rule = answer(self.column, place, &[field.to_owned()]);
        rule.is_none_or(|rule| matches!(rule.treatment, Treatment::Refuse(_)))
    }

    fn result(self, engine: &str) -> Result<Vec<&'static FieldRule>> {
        if self.refused.is_empty() {
            return Ok(self.said);
        }
        let refused: Vec<_> = self.refused.iter().map(|(_, field, of)| format!("`{field}` of {of}")).collect();
        Err(Error::unsupported(format!("the backend `{engine}` can't honour {}", refused.join(", nor ")))
            .with_hint(self.hint.as_deref().unwrap_or("choose another backend or another runtime")))
    }
}

/// A field that is set.
#[derive(Clone)]
struct Field<'a> {
    place: Place,
    path: Vec<String>,
    /// The path as a person reads it, with the names of list items.
    shown: String,
    /// The name of the innermost item.
    item: &'a str,
    /// Whose field it is.
    of: &'a str,
}

impl<'a> Field<'a> {
    fn below(&self, name: &str) -> Self {
        let mut below = self.clone();
        below.path.push(name.to_owned());
        below.shown = format!("{}.{name}", self.shown);
        below
    }

    fn item(&self, item: &'a Value) -> Self {
        let mut field = self.clone();
        if let Some(name) = item.get("name").and_then(Value::as_str) {
            field.shown = format!("{}[{name}]", self.shown);
            field.item = name;
        }
        field
    }
}

/// A pod as the schema has it, with the volumes that something mounts.
fn pod(step: &PlannedStep, node: &PlannedNode) -> Map<String, Value> {
    let mut pod = step.pod.clone();
    let mut mounted: Vec<&str> = Vec::new();
    let containers = node.init_containers.iter().chain(&node.containers);
    for mount in containers.flat_map(|container| &container.volume_mounts) {
        let name = mount.get("name").and_then(Value::as_str).unwrap_or_default();
        if !mounted.contains(&name) {
            mounted.push(name);
        }
    }
    let volumes = mounted.into_iter().map(|name| {
        let declared = step.volumes.iter().find(|volume| volume["name"] == name);
        // A volume that isn't declared is one of the JobSet's claims.
        declared.cloned().unwrap_or_else(|| json!({ "name": name, "persistentVolumeClaim": {} }))
    });
    pod.insert("volumes".to_owned(), volumes.collect());
    pod.insert("initContainers".to_owned(), node.init_containers.iter().map(as_value).collect());
    pod.insert("containers".to_owned(), node.containers.iter().map(as_value).collect());
    pod
}

/// A container as the schema has it.
fn container_fields(container: &Container) -> Value {
    let mut fields = as_value(container);
    if let Some(fields) = fields.as_object_mut() {
        let numbers = || container.ports.iter().map(|port| json!({ "containerPort": port })).collect();
        let ports = fields.shift_remove("portDetails").unwrap_or_else(numbers);
        fields.insert("ports".to_owned(), ports);
    }
    fields
}

fn as_value(object: &impl serde::Serialize) -> Value {
    // These types have only texts as keys, so nothing can fail.
    serde_json::to_value(object).unwrap_or_default()
}
