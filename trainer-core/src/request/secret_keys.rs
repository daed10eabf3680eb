//! Which key of which Kubernetes Secret holds a variable: `[secrets.NAME]` of the configuration.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{
    Error, Result,
    api::EnvVar,
    plan::{Container, LaunchPlan, expand::refers_to},
};

/// Where a secret variable is on a cluster.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SecretKey {
    /// Name of the variable.
    pub name: String,
    /// Name of the Kubernetes Secret.
    pub secret: String,
    /// Key in it.
    pub key: String,
}

/// Where the secret variables of a job are on a cluster. Off the cluster it is read the other way round: a
/// `secretKeyRef` stands for a variable of the caller.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct SecretKeys(Vec<SecretKey>);

/// What a variable takes from a Secret, off the cluster.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct FromCaller<'a> {
    /// The caller's variable.
    pub name: &'a str,
    /// Whether the job can do without it.
    pub optional: bool,
}

impl SecretKeys {
    /// Those there are, in their order.
    pub fn iter(&self) -> impl Iterator<Item = &SecretKey> {
        self.0.iter()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The key that holds the variable of this name.
    #[must_use]
    pub fn of(&self, variable: &str) -> Option<&SecretKey> {
        self.0.iter().find(|known| known.name == variable)
    }

    /// The caller's variables that a job takes, off the cluster: `secrets`, and those that keys of Secrets in `plan`
    /// stand for.
    ///
    /// # Errors
    /// As [`from_caller`](Self::from_caller); `Unsupported` where the value would become part of a command or of
    /// another variable (`$(NAME)`), which plans, state and process lists show.
    pub fn needed<'a>(&'a self, secrets: &'a [String], plan: &'a LaunchPlan) -> Result<Vec<FromCaller<'a>>> {
        let asked = secrets.iter().map(|name| FromCaller { name, optional: false });
        let mut needed: Vec<_> = asked.collect();
        for container in containers(plan) {
            for variable in &container.env {
                if let Some(caller) = self.from_caller(variable)? {
                    needed.push(caller);
                }
                if secret_of(variable).is_some() && is_mentioned(&variable.name, container) {
                    let name = &variable.name;
                    let message = format!("`$({name})` would write the secret `{name}` into a command or a variable");
                    return Err(Error::unsupported(message)
                        .with_hint(format!("have the program read the variable {name} itself")));
                }
            }
        }
        Ok(needed)
    }

    /// The caller's variable that `variable` stands for, if it comes from a Secret (`valueFrom.secretKeyRef`).
    /// `None` if it doesn't, or comes from one that is optional and unknown here: the node has no such variable then.
    ///
    /// # Errors
    /// `Invalid` with the lines of the configuration that are missing.
    pub fn from_caller(&self, variable: &EnvVar) -> Result<Option<FromCaller<'_>>> {
        let Some(reference) = secret_of(variable) else { return Ok(None) };
        let text = |key: &str| reference[key].as_str().unwrap_or_default();
        let (secret, key, optional) = (text("name"), text("key"), reference["optional"] == true);
        match self.0.iter().find(|known| known.secret == secret && known.key == key) {
            Some(known) => Ok(Some(FromCaller { name: &known.name, optional })),
            None if optional => Ok(None),
            None => Err(Error::invalid(format!(
                "the variable `{}` is the key `{key}` of the Secret `{secret}` of a cluster; nothing says what it is here",
                variable.name
            ))
            .with_hint(format!(
                "put into the configuration (`trainer config` shows its files), and export {0}\n  \
                 [secrets.{0}]\n  secret = \"{secret}\"\n  key = \"{key}\"",
                variable.name
            ))),
        }
    }
}

impl SecretKeys {
    /// Forgets those that neither `secrets`, names of variables, nor `plan` speak of.
    pub(crate) fn keep_used(&mut self, secrets: &[String], plan: &LaunchPlan) {
        let variables = containers(plan).flat_map(|container| &container.env);
        let references: Vec<_> = variables.filter_map(secret_of).collect();
        self.0.retain(|known| {
            secrets.contains(&known.name)
                || references.iter().any(|it| it["name"] == *known.secret && it["key"] == *known.key)
        });
    }
}

impl FromIterator<SecretKey> for SecretKeys {
    fn from_iter<I: IntoIterator<Item = SecretKey>>(keys: I) -> Self {
        Self(keys.into_iter().collect())
    }
}

/// One node of each step stands for all: they are alike but for their index.
fn containers(plan: &LaunchPlan) -> impl Iterator<Item = &Container> {
    let nodes = plan.steps.iter().filter_map(|step| step.nodes.first());
    nodes.flat_map(|node| node.init_containers.iter().chain(&node.containers))
}

fn is_mentioned(name: &str, container: &Container) -> bool {
    let values = container.env.iter().filter_map(|variable| variable.value.as_ref());
    container.command.iter().chain(&container.args).chain(values).any(|text| refers_to(text, name))
}

/// The `secretKeyRef` of a variable.
fn secret_of(variable: &EnvVar) -> Option<&Value> {
    variable.value_from.as_ref()?.get("secretKeyRef").filter(|reference| !reference.is_null())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use serde_json::json;

    use super::*;

    fn keys() -> SecretKeys {
        let key = SecretKey { name: "HF_TOKEN".to_owned(), secret: "hub".to_owned(), key: "token".to_owned() };
        [key].into_iter().collect()
    }

    fn variable(reference: &Value) -> EnvVar {
        serde_json::from_value(json!({ "name": "TOKEN", "valueFrom": { "secretKeyRef": reference } })).unwrap()
    }

    #[test]
    fn a_key_of_a_secret_stands_for_a_variable_of_the_caller() {
        let of =
            |reference| keys().from_caller(&variable(&reference)).unwrap().map(|it| (it.name.to_owned(), it.optional));
        assert_eq!(of(json!({ "name": "hub", "key": "token" })), Some(("HF_TOKEN".to_owned(), false)));
        let optional = json!({ "name": "hub", "key": "token", "optional": true });
        assert_eq!(of(optional), Some(("HF_TOKEN".to_owned(), true)));
        assert_eq!(of(json!({ "name": "hub", "key": "other", "optional": true })), None);
        assert_eq!(keys().from_caller(&EnvVar::new("TOKEN", "x")).unwrap(), None);
    }

    #[test]
    fn a_key_that_nothing_maps_is_refused_with_the_lines_that_map_it() {
        let error = keys().from_caller(&variable(&json!({ "name": "hub", "key": "other" }))).unwrap_err();
        let lines: Vec<_> = error.hint().unwrap().lines().map(str::trim).collect();
        assert_eq!(lines[1..], ["[secrets.TOKEN]", "secret = \"hub\"", "key = \"other\""]);
    }

    #[test]
    fn the_key_of_a_variable_is_found_by_its_name() {
        assert_eq!(keys().of("HF_TOKEN").unwrap().secret, "hub");
        assert_eq!(keys().of("TOKEN"), None);
    }
}
