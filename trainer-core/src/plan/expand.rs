//! `$(NAME)` in variables, commands and arguments, as the kubelet replaces it before it starts a container
//! (Kubernetes, `third_party/forked/golang/expansion`).

use std::{borrow::Cow, collections::HashMap};

use super::Container;

/// Replaces `$(NAME)` by the variable of that name: in a variable, by one that stands before it; in command and
/// arguments, by any. A name that isn't there stays as written; `$$` becomes `$`.
pub(super) fn references(container: &mut Container) {
    let mut known: HashMap<String, String> = HashMap::new();
    for variable in &mut container.env {
        let Some(value) = &mut variable.value else { continue };
        rewrite(value, &known);
        known.insert(variable.name.clone(), value.clone());
    }
    for word in container.command.iter_mut().chain(&mut container.args) {
        rewrite(word, &known);
    }
}

/// `text` so written that `localize` makes it `text` again: what stands for itself on every engine.
#[must_use]
pub fn literal(text: &str) -> Cow<'_, str> {
    if text.contains("$$") || text.contains("$(") { text.replace('$', "$$").into() } else { text.into() }
}

/// Whether `text` has a `$(name)` that would be replaced.
pub(crate) fn refers_to(text: &str, name: &str) -> bool {
    let replaced_by = |value: &str| expand(text, &HashMap::from([(name.to_owned(), value.to_owned())]));
    text.contains("$(") && replaced_by("") != replaced_by("x")
}

fn rewrite(text: &mut String, known: &HashMap<String, String>) {
    if text.contains("$$") || text.contains("$(") {
        *text = expand(text, known);
    }
}

fn expand(text: &str, known: &HashMap<String, String>) -> String {
    let mut new = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(dollar) = rest.find('$') {
        new += &rest[..dollar];
        let behind = &rest[dollar + 1..];
        if let Some(after) = behind.strip_prefix('$') {
            new.push('$');
            rest = after;
        } else if let Some((name, after)) = behind.strip_prefix('(').and_then(|inner| inner.split_once(')')) {
            match known.get(name) {
                Some(value) => new += value,
                None => new += &rest[dollar..rest.len() - after.len()],
            }
            rest = after;
        } else {
            new.push('$');
            rest = behind;
        }
    }
    new + rest
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::EnvVar;

    #[test]
    fn a_reference_is_replaced_as_the_kubelet_does_it() {
        let known = HashMap::from([("A".to_owned(), "1".to_owned()), ("B".to_owned(), "$(A)".to_owned())]);
        for (written, read) in [
            ("$(A)", "1"),
            ("x$(A)y$(A)", "x1y1"),
            ("$(B)", "$(A)"),
            ("$(C)", "$(C)"),
            ("$$(A)", "$(A)"),
            ("$$$(A)", "$1"),
            ("$$", "$"),
            ("$A ${A}", "$A ${A}"),
            ("$(A", "$(A"),
            ("$", "$"),
            ("$()", "$()"),
            ("ä$(A)ö", "ä1ö"),
        ] {
            assert_eq!(expand(written, &known), read, "{written}");
        }
    }

    #[test]
    fn a_variable_refers_to_those_before_it_and_a_command_to_all() {
        let mut container = Container {
            command: vec!["run".to_owned(), "$(LATE)".to_owned()],
            env: vec![EnvVar::new("EARLY", "$(LATE)"), EnvVar::new("A", "1"), EnvVar::new("LATE", "$(A)2")],
            ..Container::default()
        };
        references(&mut container);
        let values: Vec<_> = container.env.iter().filter_map(|variable| variable.value.as_deref()).collect();
        assert_eq!(values, ["$(LATE)", "1", "12"]);
        assert_eq!(container.command, ["run", "12"]);
    }

    #[test]
    fn a_reference_is_told_from_what_only_looks_like_one() {
        for (text, refers) in [("x$(A)", true), ("$$(A)", false), ("$$$(A)", true), ("$(B)", false), ("$A", false)] {
            assert_eq!(refers_to(text, "A"), refers, "{text}");
        }
    }

    #[test]
    fn a_literal_stands_for_itself() {
        for text in ["", "$", "$HOME", "$(A)", "$$", "$$(A)", "$$$", "a$(b)$c$$d", "${A}$"] {
            assert_eq!(expand(&literal(text), &HashMap::from([("A".to_owned(), "1".to_owned())])), text, "{text}");
        }
        assert_eq!(literal("$HOME/${X} costs 5$"), "$HOME/${X} costs 5$", "only what would be read otherwise");
    }
}
