//! How a person names a job.

use std::{fmt, str::FromStr};

use trainer_core::{Error, JobName};

/// `NAME`, or `BACKEND/NAMESPACE/NAME`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct JobRef {
    /// Where it runs, if that is said.
    pub(super) place: Option<Place>,
    /// Its name.
    pub(super) name: JobName,
}

/// A backend, and a namespace of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Place {
    /// Name or alias of the backend.
    pub(super) backend: String,
    /// The namespace.
    pub(super) namespace: String,
}

impl FromStr for JobRef {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        match text.split('/').collect::<Vec<_>>()[..] {
            [name] => Ok(Self { place: None, name: name.parse()? }),
            [backend, namespace, name] if !backend.is_empty() && !namespace.is_empty() => {
                let place = Place { backend: backend.to_owned(), namespace: namespace.to_owned() };
                Ok(Self { place: Some(place), name: name.parse()? })
            }
            _ => Err(Error::invalid(format!("`{}` doesn't name a job", text.escape_debug()))
                .with_hint("a job is NAME, or BACKEND/NAMESPACE/NAME")),
        }
    }
}

impl fmt::Display for JobRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(Place { backend, namespace }) = &self.place {
            write!(f, "{backend}/{namespace}/")?;
        }
        self.name.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn a_job_is_named_with_or_without_its_place() {
        assert_eq!("alpha".parse::<JobRef>().unwrap().place, None);
        let full: JobRef = "cluster/team-a/alpha".parse().unwrap();
        assert_eq!(full.place.as_ref().unwrap().namespace, "team-a");
        assert_eq!(full.to_string(), "cluster/team-a/alpha");
        for wrong in ["", "a/b", "a//b", "/a/b", "a/b/c/d", "a/b/C"] {
            assert!(wrong.parse::<JobRef>().is_err(), "{wrong}");
        }
    }
}
