//! What becomes of each field of a plan: honoured, replaced by what this machine has, or refused.
//! A field that isn't listed is refused.

use serde_json::Value;
use trainer_core::{
    Error, Result,
    backend::Finding,
    plan::{Container, LaunchPlan, PlannedStep},
    request::ReviewedJob,
};

use super::gpus;

/// Fields of a container that mean nothing without an image, a kubelet or a terminal.
const MEANINGLESS: &[&str] =
    &["imagePullPolicy", "terminationMessagePath", "terminationMessagePolicy", "stdin", "stdinOnce", "tty"];

/// Fields of a container that are replaced by what is here.
const REPLACED: &[(&str, &str)] = &[
    ("workingDir", "`workingDir` is replaced by the job's working directory"),
    ("livenessProbe", "probes are not carried out: a node is ready when it has been launched"),
    ("readinessProbe", "probes are not carried out: a node is ready when it has been launched"),
    ("startupProbe", "probes are not carried out: a node is ready when it has been launched"),
];

/// Fields of a pod that mean nothing where there is one machine, one user and no scheduler.
const MEANINGLESS_IN_POD: &[&str] = &[
    "affinity",
    "automountServiceAccountToken",
    "dnsPolicy",
    "enableServiceLinks",
    "hostIPC",
    "hostNetwork",
    "hostPID",
    "imagePullSecrets",
    "nodeName",
    "nodeSelector",
    "preemptionPolicy",
    "priority",
    "priorityClassName",
    "restartPolicy",
    "schedulerName",
    "schedulingGates",
    "serviceAccount",
    "serviceAccountName",
    "setHostnameAsFQDN",
    "shareProcessNamespace",
    "subdomain",
    "hostname",
    "tolerations",
    "topologySpreadConstraints",
];

/// Fields of a JobSet that change nothing here: the order of start is part of the localized plan, claims and
/// volumes matter where they are mounted, and finished jobs stay until they are deleted.
const MEANINGLESS_IN_JOB_SET: &[&str] =
    &["coordinator", "replicatedJobs", "startupPolicy", "ttlSecondsAfterFinished", "volumeClaimPolicies"];

/// Fields of a Kubernetes Job that change nothing here.
const MEANINGLESS_IN_JOB: &[&str] =
    &["completionMode", "podReplacementPolicy", "ttlSecondsAfterFinished", "manualSelector"];

/// Checks that this engine can run the job; returns what it will replace or not enforce, for people, each once. A
/// runtime's image is replaced in every job and not worth a warning; one that the job itself names is.
///
/// # Errors
/// `Unsupported`, naming the field and a way out.
pub(super) fn review(job: &ReviewedJob) -> Result<Vec<String>> {
    let request = job.request();
    if let Some(mount) = request.mounts.first() {
        return Err(Error::unsupported(format!(
            "the backend `local` can't mount `{}` at {}: its nodes see this machine's files",
            mount.name, mount.path
        ))
        .with_hint("give the program the folder's own path"));
    }
    let mut replaced = review_plan(job.plan())?;
    let image = request.job.spec.trainer.as_ref().and_then(|trainer| trainer.image.as_deref());
    replaced.extend(image.map(replaced_image));
    gpus::share(job.plan(), &gpus::here())?;
    Ok(replaced)
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

/// # Errors
/// `Invalid` if one of these variables isn't set.
pub(super) fn review_secrets(names: &[String]) -> Result<()> {
    match names.iter().find(|name| std::env::var_os(name).is_none()) {
        None => Ok(()),
        Some(missing) => Err(Error::invalid(format!("the secret `{missing}` is not set in the environment"))
            .with_hint(format!("export {missing}=…"))),
    }
}

fn review_plan(plan: &LaunchPlan) -> Result<Vec<String>> {
    let mut replaced = Vec::new();
    if !plan.files.is_empty() || !plan.secrets.is_empty() {
        return Err(refused("files that the controller makes for this runtime's policy").with_hint(
            "its nodes are reached by ssh, which a machine's own processes don't need; choose another runtime",
        ));
    }
    if let Some(field) = plan.rest.keys().find(|field| !MEANINGLESS_IN_JOB_SET.contains(&field.as_str())) {
        return Err(refused(&format!("`{field}` of the runtime")));
    }
    for step in &plan.steps {
        review_step(step, &mut replaced)?;
    }
    let mut once = Vec::new();
    for replacement in replaced {
        if !once.contains(&replacement) {
            once.push(replacement);
        }
    }
    Ok(once)
}

fn review_step(step: &PlannedStep, replaced: &mut Vec<String>) -> Result<()> {
    for field in step.pod.keys() {
        let known = MEANINGLESS_IN_POD.contains(&field.as_str()) || field == "terminationGracePeriodSeconds";
        if !known {
            return Err(refused(&format!("`{field}` of the pods of step `{}`", step.name)));
        }
    }
    if let Some(field) = step.job.keys().find(|field| !MEANINGLESS_IN_JOB.contains(&field.as_str())) {
        return Err(refused(&format!("`{field}` of the job of step `{}`", step.name)));
    }
    // The nodes of a step are alike but for their index.
    let Some(node) = step.nodes.first() else { return Ok(()) };
    if let Some(container) = node.init_containers.first() {
        return Err(refused(&format!("the init container `{}` of step `{}`", container.name, step.name))
            .with_hint("do its work in the program, or choose a runtime without it"));
    }
    match node.containers.as_slice() {
        [container] => review_container(step, container, replaced),
        containers => Err(refused(&format!("{} containers in a node (step `{}`)", containers.len(), step.name))
            .with_hint("choose a runtime with one")),
    }
}

fn review_container(step: &PlannedStep, container: &Container, replaced: &mut Vec<String>) -> Result<()> {
    let of_step = |what: &str| format!("{what} (step `{}`)", step.name);
    if container.command.is_empty() {
        let image = container.image.as_deref().unwrap_or("an image");
        return Err(Error::unsupported(of_step(&format!(
            "there is no command, and the one in {image} is not on this machine"
        )))
        .with_hint("give a script or a command line, or set `spec.trainer.command`"));
    }
    if !container.env_from.is_empty() {
        return Err(refused(&of_step("`envFrom`")).with_hint("export the variables, or give them with `--env-file`"));
    }
    if let Some(variable) = container.env.iter().find(|variable| variable.value_from.is_some()) {
        return Err(refused(&of_step(&format!("`valueFrom` of the variable `{}`", variable.name)))
            .with_hint(format!("give the value with `--env {0}=…`, or `--secret {0}`", variable.name)));
    }
    if let Some(reserved) = ["TRAINER_JOB_UID", "TRAINER_STEP", "TRAINER_NODE"]
        .into_iter()
        .find(|reserved| container.env.iter().any(|variable| variable.name == *reserved))
    {
        return Err(Error::unsupported(of_step(&format!("the variable `{reserved}` is set by trainer itself"))));
    }
    for mount in &container.volume_mounts {
        // Runtimes enlarge the shared memory of their containers; a machine's own is as large as it is.
        let path = mount.get("mountPath").and_then(Value::as_str).unwrap_or_default();
        if path != "/dev/shm" {
            return Err(refused(&of_step(&format!("a volume at {path}")))
                .with_hint("give the program a folder of this machine; `--output` names the one for results"));
        }
    }
    for field in container.rest.keys().map(String::as_str) {
        if let Some((_, why)) = REPLACED.iter().find(|(name, _)| *name == field) {
            replaced.push((*why).to_owned());
        } else if !MEANINGLESS.contains(&field) {
            return Err(refused(&of_step(&format!("`{field}`"))));
        }
    }
    review_resources(step, container, replaced)?;
    Ok(())
}

fn review_resources(step: &PlannedStep, container: &Container, replaced: &mut Vec<String>) -> Result<()> {
    if let Some(field) = container
        .resources
        .as_object()
        .and_then(|fields| fields.keys().find(|field| *field != "limits" && *field != "requests"))
    {
        return Err(refused(&format!("`resources.{field}` (step `{}`)", step.name)));
    }
    for amounts in ["limits", "requests"].iter().filter_map(|kind| container.resources.get(kind)?.as_object()) {
        for resource in amounts.keys() {
            match resource.as_str() {
                "cpu" | "memory" | "ephemeral-storage" => {
                    replaced.push("limits of CPU and memory are not enforced: nodes share this machine".to_owned());
                }
                // Counted and shared out in `gpus.rs`.
                gpus::RESOURCE => {}
                other => {
                    return Err(refused(&format!("the resource `{other}` (step `{}`)", step.name)));
                }
            }
        }
    }
    Ok(())
}

/// What `check` says about limits.
pub(super) fn check_limits() -> Finding {
    Finding { ok: true, subject: "limits".to_owned(), detail: "limits of CPU and memory are not enforced".to_owned() }
}

fn refused(what: &str) -> Error {
    Error::unsupported(format!("the backend `local` can't honour {what}"))
        .with_hint("choose another backend or another runtime")
}
