//! The neutral plan. Its JSON form is stable: `apiVersion: trainer.dev/v1`, `kind: Plan`.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{
    JobName, NodeIndex,
    api::{EnvVar, Rest, RuntimeKind},
};

/// Everything that an engine needs to run a job.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LaunchPlan {
    /// `trainer.dev/v1`.
    pub api_version: String,
    /// `Plan`.
    pub kind: String,
    /// Name of the job.
    pub job: JobName,
    /// Namespace of the job.
    pub namespace: String,
    /// The runtime that it was made from.
    pub runtime: RuntimeId,
    /// What the server would warn of, in its words.
    pub warnings: Vec<String>,
    /// What else the user should know, in ours.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
    /// What to launch, in order.
    pub steps: Vec<PlannedStep>,
    /// Files that some step mounts.
    pub files: Vec<File>,
    /// How nodes find each other.
    pub network: Network,
    /// When the job has succeeded.
    pub success_policy: SuccessPolicy,
    /// Seconds that the job may run.
    pub active_deadline_seconds: Option<i64>,
    /// Whether it is held back.
    pub suspend: bool,
    /// Labels of the JobSet.
    #[serde(default, skip_serializing_if = "Rest::is_empty")]
    pub labels: Rest,
    /// Annotations of the JobSet.
    #[serde(default, skip_serializing_if = "Rest::is_empty")]
    pub annotations: Rest,
    /// Secrets that the controller makes.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub secrets: Vec<Secret>,
    /// Pod groups for a gang scheduler.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub pod_groups: Vec<Value>,
    /// Other fields of the JobSet, where they are set: `failurePolicy`, `startupPolicy`,
    /// `volumeClaimPolicies`, `coordinator`, `ttlSecondsAfterFinished`.
    #[serde(flatten)]
    pub rest: Rest,
}

/// Which runtime.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RuntimeId {
    /// Its kind.
    pub kind: RuntimeKind,
    /// Its name.
    pub name: String,
}

/// A step: the same launch on a number of nodes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PlannedStep {
    /// Its name in the runtime.
    pub name: String,
    /// What it is to Kubeflow: `trainer`, `dataset-initializer`, `model-initializer`.
    pub ancestor: Option<String>,
    /// How many nodes.
    pub node_count: u32,
    /// How many copies of the step there are, if more than one; they share the nodes evenly.
    #[serde(default = "one", skip_serializing_if = "is_one")]
    pub replicas: u32,
    /// How often it may be restarted.
    pub backoff_limit: u32,
    /// `OnFailure` or `Never`.
    pub restart_policy: String,
    /// Steps that go before it.
    pub depends_on: Vec<Dependency>,
    /// Its nodes, by index.
    pub nodes: Vec<PlannedNode>,
    /// Volumes that its containers mount.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub volumes: Vec<Value>,
    /// Labels of its Kubernetes Job.
    #[serde(default, skip_serializing_if = "Rest::is_empty")]
    pub job_labels: Rest,
    /// Annotations of its Kubernetes Job.
    #[serde(default, skip_serializing_if = "Rest::is_empty")]
    pub job_annotations: Rest,
    /// Labels of its pods.
    #[serde(default, skip_serializing_if = "Rest::is_empty")]
    pub pod_labels: Rest,
    /// Annotations of its pods.
    #[serde(default, skip_serializing_if = "Rest::is_empty")]
    pub pod_annotations: Rest,
    /// Other fields of its Job: `podFailurePolicy`, `completionMode`, …
    #[serde(default, skip_serializing_if = "Rest::is_empty")]
    pub job: Rest,
    /// Other fields of its pods: `tolerations`, `serviceAccountName`, …
    #[serde(default, skip_serializing_if = "Rest::is_empty")]
    pub pod: Rest,
    /// Other fields of the step: `groupName`, …
    #[serde(flatten)]
    pub rest: Rest,
}

const fn one() -> u32 {
    1
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "the signature that serde asks for")]
const fn is_one(count: &u32) -> bool {
    *count == 1
}

/// That a step waits for another.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Dependency {
    /// The other step.
    pub name: String,
    /// What it must have reached.
    pub status: DependencyStatus,
}

/// What a step must have reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum DependencyStatus {
    /// All its nodes are ready.
    Ready,
    /// It has succeeded.
    Complete,
}

/// One launch.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PlannedNode {
    /// Which node of its step.
    pub index: NodeIndex,
    /// Its host name.
    pub hostname: String,
    /// What the others call it.
    pub address: String,
    /// What runs before, one after another.
    pub init_containers: Vec<Container>,
    /// What runs, all at once.
    pub containers: Vec<Container>,
}

/// A program to run.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Container {
    /// Its name.
    pub name: String,
    /// Its image.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image: Option<String>,
    /// Replaces the image's entry point.
    pub command: Vec<String>,
    /// Arguments, after the command or the image's entry point.
    pub args: Vec<String>,
    /// Ports that it listens on.
    pub ports: Vec<u16>,
    /// The same with names and protocols, where there is more to say than numbers.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub port_details: Vec<Value>,
    /// Its environment, in the controller's order.
    pub env: Vec<EnvVar>,
    /// Whole sources of its environment.
    pub env_from: Vec<Value>,
    /// `requests` and `limits`.
    #[serde(default, skip_serializing_if = "Value::is_null")]
    pub resources: Value,
    /// What is mounted where.
    pub volume_mounts: Vec<Value>,
    /// The other fields of the container, as the runtime has them.
    #[serde(flatten)]
    pub rest: Rest,
}

/// A file that the controller makes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct File {
    /// Name of the ConfigMap.
    pub name: String,
    /// Key in it.
    pub key: String,
    /// Its content; empty where it is a script of the controller's own.
    pub content: String,
    /// What the controller fills into that script.
    #[serde(default, skip_serializing_if = "Rest::is_empty")]
    pub settings: Rest,
}

/// A Secret that the controller makes. Its content is never known here.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Secret {
    /// Its name.
    pub name: String,
    /// Its Kubernetes type.
    #[serde(rename = "type")]
    pub kind: String,
    /// Its keys.
    pub keys: Vec<String>,
    /// Whether it never changes.
    pub immutable: bool,
}

/// How nodes find each other.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Network {
    /// The name after the host name.
    pub subdomain: String,
    /// Whether a node can be found before it is ready.
    pub publish_not_ready_addresses: bool,
    /// Whether nodes have host names at all; said where they have not.
    #[serde(default = "yes", rename = "enableDNSHostnames", skip_serializing_if = "is_yes")]
    pub enable_dns_hostnames: bool,
}

const fn yes() -> bool {
    true
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "the signature that serde asks for")]
const fn is_yes(flag: &bool) -> bool {
    *flag
}

/// When a job has succeeded.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SuccessPolicy {
    /// All of the steps, or any.
    pub operator: SuccessOperator,
    /// The steps that count; empty means all.
    pub steps: Vec<String>,
}

/// All, or any.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum SuccessOperator {
    /// All of them.
    All,
    /// One of them is enough.
    Any,
}
