//! The name of a job that nobody named.

use std::hash::{BuildHasher, RandomState};

use trainer_core::{JobName, Result};

/// Room is left for what engines add: step, index, suffixes of their own.
const LONGEST_WORD: usize = 30;

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

    use super::*;

    #[test]
    fn any_word_becomes_a_name() {
        for (word, expected) in
            [("train", "train"), ("Train_v2.1", "train-v2-1"), ("01_fit", "job-01-fit"), ("", "job"), ("größe", "gr-e")]
        {
            assert_eq!(stem(word), expected);
            assert_eq!(after(word).unwrap().as_str().len(), expected.len() + 5);
        }
        assert_eq!(stem(&"ab-".repeat(40)).len(), 29);
    }
}
