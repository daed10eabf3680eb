//! `(job, runtime)` → violations, before anything is created, in the words of the layer that would object.
//!
//! The layers speak in the order in which the real ones do, and only the first that objects is heard: unknown
//! fields, wrong types, metadata with schema and CEL rules, the controller's webhook (rules V1–V26, each in the
//! file of its policy). What the server would accept and what could then never run is refused last.
//!
//! # What is left to the server
//!
//! None of the golden cases turns on any of this.
//!
//! | left | why |
//! |---|---|
//! | whether namespace, service account, Secret, ConfigMap, claim and image are there | known to the cluster alone |
//! | quotas, limit ranges, pod security, admission policies, permissions | each cluster has its own |
//! | `already exists`, conflicts of resource versions and field owners | a matter of the moment; the backend's answer is the true one |
//! | the size of the whole object (etcd's bound, about 1.5 MiB) | that of the stored form, with fields that the server adds |
//! | `metadata`: `finalizers`, `ownerReferences`, the length of `generateName` | nothing of ours writes them |
//! | a pod's affinity, topology spread, probes, security contexts, and what is inside a volume: bounds and forms beyond their types | hundreds of rules of Kubernetes' own that change with its version |
//! | mount paths and port names that occur twice in a container, host ports that clash | the same |
//! | `podFailurePolicy`, `successPolicy` of a Job | the same |
//! | priority classes under `volcano` other than the system's | refused as absent (V24): without the cluster there are none |
//! | which of the webhook's plugins speaks first, and whether `xgboost`'s variables or the job's come first | changes with each start of the controller; violations are compared as a set |
//! | CRDs of another version than v2.3.0 | the rules were recorded from that one; on a cluster the server has the last word |

mod creation;
mod flux;
mod hints;
mod initializer;
mod jobset;
mod metadata;
mod mpi;
mod names;
mod patches;
mod pods;
mod runtime_ref;
pub(crate) mod schema;
mod torch;
mod torchtune;
mod training_runtime;
mod update;
mod volcano;
mod xgboost;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{
    Error, Violation,
    api::{Runtime, TrainJob},
    manifest::Document,
    plan::{assembly, policy::Policy, template},
};

/// What review says.
#[derive(Clone, Debug, PartialEq)]
pub enum Verdict {
    /// The job would be accepted and could run.
    Accepted {
        /// What the server would warn of, in its words.
        warnings: Vec<String>,
    },
    /// It would be refused, or could never run.
    Rejected(Rejection),
}

/// A refusal.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "kind")]
pub struct Rejection {
    /// When it fails.
    pub stage: Stage,
    /// What is objected to.
    pub violations: Vec<Violation>,
    /// What the server would warn of besides, in its words.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<String>,
}

/// When a job fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Stage {
    /// The server refuses it.
    Admission,
    /// The server accepts it, and then nothing can be created.
    Creation,
}

/// Whether `job` would be accepted with `runtime` and could run. No runtime: the one that the job refers to
/// isn't there.
#[must_use]
pub fn review(job: &Value, runtime: Option<&Value>) -> Verdict {
    Review::default().verdict(|review| review.job(job, runtime))
}

/// Whether a runtime would be accepted.
#[must_use]
pub fn review_runtime(runtime: &Value) -> Verdict {
    Review::default().verdict(|review| review.runtime(runtime))
}

/// Whether `new` would be accepted as a change of `old`.
#[must_use]
pub fn review_update(old: &Value, new: &Value, runtime: Option<&Value>) -> Verdict {
    Review { old: Some(schema::train_job().with_defaults(old)), ..Review::default() }
        .verdict(|review| review.job(new, runtime))
}

/// What the server would warn of where a job uses `runtime`, and before that where the runtime is created.
pub(crate) fn warnings(runtime: &Runtime) -> Vec<String> {
    let Ok(runtime) = serde_json::to_value(runtime) else { return Vec::new() };
    let about = runtime_ref::deprecation(&runtime);
    let used = about.as_ref().map(|about| format!("Referenced {about}"));
    about.filter(|_| !training_runtime::opted_out(&runtime)).into_iter().chain(used).collect()
}

impl Rejection {
    /// The refusal of `document`, as an error with the place of each violation.
    #[must_use]
    pub fn of(self, document: &Document) -> Error {
        match self.stage {
            Stage::Admission => document.refused(self.violations),
            Stage::Creation => document.objection("would be accepted and never run", self.violations),
        }
    }

    /// Says which runtimes there are instead of the one that is `missing`, where it is that which is objected to.
    #[must_use]
    pub fn without_runtime(mut self, missing: &Error) -> Self {
        for violation in self.violations.iter_mut().filter(|violation| violation.rule == "V2") {
            violation.hint = missing.hint().map(str::to_owned).or(violation.hint.take());
        }
        self
    }

    /// Sets line and column of each violation, where `document` is what was refused.
    pub fn locate(&mut self, document: &Document) {
        self.violations.iter_mut().for_each(|violation| locate(violation, document));
    }
}

/// Sets line and column of `violation`, where `document` is what was refused.
pub(crate) fn locate(violation: &mut Violation, document: &Document) {
    let Violation { message, object, place, .. } = &*violation;
    let named = place.as_deref().or(violation.named_field()).or_else(|| field_in_words(message));
    let position = match (object, named) {
        // What was made of the document has fields that the document hasn't.
        (Some(_), _) => place.as_deref().and_then(|place| document.place(place)),
        (None, Some(field)) => Some(document.position(field)),
        (None, None) => {
            let first = message.split_whitespace().next().unwrap_or_default().trim_matches('"');
            Some(document.position(document.place(first).map_or("", |_| first)))
        }
    };
    (violation.line, violation.column) = position.unzip();
}

/// Of kind `Invalid`: the server's words, and the first hint there is.
impl From<Rejection> for Error {
    fn from(rejection: Rejection) -> Self {
        let said: Vec<String> = rejection.violations.iter().map(ToString::to_string).collect();
        let outcome = match rejection.stage {
            Stage::Admission => "the job would be refused",
            Stage::Creation => "the job would be accepted and never run",
        };
        let error = Self::invalid(format!("{outcome}: {}", said.join("; ")));
        let hint = rejection.violations.iter().find_map(|violation| violation.hint.clone());
        let error = match hint {
            Some(hint) => error.with_hint(hint),
            None => error,
        };
        error.with_violations(rejection.violations)
    }
}

/// The path in `… into Go struct field EnvVar.spec.trainer.env.value of type string`.
fn field_in_words(message: &str) -> Option<&str> {
    let (_, field) = message.split_once("into Go struct field ")?;
    field.split_once(' ')?.0.split_once('.').map(|(_, path)| path)
}

#[derive(Default)]
struct Review {
    /// The job before the change, if it is a change.
    old: Option<Value>,
    warnings: Vec<String>,
}

/// What stops a review.
struct Stop(Stage, Vec<Violation>);

impl Review {
    fn verdict(mut self, review: impl FnOnce(&mut Self) -> Result<(), Stop>) -> Verdict {
        match review(&mut self) {
            Ok(()) => Verdict::Accepted { warnings: self.warnings },
            Err(Stop(stage, mut violations)) => {
                let mut seen: Vec<Violation> = Vec::new();
                violations.iter_mut().for_each(hints::complete);
                violations.retain(|violation| {
                    let new = !seen.contains(violation);
                    if new {
                        seen.push(violation.clone());
                    }
                    new
                });
                Verdict::Rejected(Rejection { stage, violations, warnings: self.warnings })
            }
        }
    }

    fn runtime(&mut self, document: &Value) -> Result<(), Stop> {
        let found = training_runtime::check(document);
        // The webhook warns beside its own objections, where it is asked at all.
        let asked = found.iter().all(|violation| violation.rule.starts_with('V'));
        if asked && !training_runtime::opted_out(document) {
            self.warnings.extend(runtime_ref::deprecation(document));
        }
        refuse(found)
    }

    fn job(&mut self, document: &Value, runtime: Option<&Value>) -> Result<(), Stop> {
        if let Some(runtime) = runtime {
            self.runtime(runtime)?;
        }
        let schema = schema::train_job();
        refuse(schema.unknown_fields(document))?;
        refuse(metadata::wrong_type(document).into_iter().collect())?;
        let mut job = schema.with_defaults(document);
        if let Some(fields) = job.as_object_mut() {
            // A status that comes with an object is dropped, whatever it says.
            fields.shift_remove("status");
        }
        if let Some(found) = schema.decode_error(&job) {
            refuse(vec![Violation::new("crd:types", None, found.message).at(found.place)])?;
        }

        let mut found = metadata::check(&job);
        let structure = schema.check(&job);
        found.extend(structure.violations);
        metadata::generate_name(&mut job);
        if !structure.too_broken_for_rules {
            found.extend(metadata::job_name(&job));
            found.extend(initializer::storage_uris(&job));
            found.extend(managed_by(&job));
            if let Some(old) = &self.old {
                found.extend(update::immutable_fields(old, &job));
            }
        }
        refuse(found)?;

        let typed = TrainJob::deserialize(&job).map_err(|error| malformed(&error))?;
        runtime_ref::check(&typed, runtime).map_err(|violation| Stop(Stage::Admission, vec![*violation]))?;
        let Some(runtime) = runtime else { return Ok(()) };
        self.warnings.extend(runtime_ref::deprecation(runtime).map(|about| format!("Referenced {about}")));
        let defaulted = schema::training_runtime().with_defaults(runtime);
        let runtime = Runtime::deserialize(&defaulted).map_err(|error| malformed(&error))?;
        self.webhook(&typed, &runtime, &job)?;
        // Another controller takes it from here.
        if self.old.is_some() || assembly::is_managed_elsewhere(&typed) {
            return Ok(());
        }
        match creation::check(&typed, &runtime) {
            found if found.is_empty() => Ok(()),
            found => Err(Stop(Stage::Creation, found)),
        }
    }

    /// The plugins of the controller. The order in which the real ones speak changes with each of its starts.
    fn webhook(&self, job: &TrainJob, runtime: &Runtime, new: &Value) -> Result<(), Stop> {
        let (mut template, policy) = template::of(job, runtime)
            .map_err(|error| Stop(Stage::Admission, vec![Violation::new("crd:types", None, error.to_string())]))?;
        let mut found = initializer::check(job, &template);
        if let Some(old) = &self.old {
            found.extend(update::patches_change(old, new));
        }
        found.extend(patches::check(job));
        match &policy {
            Some(Policy { torch: Some(torch), .. }) => found.extend(torch::check(job, &mut template, torch)),
            Some(Policy { mpi: Some(mpi), .. }) => found.extend(mpi::check(job, &template, mpi)),
            Some(Policy { xgboost: Some(_), .. }) => found.extend(xgboost::check(job)),
            Some(Policy { flux: Some(flux), .. }) => found.extend(flux::check(job, &template, flux)),
            _ => {}
        }
        found.extend(volcano::check(&template, runtime.spec.rest.get("podGroupPolicy")));
        refuse(found)
    }
}

fn refuse(violations: Vec<Violation>) -> Result<(), Stop> {
    if violations.is_empty() { Ok(()) } else { Err(Stop(Stage::Admission, violations)) }
}

fn malformed(error: &serde_json::Error) -> Stop {
    Stop(Stage::Admission, vec![Violation::new("crd:types", None, error.to_string())])
}

/// The CRD's rule on `managedBy`.
fn managed_by(job: &Value) -> Option<Violation> {
    let asked = job["spec"]["managedBy"].as_str()?;
    let message = "ManagedBy must be trainer.kubeflow.org/trainjob-controller or kueue.x-k8s.io/multikueue if set";
    let known = [assembly::OUR_CONTROLLER, "kueue.x-k8s.io/multikueue"].contains(&asked);
    (!known).then(|| invalid("crd:managedBy", "spec.managedBy", asked.into(), message))
}

fn invalid(rule: &str, field: &str, value: Value, message: impl Into<String>) -> Violation {
    Violation::new(rule, Some(field.to_owned()), message).kind("Invalid value").value(value)
}
