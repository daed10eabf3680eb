//! What the name of a volume stands for: `[volumes.NAME]` of the configuration.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::Mount;
use crate::{
    Error, Result,
    name::nearest,
    plan::{Container, LaunchPlan, PlannedStep},
};

/// Data that jobs mount: one name for it, and what it is on each engine.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Volume {
    /// Its name, for `--mount NAME:/path`.
    pub name: String,
    /// A folder of this machine, absolute.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub folder: Option<PathBuf>,
    /// A named volume of a container engine.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub volume: Option<String>,
    /// A PersistentVolumeClaim of a cluster.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub claim: Option<String>,
    /// Whether nodes may only read it.
    #[serde(default)]
    pub read_only: bool,
}

impl Volume {
    /// A volume that is nothing yet on any engine.
    pub fn new(name: impl Into<String>) -> Self {
        Self { name: name.into(), ..Self::default() }
    }

    /// What it is for nodes that are processes of this machine.
    ///
    /// # Errors
    /// `Invalid` with the line of the configuration that is missing.
    pub fn local_folder(&self) -> Result<&Path> {
        self.folder.as_deref().ok_or_else(|| self.without("folder", "folder = \"/path/of/it\""))
    }

    /// What it is for nodes that are containers: a named volume, else a folder.
    ///
    /// # Errors
    /// As [`local_folder`](Self::local_folder).
    pub fn for_container(&self) -> Result<VolumeSource<'_>> {
        let volume = self.volume.as_deref().map(VolumeSource::Volume);
        volume
            .or_else(|| self.folder.as_deref().map(VolumeSource::Folder))
            .ok_or_else(|| self.without("volume", "volume = \"its-name\""))
    }

    /// What it is for nodes that are pods.
    #[must_use]
    pub fn claim_name(&self) -> &str {
        self.claim.as_deref().unwrap_or(&self.name)
    }

    /// Whether it is this claim of a cluster. One that names no claim is the one of its own name.
    fn is_claim(&self, claim: &str) -> bool {
        self.claim_name() == claim
    }

    fn without(&self, key: &str, line: &str) -> Error {
        let Self { name, .. } = self;
        Error::invalid(format!("the configuration names no `{key}` for the volume `{name}`"))
            .with_hint(lines(name, line))
    }
}

/// What a container engine mounts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum VolumeSource<'a> {
    /// A volume of the engine, by name.
    Volume(&'a str),
    /// A folder of the engine's machine.
    Folder(&'a Path),
}

/// The volumes that a job may mount.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Volumes(Vec<Volume>);

/// A volume as a container sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct MountedVolume<'a> {
    /// The volume.
    pub volume: &'a Volume,
    /// Where the container sees it.
    pub path: &'a str,
    /// The part of it that the container sees; `None`: all.
    pub sub_path: Option<&'a str>,
    /// Whether the container may only read it.
    pub read_only: bool,
}

impl Volumes {
    /// Those there are, in their order.
    pub fn iter(&self) -> impl Iterator<Item = &Volume> {
        self.0.iter()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The volumes that `container`, one of the step's, sees: what the request mounts into every container, and
    /// the PersistentVolumeClaims that the plan mounts. Its other volumes aren't among them.
    ///
    /// # Errors
    /// `Invalid` with the lines of the configuration that are missing.
    pub fn mounted<'a>(
        &'a self,
        mounts: &'a [Mount],
        step: &'a PlannedStep,
        container: &'a Container,
    ) -> Result<Vec<MountedVolume<'a>>> {
        let asked = mounts.iter().map(|mount| {
            let volume = self.named(&mount.name)?;
            Ok(MountedVolume { volume, path: &mount.path, sub_path: None, read_only: volume.read_only })
        });
        let planned = container.volume_mounts.iter().filter_map(|mount| {
            let (claim, read_only) = claim(step, mount)?;
            Some(self.of_claim(claim).map(|volume| MountedVolume {
                volume,
                path: mount["mountPath"].as_str().unwrap_or_default(),
                sub_path: mount["subPath"].as_str().filter(|path| !path.is_empty()),
                read_only: read_only || mount["readOnly"] == true || volume.read_only,
            }))
        });
        asked.chain(planned).collect()
    }

    /// The volume of this name.
    ///
    /// # Errors
    /// `Invalid` with those there are, and the lines of the configuration that are missing.
    pub fn named(&self, name: &str) -> Result<&Volume> {
        self.0.iter().find(|volume| volume.name == name).ok_or_else(|| {
            let known = || self.0.iter().map(|volume| volume.name.as_str());
            let all = known().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
            let lines = lines(name, "folder = \"/path/of/it\"");
            let hint = match nearest(name, known()) {
                Some(near) => format!("did you mean `{near}`? there is {all}; otherwise {lines}"),
                None if all.is_empty() => lines,
                None => format!("there is {all}; otherwise {lines}"),
            };
            Error::invalid(format!("no volume is called `{}`", name.escape_debug())).with_hint(hint)
        })
    }

    /// The volume that is the claim `claim` of a cluster: the one that says so, else the one of that name.
    fn of_claim(&self, claim: &str) -> Result<&Volume> {
        let says_so = self.0.iter().find(|volume| volume.claim.as_deref() == Some(claim));
        says_so.or_else(|| self.0.iter().find(|volume| volume.is_claim(claim))).ok_or_else(|| {
            let message = format!("the job mounts the claim `{claim}` of a cluster; nothing says what it is here");
            Error::invalid(message).with_hint(lines(claim, "folder = \"/path/of/it\""))
        })
    }

    /// Forgets those that neither `mounts` nor `plan` speak of.
    pub(crate) fn keep_used(&mut self, mounts: &[Mount], plan: &LaunchPlan) {
        let claims: Vec<&str> = plan
            .steps
            .iter()
            .flat_map(|step| &step.volumes)
            .filter_map(|volume| volume["persistentVolumeClaim"]["claimName"].as_str())
            .collect();
        self.0.retain(|volume| {
            mounts.iter().any(|mount| mount.name == volume.name) || claims.iter().any(|claim| volume.is_claim(claim))
        });
    }
}

impl FromIterator<Volume> for Volumes {
    fn from_iter<I: IntoIterator<Item = Volume>>(volumes: I) -> Self {
        Self(volumes.into_iter().collect())
    }
}

/// The claim behind an entry of `volumeMounts`, and whether the pod has it for reading only.
fn claim<'a>(step: &'a PlannedStep, mount: &Value) -> Option<(&'a str, bool)> {
    let volume = step.volumes.iter().find(|volume| volume["name"] == mount["name"])?;
    let claim = volume.get("persistentVolumeClaim")?;
    Some((claim["claimName"].as_str().unwrap_or_default(), claim["readOnly"] == true))
}

fn lines(name: &str, line: &str) -> String {
    format!("put into the configuration (`trainer config` shows its files)\n  [volumes.{name}]\n  {line}")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use serde_json::json;

    use super::*;

    fn volume(name: &str, claim: Option<&str>) -> Volume {
        Volume { folder: Some(format!("/here/{name}").into()), claim: claim.map(str::to_owned), ..Volume::new(name) }
    }

    fn step(volumes: &Value, mounts: &Value) -> PlannedStep {
        let container = json!({
            "name": "node", "command": [], "args": [], "ports": [], "env": [], "envFrom": [], "volumeMounts": mounts,
        });
        let node = json!({
            "index": 0, "hostname": "", "address": "", "initContainers": [], "containers": [container],
        });
        serde_json::from_value(json!({
            "name": "node", "ancestor": "trainer", "nodeCount": 1, "backoffLimit": 0, "restartPolicy": "Never",
            "dependsOn": [], "nodes": [node], "volumes": volumes,
        }))
        .unwrap()
    }

    #[test]
    fn a_container_sees_what_the_request_mounts_and_the_claims_of_its_pod() {
        let step = step(
            &json!([
                { "name": "a", "persistentVolumeClaim": { "claimName": "corpus-pvc" } },
                { "name": "b", "persistentVolumeClaim": { "claimName": "models", "readOnly": true } },
                { "name": "c", "emptyDir": {} },
            ]),
            &json!([
                { "name": "a", "mountPath": "/a", "subPath": "part" },
                { "name": "b", "mountPath": "/b" },
                { "name": "c", "mountPath": "/c" },
            ]),
        );
        let volumes: Volumes = [volume("corpus", Some("corpus-pvc")), volume("models", None)].into_iter().collect();
        let mounts = [Mount { name: "models".to_owned(), path: "/m".to_owned() }];
        let seen = volumes.mounted(&mounts, &step, &step.nodes[0].containers[0]).unwrap();
        let seen: Vec<_> = seen
            .iter()
            .map(|mounted| (mounted.path, mounted.volume.name.as_str(), mounted.sub_path, mounted.read_only))
            .collect();
        assert_eq!(
            seen,
            [("/m", "models", None, false), ("/a", "corpus", Some("part"), false), ("/b", "models", None, true),]
        );
    }

    #[test]
    fn who_names_a_volume_that_there_is_not_learns_which_there_are_and_what_to_write() {
        let hint = |volumes: &[&str]| {
            let volumes: Volumes = volumes.iter().map(|name| volume(name, None)).collect();
            volumes.named("dat").unwrap_err().hint().unwrap().to_owned()
        };
        let lines = "put into the configuration (`trainer config` shows its files)\n  \
                     [volumes.dat]\n  folder = \"/path/of/it\"";
        assert_eq!(
            hint(&["models", "data"]),
            format!("did you mean `data`? there is `models`, `data`; otherwise {lines}")
        );
        assert_eq!(hint(&["models"]), format!("there is `models`; otherwise {lines}"));
        assert_eq!(hint(&[]), lines);
    }

    #[test]
    fn a_request_keeps_the_volumes_that_its_job_mounts() {
        let mut volumes: Volumes =
            [volume("a", None), volume("b", Some("corpus")), volume("c", None), volume("corpus", Some("d"))]
                .into_iter()
                .collect();
        let steps = [step(
            &json!([{ "name": "x", "persistentVolumeClaim": { "claimName": "corpus" } }, { "name": "y", "emptyDir": {} }]),
            &json!([]),
        )];
        let plan = json!({
            "apiVersion": "", "kind": "", "job": "j", "namespace": "", "warnings": [], "steps": steps, "files": [],
            "runtime": { "kind": "TrainingRuntime", "name": "r" },
            "network": { "subdomain": "", "publishNotReadyAddresses": true },
            "successPolicy": { "operator": "All", "steps": [] }, "activeDeadlineSeconds": null, "suspend": false,
        });
        let mounts = [Mount { name: "c".to_owned(), path: "/c".to_owned() }];
        volumes.keep_used(&mounts, &serde_json::from_value(plan).unwrap());
        assert_eq!(volumes.iter().map(|volume| volume.name.as_str()).collect::<Vec<_>>(), ["b", "c"]);
    }

    #[test]
    fn a_claim_that_nothing_maps_is_refused_with_the_lines_that_map_it() {
        let volumes = json!([{ "name": "a", "persistentVolumeClaim": { "claimName": "corpus" } }]);
        let step = step(&volumes, &json!([{ "name": "a", "mountPath": "/a" }]));
        // This name is another claim's.
        let other: Volumes = [volume("corpus", Some("elsewhere"))].into_iter().collect();
        let error = other.mounted(&[], &step, &step.nodes[0].containers[0]).unwrap_err();
        assert!(error.to_string().contains("`corpus`"), "{error}");
        assert!(error.hint().unwrap().contains("[volumes.corpus]\n  folder = "), "{error:?}");
    }

    #[test]
    fn each_engine_takes_what_is_its_own() {
        let mut volume = Volume::new("data");
        assert_eq!(volume.claim_name(), "data");
        let missing = |error: Error| error.hint().unwrap().lines().last().unwrap().trim().to_owned();
        assert_eq!(missing(volume.local_folder().unwrap_err()), "folder = \"/path/of/it\"");
        assert_eq!(missing(volume.for_container().unwrap_err()), "volume = \"its-name\"");
        volume.folder = Some("/here".into());
        assert_eq!(volume.local_folder().unwrap(), Path::new("/here"));
        assert_eq!(volume.for_container().unwrap(), VolumeSource::Folder(Path::new("/here")));
        volume.volume = Some("named".to_owned());
        assert_eq!(volume.for_container().unwrap(), VolumeSource::Volume("named"));
    }
}
