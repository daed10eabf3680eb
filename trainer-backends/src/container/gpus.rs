//! GPUs of a container, in the words of its engine.
//!
//! An engine says neither how many GPUs its machine has nor who uses them. The nodes of one job share none: they
//! are numbered through in the order of the plan.
//!
//! | engine | how |
//! |---|---|
//! | Docker | device requests to the NVIDIA toolkit; CDI where the engine lists it |
//! | Podman 5.4 and newer | CDI |
//! | Podman before 5.4 | refused: its API takes such a request and leaves the container without a GPU |

use std::ops::Range;

use bollard::models::{DeviceRequest, SystemInfo};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use trainer_core::{
    Error, Result,
    plan::{LaunchPlan, PlannedNode, PlannedStep},
};

use super::engine::{Engine, Flavour, Version};

/// How GPUs are asked for: the option `gpus`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum GpuRequests {
    /// As the engine can.
    #[default]
    Auto,
    /// Docker's device requests, which the NVIDIA container toolkit answers.
    DeviceRequests,
    /// Names of the Container Device Interface, such as `nvidia.com/gpu=0`.
    Cdi,
}

/// The GPUs of one node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Share {
    vendor: Vendor,
    indices: Range<u32>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Vendor {
    Nvidia,
    Amd,
}

impl Vendor {
    /// That of a resource, which is also the kind of its CDI devices.
    fn of(resource: &str) -> Result<Self> {
        match resource {
            "nvidia.com/gpu" => Ok(Self::Nvidia),
            "amd.com/gpu" => Ok(Self::Amd),
            _ => Err(Error::unsupported(format!(
                "`{resource}`: containers are given whole GPUs of NVIDIA (nvidia.com/gpu) or AMD (amd.com/gpu)"
            ))),
        }
    }

    const fn resource(self) -> &'static str {
        match self {
            Self::Nvidia => "nvidia.com/gpu",
            Self::Amd => "amd.com/gpu",
        }
    }
}

/// Checks what the nodes ask for.
///
/// # Errors
/// `Unsupported` for a resource that is no GPU we can name, `Invalid` for an amount that is no number of GPUs.
pub(super) fn review(plan: &LaunchPlan) -> Result<()> {
    nodes(plan).try_for_each(|(_, node)| asked(node).map(drop))
}

/// Checks that this engine can be asked for them.
///
/// # Errors
/// As [`review`] and [`requests`].
pub(super) fn review_requests(plan: &LaunchPlan, how: GpuRequests, engine: &Engine) -> Result<()> {
    nodes(plan).try_for_each(|(step, node)| match share(plan, step, node)? {
        Some(share) => requests(&share, how, engine).map(drop),
        None => Ok(()),
    })
}

/// The GPUs of a node; `None` if it asks for none.
///
/// # Errors
/// As [`review`].
pub(super) fn share(plan: &LaunchPlan, step: &PlannedStep, node: &PlannedNode) -> Result<Option<Share>> {
    let mut next = 0;
    for (other_step, other) in nodes(plan) {
        let Some((vendor, count)) = asked(other)? else { continue };
        if other_step.name == step.name && other.index == node.index {
            return Ok(Some(Share { vendor, indices: next..next + count }));
        }
        next += count;
    }
    Ok(None)
}

/// All nodes, in the order of the plan.
fn nodes(plan: &LaunchPlan) -> impl Iterator<Item = (&PlannedStep, &PlannedNode)> {
    plan.steps.iter().flat_map(|step| step.nodes.iter().map(move |node| (step, node)))
}

/// What a node asks for, by its one container. Kubernetes has limits and requests of such a resource equal.
fn asked(node: &PlannedNode) -> Result<Option<(Vendor, u32)>> {
    let Some(container) = node.containers.first() else { return Ok(None) };
    let amounts = ["limits", "requests"].iter().filter_map(|kind| container.resources.get(kind)?.as_object()).flatten();
    for (name, amount) in amounts.filter(|(name, _)| name.to_lowercase().contains("gpu")) {
        let count = number(amount).ok_or_else(|| Error::invalid(format!("`{name}: {amount}` is no number of GPUs")))?;
        if count > 0 {
            return Ok(Some((Vendor::of(name)?, count)));
        }
    }
    Ok(None)
}

fn number(amount: &Value) -> Option<u32> {
    match amount {
        Value::String(text) => text.parse().ok(),
        other => other.as_u64()?.try_into().ok(),
    }
}

/// What goes into `HostConfig.DeviceRequests` of a container with `share`.
///
/// # Errors
/// `Unsupported` if this engine can't be asked that way.
pub(super) fn requests(share: &Share, how: GpuRequests, engine: &Engine) -> Result<Vec<DeviceRequest>> {
    ask(share, how, engine.flavour, &engine.version, &engine.info)
}

fn ask(
    share: &Share,
    how: GpuRequests,
    flavour: Flavour,
    version: &Version,
    info: &SystemInfo,
) -> Result<Vec<DeviceRequest>> {
    let refused = |why: String, hint: &str| Err(Error::unsupported(why).with_hint(hint));
    match flavour {
        Flavour::Podman if how == GpuRequests::DeviceRequests => {
            refused("Podman has no device requests".to_owned(), "leave `gpus` out, or set `-O gpus=cdi`")
        }
        // https://github.com/containers/podman/pull/25171
        Flavour::Podman if version.numbers() < (5, 4) => refused(
            format!("Podman {version} gives no GPU to a container that is created through its API"),
            "Podman can from 5.4 on; or use Docker, or the backend `local`",
        ),
        Flavour::Podman => Ok(vec![by_cdi(share)]),
        Flavour::Docker if how == GpuRequests::Cdi && version.numbers() < (25, 0) => refused(
            format!("Docker {version} doesn't know the Container Device Interface"),
            "Docker can from 25.0 on; or leave `gpus` out to use the NVIDIA container toolkit",
        ),
        Flavour::Docker if how == GpuRequests::Cdi || how == GpuRequests::Auto && has_cdi(share.vendor, info) => {
            Ok(vec![by_cdi(share)])
        }
        Flavour::Docker if share.vendor == Vendor::Amd => refused(
            "Docker gives AMD GPUs to containers through the Container Device Interface only".to_owned(),
            "set its specification up, `amd-ctk cdi generate`, and `-O gpus=cdi`",
        ),
        Flavour::Docker => Ok(vec![DeviceRequest {
            device_ids: Some(share.indices.clone().map(|index| index.to_string()).collect()),
            capabilities: Some(vec![vec!["gpu".to_owned()]]),
            ..DeviceRequest::default()
        }]),
    }
}

/// Whether the engine would find the GPU's name. New ones list the devices that they know; older ones only say
/// where they would look, which is no evidence where the NVIDIA runtime is set up.
fn has_cdi(vendor: Vendor, info: &SystemInfo) -> bool {
    let looks = info.cdi_spec_dirs.as_ref().is_some_and(|folders| !folders.is_empty());
    match &info.discovered_devices {
        Some(devices) => {
            let kind = format!("{}=", vendor.resource());
            devices.iter().any(|device| device.id.as_deref().is_some_and(|id| id.starts_with(&kind)))
        }
        None => looks && !info.runtimes.as_ref().is_some_and(|runtimes| runtimes.contains_key("nvidia")),
    }
}

fn by_cdi(share: &Share) -> DeviceRequest {
    let name = |index: u32| format!("{}={index}", share.vendor.resource());
    DeviceRequest {
        driver: Some("cdi".to_owned()),
        device_ids: Some(share.indices.clone().map(name).collect()),
        ..DeviceRequest::default()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use serde_json::json;
    use trainer_core::{
        ErrorKind, JobName,
        api::{RuntimeRef, TrainJob},
        plan::plan,
        runtimes::RuntimeCatalog,
    };

    use super::*;

    /// The shares of `count` nodes that ask for `amount` of `resource` each.
    fn gang(count: i32, resource: &str, amount: &str) -> Result<Vec<Share>> {
        let name: JobName = "gang".parse().unwrap();
        let trainer = json!({ "numNodes": count, "resourcesPerNode": { "limits": { resource: amount } } });
        let mut job = TrainJob::new(&name, "plain");
        job.spec.trainer = Some(serde_json::from_value(trainer).unwrap());
        let catalog = RuntimeCatalog::builtin();
        let runtime = catalog.find(&RuntimeRef { name: "plain".to_owned(), ..RuntimeRef::default() }).unwrap();
        let plan = plan(&job, runtime).unwrap();
        review(&plan)?;
        Ok(nodes(&plan).filter_map(|(step, node)| share(&plan, step, node).unwrap()).collect())
    }

    fn info(text: Value) -> SystemInfo {
        serde_json::from_value(text).unwrap()
    }

    /// What the second of two nodes with two GPUs each is given, as it is sent.
    fn second(resource: &str, how: GpuRequests, flavour: Flavour, version: &str, about: Value) -> Result<Value> {
        let shares = gang(2, resource, "2").unwrap();
        let requests = ask(&shares[1], how, flavour, &version.into(), &info(about))?;
        Ok(serde_json::to_value(requests).unwrap())
    }

    #[test]
    fn nodes_have_gpus_of_their_own() {
        let shares = gang(3, "nvidia.com/gpu", "2").unwrap();
        let indices: Vec<_> = shares.into_iter().map(|share| share.indices).collect();
        assert_eq!(indices, [0..2, 2..4, 4..6]);
        assert_eq!(gang(2, "nvidia.com/gpu", "0").unwrap(), []);
        assert_eq!(gang(2, "cpu", "2").unwrap(), []);
    }

    #[test]
    fn other_kinds_of_gpu_are_refused_with_their_name() {
        let error = gang(1, "gpu.intel.com/i915", "1").unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unsupported);
        assert!(error.to_string().starts_with("`gpu.intel.com/i915`: "), "{error}");
    }

    #[test]
    fn docker_is_asked_by_device_requests_and_by_cdi_where_it_lists_it() {
        let nvidia = |how, version, about| second("nvidia.com/gpu", how, Flavour::Docker, version, about).unwrap();
        let requests = json!([{ "DeviceIDs": ["2", "3"], "Capabilities": [["gpu"]] }]);
        let cdi = json!([{ "Driver": "cdi", "DeviceIDs": ["nvidia.com/gpu=2", "nvidia.com/gpu=3"] }]);
        let dirs = json!(["/etc/cdi"]);
        assert_eq!(nvidia(GpuRequests::Auto, "20.10.24", json!({})), requests);
        assert_eq!(nvidia(GpuRequests::Auto, "27.0", json!({ "CDISpecDirs": dirs })), cdi);
        let runtime = json!({ "CDISpecDirs": dirs, "Runtimes": { "nvidia": {} } });
        assert_eq!(nvidia(GpuRequests::Auto, "27.0", runtime.clone()), requests);
        assert_eq!(nvidia(GpuRequests::Cdi, "27.0", runtime), cdi);
        let listed =
            json!({ "CDISpecDirs": dirs, "DiscoveredDevices": [{ "Source": "cdi", "ID": "nvidia.com/gpu=0" }] });
        assert_eq!(nvidia(GpuRequests::Auto, "29.0", listed.clone()), cdi);
        assert_eq!(nvidia(GpuRequests::DeviceRequests, "29.0", listed), requests);
        let none = json!({ "CDISpecDirs": dirs, "DiscoveredDevices": [] });
        assert_eq!(nvidia(GpuRequests::Auto, "29.0", none), requests);
    }

    #[test]
    fn podman_is_asked_by_cdi_and_never_so_that_it_would_not_notice() {
        let podman = |how, version| second("nvidia.com/gpu", how, Flavour::Podman, version, json!({}));
        let cdi = json!([{ "Driver": "cdi", "DeviceIDs": ["nvidia.com/gpu=2", "nvidia.com/gpu=3"] }]);
        assert_eq!(podman(GpuRequests::Auto, "5.4.0").unwrap(), cdi);
        assert_eq!(podman(GpuRequests::Cdi, "6.0.1").unwrap(), cdi);
        for (how, version) in [(GpuRequests::Auto, "4.3.1"), (GpuRequests::DeviceRequests, "5.4.0")] {
            assert_eq!(podman(how, version).unwrap_err().kind(), ErrorKind::Unsupported);
        }
    }

    #[test]
    fn amds_gpus_are_named_by_cdi_or_refused() {
        let amd = |how, version| second("amd.com/gpu", how, Flavour::Docker, version, json!({}));
        let cdi = json!([{ "Driver": "cdi", "DeviceIDs": ["amd.com/gpu=2", "amd.com/gpu=3"] }]);
        assert_eq!(amd(GpuRequests::Cdi, "28.0").unwrap(), cdi);
        for (how, version) in [(GpuRequests::Auto, "28.0"), (GpuRequests::Cdi, "20.10.24")] {
            assert_eq!(amd(how, version).unwrap_err().kind(), ErrorKind::Unsupported);
        }
    }
}
