//! One list out of those of all crates.

use crate::{Problem, metadata::Entry};

/// Sorts by name, drops what came along two ways, and what is off where the same name is on.
///
/// # Errors
/// If two that are on claim the same name.
pub(crate) fn merge(mut entries: Vec<Entry>) -> Result<Vec<Entry>, Vec<Problem>> {
    entries.sort_by(|left, right| {
        (&left.name, !left.enabled, &left.path).cmp(&(&right.name, !right.enabled, &right.path))
    });
    entries.dedup_by(|later, first| later.kind == first.kind && later.defined == first.defined);
    refuse_duplicates(&entries)?;
    entries.dedup_by(|later, first| later.kind == first.kind && later.name == first.name);
    Ok(entries)
}

/// Refuses a name that two registrations of a kind claim.
///
/// Only those that are on count: two alternatives under opposite conditions may share a name.
fn refuse_duplicates(entries: &[Entry]) -> Result<(), Vec<Problem>> {
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

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::metadata::entry;

    #[test]
    fn what_came_along_two_ways_is_one() {
        let direct = entry("local", "::trainer_backends::Local");
        let forwarded =
            Entry { path: "::trainer::backends::Local".into(), package: "trainer".into(), ..direct.clone() };
        let merged = merge(vec![direct, forwarded]).unwrap();
        assert_eq!(merged.iter().map(|entry| entry.path.as_str()).collect::<Vec<_>>(), ["::trainer::backends::Local"]);
    }

    #[test]
    fn alternatives_under_opposite_conditions_share_a_name() {
        let on = entry("local", "::a::Linux");
        let off = Entry { enabled: false, ..entry("local", "::a::Windows") };
        let merged = merge(vec![off, on]).unwrap();
        assert_eq!(merged.iter().map(|entry| entry.path.as_str()).collect::<Vec<_>>(), ["::a::Linux"]);
    }

    #[test]
    fn an_alias_may_not_be_the_name_or_alias_of_another() {
        let docker = Entry { aliases: vec!["docker".into()], ..entry("container", "::a::Container") };
        for other in [
            entry("docker", "::b::Docker"),
            Entry { name: "moby".into(), defined: "::b::Moby".into(), ..docker.clone() },
        ] {
            let problems = merge(vec![docker.clone(), other]).unwrap_err();
            assert!(problems.len() == 1 && problems[0].contains("`docker`"), "{problems:?}");
        }
    }
}
