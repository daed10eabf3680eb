//! `(job, runtime)` → violations, before anything is created, in the words of the layer that would object.

use serde::Serialize;
use serde_json::Value;

use crate::Violation;

/// What review says.
#[derive(Clone, Debug, PartialEq)]
pub enum Verdict {
    /// The job would be accepted and could run.
    Accepted {
        /// What the server would warn of.
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
    /// What the server would warn of besides.
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

/// Whether `job` would be accepted with `runtime` and could run.
#[must_use]
pub fn review(_job: &Value, _runtime: Option<&Value>) -> Verdict {
    Verdict::Accepted { warnings: Vec::new() }
}

/// Whether `new` would be accepted as a change of `old`.
#[must_use]
pub fn review_update(_old: &Value, _new: &Value, _runtime: Option<&Value>) -> Verdict {
    Verdict::Accepted { warnings: Vec::new() }
}
