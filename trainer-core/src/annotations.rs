//! What a request keeps in its job's annotations, so that a file of the job carries all of it.

use std::path::{Path, PathBuf};

use serde::{Serialize, de::DeserializeOwned};

use crate::{
    Error, ErrorKind, JobRequest, Result, Violation,
    api::TrainJob,
    request::{Mount, Packages, Source},
};

const SOURCE: &str = "trainer.dev/source";
const OUTPUT: &str = "trainer.dev/output";
const PACKAGES: &str = "trainer.dev/packages";
const MOUNTS: &str = "trainer.dev/mounts";
const SECRETS: &str = "trainer.dev/secrets";
const OPTIONS: &str = "trainer.dev/options";

const PREFIX: &str = "trainer.dev/";
const KNOWN: [&str; 6] = [SOURCE, OUTPUT, PACKAGES, MOUNTS, SECRETS, OPTIONS];

impl JobRequest {
    /// The same request with a job that says in annotations what a TrainJob has no fields for:
    /// [`from_annotated`](Self::from_annotated) makes the request of it again. Of secrets they have the names.
    ///
    /// # Errors
    /// `Invalid` if the output's path isn't UTF-8 text; `Internal` if something can't be written as JSON.
    pub fn annotated(mut self) -> Result<Self> {
        let values = [
            (SOURCE, self.source.as_ref().map(json)),
            (OUTPUT, self.output.as_deref().map(text)),
            (PACKAGES, (!self.packages.is_empty()).then(|| json(&self.packages))),
            (MOUNTS, (!self.mounts.is_empty()).then(|| json(&self.mounts))),
            (SECRETS, (!self.secrets.is_empty()).then(|| json(&self.secrets))),
            (OPTIONS, (!self.options.is_empty()).then(|| json(&self.options))),
        ];
        for (key, value) in values {
            if let Some(value) = value {
                self.job.metadata.annotations.insert(key.to_owned(), value?);
            }
        }
        Ok(self)
    }

    /// A request for `job`, with what its annotations say.
    ///
    /// # Errors
    /// `Invalid`, with a violation that names the annotation, if one of them isn't as
    /// [`annotated`](Self::annotated) writes it, or isn't known.
    pub fn from_annotated(job: TrainJob) -> Result<Self> {
        let ours = || job.metadata.annotations.keys().filter(|key| key.starts_with(PREFIX));
        if let Some(unknown) = ours().find(|key| !KNOWN.contains(&key.as_str())) {
            return Err(refused(unknown, "there is no such annotation", format!("there are {}", KNOWN.join(", "))));
        }
        let source: Option<Source> = read(&job, SOURCE)?;
        let output = job.metadata.annotations.get(OUTPUT).map(PathBuf::from);
        let packages: Packages = read(&job, PACKAGES)?.unwrap_or_default();
        let mounts: Vec<Mount> = read(&job, MOUNTS)?.unwrap_or_default();
        let secrets: Vec<String> = read(&job, SECRETS)?.unwrap_or_default();
        let options = read(&job, OPTIONS)?.unwrap_or_default();

        for (key, path) in [
            (SOURCE, source.as_ref().map(|source| source.directory.as_path())),
            (OUTPUT, output.as_deref().filter(|output| !names_its_engine(output))),
            (PACKAGES, packages.requirements.as_deref()),
        ] {
            if let Some(path) = path.filter(|path| !path.is_absolute()) {
                let message = format!("the path `{}` doesn't begin at the root", text(path)?.escape_debug());
                let hint = "what it is relative to would change with the folder that the file is applied in";
                return Err(refused(key, &message, hint.to_owned()));
            }
        }
        if let Some(mount) = mounts.iter().find(|mount| mount.name.is_empty() || !mount.path.starts_with('/')) {
            let Mount { name, path } = mount;
            let message = format!("`{}:{}` is no mount", name.escape_debug(), path.escape_debug());
            return Err(refused(MOUNTS, &message, r#"`[{"name":"data","path":"/data"}]`"#.to_owned()));
        }
        let is_variable = |name: &&String| {
            !name.is_empty() && !name.contains(|c: char| c == '=' || c.is_whitespace() || c.is_control())
        };
        if let Some(name) = secrets.iter().find(|name| !is_variable(name)) {
            let message = format!("`{}` is no name of a variable", name.escape_debug());
            return Err(refused(SECRETS, &message, r#"`["HF_TOKEN"]`"#.to_owned()));
        }
        Ok(Self { source, output, packages, mounts, secrets, options, ..Self::new(job) })
    }
}

/// `pvc:NAME/path`
fn names_its_engine(output: &Path) -> bool {
    output.to_str().and_then(|text| text.split_once(':')).is_some_and(|(scheme, _)| !scheme.contains('/'))
}

fn refused(key: &str, message: &str, hint: String) -> Error {
    let violation = Violation::new("trainer:annotations", Some(format!("metadata.annotations[{key}]")), message);
    Error::invalid(format!("the annotation `{}` of the job: {message}", key.escape_debug()))
        .with_hint(hint.clone())
        .with_violations(vec![violation.hint(hint)])
}

fn text(path: &Path) -> Result<String> {
    let text = path.to_str().map(str::to_owned);
    text.ok_or_else(|| Error::invalid(format!("the path {} is not UTF-8 text", path.display())))
}

fn json(value: &impl Serialize) -> Result<String> {
    serde_json::to_string(value).map_err(|error| {
        Error::new(ErrorKind::Internal, format!("failed to write an annotation: {error}")).with_source(error)
    })
}

fn read<T: DeserializeOwned>(job: &TrainJob, key: &str) -> Result<Option<T>> {
    let Some(text) = job.metadata.annotations.get(key) else { return Ok(None) };
    let value = serde_json::from_str(text).map_err(|error| {
        refused(key, &error.to_string(), "it is JSON, as `trainer run --dry-run` writes it".to_owned())
    })?;
    Ok(Some(value))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn request() -> JobRequest {
        JobRequest::new(TrainJob::new(&"alpha".parse().unwrap(), "plain"))
    }

    #[test]
    fn a_file_of_the_job_carries_the_request() {
        let mut full = request();
        full.source = Some(Source { directory: "/src".into(), commit: Some("ab12".to_owned()), dirty: true });
        full.output = Some("/out".into());
        full.packages = Packages { specifiers: vec!["jax>=0.4".to_owned()], requirements: Some("/r.txt".into()) };
        full.mounts = vec![Mount { name: "data".to_owned(), path: "/data".to_owned() }];
        full.secrets = vec!["TOKEN".to_owned()];
        full.options.insert("partition".to_owned(), "a100".into());
        for request in [request(), full] {
            let annotated = request.annotated().unwrap();
            let file = serde_json::to_string(&annotated.job).unwrap();
            assert_eq!(JobRequest::from_annotated(serde_json::from_str(&file).unwrap()).unwrap(), annotated);
        }
    }

    #[test]
    fn what_nobody_here_wrote_is_refused_and_named() {
        let refusal = |key: &str, value: &str| {
            let mut job = request().job;
            job.metadata.annotations.insert(format!("trainer.dev/{key}"), value.to_owned());
            JobRequest::from_annotated(job).err().map(|error| {
                assert_eq!(
                    error.violations()[0].field.as_deref(),
                    Some(&*format!("metadata.annotations[trainer.dev/{key}]"))
                );
                assert!(error.hint().is_some(), "{error}");
                error.to_string()
            })
        };
        for (key, value) in [
            ("packages", "jax"),
            ("packages", r#"{"specifier":["jax"]}"#),
            ("packages", r#"{"requirements":"r.txt"}"#),
            ("source", r#"{"directory":"src"}"#),
            ("source", r#"{"directory":"/src","branch":"main"}"#),
            ("output", ""),
            ("output", "out"),
            ("output", "a/b:c"),
            ("mounts", r#"[{"name":"data","path":"data"}]"#),
            ("mounts", r#"[{"name":"data","path":"/data","mode":"ro"}]"#),
            ("secrets", r#"["A=b"]"#),
            ("secrets", r#"[""]"#),
            ("package", "[]"),
        ] {
            let said = refusal(key, value);
            assert!(said.is_some_and(|said| said.contains(key)), "{key}: {value}");
        }
        for (key, value) in [("output", "/out"), ("output", "pvc:models/a"), ("secrets", r#"["A"]"#)] {
            assert_eq!(refusal(key, value), None);
        }
    }
}
