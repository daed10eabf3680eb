//! Where things are, as Cargo says.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use serde_json::Value;

use crate::Result;

/// What `cargo metadata` says of this workspace.
pub(crate) struct Workspace {
    /// The repository.
    pub(crate) root: PathBuf,
    /// Where Cargo builds.
    pub(crate) target: PathBuf,
    /// Its packages.
    pub(crate) packages: Vec<Package>,
    /// Names of the folders in `examples/` that are workspaces of their own.
    pub(crate) examples: Vec<String>,
}

/// A package of the workspace.
pub(crate) struct Package {
    /// Its name.
    pub(crate) name: String,
    /// Its features, without `default`.
    pub(crate) features: Vec<String>,
    /// Names of the test targets in its `tests/`.
    pub(crate) tests: Vec<String>,
}

impl Workspace {
    pub(crate) fn read() -> Result<Self> {
        let output = cargo().args(["metadata", "--format-version", "1", "--no-deps", "--offline"]).output()?;
        if !output.status.success() {
            return Err(format!("cargo metadata failed: {}", String::from_utf8_lossy(&output.stderr)).into());
        }
        let metadata: Value = serde_json::from_slice(&output.stdout)?;
        let root = PathBuf::from(text(&metadata["workspace_root"]));
        Ok(Self {
            examples: examples(&root)?,
            root,
            target: PathBuf::from(text(&metadata["target_directory"])),
            packages: list(&metadata["packages"]).iter().map(Package::read).collect(),
        })
    }

    /// Cargo in this workspace.
    pub(crate) fn cargo(&self, arguments: &[&str]) -> Command {
        let mut command = cargo();
        command.args(arguments).current_dir(&self.root);
        command
    }

    /// Cargo in the workspace of an example. It shares our target folder, so that what both need is built once.
    pub(crate) fn cargo_in_example(&self, example: &str, arguments: &[&str]) -> Command {
        let mut command = cargo();
        command.args(arguments).current_dir(self.root.join("examples").join(example));
        command.env("CARGO_TARGET_DIR", &self.target);
        command
    }

    /// Where a part's output goes.
    pub(crate) fn logs(&self) -> PathBuf {
        self.target.join("test-logs")
    }
}

impl Package {
    fn read(package: &Value) -> Self {
        let tests = list(&package["targets"]).iter().filter(|target| list(&target["kind"]).contains(&"test".into()));
        Self {
            name: text(&package["name"]),
            features: package["features"].as_object().map_or_else(Vec::new, |features| {
                features.keys().filter(|feature| *feature != "default").cloned().collect()
            }),
            tests: tests.map(|target| text(&target["name"])).collect(),
        }
    }
}

fn examples(root: &Path) -> Result<Vec<String>> {
    let folders: Vec<_> = fs::read_dir(root.join("examples"))?.collect::<Result<_, _>>()?;
    let workspaces = folders.into_iter().filter(|folder| folder.path().join("Cargo.toml").is_file());
    let mut names: Vec<_> = workspaces.map(|folder| folder.file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    Ok(names)
}

/// The Cargo that runs this.
fn cargo() -> Command {
    Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}
