//! `cargo xtask tidy`: the rules of the house that neither the compiler nor Clippy knows.

use std::{fs, path::Path};

use crate::Result;

/// More lines than this need a reason: a comment with [`LONG_BECAUSE`].
const LONG: usize = 800;
const LONG_BECAUSE: &str = "// tidy: long because ";

/// What is left behind while working. Spelled in halves here and below, so that this file isn't found.
const LEFT_BEHIND: &[&str] = &[concat!("todo", "!("), concat!("#[ig", "nore")];

/// Folders that only one machine has, and what of them is part of a container image instead.
const HOMES: &[&str] = &[concat!("/ro", "ot/"), concat!("/ho", "me/"), concat!("/Us", "ers/")];
const HOMES_IN_IMAGES: &[&str] = &["/root/.ssh", "/home/mpiuser"];

/// Lints that library code never switches off. The suite of `trainer-conformance` is test code.
const KEPT_LINTS: &[&str] = &["clippy::unwrap_used", "clippy::expect_used"];
const TEST_CODE: &[&str] = &["trainer-conformance/", "xtask/", "examples/", "tests/", "benches/"];

/// What isn't as the house wants it, one line each.
pub(crate) fn findings(root: &Path) -> Result<Vec<String>> {
    let files = Files::read(root)?;
    let mut findings = Vec::new();
    the_map_names_every_folder(&files, &mut findings);
    every_engine_has_the_same_files(&files, &mut findings);
    every_runtime_is_built_in(&files, &mut findings);
    snapshots_are_accepted(&files, &mut findings);
    for (path, text) in files.texts() {
        let mut found = |what: String| findings.push(format!("{path}: {what}"));
        links_lead_somewhere(root, path, text, &mut found);
        nothing_names_a_machine(root, text, &mut found);
        if Path::new(path).extension().is_some_and(|extension| extension == "rs") {
            files_stay_short(text, &mut found);
            nothing_is_left_behind(text, &mut found);
            library_code_keeps_its_lints(path, text, &mut found);
        }
    }
    Ok(findings)
}

fn the_map_names_every_folder(files: &Files, findings: &mut Vec<String>) {
    const MAP: &str = "docs/ARCHITECTURE.md";
    let map = files.text(MAP);
    let mut folders: Vec<_> = files.paths().filter_map(|path| path.split_once('/').map(|(folder, _)| folder)).collect();
    folders.dedup();
    let missing = folders.into_iter().filter(|folder| !map.contains(&format!("`{folder}/")));
    findings.extend(missing.map(|folder| format!("{MAP}: doesn't name `{folder}/`")));
}

fn every_engine_has_the_same_files(files: &Files, findings: &mut Vec<String>) {
    const ENGINES: &str = "trainer-backends/src/";
    let mut engines: Vec<_> = files
        .paths()
        .filter_map(|path| path.strip_prefix(ENGINES)?.split_once('/').map(|(engine, _)| engine))
        .collect();
    engines.dedup();
    for engine in engines {
        for file in ["mod.rs", "backend.rs", "config.rs"] {
            if !files.has(&format!("{ENGINES}{engine}/{file}")) {
                findings.push(format!("{ENGINES}{engine}: has no {file}"));
            }
        }
    }
}

/// That a runtime parses is a test of `trainer-core`, which reads those it lists.
fn every_runtime_is_built_in(files: &Files, findings: &mut Vec<String>) {
    const LIST: &str = "trainer-core/src/runtimes.rs";
    let list = files.text(LIST);
    for runtime in files.paths().filter(|path| path.starts_with("runtimes/")) {
        if !list.contains(runtime) {
            findings.push(format!("{LIST}: doesn't list {runtime}"));
        }
    }
}

fn snapshots_are_accepted(files: &Files, findings: &mut Vec<String>) {
    let pending = files.paths().filter(|path| path.ends_with(".snap.new") || path.ends_with(".pending-snap"));
    findings.extend(pending.map(|path| format!("{path}: a snapshot that nobody has accepted")));
}

fn links_lead_somewhere(root: &Path, path: &str, text: &str, found: &mut impl FnMut(String)) {
    if Path::new(path).extension().is_none_or(|extension| extension != "md") {
        return;
    }
    let folder = root.join(path).parent().map(Path::to_owned).unwrap_or_default();
    for target in links(text).filter(|target| !target.contains("://") && !target.starts_with('#')) {
        let file = target.split_once('#').map_or(target, |(file, _)| file);
        if !folder.join(file).exists() {
            found(format!("the link to {target} leads nowhere"));
        }
    }
}

/// Targets of inline links: `](target)`.
fn links(markdown: &str) -> impl Iterator<Item = &str> {
    markdown.split("](").skip(1).filter_map(|rest| rest.split_once(')').map(|(target, _)| target))
}

fn nothing_names_a_machine(root: &Path, text: &str, found: &mut impl FnMut(String)) {
    let checkout = format!("{}/", root.display());
    for (number, line) in text.lines().enumerate() {
        let line = HOMES_IN_IMAGES.iter().fold(line.to_owned(), |line, image| line.replace(image, ""));
        if line.contains(&checkout) || HOMES.iter().any(|home| line.contains(home)) {
            found(format!("line {} names a folder of one machine", number + 1));
        }
    }
}

fn files_stay_short(text: &str, found: &mut impl FnMut(String)) {
    let lines = text.lines().count();
    if lines > LONG && !text.contains(LONG_BECAUSE) {
        found(format!("has {lines} lines; split it, or say why not: `{LONG_BECAUSE}…`"));
    }
}

fn nothing_is_left_behind(text: &str, found: &mut impl FnMut(String)) {
    for (number, line) in text.lines().enumerate() {
        if let Some(left) = LEFT_BEHIND.iter().find(|left| line.contains(**left)) {
            found(format!("line {} has a {left}", number + 1));
        }
    }
}

fn library_code_keeps_its_lints(path: &str, text: &str, found: &mut impl FnMut(String)) {
    let library = path.contains("src/") && !TEST_CODE.iter().any(|folder| path.starts_with(folder));
    if !library || path.ends_with("/tests.rs") {
        return;
    }
    for (number, line) in text.lines().enumerate().take_while(|(_, line)| !line.contains("#[cfg(test)]")) {
        if line.contains("allow(") && KEPT_LINTS.iter().any(|lint| line.contains(lint)) {
            found(format!("line {} switches off a lint that library code keeps", number + 1));
        }
    }
}

/// The files of the tree that are ours, by their path from the root, sorted.
struct Files(Vec<(String, String)>);

impl Files {
    fn read(root: &Path) -> Result<Self> {
        let mut files = Vec::new();
        let mut folders = vec![root.to_owned()];
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(folder)? {
                let path = entry?.path();
                if path.is_dir() && !path.is_symlink() {
                    folders.extend(is_ours(&path).then_some(path));
                } else {
                    let name = path.strip_prefix(root)?.to_string_lossy().into_owned();
                    // A file that isn't text has a name and nothing to check.
                    files.push((name, fs::read_to_string(&path).unwrap_or_default()));
                }
            }
        }
        files.sort();
        Ok(Self(files))
    }

    fn paths(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|(path, _)| path.as_str())
    }

    fn texts(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(path, text)| (path.as_str(), text.as_str()))
    }

    fn has(&self, path: &str) -> bool {
        self.paths().any(|other| other == path)
    }

    fn text(&self, path: &str) -> &str {
        self.texts().find(|(other, _)| *other == path).map_or("", |(_, text)| text)
    }
}

/// Not what Cargo, git, Python or a job has made.
fn is_ours(folder: &Path) -> bool {
    let name = folder.file_name().unwrap_or_default();
    !["target", ".git", "outputs", "__pycache__", "wip"].iter().any(|other| name == *other)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn findings_of(check: impl Fn(&mut dyn FnMut(String))) -> Vec<String> {
        let mut findings = Vec::new();
        check(&mut |finding| findings.push(finding));
        findings
    }

    #[test]
    fn a_dead_link_is_found() {
        let text = "[here](tidy.rs#L1) [site](https://example.com) [up](#up) [gone](gone.md)";
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
        let found = findings_of(|mut found| links_lead_somewhere(&root, "x.md", text, &mut found));
        assert_eq!(found, ["the link to gone.md leads nowhere"]);
    }

    #[test]
    fn a_machines_folder_is_found_and_an_images_is_not() {
        let found =
            |line: &str| findings_of(|mut found| nothing_names_a_machine(Path::new("/src/x"), line, &mut found));
        for home in HOMES {
            assert_eq!(found(&format!("cd {home}me")).len(), 1);
        }
        assert_eq!(found("cd /src/x/target").len(), 1);
        assert_eq!(found("sshAuthMountPath: /root/.ssh"), Vec::<String>::new());
    }

    #[test]
    fn a_lint_may_be_switched_off_in_tests_alone() {
        let allow = "#![allow(clippy::unwrap_used)]";
        let found = |path: &str, text: &str| {
            findings_of(|mut found| library_code_keeps_its_lints(path, text, &mut found)).len()
        };
        assert_eq!(found("trainer-core/src/plan/mod.rs", allow), 1);
        assert_eq!(found("trainer-core/src/plan/mod.rs", &format!("#[cfg(test)]\nmod tests {{\n{allow}\n}}")), 0);
        assert_eq!(found("trainer-core/tests/corpus.rs", allow), 0);
    }
}
