//! What becomes of each field of a job: this engine's column of the table, and what depends on values.

use serde_json::Value;
use trainer_core::{
    Error, Result,
    backend::Finding,
    fields::{
        self, FieldRule, Place,
        Treatment::{Honour, Moot, Refuse, Substitute, Warn, Within},
    },
    plan::{Container, PlannedStep},
    request::ReviewedJob,
};

use super::{gpus, secrets, volumes};

/// The column. Moot is what needs an image, a kubelet, a terminal, several machines or users, or a scheduler.
pub(super) const FIELDS: &[FieldRule] = &[
    FieldRule::of(
        Place::Runtime,
        &["mlPolicy.mpi", "mlPolicy.flux"],
        Refuse("its nodes are reached by ssh, which a machine's own processes don't need; choose another runtime"),
    ),
    FieldRule::of(Place::Runtime, &["podGroupPolicy"], Moot),
    // Claims and volumes matter where they are mounted.
    FieldRule::of(Place::JobSet, &["coordinator", "volumeClaimPolicies"], Moot),
    FieldRule::of(Place::JobSet, &["ttlSecondsAfterFinished"], KEPT),
    FieldRule::of(Place::ReplicatedJob, &["groupName"], Moot),
    FieldRule::of(Place::Job, &["completionMode", "manualSelector", "podReplacementPolicy"], Moot),
    FieldRule::of(Place::Job, &["ttlSecondsAfterFinished"], KEPT),
    FieldRule::of(Place::Pod, &["terminationGracePeriodSeconds"], Honour),
    FieldRule::of(Place::Pod, &["containers"], Within("one in a node")),
    FieldRule::of(
        Place::Pod,
        &["initContainers"],
        Refuse("do the work of the init container in the program, or choose a runtime without it"),
    ),
    FieldRule::of(
        Place::Pod,
        &["volumes"],
        Refuse("give the program a folder of this machine; `--output` names the one for results"),
    ),
    FieldRule::of(
        Place::Pod,
        &["volumes.persistentVolumeClaim"],
        Within("a folder of this machine that the configuration names for it"),
    ),
    // Runtimes enlarge the shared memory of their containers; a machine's own is as large as it is.
    FieldRule::of(Place::Pod, &["volumes.emptyDir"], Within("mounted at /dev/shm")),
    FieldRule::of(
        Place::Pod,
        &[
            "affinity",
            "automountServiceAccountToken",
            "dnsPolicy",
            "enableServiceLinks",
            "hostIPC",
            "hostNetwork",
            "hostPID",
            "hostname",
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
            "subdomain",
            "tolerations",
            "topologySpreadConstraints",
        ],
        Moot,
    ),
    FieldRule::of(
        Place::Container,
        &[
            "imagePullPolicy",
            "stdin",
            "stdinOnce",
            "terminationMessagePath",
            "terminationMessagePolicy",
            "tty",
            // Decided where the volume is.
            "volumeMounts",
        ],
        Moot,
    ),
    FieldRule::of(Place::Container, &["image"], Substitute("images are replaced by this machine's software")),
    FieldRule::of(
        Place::Container,
        &["workingDir"],
        Substitute("`workingDir` is replaced by the job's working directory, unless it is in a mounted volume"),
    ),
    FieldRule::of(
        Place::Container,
        &["ports.hostPort", "ports.hostIP"],
        Substitute("ports are leased anew for each attempt, on the loopback device"),
    ),
    FieldRule::of(
        Place::Container,
        &["livenessProbe", "readinessProbe", "startupProbe"],
        Warn("probes are not carried out: a node is ready when it has been launched"),
    ),
    FieldRule::of(
        Place::Container,
        &["env.valueFrom"],
        Refuse("give the value with `--env NAME=…`, or `--secret NAME`"),
    ),
    FieldRule::of(
        Place::Container,
        &["env.valueFrom.secretKeyRef"],
        Within("the caller's variable that the configuration names for it"),
    ),
    FieldRule::of(Place::Container, &["envFrom"], Refuse("export the variables, or give them with `--env-file`")),
    FieldRule::of(
        Place::Container,
        &["resources.limits.nvidia.com/gpu", "resources.requests.nvidia.com/gpu"],
        Within("as many as this machine has"),
    ),
    FieldRule::of(
        Place::Container,
        &[
            "resources.limits.cpu",
            "resources.limits.memory",
            "resources.limits.ephemeral-storage",
            "resources.requests.cpu",
            "resources.requests.memory",
            "resources.requests.ephemeral-storage",
        ],
        Warn("limits of CPU and memory are not enforced: nodes share this machine"),
    ),
];

const KEPT: fields::Treatment =
    Warn("a finished job is kept until it is deleted, whatever `ttlSecondsAfterFinished` says");

/// Checks that this engine can run the job; returns what it will replace or not enforce, for people, each once. A
/// runtime's image is replaced in every job and not worth a warning; one that the job itself names is.
///
/// # Errors
/// `Unsupported`, naming the field and a way out.
pub(super) fn review(job: &ReviewedJob) -> Result<Vec<String>> {
    let request = job.request();
    let rules = fields::check("local", FIELDS, job)?;
    job.plan().steps.iter().try_for_each(review_step)?;
    volumes::folders(job.plan(), &request.mounts, &request.volumes)?;
    secrets::review(job.plan(), &request.secrets, &request.secret_keys)?;
    gpus::share(job.plan(), &gpus::here())?;
    let mounted = volumes::substitutions(job.plan(), &request.mounts, &request.volumes)?;
    let said = rules.iter().filter(|rule| !rule.fields.contains(&"image")).filter_map(|rule| rule.treatment.said());
    let image = request.job.spec.trainer.as_ref().and_then(|trainer| trainer.image.as_deref());
    Ok(said.map(str::to_owned).chain(image.map(replaced_image)).chain(mounted).collect())
}

/// The replaced images of the job's runtime, for its events.
pub(super) fn replaced_images(job: &ReviewedJob) -> Vec<String> {
    let own = job.request().job.spec.trainer.as_ref().and_then(|trainer| trainer.image.as_deref());
    let nodes = job.plan().steps.iter().filter_map(|step| step.nodes.first());
    let images = nodes.flat_map(|node| &node.containers).filter_map(|container| container.image.as_deref());
    let mut images: Vec<&str> = images.filter(|image| Some(*image) != own).collect();
    images.dedup();
    images.into_iter().map(replaced_image).collect()
}

fn replaced_image(image: &str) -> String {
    format!("the image {image} is replaced by this machine's software")
}

/// What depends on values.
fn review_step(step: &PlannedStep) -> Result<()> {
    // The nodes of a step are alike but for their index.
    let Some(node) = step.nodes.first() else { return Ok(()) };
    match node.containers.as_slice() {
        [container] => review_container(step, container),
        containers => Err(refused(&format!("{} containers in a node (step `{}`)", containers.len(), step.name))
            .with_hint("choose a runtime with one")),
    }
}

fn review_container(step: &PlannedStep, container: &Container) -> Result<()> {
    let of_step = |what: &str| format!("{what} (step `{}`)", step.name);
    if container.command.is_empty() {
        let image = container.image.as_deref().unwrap_or("an image");
        let hint = match step.ancestor.as_deref() {
            Some("trainer") => "give a script or a command line, or set `spec.trainer.command`",
            _ => "choose a runtime without this step, and have the program fetch data and model, or another backend",
        };
        return Err(Error::unsupported(of_step(&format!(
            "there is no command, and the one in {image} is not on this machine"
        )))
        .with_hint(hint));
    }
    if let Some(reserved) = ["TRAINER_JOB_UID", "TRAINER_STEP", "TRAINER_NODE"]
        .into_iter()
        .find(|reserved| container.env.iter().any(|variable| variable.name == *reserved))
    {
        return Err(Error::unsupported(of_step(&format!("the variable `{reserved}` is set by trainer itself"))));
    }
    let is_claim = |mount: &&Value| {
        let named = |volume: &&Value| volume["name"] == mount["name"];
        step.volumes.iter().find(named).is_some_and(|volume| volume.get("persistentVolumeClaim").is_some())
    };
    let path = |mount: &Value| mount.get("mountPath").and_then(Value::as_str).unwrap_or_default().to_owned();
    let others = container.volume_mounts.iter().filter(|mount| !is_claim(mount)).map(path);
    match others.into_iter().find(|path| path != "/dev/shm") {
        None => Ok(()),
        Some(path) => Err(refused(&of_step(&format!("a volume at {path}")))
            .with_hint("give the program a folder of this machine; `--output` names the one for results")),
    }
}

/// What `check` says about limits.
pub(super) fn check_limits() -> Finding {
    Finding { ok: true, subject: "limits".to_owned(), detail: "limits of CPU and memory are not enforced".to_owned() }
}

fn refused(what: &str) -> Error {
    Error::unsupported(format!("the backend `local` can't honour {what}"))
}
