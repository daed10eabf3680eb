//! `spec.mlPolicy` of a runtime, as the controller reads it.

use serde::Deserialize;
use serde_json::Value;

/// Node count and framework. Absent altogether, a runtime has no policy.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Policy {
    pub(crate) num_nodes: Option<i32>,
    pub(crate) torch: Option<Torch>,
    pub(crate) jax: Option<Value>,
    pub(crate) xgboost: Option<Value>,
    pub(crate) mpi: Option<Mpi>,
    pub(crate) flux: Option<Flux>,
}

/// `mlPolicy.torch`.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Torch {
    pub(crate) env_injection: Option<EnvInjection>,
}

/// Which other containers are given the `PET_` variables.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
pub(crate) struct EnvInjection {
    #[serde(default)]
    pub(crate) targets: Option<Vec<Target>>,
}

/// Containers of one step.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Target {
    #[serde(default)]
    pub(crate) job_name: String,
    #[serde(default)]
    pub(crate) container_names: Vec<String>,
}

/// `mlPolicy.mpi`; the API server fills in what is absent.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct Mpi {
    pub(crate) num_proc_per_node: Option<i32>,
    pub(crate) mpi_implementation: Option<String>,
    #[serde(rename = "sshAuthMountPath")]
    pub(crate) ssh_auth_mount_path: Option<String>,
    pub(crate) run_launcher_as_node: Option<bool>,
}

impl Mpi {
    /// Processes on a node.
    pub(crate) fn processes(&self) -> i32 {
        self.num_proc_per_node.unwrap_or(1)
    }

    /// Which MPI.
    pub(crate) fn implementation(&self) -> &str {
        self.mpi_implementation.as_deref().unwrap_or("OpenMPI")
    }

    /// Where the keys are mounted.
    pub(crate) fn key_path(&self) -> &str {
        self.ssh_auth_mount_path.as_deref().unwrap_or("/root/.ssh")
    }

    /// Whether the launcher counts as a node.
    pub(crate) fn launcher_is_node(&self) -> bool {
        self.run_launcher_as_node.unwrap_or(false)
    }
}

/// `mlPolicy.flux`.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct Flux {
    pub(crate) num_proc_per_node: Option<i32>,
}

impl Flux {
    /// Processes on a node.
    pub(crate) fn processes(&self) -> i32 {
        self.num_proc_per_node.unwrap_or(1)
    }
}
