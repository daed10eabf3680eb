//! The images that are here whose names are most like one that isn't.

use super::reference::ImageRef;

/// How many names are shown, and how alike they must be.
const MOST: usize = 3;
const ALIKE: f64 = 0.85;

/// The names among `local` that may have been meant: the same repository with another tag first, then those
/// that are spelled alike.
pub(super) fn nearest(wanted: &ImageRef, local: &[String]) -> Vec<String> {
    let mut ranked: Vec<(f64, &String)> = local
        .iter()
        .filter_map(|name| {
            let other: ImageRef = name.parse().ok()?;
            Some((likeness(wanted, &other), name))
        })
        .filter(|(likeness, _)| *likeness > ALIKE)
        .collect();
    ranked.sort_by(|(left, left_name), (right, right_name)| {
        right.total_cmp(left).then_with(|| left_name.cmp(right_name))
    });
    ranked.dedup_by(|(_, left), (_, right)| left == right);
    ranked.into_iter().take(MOST).map(|(_, name)| name.clone()).collect()
}

/// Above 1 for the same repository, the more the more alike the tags are.
fn likeness(wanted: &ImageRef, other: &ImageRef) -> f64 {
    if wanted.repository() == other.repository() {
        let [wanted, other] = [wanted, other].map(|reference| reference.tag.as_deref().unwrap_or("latest"));
        return 1.0 + strsim::jaro_winkler(wanted, other);
    }
    let whole = strsim::jaro_winkler(&wanted.repository(), &other.repository());
    // The same name from elsewhere. Registries of one company make long names alike, so those alone say little.
    let short = strsim::jaro_winkler(wanted.short(), other.short());
    if short > ALIKE { f64::midpoint(whole, short).max(ALIKE + 0.01) } else { 0.0 }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn near(wanted: &str, local: &[&str]) -> Vec<String> {
        nearest(&wanted.parse().unwrap(), &local.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>())
    }

    #[test]
    fn other_tags_come_before_other_names_and_the_unlike_is_left_out() {
        let local = ["acme/trainer:2.0", "acme/trainer:1.9", "acme/trainer-old:2.1", "python:3", "<none>:<none>"];
        assert_eq!(near("acme/trainer:2.1", &local), ["acme/trainer:2.0", "acme/trainer:1.9", "acme/trainer-old:2.1"]);
        assert_eq!(near("acme/trianer:2.1", &local[..2]), ["acme/trainer:1.9", "acme/trainer:2.0"]);
        assert_eq!(near("torch:2", &local), Vec::<String>::new());
    }

    #[test]
    fn the_same_name_from_elsewhere_is_found() {
        assert_eq!(near("ghcr.io/acme/torch:2", &["localhost/torch:2", "ghcr.io/acme/jax:2"]), ["localhost/torch:2"]);
    }
}
