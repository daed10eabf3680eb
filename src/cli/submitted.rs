//! What was submitted from here: only a hint at where a job runs. The engines know the truth.

use std::{fs, io::Write, path::PathBuf};

use serde::{Deserialize, Serialize};
use trainer_core::{Job, JobName};

use super::folders;

/// A submission.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Submitted {
    /// Name of the job.
    pub(super) name: JobName,
    /// Name of the backend.
    pub(super) backend: String,
    /// Its namespace, where the backend has such a thing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) namespace: Option<String>,
}

/// The submissions that are remembered.
pub(super) struct Submissions {
    file: Option<PathBuf>,
}

/// More than this and the older half is forgotten.
const REMEMBERED: usize = 1_000;

impl Submissions {
    /// Those of the command whose folders are called `folder`.
    pub(super) fn of(folder: &str) -> Self {
        Self { file: folders::state(folder).map(|folder| folder.join("submitted.jsonl")) }
    }

    /// Remembers `job`. Where that fails, finding it again takes `--backend`, no more.
    pub(super) fn remember(&self, job: &Job) {
        let submitted = Submitted {
            name: job.name.clone(),
            backend: job.backend.clone(),
            namespace: job.object.metadata.namespace.clone(),
        };
        let _ = self.append(&submitted);
    }

    /// The latest submission of this name.
    pub(super) fn latest_of(&self, name: &JobName) -> Option<Submitted> {
        self.all().into_iter().rev().find(|submitted| submitted.name == *name)
    }

    /// The latest submission.
    pub(super) fn latest(&self) -> Option<Submitted> {
        self.all().pop()
    }

    fn all(&self) -> Vec<Submitted> {
        let text = self.file.as_ref().and_then(|file| fs::read_to_string(file).ok()).unwrap_or_default();
        text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
    }

    fn append(&self, submitted: &Submitted) -> std::io::Result<()> {
        let Some(file) = &self.file else { return Ok(()) };
        if let Some(folder) = file.parent() {
            fs::create_dir_all(folder)?;
        }
        let known = self.all();
        if known.len() >= REMEMBERED {
            let kept: Vec<_> = known[REMEMBERED / 2..].iter().map(serde_json::to_string).collect::<Result<_, _>>()?;
            let fresh = file.with_extension("new");
            fs::write(&fresh, kept.join("\n") + "\n")?;
            fs::rename(fresh, file)?;
        }
        let line = serde_json::to_string(submitted)? + "\n";
        fs::File::options().create(true).append(true).open(file)?.write_all(line.as_bytes())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn submitted(name: &str, backend: &str) -> Submitted {
        Submitted { name: name.parse().unwrap(), backend: backend.to_owned(), namespace: None }
    }

    #[test]
    fn the_latest_submission_of_a_name_counts() {
        let folder = tempfile::tempdir().unwrap();
        let submissions = Submissions { file: Some(folder.path().join("new/submitted.jsonl")) };
        assert_eq!(submissions.latest(), None);
        for one in [submitted("a", "near"), submitted("b", "near"), submitted("a", "far")] {
            submissions.append(&one).unwrap();
        }
        assert_eq!(submissions.latest_of(&"a".parse().unwrap()), Some(submitted("a", "far")));
        assert_eq!(submissions.latest_of(&"b".parse().unwrap()), Some(submitted("b", "near")));
        assert_eq!(submissions.latest(), Some(submitted("a", "far")));
    }

    #[test]
    fn the_oldest_submissions_are_forgotten() {
        let folder = tempfile::tempdir().unwrap();
        let submissions = Submissions { file: Some(folder.path().join("submitted.jsonl")) };
        for number in 0..=REMEMBERED {
            submissions.append(&submitted(&format!("job-{number}"), "near")).unwrap();
        }
        assert_eq!(submissions.all().len(), REMEMBERED / 2 + 1);
        assert_eq!(submissions.latest().unwrap().name.as_str(), format!("job-{REMEMBERED}"));
    }
}
