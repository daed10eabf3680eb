//! The one error of every crate of `trainer`.

use std::{fmt, sync::Arc};

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The result of everything that can fail here.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What went wrong, for a program that has to decide what to do about it.
///
/// Each kind stands for one exit code of the command, see [`ErrorKind::exit_code`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The input is wrong: a file, a name, an option, a job that review refuses.
    Invalid,
    /// The input is sound, but this backend or this build can't do it.
    Unsupported,
    /// The engine does not answer.
    Unreachable,
    /// The engine answers and says no.
    Denied,
    /// What was named does not exist.
    NotFound,
    /// What was to be created exists already.
    AlreadyExists,
    /// The state of the thing does not allow it, or it changed meanwhile.
    Conflict,
    /// A time limit that the caller set ran out.
    Timeout,
    /// Reading or writing on this machine failed.
    Io,
    /// A defect of `trainer` itself.
    Internal,
}

impl ErrorKind {
    /// The exit code of the command for an error of this kind.
    #[must_use]
    pub const fn exit_code(self) -> u8 {
        match self {
            Self::Invalid | Self::Unsupported => 2,
            Self::Unreachable | Self::Denied => 3,
            Self::NotFound => 4,
            Self::AlreadyExists | Self::Conflict => 5,
            Self::Internal => 70,
            Self::Io => 74,
            Self::Timeout => 124,
        }
    }
}

/// One objection of review, in the words of the layer that would have objected.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Violation {
    /// The rule: `V…` of the controller's webhook, `crd:…` of the schema, `jobset:…` of JobSet.
    pub rule: String,
    /// The path of the field, as the server prints it; `None` where it names none.
    pub field: Option<String>,
    /// The server's type of objection (`Invalid value`, `Required value`, …); `None` where it has none.
    #[serde(rename = "type")]
    pub kind: Option<String>,
    /// The offending value, where the server prints one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<serde_json::Value>,
    /// What is objected to.
    pub message: String,
    /// What to do about it, in our words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
    /// What has the field, where it isn't the user's own document: `the Job made for step …`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub object: Option<String>,
    /// Where in the user's document to look, where that is more exact than `field`.
    #[serde(skip)]
    pub place: Option<String>,
    /// Where in the user's file, counted from 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub line: Option<u64>,
    /// Column in that line, counted from 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub column: Option<u64>,
}

impl Violation {
    /// An objection of `rule` to `field`.
    pub fn new(rule: impl Into<String>, field: impl Into<Option<String>>, message: impl Into<String>) -> Self {
        Self {
            rule: rule.into(),
            field: field.into(),
            kind: None,
            value: None,
            message: message.into(),
            hint: None,
            object: None,
            place: None,
            line: None,
            column: None,
        }
    }

    /// Sets the server's type of objection.
    #[must_use]
    pub fn kind(mut self, kind: impl Into<String>) -> Self {
        self.kind = Some(kind.into());
        self
    }

    /// Sets the offending value.
    #[must_use]
    pub fn value(mut self, value: serde_json::Value) -> Self {
        self.value = Some(value);
        self
    }

    /// Sets what to do about it.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Sets what has the field.
    #[must_use]
    pub fn of(mut self, object: impl Into<String>) -> Self {
        self.object = Some(object.into());
        self
    }

    /// Sets where in the document to look.
    #[must_use]
    pub fn at(mut self, place: impl Into<String>) -> Self {
        self.place = Some(place.into());
        self
    }

    /// The field, if the server names one; it writes `<nil>` where it doesn't.
    pub(crate) fn named_field(&self) -> Option<&str> {
        self.field.as_deref().filter(|field| *field != "<nil>")
    }
}

/// `spec.trainer.numNodes: Invalid value: 0: should be …`, as the server prints it, each thing once.
impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { kind, value, message, object, place, .. } = self;
        if let Some(object) = object {
            write!(f, "in {object}: ")?;
        }
        let is_said = |field: &&str| message.starts_with(*field) || message.contains(&format!("\"{field}\""));
        if let Some(field) = self.named_field().or(place.as_deref()).filter(|field| !is_said(field)) {
            write!(f, "{field}: ")?;
        }
        let is_told = match value {
            Some(Value::String(text)) => {
                let is_said = |quote: char| message.contains(&format!("{quote}{text}{quote}"));
                !text.is_empty() && !['"', '`'].into_iter().any(is_said)
            }
            Some(Value::Number(_) | Value::Bool(_)) => true,
            _ => false,
        };
        match (kind, value) {
            (Some(kind), Some(value)) if is_told => write!(f, "{kind}: {value}: {message}"),
            _ => f.write_str(message),
        }
    }
}

/// What went wrong, why, and what to type next.
///
/// `Display` is one line, a lower-case fragment that reads after `error: `; `Debug` has everything.
#[derive(Clone)]
pub struct Error {
    inner: Box<Inner>,
}

#[derive(Clone)]
struct Inner {
    kind: ErrorKind,
    message: String,
    context: Vec<(&'static str, String)>,
    hint: Option<String>,
    violations: Vec<Violation>,
    source: Option<Arc<dyn std::error::Error + Send + Sync>>,
}

impl Error {
    /// An error of `kind`; `message` is a lower-case fragment that reads after `error: `.
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self {
            inner: Box::new(Inner {
                kind,
                message: message.into(),
                context: Vec::new(),
                hint: None,
                violations: Vec::new(),
                source: None,
            }),
        }
    }

    /// Wrong input.
    pub fn invalid(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Invalid, message)
    }

    /// Something this backend or build can't do.
    pub fn unsupported(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Unsupported, message)
    }

    /// A job that doesn't exist.
    #[must_use]
    pub fn no_such_job(name: &crate::JobName) -> Self {
        Self::new(ErrorKind::NotFound, format!("no job named `{name}`"))
            .with_hint("`trainer list` shows the jobs there are")
    }

    /// Reading or writing `path` failed; `doing` completes "failed to …".
    pub fn io(doing: &str, path: impl AsRef<std::path::Path>, source: std::io::Error) -> Self {
        Self::new(ErrorKind::Io, format!("failed to {doing} {}: {source}", path.as_ref().display())).with_source(source)
    }

    /// Adds what to type next.
    #[must_use]
    pub fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.inner.hint = Some(hint.into());
        self
    }

    /// Adds a fact, for `Debug` and for logs.
    #[must_use]
    pub fn with_context(mut self, key: &'static str, value: impl Into<String>) -> Self {
        self.inner.context.push((key, value.into()));
        self
    }

    /// Adds what review objected to.
    #[must_use]
    pub fn with_violations(mut self, violations: Vec<Violation>) -> Self {
        self.inner.violations = violations;
        self
    }

    /// Adds the cause.
    #[must_use]
    pub fn with_source(mut self, source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        self.inner.source = Some(Arc::from(source.into()));
        self
    }

    /// What a caller can decide on.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        self.inner.kind
    }

    /// What a person can type next.
    #[must_use]
    pub fn hint(&self) -> Option<&str> {
        self.inner.hint.as_deref()
    }

    /// What review objected to; empty for any other error.
    #[must_use]
    pub fn violations(&self) -> &[Violation] {
        &self.inner.violations
    }

    /// Facts added on the way.
    pub fn context(&self) -> impl Iterator<Item = (&'static str, &str)> {
        self.inner.context.iter().map(|(key, value)| (*key, value.as_str()))
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.inner.message)
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}: {}", self.inner.kind, self.inner.message)?;
        for (key, value) in &self.inner.context {
            write!(f, "\n  {key}: {value}")?;
        }
        for violation in &self.inner.violations {
            write!(f, "\n  {}: {}", violation.rule, violation.message)?;
        }
        if let Some(hint) = &self.inner.hint {
            write!(f, "\n  hint: {hint}")?;
        }
        let mut source: Option<&dyn std::error::Error> = self.inner.source.as_deref().map(|source| source as _);
        while let Some(cause) = source {
            write!(f, "\n  caused by: {cause}")?;
            source = cause.source();
        }
        Ok(())
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.inner.source.as_deref().map(|source| source as _)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_violation_says_each_thing_once() {
        let say =
            |field: &str, message: &str| Violation::new("r", Some(field.to_owned()), message).kind("Invalid value");
        assert_eq!(say("a.b", "no").value(json!(0)).to_string(), "a.b: Invalid value: 0: no");
        assert_eq!(say("a.b", "no `x`").value(json!("x")).to_string(), "a.b: no `x`");
        assert_eq!(say("a.b", "no").value(json!({"c": 1})).to_string(), "a.b: no");
        assert_eq!(say("a.b", "a.b must be").to_string(), "a.b must be");
        assert_eq!(say("a.b", "unknown field \"a.b\"").to_string(), "unknown field \"a.b\"");
        assert_eq!(say("<nil>", "a.b must be").to_string(), "a.b must be");
        assert_eq!(say("<nil>", "no").at("a.b").to_string(), "a.b: no");
        assert_eq!(say("a.b", "no").of("the Job").to_string(), "in the Job: a.b: no");
    }
}
