//! `cargo xtask mutations`: each rule of review and plan is switched off, and a test must notice.
//!
//! All rules are switched in one build of a copy of the tree: where a rule stands, the copy asks the environment
//! whether this one is off. So the product knows nothing of it, and a rule costs one run of the tests.

mod rules;

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    ops::Range,
    path::{Path, PathBuf},
    process::{Command, ExitCode, Output, Stdio},
    sync::{
        Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
    time::Instant,
};

use serde_json::Value;

use crate::{Result, workspace::Workspace};

/// A rule, and the code without which it is gone.
struct Rule {
    /// Its id in a violation, or what it does.
    id: &'static str,
    /// Which part of it; empty for the whole.
    part: &'static str,
    /// File below `trainer-core/src`.
    file: &'static str,
    /// An expression that occurs once in the file, or is marked with `«»` in text that does.
    code: &'static str,
    /// What takes its place; `$code` is the expression itself.
    off: &'static str,
}

/// What says which rule is off, by its place in the list.
const VARIABLE: &str = "TRAINER_MUTATION";

/// The tests that could notice, the quickest first.
const TESTS: [&str; 5] = ["rules", "plans", "review", "trainer_core", "corpus"];

/// Where in `trainer-core` the rules are.
const CRATE: &str = "trainer-core";

/// What every copy of the crate can be asked.
const SWITCH: &str = "
pub(crate) fn switched_off() -> usize {
    static RULE: std::sync::LazyLock<usize> = std::sync::LazyLock::new(|| {
        std::env::var(\"TRAINER_MUTATION\").ok().and_then(|rule| rule.parse().ok()).unwrap_or(usize::MAX)
    });
    *RULE
}
";

/// Switches off each rule whose id or part contains `filter`, and says who noticed.
pub(crate) fn run(workspace: &Workspace, filter: &str) -> Result<ExitCode> {
    let rules = rules::all();
    every_id_is_listed(workspace, &rules)?;
    let folder = workspace.target.join("mutations");
    let copy = folder.join("tree");
    copy_tree(&workspace.root, &copy)?;
    switch(&workspace.root.join(CRATE).join("src"), &copy.join(CRATE).join("src"), &rules)?;
    println!("building the tests with {} switches", rules.len());
    let tests = build(workspace, &copy, &folder.join("target"))?;
    if let Some(test) = noticed(&tests, &copy, None)? {
        return Err(format!("`{test}` fails with every rule on").into());
    }

    let began = Instant::now();
    let asked: Vec<usize> = (0..rules.len())
        .filter(|&index| rules[index].id.contains(filter) || rules[index].part.contains(filter))
        .collect();
    let next = AtomicUsize::new(0);
    let outcomes = Mutex::new(BTreeMap::new());
    let workers = thread::available_parallelism().map_or(1, usize::from);
    thread::scope(|scope| {
        for _ in 0..workers {
            scope.spawn(|| {
                while let Some(&index) = asked.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let outcome = noticed(&tests, &copy, Some(index)).map_err(|error| error.to_string());
                    if let Ok(mut outcomes) = outcomes.lock() {
                        outcomes.insert(index, outcome);
                    }
                }
            });
        }
    });
    let outcomes = outcomes.into_inner().map_err(|_| "a worker panicked")?;
    let lost = summarize(&rules, &outcomes)?;
    println!("\n{} rules switched off in {:.0} s", outcomes.len(), began.elapsed().as_secs_f64());
    if lost.is_empty() {
        return Ok(ExitCode::SUCCESS);
    }
    println!("nobody notices the loss of: {}", lost.join(", "));
    Ok(ExitCode::FAILURE)
}

fn summarize(rules: &[Rule], outcomes: &BTreeMap<usize, Result<Option<String>, String>>) -> Result<Vec<String>> {
    let width = |text: fn(&Rule) -> usize| rules.iter().map(text).max().unwrap_or_default();
    let (ids, parts) = (width(|rule| rule.id.chars().count()), width(|rule| rule.part.chars().count()));
    println!("{:ids$}  {:parts$}  noticed by", "rule", "part");
    let mut lost = Vec::new();
    for (&index, outcome) in outcomes {
        let Rule { id, part, .. } = &rules[index];
        let test = outcome.as_ref().map_err(Clone::clone)?;
        println!("{id:ids$}  {part:parts$}  {}", test.as_deref().unwrap_or("NOBODY"));
        if test.is_none() {
            lost.push(format!("{id} {part}").trim_end().to_owned());
        }
    }
    Ok(lost)
}

/// Each id that review gives to a violation has a rule here.
fn every_id_is_listed(workspace: &Workspace, rules: &[Rule]) -> Result {
    let listed: BTreeSet<&str> = rules.iter().map(|rule| rule.id).collect();
    let mut missing = BTreeSet::new();
    let mut folders = vec![workspace.root.join(CRATE).join("src/review"), workspace.root.join(CRATE).join("src/plan")];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder)? {
            let path = entry?.path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = fs::read_to_string(&path)?;
                let literals = text.split('"').skip(1).step_by(2);
                missing.extend(literals.filter(|text| is_id(text) && !listed.contains(text)).map(str::to_owned));
            }
        }
    }
    if missing.is_empty() {
        return Ok(());
    }
    Err(format!("not in the list of rules: {}", Vec::from_iter(missing).join(", ")).into())
}

/// `V16`, `crd:name`, `jobset:ports`, `job:env`.
fn is_id(text: &str) -> bool {
    let is_webhook = text.strip_prefix('V').is_some_and(|number| number.parse::<u8>().is_ok());
    let of_layer = ["crd", "jobset", "job", "flux"].iter().any(|layer| {
        let name = text.strip_prefix(layer).and_then(|rest| rest.strip_prefix(':'));
        name.is_some_and(|name| !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '.'))
    });
    is_webhook || of_layer
}

/// The files that git knows or would. What hasn't changed isn't written, so that Cargo builds little.
fn copy_tree(root: &Path, copy: &Path) -> Result {
    let output = Command::new("git")
        .args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"])
        .current_dir(root)
        .output()?;
    if !output.status.success() {
        return Err(format!("git ls-files failed: {}", String::from_utf8_lossy(&output.stderr)).into());
    }
    for file in String::from_utf8(output.stdout)?.split('\0').filter(|file| !file.is_empty()) {
        let Ok(content) = fs::read(root.join(file)) else { continue };
        // These are written with their switches.
        if !file.starts_with("trainer-core/src/") || !file.ends_with(".rs") {
            write_changed(&copy.join(file), &content)?;
        }
    }
    Ok(())
}

/// The copy of the crate with a switch at each rule.
fn switch(original: &Path, copy: &Path, rules: &[Rule]) -> Result {
    let mut switches: BTreeMap<&str, BTreeMap<(usize, usize), Vec<usize>>> = BTreeMap::new();
    for (index, rule) in rules.iter().enumerate() {
        let text = fs::read_to_string(original.join(rule.file))?;
        let Range { start, end } = place(&text, rule)?;
        switches.entry(rule.file).or_default().entry((start, end)).or_default().push(index);
    }
    let mut folders = vec![PathBuf::new()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(original.join(&folder))? {
            let entry = entry?;
            let file = folder.join(entry.file_name());
            if entry.path().is_dir() {
                folders.push(file);
                continue;
            }
            let mut text = fs::read_to_string(entry.path())?;
            let none = BTreeMap::new();
            let places = file.to_str().and_then(|file| switches.get(file)).unwrap_or(&none);
            let mut behind = usize::MAX;
            for (&(start, end), indices) in places.iter().rev() {
                if end > behind {
                    let rule = &rules[indices[0]];
                    return Err(format!("the code of {} {} overlaps another rule's", rule.id, rule.part).into());
                }
                behind = start;
                let code = text[start..end].to_owned();
                let arms: String = indices
                    .iter()
                    .map(|&index| format!("{index} => {{ {} }} ", rules[index].off.replace("$code", &code)))
                    .collect();
                text.replace_range(start..end, &format!("(match crate::switched_off() {{ {arms}_ => {{ {code} }} }})"));
            }
            if file == Path::new("lib.rs") {
                // Switches stand in brackets and return early: of no interest.
                text = format!("#![allow(warnings)]\n{text}{SWITCH}");
            }
            write_changed(&copy.join(&file), text.as_bytes())?;
        }
    }
    Ok(())
}

fn place(text: &str, rule: &Rule) -> Result<Range<usize>> {
    let context = rule.code.replace(['«', '»'], "");
    let found: Vec<usize> = text.match_indices(&context).map(|(at, _)| at).collect();
    let [at] = found[..] else {
        let Rule { id, part, file, code, .. } = rule;
        return Err(format!("the code of {id} {part} occurs {} times in {file}: {code}", found.len()).into());
    };
    let start = rule.code.find('«').unwrap_or(0);
    let end = rule.code.find('»').map_or(context.len(), |end| end - '«'.len_utf8());
    Ok(at + start..at + end)
}

fn write_changed(path: &Path, content: &[u8]) -> Result {
    if fs::read(path).is_ok_and(|old| old == content) {
        return Ok(());
    }
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    Ok(fs::write(path, content)?)
}

/// The test programs, in the order of [`TESTS`]. Built apart: to Cargo, the copy's packages are those of the tree.
fn build(workspace: &Workspace, copy: &Path, target: &Path) -> Result<Vec<PathBuf>> {
    let mut command = workspace.cargo(&["test", "--quiet", "--package", CRATE, "--no-run", "--lib"]);
    command.args(TESTS.into_iter().filter(|test| *test != "trainer_core").flat_map(|test| ["--test", test]));
    command.args(["--message-format", "json-render-diagnostics"]).current_dir(copy);
    command.env("CARGO_TARGET_DIR", target).stderr(Stdio::inherit());
    let output = command.output()?;
    if !output.status.success() {
        return Err("the tests with their switches don't build".into());
    }
    let messages: Vec<Value> = String::from_utf8(output.stdout)?
        .lines()
        .map(serde_json::from_str)
        .collect::<Result<_, serde_json::Error>>()?;
    let program = |name: &str| {
        let mut programs = messages.iter().filter(|message| message["target"]["name"] == name);
        let program = programs.find_map(|message| message["executable"].as_str());
        program.map(PathBuf::from).ok_or_else(|| format!("cargo built no test `{name}`").into())
    };
    TESTS.into_iter().map(program).collect()
}

/// The first test that fails with this rule off.
fn noticed(tests: &[PathBuf], copy: &Path, rule: Option<usize>) -> Result<Option<String>> {
    for (program, name) in tests.iter().zip(TESTS) {
        let mut command = Command::new(program);
        command.current_dir(copy.join(CRATE)).env("INSTA_UPDATE", "no").env("INSTA_WORKSPACE_ROOT", copy);
        command.args(["--test-threads", "1"]);
        if name == "trainer_core" {
            command.args(["plan::", "review::", "api::", "runtimes::"]);
        }
        if let Some(rule) = rule {
            command.env(VARIABLE, rule.to_string());
        }
        let output = command.output()?;
        if !output.status.success() {
            return Ok(Some(format!("{name}: {}", first_failure(&output))));
        }
    }
    Ok(None)
}

fn first_failure(output: &Output) -> String {
    let text = String::from_utf8_lossy(&output.stdout);
    let failed = text.lines().find(|line| line.starts_with("test ") && line.ends_with("FAILED"));
    failed.and_then(|line| line.split_whitespace().nth(1)).unwrap_or("ended early").to_owned()
}
