//! One list out of those of all crates.

use crate::{Problem, metadata::Entry};

/// Refuses a name that two registrations of a kind claim.
///
/// Only those that are on count: two alternatives under opposite conditions may share a name.
pub(crate) fn refuse_duplicates(entries: &[Entry]) -> Result<(), Vec<Problem>> {
    let mut problems = Vec::new();
    for (index, entry) in entries.iter().enumerate().filter(|(_, entry)| entry.enabled) {
        for other in entries[..index].iter().filter(|other| other.enabled && other.kind == entry.kind) {
            problems.extend(entry.names().filter(|name| other.names().any(|taken| taken == *name)).map(|name| {
                let kind = &entry.kind;
                let which = |entry: &Entry| format!("`{}` of the crate `{}`", entry.defined, entry.package);
                format!(
                    "two {kind}s are called `{name}`: {} and {}; rename one, or turn one off",
                    which(other),
                    which(entry)
                )
            }));
        }
    }
    if problems.is_empty() { Ok(()) } else { Err(problems) }
}

/// Sorts by name, drops what came along two ways, and what is off where the same name is on.
///
/// # Errors
/// As [`refuse_duplicates`].
pub(crate) fn merge(mut entries: Vec<Entry>) -> Result<Vec<Entry>, Vec<Problem>> {
    entries.sort_by(|left, right| {
        (&left.name, !left.enabled, &left.path).cmp(&(&right.name, !right.enabled, &right.path))
    });
    entries.dedup_by(|later, first| later.kind == first.kind && later.defined == first.defined);
    refuse_duplicates(&entries)?;
    entries.dedup_by(|later, first| later.kind == first.kind && later.name == first.name);
    Ok(entries)
}
