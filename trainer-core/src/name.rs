//! Names and numbers that are checked once, at the edge, and what to say of a name that there is not.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

use crate::Error;

/// Which of the `known` names somebody may have meant by `typed`: one that differs in few letters.
pub fn nearest<'a>(typed: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let distances = known.into_iter().map(|name| (strsim::damerau_levenshtein(typed, name), name));
    distances.min().filter(|(distance, name)| *distance <= name.len() / 3 + 1).map(|(_, name)| name)
}

/// The name of a job: a DNS label (RFC 1035) of at most 63 characters.
///
/// Safe in a path, a host name, a label and a shell word.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct JobName(String);

impl JobName {
    /// The longest name, in characters (TrainJob CRD, Kubeflow Trainer v2.3).
    pub const MAX_LEN: usize = 63;

    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for JobName {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self, Error> {
        let problem = if name.is_empty() {
            "is empty"
        } else if name.len() > Self::MAX_LEN {
            "is longer than 63 characters"
        } else if !name.starts_with(|c: char| c.is_ascii_lowercase()) {
            "must start with a lower-case letter"
        } else if !name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-') {
            "may only have lower-case letters, digits and dashes"
        } else if name.ends_with('-') {
            "must not end with a dash"
        } else {
            return Ok(Self(name.to_owned()));
        };
        Err(Error::invalid(format!("the job name `{}` {problem}", name.escape_debug()))
            .with_hint("a name like `llama-ft-2` works"))
    }
}

impl TryFrom<String> for JobName {
    type Error = Error;

    fn try_from(name: String) -> Result<Self, Error> {
        name.parse()
    }
}

impl From<JobName> for String {
    fn from(name: JobName) -> Self {
        name.0
    }
}

impl fmt::Display for JobName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl AsRef<str> for JobName {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

/// Which node of its step: 0 is the first launch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct NodeIndex(pub u32);

impl fmt::Display for NodeIndex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_a_dns_label() {
        for good in ["a", "alpha", "llama-3-ft", &"a".repeat(63)] {
            assert!(good.parse::<JobName>().is_ok(), "{good}");
        }
        for bad in ["", "A", "1a", "-a", "a-", "a_b", "a/b", "../../x", "a b", "ä", &"a".repeat(64)] {
            assert!(bad.parse::<JobName>().is_err(), "{bad}");
        }
    }
}
