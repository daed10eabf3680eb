//! Names of images: `[REGISTRY/]NAME[:TAG][@DIGEST]`.

use std::{fmt, str::FromStr};

use trainer_core::{Error, Result};

/// The registry of a name that says none, and the folder in it of a name without one.
const HUB: &str = "docker.io";
const LIBRARY: &str = "library";

/// The name of an image, as it was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ImageRef {
    /// Registry and path.
    name: String,
    pub(super) tag: Option<String>,
    pub(super) digest: Option<String>,
}

impl ImageRef {
    /// The registry's host, with its port.
    pub(super) fn registry(&self) -> &str {
        self.split().0
    }

    /// Registry and path in full: `docker.io/library/python` for `python`.
    pub(super) fn repository(&self) -> String {
        let (registry, path) = self.split();
        let folder = if registry == HUB && !path.contains('/') { format!("{LIBRARY}/") } else { String::new() };
        format!("{registry}/{folder}{path}")
    }

    /// The last part of the path: `python`.
    pub(super) fn short(&self) -> &str {
        self.name.rsplit('/').next().unwrap_or(&self.name)
    }

    fn split(&self) -> (&str, &str) {
        match self.name.split_once('/') {
            Some((first, path)) if is_registry(first) => (if first == "index.docker.io" { HUB } else { first }, path),
            _ => (HUB, &self.name),
        }
    }
}

fn is_registry(first: &str) -> bool {
    first == "localhost" || first.contains(['.', ':'])
}

impl fmt::Display for ImageRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)?;
        match (&self.tag, &self.digest) {
            // An engine takes a name without a tag for all of them.
            (None, None) => f.write_str(":latest"),
            (tag, digest) => {
                tag.iter().try_for_each(|tag| write!(f, ":{tag}"))?;
                digest.iter().try_for_each(|digest| write!(f, "@{digest}"))
            }
        }
    }
}

impl FromStr for ImageRef {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let invalid = |why: &str| Error::invalid(format!("`{text}` is no name of an image: {why}"));
        let (rest, digest) = match text.split_once('@') {
            Some((rest, digest)) => (rest, Some(digest.to_owned())),
            None => (text, None),
        };
        // A colon before a slash is that of the registry's port.
        let (name, tag) = match rest.rsplit_once(':') {
            Some((name, tag)) if !tag.contains('/') => (name, Some(tag.to_owned())),
            _ => (rest, None),
        };
        let parts: Vec<&str> = name.split('/').collect();
        let has_registry = parts.len() > 1 && parts.first().is_some_and(|first| is_registry(first));
        for part in parts.iter().skip(usize::from(has_registry)) {
            if part.is_empty() {
                return Err(invalid("a part of it is empty"));
            }
            if part.contains(|letter: char| letter.is_ascii_uppercase()) {
                return Err(invalid("it has capital letters").with_hint(format!("`{}`", text.to_lowercase())));
            }
            let allowed =
                |letter: char| letter.is_ascii_lowercase() || letter.is_ascii_digit() || "._-".contains(letter);
            let ends = [part.chars().next(), part.chars().next_back()];
            // Among others `..`, which would lead a request elsewhere.
            let bare = ends.iter().flatten().any(|end| "._-".contains(*end));
            if bare || !part.chars().all(allowed) {
                return Err(invalid("its parts are made of a-z and 0-9, with `.`, `_` and `-` between"));
            }
        }
        let registry = if has_registry { parts.first().copied().unwrap_or_default() } else { "" };
        if !registry.chars().all(|letter| letter.is_ascii_alphanumeric() || ".-:[]".contains(letter)) {
            return Err(invalid("its registry is no HOST or HOST:PORT"));
        }
        let word = |word: &String| {
            !word.is_empty()
                && word.len() <= 128
                && word.chars().all(|letter| letter.is_ascii_alphanumeric() || "._-".contains(letter))
        };
        if !tag.as_ref().is_none_or(word) {
            return Err(invalid("its tag is made of letters, digits, `.`, `_` and `-`"));
        }
        let hex = |digest: &String| {
            digest.split_once(':').is_some_and(|(algorithm, hex)| {
                !algorithm.is_empty() && !hex.is_empty() && hex.chars().all(|letter| letter.is_ascii_hexdigit())
            })
        };
        if !digest.as_ref().is_none_or(hex) {
            return Err(invalid("its digest isn't sha256:…"));
        }
        Ok(Self { name: name.to_owned(), tag, digest })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn names_are_taken_apart_as_engines_do() {
        for (text, registry, repository, shown) in [
            ("python", "docker.io", "docker.io/library/python", "python:latest"),
            ("me/app:1", "docker.io", "docker.io/me/app", "me/app:1"),
            ("index.docker.io/me/app:1", "docker.io", "docker.io/me/app", "index.docker.io/me/app:1"),
            ("localhost/app", "localhost", "localhost/app", "localhost/app:latest"),
            ("box:5000/a/b", "box:5000", "box:5000/a/b", "box:5000/a/b:latest"),
            ("box:5000/a:2", "box:5000", "box:5000/a", "box:5000/a:2"),
            ("ghcr.io/a/b@sha256:0f", "ghcr.io", "ghcr.io/a/b", "ghcr.io/a/b@sha256:0f"),
            ("ghcr.io/a/b:1@sha256:0f", "ghcr.io", "ghcr.io/a/b", "ghcr.io/a/b:1@sha256:0f"),
        ] {
            let reference: ImageRef = text.parse().unwrap();
            assert_eq!((reference.registry(), reference.repository().as_str()), (registry, repository), "{text}");
            assert_eq!(reference.to_string(), shown);
        }
    }

    #[test]
    fn what_is_no_name_is_refused_before_it_is_part_of_a_request() {
        for text in [
            "",
            "Python",
            "a//b",
            "a b",
            "a:b c",
            "a@sha256",
            "../../x",
            "a/../x",
            "box.io/..",
            "a?all=1",
            "bad_host!.io/a",
            "box/:1",
        ] {
            let parsed: Result<ImageRef> = text.parse();
            assert!(parsed.is_err(), "{text}");
        }
    }
}
