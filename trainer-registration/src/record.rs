//! What a crate's build step tells the attributes in that crate, in one environment variable.

use std::{fmt, str::FromStr};

use crate::{Kind, Registration};

/// Which registrations the build step of a package has seen.
///
/// An attribute that isn't in it would be missing from every generated enum, so it refuses to compile.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// The package. The variable could also come from the caller of Cargo.
    pub package: String,
    /// [`CONTRACT_VERSION`](crate::CONTRACT_VERSION) of the build step.
    pub contract: u32,
    /// The crate through which the package names trainer: `trainer` or `trainer_core`.
    pub root: String,
    /// What was seen, on or off.
    pub registrations: Vec<Recorded>,
}

/// One registration that the build step has seen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recorded {
    /// [`Kind::word`].
    pub kind: String,
    /// Its name.
    pub name: String,
    /// Its type, without a path.
    pub type_name: String,
}

impl Record {
    /// The variable; a build step sets it by `cargo::rustc-env`.
    pub const VARIABLE: &'static str = "TRAINER_RECORD";

    /// Whether the build step has seen this registration.
    #[must_use]
    pub fn has(&self, kind: &Kind, registration: &Registration) -> bool {
        self.registrations.iter().any(|seen| {
            seen.kind == kind.word && seen.name == registration.name && registration.type_name == seen.type_name
        })
    }
}

/// `PACKAGE CONTRACT ROOT`, then `KIND NAME TYPE` for each registration, separated by `;`.
impl fmt::Display for Record {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} {}", self.package, self.contract, self.root)?;
        for Recorded { kind, name, type_name } in &self.registrations {
            write!(f, ";{kind} {name} {type_name}")?;
        }
        Ok(())
    }
}

impl FromStr for Record {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        const MALFORMED: &str = "the record of the build step is malformed";
        let mut parts = text.split(';').map(|part| part.splitn(3, ' '));
        let mut next = || {
            let mut words = parts.next()?;
            Some((words.next()?.to_owned(), words.next()?.to_owned(), words.next()?.to_owned()))
        };
        let (package, contract, root) = next().ok_or(MALFORMED)?;
        let contract = contract.parse().map_err(|_| MALFORMED)?;
        let registrations =
            std::iter::from_fn(next).map(|(kind, name, type_name)| Recorded { kind, name, type_name }).collect();
        Ok(Self { package, contract, root, registrations })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn a_record_reads_back_as_it_was_written() {
        let recorded = |name: &str| Recorded { kind: "backend".into(), name: name.into(), type_name: "Type".into() };
        for registrations in [vec![], vec![recorded("a"), recorded("b-2")]] {
            let record = Record { package: "trainer-x".into(), contract: 7, root: "trainer".into(), registrations };
            assert_eq!(record.to_string().parse::<Record>().unwrap(), record);
        }
    }
}
