//! What the attributes say to whoever uses them wrongly.

#![allow(clippy::unwrap_used)]

use std::{env, process::Command};

use trainer_registration::{BACKEND, CONTRACT_VERSION, Record, Recorded};

/// The cases are compiled with the environment of this process, and find there what a build step would
/// have recorded; so the test starts itself again with a record.
#[test]
fn errors_tell_the_fix() {
    if env::var_os(Record::VARIABLE).is_some() {
        trybuild::TestCases::new().compile_fail("tests/errors/*.rs");
        return;
    }
    let recorded = |name: &str, type_name: &str| Recorded {
        kind: BACKEND.word.into(),
        name: name.into(),
        type_name: type_name.into(),
    };
    let record = Record {
        package: "trainer-macros-tests".into(),
        contract: CONTRACT_VERSION,
        root: "trainer_core".into(),
        registrations: vec![recorded("bare", "Bare"), recorded("loose", "Loose")],
    };
    let this = Command::new(env::current_exe().unwrap())
        .args(["--exact", "errors_tell_the_fix"])
        .env(Record::VARIABLE, record.to_string())
        .output()
        .unwrap();
    assert!(
        this.status.success(),
        "{}{}",
        String::from_utf8_lossy(&this.stdout),
        String::from_utf8_lossy(&this.stderr)
    );
}
