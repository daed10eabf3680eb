//! What becomes of each field of a job: this engine's column of the table, and what depends on values.

use trainer_core::{
    Error, Result,
    fields::{
        self, FieldRule, Place,
        Treatment::{Honour, Moot, Refuse, Substitute, Warn, Within},
    },
    plan::{LaunchPlan, PlannedStep},
    request::ReviewedJob,
};

use super::{gpus, placement};

/// The column. Moot is what needs a kubelet, several machines, or a scheduler.
pub(super) const FIELDS: &[FieldRule] = &[
    FieldRule::of(Place::Runtime, &["mlPolicy.mpi"], Honour),
    FieldRule::of(
        Place::Runtime,
        &["mlPolicy.flux"],
        Refuse("choose another runtime: the files of Flux are made by its controller"),
    ),
    FieldRule::of(Place::Runtime, &["podGroupPolicy"], Moot),
    FieldRule::of(Place::JobSet, &["coordinator"], Moot),
    FieldRule::of(Place::JobSet, &["volumeClaimPolicies"], Within("a volume of the engine, as large as its disk")),
    FieldRule::of(Place::JobSet, &["ttlSecondsAfterFinished"], KEPT),
    FieldRule::of(Place::ReplicatedJob, &["groupName"], Moot),
    FieldRule::of(Place::Job, &["completionMode", "manualSelector", "podReplacementPolicy"], Moot),
    FieldRule::of(Place::Job, &["ttlSecondsAfterFinished"], KEPT),
    FieldRule::of(Place::Pod, &["terminationGracePeriodSeconds", "initContainers", "hostIPC"], Honour),
    FieldRule::of(Place::Pod, &["containers"], Within("one in a node")),
    FieldRule::of(Place::Pod, &["volumes.emptyDir", "volumes.persistentVolumeClaim"], Honour),
    FieldRule::of(Place::Pod, &["volumes.hostPath"], Within("a folder that is there")),
    FieldRule::of(Place::Pod, &["volumes.configMap", "volumes.secret"], Within("those of the job's own policy")),
    FieldRule::of(
        Place::Pod,
        &["volumes"],
        Refuse("mount a folder or a volume instead: `--mount NAME:/path`, with `[volumes.NAME]` in the configuration"),
    ),
    FieldRule::of(
        Place::Pod,
        &["securityContext.runAsUser", "securityContext.runAsGroup", "securityContext.fsGroup"],
        Honour,
    ),
    FieldRule::of(Place::Pod, &["securityContext.runAsNonRoot", "securityContext.seccompProfile"], UNCHECKED),
    FieldRule::of(Place::Pod, &["securityContext.fsGroupChangePolicy"], Moot),
    FieldRule::of(
        Place::Pod,
        &[
            "affinity",
            "automountServiceAccountToken",
            "dnsPolicy",
            "enableServiceLinks",
            "imagePullSecrets",
            "nodeName",
            "nodeSelector",
            "preemptionPolicy",
            "priority",
            "priorityClassName",
            "schedulerName",
            "schedulingGates",
            "serviceAccount",
            "serviceAccountName",
            "setHostnameAsFQDN",
            "shareProcessNamespace",
            "tolerations",
            "topologySpreadConstraints",
        ],
        Moot,
    ),
    FieldRule::of(
        Place::Container,
        &[
            "image",
            "imagePullPolicy",
            "workingDir",
            "resources.limits.cpu",
            "resources.limits.memory",
            "securityContext.runAsUser",
            "securityContext.runAsGroup",
            "securityContext.privileged",
            "securityContext.readOnlyRootFilesystem",
            "securityContext.allowPrivilegeEscalation",
            "securityContext.capabilities",
            "volumeMounts.readOnly",
        ],
        Honour,
    ),
    FieldRule::of(Place::Container, &["volumeMounts.subPath"], Within("of a folder")),
    FieldRule::of(Place::Container, &["env.valueFrom.secretKeyRef"], Within("of variables that `[secrets]` names")),
    FieldRule::of(
        Place::Container,
        &["env.valueFrom"],
        Refuse("give the value with `--env NAME=…`, or `--secret NAME`"),
    ),
    FieldRule::of(Place::Container, &["envFrom"], Refuse("give the variables with `--env-file`")),
    FieldRule::of(
        Place::Container,
        &[
            "stdin",
            "stdinOnce",
            "terminationMessagePath",
            "terminationMessagePolicy",
            "tty",
            "resources.requests.cpu",
            "resources.requests.memory",
            "resources.requests.ephemeral-storage",
        ],
        Moot,
    ),
    FieldRule::of(Place::Container, &["securityContext.runAsNonRoot", "securityContext.seccompProfile"], UNCHECKED),
    FieldRule::of(
        Place::Container,
        &[
            "resources.limits.nvidia.com/gpu",
            "resources.requests.nvidia.com/gpu",
            "resources.limits.amd.com/gpu",
            "resources.requests.amd.com/gpu",
        ],
        Within("as many as the engine's machine has"),
    ),
    FieldRule::of(
        Place::Container,
        &["resources.limits.ephemeral-storage"],
        Warn("limits of a container's disk are not enforced"),
    ),
    FieldRule::of(
        Place::Container,
        &["ports.hostPort", "ports.hostIP"],
        Substitute("ports are reached by the nodes of the job only: none is published on the host"),
    ),
    FieldRule::of(
        Place::Container,
        &["livenessProbe", "readinessProbe", "startupProbe"],
        Warn("probes are not carried out: a node is ready when it has been launched"),
    ),
];

const KEPT: fields::Treatment =
    Warn("a finished job is kept until it is deleted, whatever `ttlSecondsAfterFinished` says");

const UNCHECKED: fields::Treatment =
    Warn("`runAsNonRoot` is not checked, and system calls are filtered as the engine is set up to");

/// Checks that this engine can run the job; returns what it will replace or not enforce, for people, each once.
///
/// # Errors
/// `Unsupported`, naming the field and a way out; `Invalid` for a volume that nothing is known of.
pub(super) fn review(job: &ReviewedJob) -> Result<Vec<String>> {
    let rules = fields::check("container", FIELDS, job)?;
    if !job.request().packages.is_empty() {
        return Err(Error::unsupported("the backend `container` doesn't install packages yet")
            .with_hint("choose an image that has them: `--image`"));
    }
    gpus::review(job.plan())?;
    let plan = job.plan();
    plan.steps.iter().try_for_each(|step| review_step(job, plan, step))?;
    Ok(rules.iter().filter_map(|rule| rule.treatment.said()).map(str::to_owned).collect())
}

/// What depends on values.
fn review_step(job: &ReviewedJob, plan: &LaunchPlan, step: &PlannedStep) -> Result<()> {
    // The nodes of a step are alike but for their index.
    let Some(node) = step.nodes.first() else { return Ok(()) };
    if node.containers.len() != 1 {
        let count = node.containers.len();
        return Err(Error::unsupported(format!(
            "the backend `container` can't honour {count} containers in a node (step `{}`)",
            step.name
        ))
        .with_hint("choose a runtime with one"));
    }
    let request = job.request();
    for container in node.init_containers.iter().chain(&node.containers) {
        placement::review(plan, step, container, &request.volumes, &request.mounts)?;
    }
    Ok(())
}
