//! Files of TrainJobs and training runtimes: `-f FILE`, or `-` for standard input.

use std::path::Path;

use trainer_core::{
    Error, ErrorKind, JobRequest, Result,
    api::{Runtime, RuntimeRef, TrainJob},
    manifest::{Document, Manifest},
    review::{Rejection, Verdict, review, review_runtime, review_update},
    runtimes::RuntimeCatalog,
};

use super::failure::note;

/// Reads `file`, which has a job.
///
/// # Errors
/// As [`Manifest::open`] and [`Manifest::read`]; `Invalid` if there is no job in it.
pub(super) fn read(file: &Path) -> Result<Manifest> {
    let (manifest, name) = if file == Path::new("-") {
        let name = "standard input";
        (Manifest::read(std::io::stdin(), name)?, name.to_owned())
    } else {
        (Manifest::open(file)?, file.display().to_string())
    };
    if manifest.jobs.is_empty() {
        return Err(Error::invalid(format!("{name} has no TrainJob")));
    }
    for other in &manifest.others {
        let kind = other.value["kind"].as_str().unwrap_or_default();
        note(&format!(
            "the {kind} `{}` of {name} is left to whoever else reads the file: it isn't created",
            other.name()
        ));
    }
    Ok(manifest)
}

/// A job of a file that review has no objection to.
pub(super) struct Accepted {
    pub(super) job: TrainJob,
    pub(super) runtime: Runtime,
    /// Whether the runtime is in the file too.
    pub(super) brings_runtime: bool,
}

/// Reviews the job `document` of `manifest` with the runtime of the same file, or else that of `others`.
///
/// # Errors
/// `Invalid` for a runtime that isn't sound, and for what review takes and we don't understand.
pub(super) fn accept<'a>(
    document: &'a Document,
    manifest: &'a Manifest,
    others: &RuntimeCatalog,
) -> Result<std::result::Result<Accepted, Refused<'a>>> {
    // Runtimes are created first, also those that this job doesn't name.
    for runtime in &manifest.runtimes {
        if let Verdict::Rejected(rejection) = review_runtime(&runtime.value) {
            return Ok(Err(Refused::new(rejection, runtime)));
        }
    }
    let (kind, name) = runtime_of(document);
    let same = |runtime: &&Document| {
        runtime.value["kind"].as_str() == Some(kind)
            && runtime.value["metadata"]["name"].as_str() == Some(name)
            && (kind != "TrainingRuntime" || namespace(runtime) == namespace(document))
    };
    let own = manifest.runtimes.iter().find(same);
    let reference = RuntimeRef { name: name.to_owned(), kind: Some(kind.to_owned()), ..RuntimeRef::default() };
    let other = match others.find(&reference) {
        // Review says so, where it belongs: after what is wrong with the job itself.
        Err(missing) if own.is_some() || missing.kind() == ErrorKind::NotFound => Err(missing),
        found => Ok(found?),
    };
    let other_value = other.as_ref().ok().map(|runtime| serde_json::json!(runtime));
    let value = own.map(|document| &document.value).or(other_value.as_ref());
    // The same job once more is an update of it.
    let earlier = manifest.jobs.iter().take_while(|other| !std::ptr::eq(*other, document));
    let verdict = match earlier.filter(|other| is_same_job(other, document)).last() {
        Some(before) => review_update(&before.value, &document.value, value),
        None => review(&document.value, value),
    };
    if let Verdict::Rejected(rejection) = verdict {
        let rejection = match (own, &other) {
            (None, Err(missing)) => rejection.without_runtime(missing),
            _ => rejection,
        };
        return Ok(Err(Refused::new(rejection, document)));
    }
    let runtime = match own {
        Some(own) => own.runtime()?,
        None => other?.clone(),
    };
    let job = document.job()?;
    job.job_name().map_err(|error| {
        let (line, column) = document.position("metadata.generateName");
        let message = format!("{}:{line}:{column}: {error}", document.file());
        Error::new(error.kind(), message).with_hint(error.hint().unwrap_or_default())
    })?;
    check_annotations(&job, document)?;
    Ok(Ok(Accepted { job, runtime, brings_runtime: own.is_some() }))
}

/// What the job says in annotations is taken from whoever wrote the file, so that what it takes from here is said.
///
/// # Errors
/// As [`JobRequest::from_annotated`], with the place.
fn check_annotations(job: &TrainJob, document: &Document) -> Result<()> {
    let request =
        JobRequest::from_annotated(job.clone()).map_err(|error| document.refused(error.violations().to_vec()))?;
    if !request.secrets.is_empty() {
        let (names, of) = (request.secrets.join(", "), document.file());
        note(&format!("the job `{}` of {of} gets secrets of this environment: {names}", document.name()));
    }
    Ok(())
}

/// Reviews the job `document` as a change of the one that is there.
///
/// # Errors
/// `Invalid` if review objects.
pub(super) fn accept_change(document: &Document, there: &TrainJob, runtime: &Runtime) -> Result<()> {
    let runtime = serde_json::json!(runtime);
    match review_update(&serde_json::json!(there), &document.value, Some(&runtime)) {
        Verdict::Rejected(mut rejection) => {
            let hint = format!("give this one another name, or `trainer delete {}` first", document.name());
            let mut is_final = false;
            for violation in rejection.violations.iter_mut().filter(|violation| violation.rule == "crd:immutable") {
                violation.hint = Some(hint.clone());
                is_final = true;
            }
            let error = rejection.of(document);
            Err(if is_final { error.with_hint(hint) } else { error })
        }
        Verdict::Accepted { .. } => Ok(()),
    }
}

/// A document that review has objections to: the job, or a runtime that comes with it.
pub(super) struct Refused<'a> {
    document: &'a Document,
    /// With line and column in the file for each objection.
    pub(super) rejection: Rejection,
}

impl<'a> Refused<'a> {
    fn new(mut rejection: Rejection, document: &'a Document) -> Self {
        rejection.locate(document);
        Self { document, rejection }
    }
}

impl From<Refused<'_>> for Error {
    fn from(refused: Refused<'_>) -> Self {
        refused.rejection.of(refused.document)
    }
}

/// Kind and name of the runtime that a job names.
fn runtime_of(document: &Document) -> (&str, &str) {
    let reference = &document.value["spec"]["runtimeRef"];
    (reference["kind"].as_str().unwrap_or("ClusterTrainingRuntime"), reference["name"].as_str().unwrap_or_default())
}

fn is_same_job(one: &Document, other: &Document) -> bool {
    one.value["metadata"]["name"] == other.value["metadata"]["name"] && namespace(one) == namespace(other)
}

fn namespace(document: &Document) -> &str {
    document.value["metadata"]["namespace"].as_str().unwrap_or("default")
}
