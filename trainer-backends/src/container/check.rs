//! What `check` says of an engine.

use trainer_core::backend::Finding;

use super::{engine::Engine, user};

pub(super) fn engine(engine: &Engine) -> Vec<Finding> {
    let Engine { flavour, version, endpoint, info, .. } = engine;
    let rootless = if user::is_rootless(engine) { ", without root" } else { "" };
    let place = if engine.is_local() { "" } else { "; on another machine, so files are copied to it" };
    let found = format!("{flavour} {version} at {endpoint}{rootless}{place}");
    let cgroup = info.cgroup_version.map(|version| version.to_string()).unwrap_or_default();
    let limits = match (info.memory_limit, info.cpu_cfs_quota) {
        (Some(false), _) => "limits of memory are not enforced".to_owned(),
        (_, Some(false)) => "limits of CPU are not enforced".to_owned(),
        _ => format!("CPU and memory are limited as asked (cgroup v{cgroup})"),
    };
    let runtimes = info.runtimes.as_ref().is_some_and(|runtimes| runtimes.contains_key("nvidia"));
    let gpus = if runtimes { "NVIDIA container toolkit" } else { "none that the engine tells of" };
    let finding = |subject: &str, detail: String| Finding { ok: true, subject: subject.to_owned(), detail };
    vec![finding("engine", found), finding("limits", limits), finding("GPUs", gpus.to_owned())]
}
