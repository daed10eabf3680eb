//! The GPUs of this machine, and which of them a node gets.

use std::{ffi::OsStr, fs, path::Path};

use serde_json::Value;
use trainer_core::{
    Error, Result,
    plan::{Container, LaunchPlan},
};

/// The variable that says which GPUs a program sees.
pub(super) const VISIBLE: &str = "CUDA_VISIBLE_DEVICES";

/// The resource that asks for GPUs.
pub(super) const RESOURCE: &str = "nvidia.com/gpu";

/// The GPUs that this user's programs see, by index or UUID.
pub(super) fn here() -> Vec<String> {
    visible(Path::new("/dev"), std::env::var_os(VISIBLE).as_deref())
}

/// The GPUs in the device folder, as far as `narrowed`, the user's own choice, leaves them.
fn visible(devices: &Path, narrowed: Option<&OsStr>) -> Vec<String> {
    let names = fs::read_dir(devices).into_iter().flatten().flatten().map(|entry| entry.file_name());
    let mut found: Vec<u32> = names.filter_map(|name| name.to_str()?.strip_prefix("nvidia")?.parse().ok()).collect();
    found.sort_unstable();
    let found: Vec<String> = found.iter().map(u32::to_string).collect();
    match narrowed.and_then(OsStr::to_str) {
        None => found,
        // CUDA reads up to the first that isn't there; a UUID can't be checked from here.
        Some(chosen) => {
            let there = |name: &&str| found.iter().any(|known| known == name) || name.contains('-') && name.len() > 2;
            let chosen = chosen.split(',').map(str::trim).take_while(there).map(str::to_owned);
            chosen.take(found.len()).collect()
        }
    }
}

/// The GPUs of each node in the order of the plan, from `devices`; none where a node asks for none.
///
/// # Errors
/// `Unsupported` if there are fewer than the nodes ask for together.
pub(super) fn share(plan: &LaunchPlan, devices: &[String]) -> Result<Vec<Vec<String>>> {
    let nodes = plan.steps.iter().flat_map(|step| &step.nodes);
    let wanted: Vec<usize> = nodes.map(|node| node.containers.first().map_or(0, count)).collect();
    let all = wanted.iter().sum();
    if devices.len() < all {
        let (count, most) = (wanted.iter().filter(|wanted| **wanted > 0).count(), wanted.iter().max().unwrap_or(&0));
        let asked = if count * most == all { format!("{count} × {most}") } else { all.to_string() };
        return Err(Error::unsupported(format!(
            "the nodes ask for {asked} GPUs, and this machine has {}",
            devices.len()
        ))
        .with_hint("leave `--gpu` out to train on CPUs, ask for fewer, or choose another backend"));
    }
    let mut rest = devices;
    let mut take = |wanted: usize| {
        let (taken, left) = rest.split_at_checked(wanted).unwrap_or((rest, &[]));
        rest = left;
        taken.to_vec()
    };
    Ok(wanted.into_iter().map(&mut take).collect())
}

/// How many GPUs a node asks for. Kubernetes has limits and requests equal.
fn count(container: &Container) -> usize {
    let amounts = ["limits", "requests"].iter().filter_map(|kind| container.resources.get(kind)?.get(RESOURCE));
    let number = |amount: &Value| amount.as_u64().or_else(|| amount.as_str()?.parse().ok());
    amounts.filter_map(number).max().and_then(|count| usize::try_from(count).ok()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use serde_json::json;
    use trainer_core::{
        JobName,
        api::{RuntimeRef, TrainJob},
        plan::plan,
        runtimes::RuntimeCatalog,
    };

    use super::*;

    /// `nodes` nodes of `gpus` GPUs each.
    fn gang(nodes: i32, gpus: usize) -> LaunchPlan {
        let name: JobName = "gang".parse().unwrap();
        let trainer = json!({ "numNodes": nodes, "resourcesPerNode": { "limits": { RESOURCE: gpus.to_string() } } });
        let mut job = TrainJob::new(&name, "plain");
        job.spec.trainer = Some(serde_json::from_value(trainer).unwrap());
        let catalog = RuntimeCatalog::builtin();
        plan(&job, catalog.find(&RuntimeRef { name: "plain".to_owned(), ..RuntimeRef::default() }).unwrap()).unwrap()
    }

    fn devices(count: u32) -> Vec<String> {
        (0..count).map(|index| index.to_string()).collect()
    }

    #[test]
    fn each_node_has_gpus_of_its_own() {
        assert_eq!(share(&gang(2, 2), &devices(8)).unwrap(), [["0", "1"], ["2", "3"]]);
        assert_eq!(share(&gang(2, 0), &devices(8)).unwrap(), [Vec::<String>::new(), Vec::new()]);
    }

    #[test]
    fn more_gpus_than_there_are_are_refused_with_the_numbers() {
        let error = share(&gang(2, 8), &devices(8)).unwrap_err();
        assert_eq!(error.to_string(), "the nodes ask for 2 × 8 GPUs, and this machine has 8");
    }

    #[test]
    fn the_users_choice_narrows_what_the_machine_has() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["nvidia0", "nvidia2", "nvidia10", "nvidiactl", "nvidia-uvm"] {
            fs::write(folder.path().join(name), "").unwrap();
        }
        let visible = |narrowed: Option<&str>| visible(folder.path(), narrowed.map(OsStr::new));
        assert_eq!(visible(None), ["0", "2", "10"]);
        assert_eq!(visible(Some("10, 2")), ["10", "2"]);
        assert_eq!(visible(Some("2,7,0")), ["2"]);
        assert_eq!(visible(Some("GPU-1a2b")), ["GPU-1a2b"]);
        for none in ["", "-1"] {
            assert_eq!(visible(Some(none)), Vec::<String>::new());
        }
    }
}
