//! What travels from a crate that registers to the crates that depend on it.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use trainer_registration::{CONTRACT_VERSION, Kind};

use crate::{Problem, cargo::Package};

/// The key; Cargo passes it on as `DEP_<links of the crate>_TRAINER_REGISTRY`.
pub(crate) const KEY: &str = "trainer_registry";

/// All that a package hands on.
#[derive(Serialize, Deserialize)]
pub(crate) struct Metadata {
    contract: u32,
    package: String,
    version: String,
    pub(crate) entries: Vec<Entry>,
}

/// One registration, on or off.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Entry {
    /// The kind's word.
    pub(crate) kind: String,
    pub(crate) name: String,
    pub(crate) aliases: Vec<String>,
    pub(crate) description: String,
    /// The package through which it comes.
    pub(crate) package: String,
    /// The type, as the crate after it names it: `::trainer_slurm::SlurmBackend`.
    pub(crate) path: String,
    /// The type where it is defined; the same one may come along two ways.
    pub(crate) defined: String,
    pub(crate) enabled: bool,
    /// The feature of `package` that turns it on, if it is off and there is one.
    pub(crate) feature: Option<String>,
}

impl Metadata {
    pub(crate) fn of(package: &Package, entries: Vec<Entry>) -> Self {
        Self { contract: CONTRACT_VERSION, package: package.name.clone(), version: package.version.clone(), entries }
    }

    /// Looks at the version first: another one may have another shape.
    pub(crate) fn read(text: &str) -> Result<Self, Problem> {
        let value: Value = serde_json::from_str(text).map_err(|error| format!("unreadable metadata: {error}"))?;
        let word = |key: &str| value.get(key).and_then(Value::as_str).unwrap_or("?").to_owned();
        let (package, version) = (word("package"), word("version"));
        let contract = value.get("contract").and_then(Value::as_u64);
        if contract != Some(CONTRACT_VERSION.into()) {
            let contract = contract.map_or_else(|| "?".to_owned(), |contract| contract.to_string());
            return Err(format!(
                "the crate `{package}` {version} is made for contract {contract} of trainer, this binary for \
                 contract {CONTRACT_VERSION}: take versions of `{package}` and `trainer` that agree"
            ));
        }
        serde_json::from_value(value).map_err(|error| format!("unreadable metadata of `{package}` {version}: {error}"))
    }

    pub(crate) fn to_text(&self) -> String {
        serde_json::json!(self).to_string()
    }
}

impl Entry {
    pub(crate) fn is(&self, kind: &Kind) -> bool {
        self.kind == kind.word
    }

    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        std::iter::once(&self.name).chain(&self.aliases).map(String::as_str)
    }
}

/// An entry that is on.
#[cfg(test)]
pub(crate) fn entry(name: &str, path: &str) -> Entry {
    Entry {
        kind: "backend".into(),
        name: name.into(),
        aliases: Vec::new(),
        description: format!("About {name}"),
        package: path.trim_start_matches(':').split("::").next().unwrap_or_default().replace('_', "-"),
        path: path.into(),
        defined: path.into(),
        enabled: true,
        feature: None,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn another_contract_is_named_even_if_all_else_differs() {
        let problem = Metadata::read(r#"{"contract":7,"package":"trainer-slurm","version":"2.0.0"}"#).err().unwrap();
        insta::assert_snapshot!(problem, @"the crate `trainer-slurm` 2.0.0 is made for contract 7 of trainer, this binary for contract 1: take versions of `trainer-slurm` and `trainer` that agree");
    }
}
