//! From the JobSet to the plan: each step's pods, one by one.

use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    Container, Dependency, LaunchPlan, Network, PlannedNode, PlannedStep, RuntimeId, SuccessOperator, SuccessPolicy,
    assembly::{Assembly, COMPLETION_INDEX, Draft, Step},
};
use crate::{
    Error, NodeIndex, Result,
    api::{EnvVar, Rest, Runtime, TrainJob},
};

/// Spreads what the controller makes over nodes.
pub(super) fn spread(mut assembly: Assembly, job: &TrainJob, runtime: &Runtime) -> Result<LaunchPlan> {
    let subdomain = assembly.subdomain();
    let spec = &mut assembly.spec;
    let network: NetworkSpec = take(spec, "network")?;
    let success: SuccessSpec = take(spec, "successPolicy")?;
    let suspend = spec.shift_remove("suspend").and_then(|suspend| suspend.as_bool()).unwrap_or(false);
    if spec.get("startupPolicy").is_none_or(|policy| policy["startupPolicyOrder"] != "InOrder") {
        spec.shift_remove("startupPolicy");
    }
    spec.retain(|_, value| !value.is_null());
    as_stored(spec);
    let steps = std::mem::take(&mut assembly.steps);
    Ok(LaunchPlan {
        api_version: "trainer.dev/v1".to_owned(),
        kind: "Plan".to_owned(),
        job: assembly.job.parse()?,
        namespace: assembly.namespace.clone(),
        runtime: RuntimeId { kind: runtime.kind, name: runtime.name().to_owned() },
        warnings: Vec::new(),
        notes: Vec::new(),
        steps: steps.into_iter().map(|step| planned_step(step, &assembly.job, &subdomain)).collect::<Result<_>>()?,
        files: assembly.files,
        network: Network {
            subdomain,
            publish_not_ready_addresses: network.publish_not_ready_addresses.unwrap_or(true),
            enable_dns_hostnames: network.enable_dns_hostnames.unwrap_or(true),
        },
        success_policy: SuccessPolicy {
            operator: success.operator.unwrap_or(SuccessOperator::All),
            steps: success.target_replicated_jobs.unwrap_or_default(),
        },
        active_deadline_seconds: job.spec.active_deadline_seconds,
        suspend,
        labels: assembly.labels,
        annotations: assembly.annotations,
        secrets: assembly.secrets,
        pod_groups: assembly.pod_groups,
        rest: assembly.spec,
    })
}

/// What JobSet fills in, and what its types leave out.
fn as_stored(spec: &mut Rest) {
    let claims = spec.get_mut("volumeClaimPolicies").and_then(Value::as_array_mut);
    for policy in claims.into_iter().flatten().filter_map(Value::as_object_mut) {
        if policy.get("retentionPolicy").is_none_or(|policy| policy["whenDeleted"].is_null()) {
            policy.insert("retentionPolicy".to_owned(), json!({"whenDeleted": "Delete"}));
        }
    }
    if let Some(Value::Object(coordinator)) = spec.get_mut("coordinator") {
        coordinator.retain(|_, value| *value != 0);
    }
}

/// Go leaves these out where they say nothing.
const OMITTED_IF_FALSE: [&str; 7] = ["hostIPC", "hostNetwork", "hostPID", "readOnly", "stdin", "stdinOnce", "tty"];

/// Without what Go's types leave out: nulls, empty texts and lists, and `false` where that is the zero of the type.
fn without_zeros(fields: &mut Rest) {
    fields.retain(|key, value| match value {
        Value::Null => false,
        Value::String(text) => !text.is_empty(),
        Value::Array(items) => !items.is_empty(),
        Value::Bool(flag) => *flag || !OMITTED_IF_FALSE.contains(&key.as_str()),
        _ => true,
    });
}

fn items_without_zeros(items: &mut [Value]) {
    items.iter_mut().filter_map(Value::as_object_mut).for_each(without_zeros);
}

fn planned_step(mut step: Step, job: &str, subdomain: &str) -> Result<PlannedStep> {
    let (Ok(count), Ok(replicas)) = (u32::try_from(step.count), u32::try_from(step.replicas)) else {
        return Err(Error::invalid(format!("the step `{}` has {} nodes", step.name, step.count)));
    };
    let depends_on: Vec<Dependency> = take(&mut step.fields, "dependsOn")?;
    let backoff_limit = take::<Option<u32>>(&mut step.job_fields, "backoffLimit")?.unwrap_or(6);
    let restart_policy = take::<Option<String>>(&mut step.pod_fields, "restartPolicy")?;
    let init_containers = step.init_containers.iter().map(container).collect::<Result<Vec<_>>>()?;
    let containers = step.containers.iter().map(container).collect::<Result<Vec<_>>>()?;
    let nodes = step
        .hostnames(job)
        .zip(0..)
        .map(|((pod, hostname), index)| PlannedNode {
            index: NodeIndex(index),
            address: format!("{hostname}.{subdomain}"),
            hostname,
            init_containers: numbered(&init_containers, pod),
            containers: numbered(&containers, pod),
        })
        .collect();
    if step.fields.get("groupName").is_some_and(|group| group == "default") {
        step.fields.shift_remove("groupName");
    }
    [&mut step.fields, &mut step.job_fields, &mut step.pod_fields].into_iter().for_each(without_zeros);
    if let Some(Value::Array(tolerations)) = step.pod_fields.get_mut("tolerations") {
        items_without_zeros(tolerations);
    }
    Ok(PlannedStep {
        name: step.name,
        ancestor: step.ancestor,
        node_count: count * replicas,
        replicas,
        backoff_limit,
        restart_policy: restart_policy.unwrap_or_else(|| "OnFailure".to_owned()),
        depends_on,
        nodes,
        volumes: step.volumes,
        job_labels: step.job_labels,
        job_annotations: step.job_annotations,
        pod_labels: step.pod_labels,
        pod_annotations: step.pod_annotations,
        job: step.job_fields,
        pod: step.pod_fields,
        rest: step.fields,
    })
}

fn container(draft: &Draft) -> Result<Container> {
    let ports: Option<Vec<u16>> = draft
        .ports
        .iter()
        .map(|port| port["containerPort"].as_u64().and_then(|number| u16::try_from(number).ok()))
        .collect();
    let ports =
        ports.ok_or_else(|| Error::invalid(format!("a port of the container `{}` has no number", draft.name)))?;
    let tells_more = |port: &Value| {
        port.as_object().is_some_and(|port| {
            port.iter().any(|(key, value)| key != "containerPort" && !(key == "protocol" && value == "TCP"))
        })
    };
    let mut rest = draft.rest.clone();
    without_zeros(&mut rest);
    let mut volume_mounts = draft.volume_mounts.clone();
    items_without_zeros(&mut volume_mounts);
    Ok(Container {
        name: draft.name.clone(),
        image: draft.image.clone(),
        command: draft.command.clone(),
        args: draft.args.clone(),
        ports,
        port_details: if draft.ports.iter().any(tells_more) { draft.ports.clone() } else { Vec::new() },
        env: draft.env.clone(),
        env_from: draft.env_from.clone(),
        resources: draft.resources.to_value(),
        volume_mounts,
        rest,
    })
}

/// The containers with a node's number where they ask for it.
fn numbered(containers: &[Container], pod: i32) -> Vec<Container> {
    let mut containers = containers.to_vec();
    for variable in containers.iter_mut().flat_map(|container| &mut container.env) {
        if is_completion_index(variable) {
            variable.value = Some(pod.to_string());
            variable.value_from = None;
        }
    }
    containers
}

fn is_completion_index(variable: &EnvVar) -> bool {
    let path = variable.value_from.as_ref().and_then(|from| from["fieldRef"]["fieldPath"].as_str());
    path.is_some_and(|path| path == COMPLETION_INDEX)
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct NetworkSpec {
    publish_not_ready_addresses: Option<bool>,
    #[serde(rename = "enableDNSHostnames")]
    enable_dns_hostnames: Option<bool>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct SuccessSpec {
    operator: Option<SuccessOperator>,
    target_replicated_jobs: Option<Vec<String>>,
}

fn take<T: for<'de> Deserialize<'de> + Default>(fields: &mut Rest, key: &str) -> Result<T> {
    let value = fields.shift_remove(key).unwrap_or_default();
    let taken: Option<T> = Deserialize::deserialize(value)
        .map_err(|error| Error::invalid(format!("`{key}` of the runtime is malformed: {error}")))?;
    Ok(taken.unwrap_or_default())
}
