//! What a request keeps in its job's annotations, so that a file of the job carries all of it.

use std::path::{Path, PathBuf};

use serde::{Serialize, de::DeserializeOwned};

use crate::{Error, ErrorKind, JobRequest, Result, api::TrainJob};

const SOURCE: &str = "trainer.dev/source";
const OUTPUT: &str = "trainer.dev/output";
const PACKAGES: &str = "trainer.dev/packages";
const MOUNTS: &str = "trainer.dev/mounts";
const SECRETS: &str = "trainer.dev/secrets";
const OPTIONS: &str = "trainer.dev/options";

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
    /// `Invalid` if one of them isn't as [`annotated`](Self::annotated) writes it.
    pub fn from_annotated(job: TrainJob) -> Result<Self> {
        let source = read(&job, SOURCE)?;
        let output = job.metadata.annotations.get(OUTPUT).map(PathBuf::from);
        let packages = read(&job, PACKAGES)?.unwrap_or_default();
        let mounts = read(&job, MOUNTS)?.unwrap_or_default();
        let secrets = read(&job, SECRETS)?.unwrap_or_default();
        let options = read(&job, OPTIONS)?.unwrap_or_default();
        Ok(Self { source, output, packages, mounts, secrets, options, ..Self::new(job) })
    }
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
    let value = serde_json::from_str(text)
        .map_err(|error| Error::invalid(format!("the annotation `{key}` of the job is malformed: {error}")))?;
    Ok(Some(value))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::request::{Mount, Packages, Source};

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
    fn a_malformed_annotation_is_named() {
        let mut job = request().job;
        job.metadata.annotations.insert(PACKAGES.to_owned(), "jax".to_owned());
        assert!(JobRequest::from_annotated(job).unwrap_err().to_string().contains(PACKAGES));
    }
}
