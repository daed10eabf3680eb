//! The name of a job that nobody named.

use std::hash::{BuildHasher, RandomState};

use trainer_core::{JobName, Result};

/// Room is left for what is added to the names of pods: step, indices, suffixes. The longest step of the built-in
/// runtimes, `dataset-initializer`, leaves a job 33 characters.
const LONGEST_WORD: usize = 28;

/// No vowels: no words.
const LETTERS: &[u8] = b"bcdfghjkmnpqrstvwxz";

/// `word`, as far as a name may have it, and four letters that nobody chose.
///
/// # Errors
/// Never; the type of a name says so where it is checked.
pub(super) fn after(word: &str) -> Result<JobName> {
    format!("{}-{}", stem(word), letters(RandomState::new().hash_one(()))).parse()
}

fn stem(word: &str) -> String {
    let lower = word.to_ascii_lowercase();
    let parts: Vec<_> = lower.split(|c: char| !c.is_ascii_alphanumeric()).filter(|part| !part.is_empty()).collect();
    let mut stem = parts.join("-");
    if !stem.starts_with(|c: char| c.is_ascii_lowercase()) {
        stem.insert_str(0, if stem.is_empty() { "job" } else { "job-" });
    }
    stem.truncate(LONGEST_WORD);
    stem.trim_end_matches('-').to_owned()
}

fn letters(mut random: u64) -> String {
    let mut letters = String::new();
    for _ in 0..4 {
        letters.push(char::from(LETTERS[(random % LETTERS.len() as u64) as usize]));
        random /= LETTERS.len() as u64;
    }
    letters
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use serde_json::json;
    use trainer_core::{
        api::TrainJob,
        review::{Verdict, review},
        runtimes::RuntimeCatalog,
    };

    use super::*;

    #[test]
    fn any_word_becomes_a_name() {
        for (word, expected) in
            [("train", "train"), ("Train_v2.1", "train-v2-1"), ("01_fit", "job-01-fit"), ("", "job"), ("größe", "gr-e")]
        {
            assert_eq!(stem(word), expected);
            assert_eq!(after(word).unwrap().as_str().len(), expected.len() + 5);
        }
        assert_eq!(stem(&"abc".repeat(40)).len(), LONGEST_WORD);
        assert!(!stem(&"ab-".repeat(40)).ends_with('-'));
    }

    #[test]
    fn every_builtin_runtime_takes_the_longest_name() {
        let name = after(&"a".repeat(100)).unwrap();
        for runtime in RuntimeCatalog::builtin().iter() {
            let job = TrainJob::new(&name, runtime.name());
            let verdict = review(&json!(job), Some(&json!(runtime)));
            assert!(matches!(verdict, Verdict::Accepted { .. }), "{}: {verdict:?}", runtime.name());
        }
    }
}
