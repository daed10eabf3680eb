//! The registry from end to end: crates of other people, right and wrong ones, are built and run.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Output},
    sync::OnceLock,
};

use insta::assert_snapshot;

#[test]
fn a_binary_without_backends_builds_and_says_so() {
    assert_snapshot!(show("none", &[]), @"none none None");
    assert_snapshot!(connect("none", &[], &["slurm"]), @r"
    NotFound: no backend is called `slurm`
    hint: this build has no backends
    ");
}

#[test]
fn a_binary_has_what_its_dependencies_register_under_their_features() {
    assert_snapshot!(show("one", &[]), @r"
    one one None
    lean [] `Needs no facade` of lean: true, None
    ");
    assert_snapshot!(show("several", &[]), @r#"
    acme acme-corp Some("lean")
    alpha [] `Overrides all that there is` of gallery: true, None
    bare-metal [] `Not on the system that the tests run on` of gallery: false, None
    beta ["bravo", "b2"] `Behind a feature, with other names` of gallery: false, Some("gallery/beta")
    delta [] `Under two conditions` of gallery: false, Some("gallery/delta")
    gamma [] `In a file that a path names` of gallery: true, None
    lean [] `Needs no facade` of lean: true, None
    "#);
    assert_snapshot!(show("several", &["beta"]), @r#"
    acme acme-corp Some("lean")
    alpha [] `Overrides all that there is` of gallery: true, None
    bare-metal [] `Not on the system that the tests run on` of gallery: false, None
    beta ["bravo", "b2"] `Behind a feature, with other names` of gallery: true, None
    delta [] `Under two conditions` of gallery: false, Some("gallery/delta")
    gamma [] `In a file that a path names` of gallery: true, None
    lean [] `Needs no facade` of lean: true, None
    "#);
    assert_snapshot!(show("several", &["beta", "delta"]), @r#"
    acme acme-corp Some("lean")
    alpha [] `Overrides all that there is` of gallery: true, None
    bare-metal [] `Not on the system that the tests run on` of gallery: false, None
    beta ["bravo", "b2"] `Behind a feature, with other names` of gallery: true, None
    delta [] `Under two conditions` of gallery: true, None
    gamma [] `In a file that a path names` of gallery: true, None
    lean [] `Needs no facade` of lean: true, None
    "#);
}

#[test]
fn a_binary_has_the_backends_of_the_facade_beside_those_of_plug_ins() {
    let registry = show("several", &["trainer/local"]);
    assert!(registry.contains("\nlocal [] `Processes of this machine` of trainer: true, None\n"), "{registry}");
    assert_snapshot!(connect("several", &[], &["local"]), @r"
    Unsupported: the backend `local` is not part of this build: it is behind a feature of the crate `trainer`
    hint: build with `--features trainer/local`
    ");
}

#[test]
fn a_binary_may_register_a_backend_of_its_own() {
    assert_snapshot!(show("own-backend", &[]), @r"
    own-backend own-backend None
    own [] `Lives in the binary itself` of own-backend: true, None
    ");
}

#[test]
fn an_alias_chooses_its_backend_which_learns_which_one_it_was() {
    assert_snapshot!(connect("several", &["beta"], &["bravo", "color=blue"]), @r#"
    name: beta
    keys: Some([Key { name: "color", help: "any color", is_path: false }])
    fields: Some(Warn("beta"))
    stops_on_interrupt: false
    check_options: check_options was called
    check: selected "bravo", color "blue"
    runtimes: the default
    runtime: the default
    preview: preview was called
    submit: submit was called
    update: this backend can't change the job `alpha`
    get: get was called
    list: list was called
    watch: watch was called
    logs: logs was called
    events: events was called
    stop: stop was called
    resume: resume was called
    delete: delete was called
    "#);
}

#[test]
fn a_name_that_chooses_nothing_is_answered_with_what_would() {
    assert_snapshot!(connect("several", &[], &["alhpa"]), @r"
    NotFound: no backend is called `alhpa`
    hint: did you mean `alpha`? there are `alpha`, `gamma`, `lean`
    ");
    assert_snapshot!(connect("several", &[], &["kubernetes"]), @r"
    NotFound: no backend is called `kubernetes`
    hint: there are `lean`, `alpha`, `gamma`
    ");
    assert_snapshot!(connect("several", &[], &["b2"]), @r"
    Unsupported: the backend `b2` is not part of this build: it is behind a feature of the crate `gallery`
    hint: build with `--features gallery/beta`
    ");
    assert_snapshot!(connect("several", &[], &["bare-metal"]), @r"
    Unsupported: the backend `bare-metal` is not part of this build: the crate `gallery` doesn't have it on this platform
    hint: none
    ");
    assert_snapshot!(connect("several", &[], &["lean", "colour=blue"]), @r"
    Invalid: the backend `lean` has no setting `colour`
    hint: its settings are color
    ");
}

/// A default that an implementation overrides must be overridden in the enum too.
#[test]
fn every_method_of_the_contract_reaches_the_backend_through_the_enum() {
    let answers = connect("several", &[], &["alpha"]);
    assert_snapshot!(answers, @r#"
    name: alpha
    keys: Some([Key { name: "color", help: "any color", is_path: false }])
    fields: Some(Warn("alpha"))
    stops_on_interrupt: true
    check_options: check_options was called
    check: selected "alpha", color ""
    runtimes: runtimes was called
    runtime: runtime was called
    preview: preview was called
    submit: submit was called
    update: update was called
    get: get was called
    list: list was called
    watch: watch was called
    logs: logs was called
    events: events was called
    stop: stop was called
    resume: resume was called
    delete: delete was called
    "#);
    for method in methods_of_the_contract() {
        let answered = answers.lines().any(|line| line.starts_with(&format!("{method}: ")));
        assert!(answered, "{method} is not called");
    }
    let default = connect("several", &[], &["gamma"]);
    assert!(default.contains("runtimes: the default\nruntime: the default\n"), "{default}");
    assert!(default.contains("stops_on_interrupt: false\n"), "{default}");
}

#[test]
fn what_would_be_dropped_or_doubled_fails_the_build_with_the_fix() {
    assert_snapshot!(problem("twice"), @"error: twice@0.1.0: two backends are called `uno`: `::twice::One` of the crate `twice` and `::twice::Two` of the crate `twice`; rename one, or turn one off");
    assert_snapshot!(problem("clash"), @"error: clash@0.1.0: two backends are called `lean`: `::lean::LeanBackend` of the crate `lean` and `::same_name::OtherBackend` of the crate `same-name`; rename one, or turn one off");
    assert_snapshot!(problem("no-links"), @r#"error: no-links@0.1.0: the crate `no-links` registers, but has no `links` key, so Cargo doesn't pass it on: add `links = "no-links"` to [package] in its Cargo.toml"#);
    assert_snapshot!(problem("no-build-step"), @"error: the backend `forgotten` is not recorded by this crate's build step: call `trainer_build::record()` in build.rs");
    assert_snapshot!(problem("hidden"), @"error: the build step of this crate doesn't see the backend `hidden`, so no binary would have it: register it outside of functions and macros");
    assert_snapshot!(problem("private-type"), @"error: private-type@0.1.0: src/lib.rs: the backend `private` can't be named from outside of its crate: make `Private` and the modules that it is in `pub`, or re-export it");
    assert_snapshot!(problem("odd-cfg"), @"error: odd-cfg@0.1.0: src/lib.rs: whether there is a backend `odd` depends on `cfg(tokio_unstable)`, which a build script isn't told: use a feature, a property of the target, or `all`, `any`, `not` of those");
}

#[test]
fn a_plug_in_of_another_contract_is_refused() {
    assert_snapshot!(problem("skewed"), @"error: skewed@0.1.0: the crate `other-contract` 9.1.0 is made for contract 99 of trainer, this binary for contract 1: take versions of `other-contract` and `trainer` that agree");
}

#[test]
fn a_declaration_that_cannot_hold_is_refused() {
    let bad_default = problem("bad-default");
    let bad_default = bad_default.split_once(": there are ").map_or(bad_default.as_str(), |(problem, _)| problem);
    assert_snapshot!(bad_default, @"error: bad-default@0.1.0: the declared default backend `fat` is none that the dependencies of `bad-default` register");
    assert_snapshot!(problem("no-facade"), @"error: no-facade@0.1.0: the registry of `no-facade` names everything through the crate `trainer`, which is not among its dependencies: add `trainer` to [dependencies] in its Cargo.toml");
}

/// The error that a user of our binary is shown for a backend whose feature is off must name a feature that there is.
#[test]
fn the_facade_has_the_features_that_it_forwards() {
    use trainer::registry::{Backend, BackendRegistry};
    let manifest = fs::read_to_string(root().join("Cargo.toml")).unwrap();
    for known in Backend::KNOWN {
        assert_eq!(known.krate, "trainer");
        if let Some(feature) = known.feature {
            assert!(manifest.contains(&format!("\n{feature} = [\"trainer-backends/{feature}\"]\n")), "{feature}");
        }
    }
}

/// The registry, less the backends of the facade that are off.
fn show(package: &str, features: &[&str]) -> String {
    let all = connect(package, features, &[]);
    all.lines().filter(|line| !line.contains(" of trainer: false")).map(|line| format!("{line}\n")).collect()
}

fn connect(package: &str, features: &[&str], arguments: &[&str]) -> String {
    let features = features.join(",");
    let output = cargo(&[&["run", "--package", package, "--features", &features, "--"], arguments].concat());
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// The first error of the build.
fn problem(package: &str) -> String {
    let output = cargo(&["check", "--package", package]);
    assert!(!output.status.success(), "{package} builds");
    let stderr = String::from_utf8(output.stderr).unwrap();
    let errors: Vec<_> = stderr.lines().filter(|line| line.starts_with("error: ")).collect();
    (*errors.first().unwrap_or_else(|| panic!("{stderr}"))).to_owned()
}

/// Runs Cargo in the workspace of the fixtures. All share one target folder.
fn cargo(arguments: &[&str]) -> Output {
    static LOCKED: OnceLock<()> = OnceLock::new();
    let fixtures = root().join("tests/fixtures");
    LOCKED.get_or_init(|| {
        // The same versions as ours: nothing is to be downloaded.
        fs::copy(root().join("Cargo.lock"), fixtures.join("Cargo.lock")).unwrap();
    });
    let (command, rest) = arguments.split_first().unwrap();
    Command::new(env!("CARGO"))
        .current_dir(fixtures)
        .args([command, "--quiet", "--offline", "--color=never", "--target-dir"])
        .arg(Path::new(env!("CARGO_TARGET_TMPDIR")).join("fixtures"))
        .args(rest)
        // Cargo hands on what the build script of this package told it.
        .env_remove("TRAINER_RECORD")
        .output()
        .unwrap()
}

fn methods_of_the_contract() -> Vec<String> {
    let source = fs::read_to_string(root().join("trainer-core/src/backend.rs")).unwrap();
    let file = syn::parse_file(&source).unwrap();
    let contract = file.items.iter().find_map(|item| match item {
        syn::Item::Trait(item) if item.ident == "TrainerBackend" => Some(item),
        _ => None,
    });
    let methods = contract.unwrap().items.iter().filter_map(|item| match item {
        syn::TraitItem::Fn(method) => Some(method.sig.ident.to_string()),
        _ => None,
    });
    methods.collect()
}

fn root() -> PathBuf {
    env!("CARGO_MANIFEST_DIR").into()
}
