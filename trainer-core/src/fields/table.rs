//! A column as a table, for people and for tests.

use super::{FieldRule, Place, Treatment, answer, has_rules_below, plan};
use crate::review::schema::Shape;

/// A line of the table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// Where the field stands.
    pub place: Place,
    /// Its name, behind what it is part of where only some of that is treated alike: `env`, `valueFrom`. `*`
    /// stands for all other keys.
    pub path: Vec<String>,
    /// What is done about it. `None`: it is refused, because nobody says anything else.
    pub treatment: Option<Treatment>,
}

impl Line {
    /// The field as a rule names it: `env.valueFrom`.
    #[must_use]
    pub fn field(&self) -> String {
        self.path.join(".")
    }
}

/// What becomes of every field of the schema on the engine with this column.
#[must_use]
pub fn table(column: &'static [FieldRule]) -> Vec<Line> {
    let mut lines = Vec::new();
    for place in Place::ALL {
        add_below(column, place, &[], &mut lines);
    }
    lines
}

fn add_below(column: &'static [FieldRule], place: Place, path: &[String], lines: &mut Vec<Line>) {
    let words: Vec<&str> = path.iter().map(String::as_str).collect();
    let names: Vec<String> = match place.shape(&words) {
        Some(Shape::Fields(names)) => names.into_iter().map(str::to_owned).collect(),
        Some(Shape::Keys) => keys(column, place, path),
        Some(Shape::Leaf) | None => Vec::new(),
    };
    for name in names {
        let path = [path, &[name]].concat();
        if has_rules_below(column, place, &path) {
            add_below(column, place, &path, lines);
        } else {
            let treatment = answer(column, place, &path).map(|rule| rule.treatment);
            lines.push(Line { place, path, treatment });
        }
    }
}

/// The keys that have a rule, where the user chooses them.
fn keys(column: &'static [FieldRule], place: Place, path: &[String]) -> Vec<String> {
    let prefix = path.join(".") + ".";
    let rules = plan::RULES.iter().chain(column).filter(|rule| rule.place == Some(place));
    let named = rules.flat_map(|rule| rule.fields).filter_map(|field| field.strip_prefix(&prefix));
    named.chain(["*"]).map(str::to_owned).collect()
}

/// What is wrong with a column: names that the schema lacks, fields that the plan answers, fields with two answers.
#[must_use]
pub fn mistakes(column: &'static [FieldRule]) -> Vec<String> {
    let named = |rules: &'static [FieldRule]| {
        rules.iter().flat_map(|rule| rule.fields.iter().filter_map(|field| Some((rule.place?, *field))))
    };
    let mut mistakes = Vec::new();
    for (index, (place, field)) in named(column).enumerate() {
        let wrong = if !is_known(place, field) {
            "isn't in the schema"
        } else if named(plan::RULES).any(|(of, planned)| of == place && is_at_or_below(field, planned)) {
            "is the plan's"
        } else if named(column).take(index).any(|earlier| earlier == (place, field)) {
            "has two answers"
        } else {
            continue;
        };
        mistakes.push(format!("`{field}` of {} {wrong}", place.name()));
    }
    mistakes
}

fn is_at_or_below(field: &str, above: &str) -> bool {
    field.strip_prefix(above).is_some_and(|below| below.is_empty() || below.starts_with('.'))
}

/// A key that the user chooses may hold dots.
fn is_known(place: Place, field: &str) -> bool {
    let words: Vec<&str> = field.split('.').collect();
    let is_key = |length: usize| place.shape(&words[..length]) == Some(Shape::Keys);
    (1..words.len()).any(is_key) || place.shape(&words).is_some()
}
