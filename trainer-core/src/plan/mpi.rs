//! `mlPolicy.mpi`: hostfile, keys, and what Open MPI reads.

use serde_json::json;

use super::{File, Secret, assembly::Assembly, policy::Mpi, upsert};
use crate::{
    Violation,
    api::{EnvVar, Rest},
};

const OPEN_MPI: &str = "OpenMPI";
const NODE: &str = "node";
const LAUNCHER: &str = "launcher";
const KEYS: &str = "mpi-ssh-auth";
const HOSTFILE: &str = "mpi-hostfile";

pub(super) fn enforce(assembly: &mut Assembly, policy: &Mpi) -> Result<(), Box<Violation>> {
    let job = assembly.job.clone();
    if let Some(nodes) = assembly.trainer.as_ref().and_then(|trainer| trainer.num_nodes)
        && let Some(step) = assembly.steps.iter_mut().find(|step| step.name == NODE)
    {
        // The launcher takes the place of one node, but one always remains.
        step.count = if policy.launcher_is_node() { nodes.saturating_sub(1).max(1) } else { nodes };
    }
    let slots = slots(assembly, policy);

    for step in assembly.steps.iter_mut().filter(|step| step.name == NODE || step.name == LAUNCHER) {
        let launches = step.name == LAUNCHER;
        upsert::volumes(
            &mut step.volumes,
            [json!({"name": KEYS, "secret": {
                "secretName": format!("{job}-{KEYS}"),
                "defaultMode": 0o400,
                "items": [
                    {"key": "ssh-privatekey", "path": "id_rsa", "mode": 0o640},
                    {"key": "ssh-publickey", "path": "id_rsa.pub", "mode": 0o644},
                    {"key": "ssh-publickey", "path": "authorized_keys", "mode": 0o644},
                ],
            }})],
        );
        if launches {
            upsert::volumes(
                &mut step.volumes,
                [json!({"name": HOSTFILE, "configMap": {
                    "name": format!("{job}-{HOSTFILE}"),
                    "items": [{"key": "hostfile", "path": "hostfile", "mode": 0o444}],
                }})],
            );
        }
        for container in step.containers.iter_mut().filter(|container| container.name == NODE) {
            upsert::mounts(&mut container.volume_mounts, [json!({"name": KEYS, "mountPath": policy.key_path()})]);
            if !launches {
                continue;
            }
            upsert::mounts(&mut container.volume_mounts, [json!({"name": HOSTFILE, "mountPath": "/etc/mpi"})]);
            if policy.implementation() != OPEN_MPI {
                let unknown = Violation::new(
                    "crd:mpi.mpiImplementation",
                    Some("spec.mlPolicy.mpi.mpiImplementation".to_owned()),
                    "MPI implementation for <pointer> doesn't supported",
                )
                .hint("set mpiImplementation to OpenMPI in the runtime, or leave it out");
                return Err(Box::new(unknown));
            }
            upsert::env(
                &mut container.env,
                [
                    EnvVar::new("OMPI_MCA_orte_default_hostfile", "/etc/mpi/hostfile"),
                    EnvVar::new("OMPI_MCA_orte_keep_fqdn_hostnames", "true"),
                    EnvVar::new("OMPI_MCA_orte_set_default_slots", slots.to_string()),
                    EnvVar::new("OMPI_MCA_plm_rsh_args", "-o ConnectionAttempts=10"),
                ],
            );
        }
    }

    let subdomain = assembly.subdomain();
    let known = policy.implementation() == OPEN_MPI;
    let hostfile: String = assembly
        .steps
        .iter()
        .filter(|_| known)
        .filter(|step| step.name == NODE || (step.name == LAUNCHER && policy.launcher_is_node()))
        .flat_map(|step| step.addresses(&job, &subdomain))
        .map(|address| format!("{address} slots={slots}\n"))
        .collect();
    assembly.files.push(File {
        name: format!("{job}-{HOSTFILE}"),
        key: "hostfile".to_owned(),
        content: hostfile,
        settings: Rest::new(),
    });
    assembly.secrets.push(Secret {
        name: format!("{job}-{KEYS}"),
        kind: "kubernetes.io/ssh-auth".to_owned(),
        keys: vec!["ssh-privatekey".to_owned(), "ssh-publickey".to_owned()],
        immutable: true,
    });
    Ok(())
}

/// Processes that a host takes: asked for by the job, by the runtime, or one for each GPU.
fn slots(assembly: &Assembly, policy: &Mpi) -> i64 {
    if let Some(asked) = assembly.trainer.as_ref().and_then(|trainer| trainer.num_proc_per_node) {
        return asked.into();
    }
    let gpus = if policy.processes() == 1 { assembly.resources_per_node().gpus() } else { 0 };
    if gpus > 1 { gpus } else { policy.processes().into() }
}
