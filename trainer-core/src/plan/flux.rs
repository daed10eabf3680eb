//! `mlPolicy.flux`: the program is wrapped, and an init container brings Flux.
//!
//! The scripts themselves are the controller's; the plan says what it fills into them.

use serde_json::{Value, json};

use super::{
    File, Secret,
    assembly::{Assembly, Draft},
    policy::Flux,
    upsert,
};
use crate::{Violation, api::Rest};

const NODE: &str = "node";

/// The init container that the controller adds.
pub(crate) const INSTALLER: &str = "flux-installer";

const DEFAULT_IMAGE: &str = "ghcr.io/converged-computing/flux-view-ubuntu:tag-jammy";

pub(super) fn enforce(assembly: &mut Assembly, policy: &Flux) -> Result<(), Box<Violation>> {
    let Some(nodes) = assembly.trainer.as_ref().and_then(|trainer| trainer.num_nodes) else {
        let crash = Violation::new(
            "flux:panic",
            Some("spec.trainer.numNodes".to_owned()),
            "runtime error: invalid memory address or nil pointer dereference",
        )
        .hint("set spec.trainer.numNodes: without it the Flux controller crashes on the job");
        return Err(Box::new(crash));
    };
    assembly.take_nodes_from_job();
    let settings = Settings::read(assembly);

    let job = assembly.job.clone();
    let scripts = format!("{job}-flux-entrypoint");
    let curve = format!("{job}-flux-curve");
    let wrapped = wrapped_command(assembly);
    if let Some(trainer) = &mut assembly.trainer {
        trainer.command = Some(vec!["/bin/bash".to_owned(), "/etc/flux-config/entrypoint.sh".to_owned(), wrapped]);
        trainer.args = None;
    }
    for step in assembly.steps.iter_mut().filter(|step| step.name == NODE) {
        upsert::volumes(
            &mut step.volumes,
            [
                json!({"name": "spack-install", "emptyDir": {}}),
                json!({"name": "flux-install", "emptyDir": {}}),
                json!({"name": scripts, "configMap": {"name": scripts, "defaultMode": 0o755}}),
                json!({"name": "shared-memory", "emptyDir": {"medium": "Memory"}}),
                json!({"name": "flux-curve", "secret": {"secretName": curve, "defaultMode": 0o400}}),
            ],
        );
        step.init_containers.push(Draft {
            name: INSTALLER.to_owned(),
            image: Some(settings.image.clone()),
            command: vec!["/bin/bash".to_owned(), "/etc/flux-config/init.sh".to_owned()],
            volume_mounts: vec![
                json!({"name": "flux-install", "mountPath": "/mnt/flux"}),
                json!({"name": scripts, "mountPath": "/etc/flux-config", "readOnly": true}),
            ],
            ..Draft::default()
        });
        for container in step.containers.iter_mut().filter(|container| container.name == NODE) {
            upsert::mounts(
                &mut container.volume_mounts,
                [
                    json!({"name": "flux-install", "mountPath": "/mnt/flux"}),
                    json!({"name": "spack-install", "mountPath": "/opt/software"}),
                    json!({"name": scripts, "mountPath": "/etc/flux-config", "readOnly": true}),
                    json!({"name": "flux-curve", "mountPath": "/curve", "readOnly": true}),
                    json!({"name": "shared-memory", "mountPath": "/dev/shm", "readOnly": true}),
                ],
            );
        }
    }

    let asked = assembly.trainer.as_ref().and_then(|trainer| trainer.num_proc_per_node);
    let tasks = asked.unwrap_or_else(|| policy.processes());
    let gpus = assembly.resources_per_node().gpus();
    let mut resources = format!("--cores={}", range(tasks.into()));
    let mut flags = format!("-N {nodes} -n {}", tasks.wrapping_mul(nodes));
    if gpus > 0 {
        resources += &format!(" --gpu={}", range(gpus));
        flags += &format!(" -g {gpus}");
    }
    assembly.files.extend([
        script(
            &scripts,
            "entrypoint.sh",
            json!({"resourceSpec": resources, "mainHost": format!("{job}-node-0-0"), "flags": flags}),
        ),
        script(
            &scripts,
            "init.sh",
            json!({
                "fluxRoot": "/opt/view",
                "mainHost": format!("{job}-0"),
                "hosts": format!("{job}-node-0-[{}]", range(nodes.into())),
                "defaultPort": "8050",
                "defaultBind": format!("tcp://{}:%p", settings.device),
                "defaultConnect": format!("tcp://%h.{job}.{}.svc.cluster.local:%p", assembly.namespace),
                "queuePolicy": settings.queue,
            }),
        ),
    ]);
    assembly.secrets.push(Secret {
        name: curve,
        kind: "Opaque".to_owned(),
        keys: vec!["curve.cert".to_owned()],
        immutable: false,
    });
    Ok(())
}

/// What `FLUX_*` variables of the trainer say, the job's before the runtime's.
struct Settings {
    image: String,
    device: String,
    queue: String,
}

impl Settings {
    fn read(assembly: &mut Assembly) -> Self {
        let of_runtime = assembly.trainer_container().map(|container| container.env.clone()).unwrap_or_default();
        let of_job = assembly.trainer.as_ref().and_then(|trainer| trainer.env.clone()).unwrap_or_default();
        let find = |name: &str, default: &str| {
            let job = of_job.iter().rev().find(|variable| variable.name == name);
            let runtime = of_runtime
                .iter()
                .rev()
                .filter_map(|variable| (variable.name == name).then(|| variable.value.clone()).flatten());
            match job {
                Some(variable) => variable.value.clone().unwrap_or_default(),
                None => runtime.into_iter().next().unwrap_or_else(|| default.to_owned()),
            }
        };
        Self {
            image: find("FLUX_VIEW_IMAGE", DEFAULT_IMAGE),
            device: find("FLUX_NETWORK_DEVICE", "eth0"),
            queue: find("FLUX_QUEUE_POLICY", "fcfs"),
        }
    }
}

/// Command and the job's arguments as one text: the wrapper takes one.
fn wrapped_command(assembly: &mut Assembly) -> String {
    let of_runtime = assembly.trainer_container().map(|container| container.command.clone()).unwrap_or_default();
    let trainer = assembly.trainer.as_ref();
    let mut words = trainer.and_then(|trainer| trainer.command.clone()).unwrap_or(of_runtime);
    words.extend(trainer.and_then(|trainer| trainer.args.clone()).unwrap_or_default());
    words.join(" ").trim().to_owned()
}

/// `0` for one, otherwise `0-<last>`; none at all is `0--1`, as in the controller.
fn range(count: i64) -> String {
    if count == 1 { "0".to_owned() } else { format!("0-{}", count - 1) }
}

fn script(name: &str, key: &str, settings: Value) -> File {
    let settings = match settings {
        Value::Object(settings) => settings,
        _ => Rest::new(),
    };
    File { name: name.to_owned(), key: key.to_owned(), content: String::new(), settings }
}
