//! `cfg` predicates, evaluated as the compiler will.

use std::collections::{HashMap, HashSet};

use syn::{Expr, ExprLit, Lit, Meta, Token, punctuated::Punctuated};

/// What is set for the package that is being built.
pub(crate) struct Configuration {
    /// `CARGO_CFG_<KEY>`, by key.
    values: HashMap<String, Vec<String>>,
    /// As in `CARGO_FEATURE_<NAME>`.
    features: HashSet<String>,
}

/// Whether a predicate holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Truth {
    Yes,
    No,
    /// A build script isn't told; the text is the part in question.
    Unknown(String),
}

/// The predicates that are properties of the target. All others a build script may or may not be told.
const TARGET: [&str; 9] = [
    "target_os",
    "target_family",
    "target_arch",
    "target_env",
    "target_vendor",
    "target_endian",
    "target_pointer_width",
    "unix",
    "windows",
];

impl Configuration {
    /// Reads the variables of a build script.
    pub(crate) fn new(variables: impl IntoIterator<Item = (String, String)>) -> Self {
        let mut this = Self { values: HashMap::new(), features: HashSet::new() };
        for (key, value) in variables {
            if let Some(key) = key.strip_prefix("CARGO_CFG_") {
                this.values.insert(key.to_lowercase(), value.split(',').map(str::to_owned).collect());
            } else if let Some(name) = key.strip_prefix("CARGO_FEATURE_") {
                this.features.insert(name.to_owned());
            }
        }
        this
    }

    pub(crate) fn evaluate(&self, predicate: &Meta) -> Truth {
        self.evaluate_with(predicate, &[])
    }

    /// The features to turn on so that all of `predicates` hold, as `--features` takes them. `None` if none would help.
    pub(crate) fn missing_features(&self, predicates: &[Meta]) -> Option<String> {
        let mut missing = Vec::new();
        for predicate in predicates {
            features_in(predicate, &mut missing);
        }
        missing.retain(|feature| !self.has_feature(feature));
        let would_help = |features: &[String]| {
            predicates.iter().all(|predicate| self.evaluate_with(predicate, features) == Truth::Yes)
        };
        let one = missing.iter().find(|feature| would_help(std::slice::from_ref(feature))).cloned();
        one.or_else(|| would_help(&missing).then(|| missing.join(",")))
    }

    fn evaluate_with(&self, predicate: &Meta, more_features: &[String]) -> Truth {
        let evaluate = |predicate: &Meta| self.evaluate_with(predicate, more_features);
        match predicate {
            Meta::Path(path) if path.is_ident("true") => Truth::Yes,
            Meta::Path(path) if path.is_ident("false") => Truth::No,
            Meta::Path(path) => match TARGET.iter().find(|key| path.is_ident(key)) {
                Some(key) => Truth::from(self.values.contains_key(*key)),
                None => Truth::unknown(predicate),
            },
            Meta::NameValue(pair) => match text(&pair.value) {
                Some(feature) if pair.path.is_ident("feature") => {
                    Truth::from(self.has_feature(&feature) || more_features.contains(&feature))
                }
                Some(value) => match TARGET.iter().find(|key| pair.path.is_ident(key)) {
                    Some(key) => Truth::from(self.values.get(*key).is_some_and(|values| values.contains(&value))),
                    None => Truth::unknown(predicate),
                },
                None => Truth::unknown(predicate),
            },
            Meta::List(list) => {
                let Ok(inner) = list.parse_args_with(Punctuated::<Meta, Token![,]>::parse_terminated) else {
                    return Truth::unknown(predicate);
                };
                let mut inner = inner.iter().map(evaluate);
                if list.path.is_ident("all") {
                    inner.fold(Truth::Yes, Truth::and)
                } else if list.path.is_ident("any") {
                    inner.fold(Truth::No, |left, right| left.not().and(right.not()).not())
                } else if list.path.is_ident("not") {
                    inner.next().map_or_else(|| Truth::unknown(predicate), Truth::not)
                } else {
                    Truth::unknown(predicate)
                }
            }
        }
    }

    fn has_feature(&self, feature: &str) -> bool {
        self.features.contains(&feature.to_uppercase().replace('-', "_"))
    }
}

impl Truth {
    /// No wins over a part that isn't known.
    pub(crate) fn and(self, other: Self) -> Self {
        match (self, other) {
            (Self::No, _) | (_, Self::No) => Self::No,
            (Self::Yes, other) => other,
            (unknown, _) => unknown,
        }
    }

    fn not(self) -> Self {
        match self {
            Self::Yes => Self::No,
            Self::No => Self::Yes,
            unknown @ Self::Unknown(_) => unknown,
        }
    }

    fn unknown(predicate: &Meta) -> Self {
        Self::Unknown(quote::quote!(#predicate).to_string())
    }
}

impl From<bool> for Truth {
    fn from(holds: bool) -> Self {
        if holds { Self::Yes } else { Self::No }
    }
}

/// The features that a predicate asks for, those under `not` left out.
fn features_in(predicate: &Meta, features: &mut Vec<String>) {
    match predicate {
        Meta::NameValue(pair) if pair.path.is_ident("feature") => {
            features.extend(text(&pair.value).filter(|feature| !features.contains(feature)));
        }
        Meta::List(list) if !list.path.is_ident("not") => {
            let inner = list.parse_args_with(Punctuated::<Meta, Token![,]>::parse_terminated).unwrap_or_default();
            for predicate in &inner {
                features_in(predicate, features);
            }
        }
        _ => {}
    }
}

fn text(value: &Expr) -> Option<String> {
    match value {
        Expr::Lit(ExprLit { lit: Lit::Str(text), .. }) => Some(text.value()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use syn::parse_quote;

    use super::*;

    fn linux_with_container() -> Configuration {
        let variables = [
            ("CARGO_CFG_TARGET_OS", "linux"),
            ("CARGO_CFG_TARGET_FAMILY", "unix"),
            ("CARGO_CFG_UNIX", ""),
            ("CARGO_FEATURE_CONTAINER", "1"),
            ("CARGO_FEATURE_TWO_WORDS", "1"),
        ];
        Configuration::new(variables.map(|(key, value)| (key.to_owned(), value.to_owned())))
    }

    #[test]
    fn features_and_targets_are_decided() {
        let on: [Meta; 8] = [
            parse_quote!(feature = "container"),
            parse_quote!(feature = "two-words"),
            parse_quote!(unix),
            parse_quote!(target_os = "linux"),
            parse_quote!(all(unix, not(windows))),
            parse_quote!(any(feature = "kubernetes", feature = "container")),
            parse_quote!(any(tokio_unstable, unix)),
            parse_quote!(all()),
        ];
        for predicate in on {
            assert_eq!(linux_with_container().evaluate(&predicate), Truth::Yes, "{}", quote::quote!(#predicate));
        }
        let off: [Meta; 5] = [
            parse_quote!(feature = "kubernetes"),
            parse_quote!(target_os = "macos"),
            parse_quote!(all(tokio_unstable, windows)),
            parse_quote!(not(unix)),
            parse_quote!(any()),
        ];
        for predicate in off {
            assert_eq!(linux_with_container().evaluate(&predicate), Truth::No, "{}", quote::quote!(#predicate));
        }
    }

    #[test]
    fn what_a_build_script_is_not_told_is_unknown() {
        let unknown: [Meta; 4] = [
            parse_quote!(test),
            parse_quote!(tokio_unstable),
            parse_quote!(not(debug_assertions)),
            parse_quote!(all(unix, target_feature = "avx2")),
        ];
        for predicate in unknown {
            let truth = linux_with_container().evaluate(&predicate);
            assert!(matches!(truth, Truth::Unknown(_)), "{}: {truth:?}", quote::quote!(#predicate));
        }
    }

    #[test]
    fn the_features_that_are_missing_are_found() {
        let missing = |predicates: &[Meta]| linux_with_container().missing_features(predicates);
        assert_eq!(missing(&[parse_quote!(feature = "a")]).as_deref(), Some("a"));
        assert_eq!(missing(&[parse_quote!(any(feature = "a", feature = "b"))]).as_deref(), Some("a"));
        assert_eq!(missing(&[parse_quote!(feature = "a"), parse_quote!(feature = "b")]).as_deref(), Some("a,b"));
        assert_eq!(missing(&[parse_quote!(all(feature = "a", windows))]), None);
        assert_eq!(missing(&[parse_quote!(not(feature = "container"))]), None);
    }
}
