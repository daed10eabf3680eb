//! The runtime's template, taken apart, with the job's patches and resources.

use serde::{Deserialize, Deserializer, de::DeserializeOwned};
use serde_json::{Map, Value, json};

use super::{
    assembly::{ANCESTOR, Assembly, Step},
    patches,
    policy::{Mpi, Policy},
    resources::Resources,
};
use crate::{
    Error, Result,
    api::{Rest, Runtime, TrainJob},
    review::schema,
};

/// The runtime's template with the job's patches and resources, before any policy.
pub(crate) fn of(job: &TrainJob, runtime: &Runtime) -> Result<(Assembly, Option<Policy>)> {
    let policy: Option<Policy> = match &runtime.spec.ml_policy {
        Some(policy) => typed(policy, "spec.mlPolicy")?,
        None => None,
    };
    let template = json!({"template": runtime.spec.template});
    let template = schema::with_runtime_defaults(&template);
    let empty = Map::new();
    let template = template["template"].as_object().unwrap_or(&empty);
    let mut metadata: Metadata = part(template, "metadata")?;
    let mut spec: Rest = part(template, "spec")?;
    patches::apply(job.spec.runtime_patches.as_ref(), &mut metadata, &mut spec);

    let name = job.metadata.name.clone().unwrap_or_default();
    let mut assembly = Assembly {
        job: name,
        namespace: job.metadata.namespace.clone().unwrap_or_else(|| "default".to_owned()),
        runtime_name: job.spec.runtime_ref.name.clone(),
        trainer: job.spec.trainer.clone(),
        labels: metadata.labels,
        annotations: metadata.annotations,
        steps: steps(spec.shift_remove("replicatedJobs"))?,
        spec,
        files: Vec::new(),
        secrets: Vec::new(),
        pod_groups: Vec::new(),
    };
    if let Some(policy) = &policy {
        for step in assembly.steps.iter_mut().filter(|step| step.is_trainer()) {
            step.count = policy.num_nodes.unwrap_or(1);
        }
        merge_job_resources(&mut assembly, job, policy)?;
    }
    for step in &mut assembly.steps {
        step.count = step.count.max(1);
    }
    Ok((assembly, policy))
}

/// `spec.trainer.resourcesPerNode` key by key over the runtime's; claims are lost.
fn merge_job_resources(assembly: &mut Assembly, job: &TrainJob, policy: &Policy) -> Result<()> {
    let asked = job.spec.trainer.as_ref().and_then(|trainer| trainer.resources_per_node.as_ref());
    let Some(asked) = asked else { return Ok(()) };
    let asked: Resources = typed(asked, "spec.trainer.resourcesPerNode")?;
    let launcher_is_node = policy.mpi.as_ref().is_some_and(Mpi::launcher_is_node);
    for step in &mut assembly.steps {
        if !(step.is_trainer() || launcher_is_node && step.name == "node") {
            continue;
        }
        if let Some(container) = step.containers.iter_mut().find(|container| container.name == "node") {
            let merged = &mut container.resources;
            merged.limits.extend(asked.limits.clone());
            merged.requests.extend(asked.requests.clone());
            merged.claims.clear();
        }
    }
    Ok(())
}

/// Labels and annotations; other fields are lost.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Metadata {
    #[serde(deserialize_with = "null_is_default")]
    pub(super) labels: Rest,
    #[serde(deserialize_with = "null_is_default")]
    pub(super) annotations: Rest,
}

fn steps(value: Option<Value>) -> Result<Vec<Step>> {
    let jobs: Option<Vec<Rest>> = typed(&value.unwrap_or_default(), "spec.template.spec.replicatedJobs")?;
    jobs.unwrap_or_default().into_iter().map(step).collect()
}

fn step(mut fields: Rest) -> Result<Step> {
    let name = fields.shift_remove("name").as_ref().and_then(Value::as_str).unwrap_or_default().to_owned();
    let replicas = number(fields.shift_remove("replicas").as_ref()).unwrap_or(1);
    let mut job_template: Rest = take(&mut fields, "template")?;
    let job: Metadata = part(&job_template, "metadata")?;
    let mut job_fields: Rest = take(&mut job_template, "spec")?;
    let count = number(job_fields.shift_remove("parallelism").as_ref()).unwrap_or(1);
    // The controller overwrites it with the node count.
    job_fields.shift_remove("completions");
    let mut pod_template: Rest = take(&mut job_fields, "template")?;
    let pod: Metadata = part(&pod_template, "metadata")?;
    let mut pod_fields: Rest = take(&mut pod_template, "spec")?;
    Ok(Step {
        ancestor: job.labels.get(ANCESTOR).and_then(Value::as_str).map(str::to_owned),
        name,
        count,
        replicas,
        fields,
        job_labels: job.labels,
        job_annotations: job.annotations,
        job_fields,
        pod_labels: pod.labels,
        pod_annotations: pod.annotations,
        volumes: take(&mut pod_fields, "volumes")?,
        init_containers: take(&mut pod_fields, "initContainers")?,
        containers: take(&mut pod_fields, "containers")?,
        pod_fields,
    })
}

fn number(value: Option<&Value>) -> Option<i32> {
    value.and_then(Value::as_i64).and_then(|number| i32::try_from(number).ok())
}

/// Takes a field out; absent and null are the default.
fn take<T: DeserializeOwned + Default>(object: &mut Rest, key: &str) -> Result<T> {
    let value = object.shift_remove(key).unwrap_or_default();
    Ok(typed::<Option<T>>(&value, key)?.unwrap_or_default())
}

fn part<T: DeserializeOwned + Default>(object: &Rest, key: &str) -> Result<T> {
    Ok(typed::<Option<T>>(object.get(key).unwrap_or(&Value::Null), key)?.unwrap_or_default())
}

fn typed<T: DeserializeOwned>(value: &Value, field: &str) -> Result<T> {
    T::deserialize(value)
        .map_err(|error| Error::invalid(format!("`{field}` of the runtime or job is malformed: {error}")))
}

/// For fields where null means absent.
pub(super) fn null_is_default<'de, T: Deserialize<'de> + Default, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<T, D::Error> {
    Option::deserialize(deserializer).map(Option::unwrap_or_default)
}
