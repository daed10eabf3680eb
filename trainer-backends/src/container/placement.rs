//! What a container sees where: the plan's volumes, and what they are in a container engine.

use std::path::Path;

use bollard::models::{Mount as EngineMount, MountTmpfsOptions, MountType, MountVolumeOptions};
use serde_json::Value;
use trainer_core::{
    Error, Result,
    api::Quantity,
    plan::{Container, LaunchPlan, PlannedStep},
    request::{Mount, VolumeSource, Volumes},
};

/// Shared memory, whose size is a setting of the container.
const SHARED_MEMORY: &str = "/dev/shm";

/// Everything that a container sees beside its image.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Placement<'a> {
    /// What is there already: folders and named volumes.
    pub(super) mounts: Vec<EngineMount>,
    /// Volumes that the job makes.
    pub(super) own: Vec<OwnVolume<'a>>,
    /// Files that the controller would make.
    pub(super) files: Vec<MountedFiles<'a>>,
    /// Bytes of shared memory, if the plan says so.
    pub(super) shared_memory: Option<i64>,
}

/// A volume that the job makes, and that ends with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct OwnVolume<'a> {
    pub(super) name: &'a str,
    pub(super) path: &'a str,
    pub(super) extent: Extent,
    pub(super) read_only: bool,
}

/// Who shares a volume of the job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Extent {
    /// The containers of one node, in one attempt: an `emptyDir`.
    Node,
    /// All of the job, in all attempts: a claim of its own.
    Job,
}

/// A ConfigMap or a Secret of the plan, as a folder of files.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct MountedFiles<'a> {
    /// Its name in the plan.
    pub(super) name: &'a str,
    pub(super) path: &'a str,
    /// `items` and `defaultMode`.
    pub(super) definition: &'a Value,
}

impl<'a> Placement<'a> {
    /// What `container`, one of the step's, sees.
    ///
    /// # Errors
    /// `Unsupported` for a volume that a container engine has nothing for; `Invalid` for one that nobody has said
    /// what it is here.
    pub(super) fn of(
        plan: &'a LaunchPlan,
        step: &'a PlannedStep,
        container: &'a Container,
        volumes: &'a Volumes,
        mounts: &'a [Mount],
    ) -> Result<Self> {
        let mut placement = Self::default();
        for mounted in volumes.mounted(mounts, step, container)? {
            let mount = match (mounted.volume.for_container()?, mounted.sub_path) {
                (VolumeSource::Folder(folder), below) => {
                    bind(&below.map_or_else(|| folder.to_owned(), |below| folder.join(below)), mounted.path)
                }
                (VolumeSource::Volume(name), None) => volume(name, mounted.path),
                (VolumeSource::Volume(name), Some(_)) => return Err(no_sub_path(name)),
            };
            placement.mounts.push(EngineMount { read_only: Some(mounted.read_only), ..mount });
        }
        for mount in &container.volume_mounts {
            placement.add(plan, step, mount)?;
        }
        Ok(placement)
    }

    fn add(&mut self, plan: &'a LaunchPlan, step: &'a PlannedStep, mount: &'a Value) -> Result<()> {
        let text = |key: &str| mount.get(key).and_then(Value::as_str).unwrap_or_default();
        let (name, path, below) = (text("name"), text("mountPath"), text("subPath"));
        let read_only = mount.get("readOnly") == Some(&Value::Bool(true));
        let own = |extent| OwnVolume { name, path, extent, read_only };
        let Some(definition) = step.volumes.iter().find(|volume| volume["name"] == name) else {
            if !is_own_claim(plan, name) {
                return Err(unknown(step, name));
            }
            self.own.push(own(Extent::Job));
            return if below.is_empty() { Ok(()) } else { Err(no_sub_path(name)) };
        };
        let kind = |kind: &str| definition.get(kind).filter(|value| !value.is_null());
        if kind("persistentVolumeClaim").is_some() {
            // Among those that `Volumes::mounted` told.
            return Ok(());
        }
        if let Some(host_path) = kind("hostPath") {
            let folder = Path::new(host_path["path"].as_str().unwrap_or_default());
            let mount = bind(&if below.is_empty() { folder.to_owned() } else { folder.join(below) }, path);
            self.mounts.push(EngineMount { read_only: Some(read_only), ..mount });
            return Ok(());
        }
        if !below.is_empty() {
            return Err(no_sub_path(name));
        }
        if let Some(empty) = kind("emptyDir") {
            let size = empty.get("sizeLimit").and_then(size_of);
            if path == SHARED_MEMORY {
                self.shared_memory = size;
            } else if empty["medium"] == "Memory" {
                self.mounts.push(memory(path, size));
            } else {
                self.own.push(own(Extent::Node));
            }
            return Ok(());
        }
        let (files, name) = match (kind("configMap"), kind("secret")) {
            (Some(map), _) => (map, map["name"].as_str()),
            (_, Some(secret)) => (secret, secret["secretName"].as_str()),
            _ => return Err(unknown(step, name)),
        };
        let name = name.unwrap_or_default();
        let is_planned =
            plan.files.iter().any(|file| file.name == name) || plan.secrets.iter().any(|secret| secret.name == name);
        if !is_planned {
            return Err(Error::unsupported(format!(
                "the ConfigMap or Secret `{name}` of a cluster is not here (step `{}`)",
                step.name
            ))
            .with_hint("mount a folder that has its files: `--mount NAME:/path`, with `[volumes.NAME]`"));
        }
        self.files.push(MountedFiles { name, path, definition: files });
        Ok(())
    }
}

/// Looks whether everything that a container mounts is something here.
///
/// # Errors
/// As [`Placement::of`].
pub(super) fn review(
    plan: &LaunchPlan,
    step: &PlannedStep,
    container: &Container,
    volumes: &Volumes,
    mounts: &[Mount],
) -> Result<()> {
    Placement::of(plan, step, container, volumes, mounts).map(drop)
}

/// A folder of the engine's machine.
pub(super) fn bind(folder: &Path, path: &str) -> EngineMount {
    EngineMount {
        typ: Some(MountType::BIND),
        source: Some(folder.display().to_string()),
        target: Some(path.to_owned()),
        ..EngineMount::default()
    }
}

/// A volume of the engine.
pub(super) fn volume(name: &str, path: &str) -> EngineMount {
    EngineMount {
        typ: Some(MountType::VOLUME),
        source: Some(name.to_owned()),
        target: Some(path.to_owned()),
        ..EngineMount::default()
    }
}

/// The same, empty at first whatever the image has at its place.
pub(super) fn empty_volume(name: &str, path: &str, read_only: bool) -> EngineMount {
    let options = MountVolumeOptions { no_copy: Some(true), ..MountVolumeOptions::default() };
    EngineMount { volume_options: Some(options), read_only: Some(read_only), ..volume(name, path) }
}

fn memory(path: &str, size: Option<i64>) -> EngineMount {
    let options = MountTmpfsOptions { size_bytes: size, mode: Some(0o1777), ..MountTmpfsOptions::default() };
    EngineMount {
        typ: Some(MountType::TMPFS),
        target: Some(path.to_owned()),
        tmpfs_options: Some(options),
        ..EngineMount::default()
    }
}

/// Bytes of a quantity.
pub(super) fn size_of(quantity: &Value) -> Option<i64> {
    Quantity::from_value(quantity).ok().map(Quantity::ceil)
}

/// Whether the claim is one that the JobSet makes for itself.
fn is_own_claim(plan: &LaunchPlan, name: &str) -> bool {
    let policies = plan.rest.get("volumeClaimPolicies").and_then(Value::as_array).into_iter().flatten();
    let mut templates = policies.filter_map(|policy| policy.get("templates")?.as_array()).flatten();
    templates.any(|template| template["metadata"]["name"] == name)
}

fn unknown(step: &PlannedStep, name: &str) -> Error {
    Error::unsupported(format!(
        "the backend `container` has nothing for the volume `{name}` of the step `{}`",
        step.name
    ))
    .with_hint("mount a folder or a volume instead: `--mount NAME:/path`, with `[volumes.NAME]` in the configuration")
}

fn no_sub_path(name: &str) -> Error {
    Error::unsupported(format!("the backend `container` can't mount a part (`subPath`) of the volume `{name}`"))
        .with_hint("say of it which folder it is: `[volumes.NAME]` with `folder = \"/path/of/it\"`")
}
