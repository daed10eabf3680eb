//! The generated enum costs what a match written by hand costs, and allocates nothing.

#![allow(clippy::unwrap_used)]

use std::{collections::HashMap, env, fs, path::Path, process::Command};

use allocation_counter::measure;
use trainer::{JobName, TrainerBackend};
use trainer_benches::{Amber, Backend, Blue, Coral, Denim, now};

#[test]
fn the_generated_call_is_the_machine_code_of_a_match_written_by_hand() {
    let assembly = assembly();
    let synchronous = instructions(&assembly, &["synchronous_generated"]);
    assert_eq!(synchronous, instructions(&assembly, &["synchronous_by_hand"]));
    // The code of an `async fn` is in a closure of its name.
    let asynchronous = instructions(&assembly, &["registry", "resume", "closure"]);
    assert_eq!(asynchronous, instructions(&assembly, &["ByHand", "resume", "closure"]));
    // They would differ if there were something to differ.
    assert_ne!(synchronous, asynchronous);
    assert!(synchronous.len() > 4 && asynchronous.len() > 4, "{synchronous:?}");
}

#[test]
fn a_dispatched_call_allocates_nothing_and_a_stream_is_one_box() {
    let name: JobName = "alpha".parse().unwrap();
    for backend in [Backend::from(Amber(7)), Blue(7).into(), Coral(7).into(), Denim(7).into()] {
        let synchronous = measure(|| _ = backend.stops_on_interrupt());
        let asynchronous = measure(|| now(backend.resume(&name)).unwrap());
        let stream = measure(|| drop(now(backend.watch(&name)).unwrap()));
        assert_eq!([synchronous, asynchronous, stream].map(|counted| counted.count_total), [0, 0, 1]);
    }
}

/// The optimised code of this package's library, as text. Built in the target folder of this test, where
/// most of it is.
fn assembly() -> String {
    let scratch = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let file = scratch.join("trainer-benches.s");
    let emit = format!("asm={}", file.display());
    let status = Command::new(env!("CARGO"))
        .args(["rustc", "--quiet", "--lib", "--manifest-path", concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml")])
        .arg("--target-dir")
        .arg(scratch.parent().unwrap())
        .args(["--", "--emit", &emit])
        .env_remove("TRAINER_RECORD")
        .status();
    assert!(status.unwrap().success());
    fs::read_to_string(file).unwrap()
}

/// The instructions of the function whose symbol has all `words`, with labels by the order of their appearance.
///
/// A label also stands for the place in the source that a panic names, which differs.
fn instructions(assembly: &str, words: &[&str]) -> Vec<String> {
    let named = |symbol: &str| words.iter().all(|word| symbol.contains(word)) && !symbol.contains("drop_in_place");
    // Of two equal functions the compiler may keep one, and make the other a name for it.
    let alias = assembly.lines().find_map(|line| {
        match line.trim().strip_prefix(".set ").unwrap_or(line).split_once([',', '=']) {
            Some((name, target)) if named(name) && !name.contains('\t') => Some(target.trim().to_owned()),
            _ => None,
        }
    });
    let is_start = |line: &&str| match line.strip_suffix(':') {
        Some(symbol) if !symbol.starts_with('.') => {
            alias.as_ref().map_or_else(|| named(symbol), |alias| symbol == alias)
        }
        _ => false,
    };
    let mut labels = HashMap::new();
    let body = assembly.lines().skip_while(|line| !is_start(line)).skip(1).map(str::trim);
    let body: Vec<_> = body.take_while(|line| *line != ".cfi_endproc").filter(|line| is_instruction(line)).collect();
    assert!(!body.is_empty(), "no function with {words:?} in its name");
    body.into_iter().map(|line| with_numbered_labels(line, &mut labels)).collect()
}

fn is_instruction(line: &str) -> bool {
    let is_label = line.ends_with(':');
    let is_directive = line.starts_with('.') || line.starts_with('#');
    (is_label && line.starts_with(".LBB")) || (!is_label && !is_directive && !line.is_empty())
}

fn with_numbered_labels(line: &str, labels: &mut HashMap<String, usize>) -> String {
    let mut numbered = String::new();
    let mut rest = line;
    while let Some(start) = rest.find(".L") {
        let end = rest[start + 2..].find(|c: char| !(c.is_alphanumeric() || "._".contains(c)));
        let end = end.map_or(rest.len(), |end| start + 2 + end);
        let next = labels.len();
        let number = *labels.entry(rest[start..end].to_owned()).or_insert(next);
        numbered += &format!("{}L{number}", &rest[..start]);
        rest = &rest[end..];
    }
    numbered + rest
}
