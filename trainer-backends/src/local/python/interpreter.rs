//! The active Python.

use std::{
    env,
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use serde::Deserialize;
use tokio::{process::Command, time::timeout};
use trainer_core::{Error, ErrorKind, Result};

/// An interpreter, as it describes itself.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub(super) struct Interpreter {
    /// Its program.
    pub(super) executable: PathBuf,
    /// Its version, whole.
    pub(super) version: String,
    /// Its folders of packages, if it is a virtual environment: one that is made from it doesn't see them.
    pub(super) packages: Vec<PathBuf>,
    /// The version of its pip, if it has one.
    pub(super) pip: Option<String>,
}

const DESCRIBE: &str = r#"
import json, sys, sysconfig
from importlib import metadata
try:
    pip = metadata.version("pip")
except metadata.PackageNotFoundError:
    pip = None
paths = sysconfig.get_paths()
layered = sys.prefix != sys.base_prefix
print(json.dumps({
    "executable": sys.executable,
    "version": " ".join(sys.version.split()),
    "packages": sorted({paths["purelib"], paths["platlib"]}) if layered else [],
    "pip": pip,
}))
"#;

impl Interpreter {
    /// The interpreter of the active virtual environment, else the first on `PATH`.
    ///
    /// # Errors
    /// `Unsupported` if there is none.
    pub(super) async fn active() -> Result<Self> {
        let program = find().ok_or_else(|| {
            Error::unsupported("there is no Python on this machine: neither `python3` nor `python` is on PATH")
                .with_hint("install Python 3.9 or later, or activate an environment that has it")
        })?;
        let described = Command::new(&program).arg("-c").arg(DESCRIBE).stdin(Stdio::null()).kill_on_drop(true).output();
        let failed = |why: &str| {
            Error::new(ErrorKind::Unsupported, format!("{} doesn't work: {why}", program.display()))
                .with_hint("install Python 3.9 or later, or activate an environment that has it")
        };
        let output = match timeout(Duration::from_secs(30), described).await {
            Err(_) => return Err(failed("it doesn't answer")),
            Ok(output) => output.map_err(|error| failed(&error.to_string()))?,
        };
        if !output.status.success() {
            let said = String::from_utf8_lossy(&output.stderr);
            return Err(failed(said.trim().lines().last().unwrap_or("it fails without a word")));
        }
        serde_json::from_slice(&output.stdout).map_err(|error| failed(&error.to_string()))
    }

    /// Whether its pip can install for another interpreter (`pip --python`, since 22.3).
    pub(super) fn pip_serves_others(&self) -> bool {
        let Some(version) = &self.pip else { return false };
        let mut numbers = version.split('.').map(|number| number.parse().unwrap_or(0_u32));
        (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0)) >= (22, 3)
    }
}

fn find() -> Option<PathBuf> {
    let environment = env::var_os("VIRTUAL_ENV").map(|folder| Path::new(&folder).join("bin"));
    let path = env::var_os("PATH").unwrap_or_default();
    let folders: Vec<PathBuf> = environment.into_iter().chain(env::split_paths(&path)).collect();
    ["python3", "python"].iter().find_map(|name| super::install::find_in(&folders, name))
}
