//! What becomes of each field of a job on a backend, for people: by place, then by treatment.

use std::io::{self, Write};

use serde_json::{Value, json};
use trainer_core::fields::{FieldRule, Line, Place, Treatment, table};

/// Columns of a line, as far as words allow.
const WIDTH: usize = 100;

pub(super) fn write(mut to: impl Write, column: &'static [FieldRule]) -> io::Result<()> {
    let lines = table(column);
    for place in Place::ALL {
        writeln!(to, "  {}", place.name())?;
        let mut groups: Vec<((usize, &str), Vec<&Line>)> = Vec::new();
        for line in lines.iter().filter(|line| line.place == place) {
            let said = word_and_text(line.treatment);
            match groups.iter_mut().find(|(other, _)| *other == said) {
                Some((_, alike)) => alike.push(line),
                None => groups.push((said, vec![line])),
            }
        }
        groups.sort_by_key(|((word, _), _)| *word);
        for ((word, text), alike) in groups {
            let text = if text.is_empty() { String::new() } else { format!(": {text}") };
            write_wrapped(&mut to, WORDS[word], &format!("{}{text}", siblings_together(&alike)))?;
        }
    }
    Ok(())
}

pub(super) fn as_json(column: &'static [FieldRule]) -> Value {
    let line = |line: Line| {
        let (word, text) = word_and_text(line.treatment);
        let text = Some(text).filter(|text| !text.is_empty());
        json!({ "place": line.place.name(), "field": line.field(), "treatment": WORDS[word], "text": text })
    };
    table(column).into_iter().map(line).collect()
}

const WORDS: [&str; 6] = ["honoured", "limited", "moot", "substituted", "warned", "refused"];

/// Which of the words, and what there is to say.
const fn word_and_text(treatment: Option<Treatment>) -> (usize, &'static str) {
    match treatment {
        Some(Treatment::Honour) => (0, ""),
        Some(Treatment::Within(limits)) => (1, limits),
        Some(Treatment::Moot) => (2, ""),
        Some(Treatment::Substitute(why)) => (3, why),
        Some(Treatment::Warn(why)) => (4, why),
        Some(Treatment::Refuse(hint)) => (5, hint),
        None => (5, ""),
    }
}

/// `volumes.{csi, nfs}` for `volumes.csi` and `volumes.nfs`.
fn siblings_together(lines: &[&Line]) -> String {
    let above = |line: &Line| line.path.split_last().map(|(_, above)| above.join(".")).unwrap_or_default();
    let families = lines.chunk_by(|one, other| above(one) == above(other)).map(|family| {
        let names: Vec<&str> = family.iter().filter_map(|line| line.path.last()).map(String::as_str).collect();
        match (above(family[0]), &names[..]) {
            (above, names) if above.is_empty() => names.join(", "),
            (above, [name]) => format!("{above}.{name}"),
            (above, names) => format!("{above}.{{{}}}", names.join(", ")),
        }
    });
    families.collect::<Vec<_>>().join(", ")
}

fn write_wrapped(mut to: impl Write, heading: &str, text: &str) -> io::Result<()> {
    let mut line = format!("    {heading:<11}");
    let mut is_empty = true;
    for word in text.split(' ') {
        if !is_empty && line.len() + 1 + word.len() > WIDTH {
            writeln!(to, "{line}")?;
            line = " ".repeat(15);
        }
        line.push(' ');
        line.push_str(word);
        is_empty = false;
    }
    writeln!(to, "{line}")
}
