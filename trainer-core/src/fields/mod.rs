//! What becomes of each field of a job on an engine: the one table of them.
//!
//! Its lines are the fields of the API's own schema. What review and plan turn into a plan is the same on every
//! engine; for the others each engine has a column, its [`FIELDS`](crate::registry::ConnectBackend::FIELDS),
//! that [`check`] holds a job against. **A field that neither lists is refused**, also one that the schema gets
//! tomorrow.

mod check;
mod plan;
mod table;
#[cfg(test)]
mod tests;

pub use check::check;
pub use table::{Line, mistakes, table};

use crate::review::schema::{self, Shape};

/// Where a field stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Place {
    /// `spec` of the TrainJob.
    TrainJob,
    /// `spec` of the runtime.
    Runtime,
    /// `spec` of the runtime's template, a JobSet.
    JobSet,
    /// An item of its `replicatedJobs`: a step.
    ReplicatedJob,
    /// `spec` of a step's Job.
    Job,
    /// `spec` of a step's pods.
    Pod,
    /// A container or init container.
    Container,
}

impl Place {
    /// Every place, from the outside in.
    pub const ALL: [Self; 7] =
        [Self::TrainJob, Self::Runtime, Self::JobSet, Self::ReplicatedJob, Self::Job, Self::Pod, Self::Container];

    /// What it is called: `Pod`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::TrainJob => "TrainJob",
            Self::Runtime => "TrainingRuntime",
            Self::JobSet => "JobSet",
            Self::ReplicatedJob => "ReplicatedJob",
            Self::Job => "Job",
            Self::Pod => "Pod",
            Self::Container => "Container",
        }
    }

    /// What may stand at `path` in it. What is in a container has a place of its own.
    fn shape(self, path: &[&str]) -> Option<Shape> {
        let document = if self == Self::TrainJob { schema::train_job() } else { schema::training_runtime() };
        match (self, path) {
            (Self::Pod, ["containers" | "initContainers"]) => Some(Shape::Leaf),
            (Self::Pod, ["containers" | "initContainers", ..]) => None,
            _ => document.shape(self.way().iter().chain(path).copied()),
        }
    }

    /// The way to it in its document.
    fn way(self) -> &'static [&'static str] {
        const TO_CONTAINER: &[&str] =
            &["spec", "template", "spec", "replicatedJobs", "template", "spec", "template", "spec", "containers"];
        let depth = match self {
            Self::TrainJob | Self::Runtime => 1,
            Self::JobSet => 3,
            Self::ReplicatedJob => 4,
            Self::Job => 6,
            Self::Pod => 8,
            Self::Container => 9,
        };
        &TO_CONTAINER[..depth]
    }
}

/// What an engine does about a field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Treatment {
    /// What Kubernetes would do.
    Honour,
    /// The same within limits, which the engine checks itself: "one in a node".
    Within(&'static str),
    /// Nothing, and nothing is lost: what it governs isn't there, such as a scheduler.
    Moot,
    /// Something else, which is said once.
    Substitute(&'static str),
    /// Nothing, which is said once.
    Warn(&'static str),
    /// It refuses the job, with this as the way out. `NAME` in it becomes that of the variable or volume.
    Refuse(&'static str),
}

impl Treatment {
    /// What the user is told, where a job that sets the field runs otherwise than asked.
    #[must_use]
    pub const fn said(self) -> Option<&'static str> {
        match self {
            Self::Substitute(why) | Self::Warn(why) => Some(why),
            Self::Honour | Self::Within(_) | Self::Moot | Self::Refuse(_) => None,
        }
    }
}

/// What an engine does about some fields: an entry of its column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FieldRule {
    /// Where they stand; `None`: everywhere.
    pub place: Option<Place>,
    /// Their names. One may lead to what is below (`securityContext.runAsUser`, `volumes.emptyDir`,
    /// `resources.limits.cpu`); the longest that fits decides.
    pub fields: &'static [&'static str],
    /// What is done about them.
    pub treatment: Treatment,
}

impl FieldRule {
    /// `fields` at `place` are treated so.
    #[must_use]
    pub const fn of(place: Place, fields: &'static [&'static str], treatment: Treatment) -> Self {
        Self { place: Some(place), fields, treatment }
    }

    /// All fields without a rule of their own are treated so, unknown ones too.
    #[must_use]
    pub const fn all(treatment: Treatment) -> Self {
        Self { place: None, fields: &[], treatment }
    }
}

/// The rule for the field at `path`: the longest that fits. `None`: it is refused, as is whatever nobody thought of.
fn answer(column: &'static [FieldRule], place: Place, path: &[String]) -> Option<&'static FieldRule> {
    // A key may hold a dot, as `nvidia.com/gpu` does; so it is prefixes of the path that are compared.
    let prefixes = (1..=path.len()).rev().map(|length| path[..length].join("."));
    let mut found = prefixes.filter_map(|prefix| {
        let fits = |rule: &&FieldRule| rule.place == Some(place) && rule.fields.contains(&prefix.as_str());
        plan::RULES.iter().chain(column).find(fits)
    });
    found.next().or_else(|| column.iter().find(|rule| rule.place.is_none()))
}

/// Whether there are rules for what is below `path`.
fn has_rules_below(column: &'static [FieldRule], place: Place, path: &[String]) -> bool {
    let prefix = path.join(".") + ".";
    let rules = plan::RULES.iter().chain(column).filter(|rule| rule.place == Some(place));
    rules.flat_map(|rule| rule.fields).any(|name| name.starts_with(&prefix))
}
