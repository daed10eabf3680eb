//! A job before it is spread over nodes: what the controller's JobSet says, step by step.

use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    File, Secret, flux, gang, initializer, jax, mpi, plain,
    policy::Policy,
    resources::{ProcessCount, Resources},
    template::{self, null_is_default},
    torch, upsert, xgboost,
};
use crate::{
    Error, Result, Violation,
    api::{EnvVar, Rest, Runtime, TrainJob, Trainer},
};

/// Label of a step's Job that says what the step is to Kubeflow.
pub(crate) const ANCESTOR: &str = "trainer.kubeflow.org/trainjob-ancestor-step";

/// What the controller makes of a job.
#[derive(Clone, Debug)]
pub(crate) struct Assembly {
    /// Name of the job, and of the JobSet.
    pub(crate) job: String,
    pub(crate) namespace: String,
    pub(crate) runtime_name: String,
    /// `spec.trainer` of the job; policies may rewrite it.
    pub(crate) trainer: Option<Trainer>,
    /// Labels and annotations of the JobSet.
    pub(crate) labels: Rest,
    pub(crate) annotations: Rest,
    /// `spec` of the JobSet, less its steps.
    pub(crate) spec: Rest,
    pub(crate) steps: Vec<Step>,
    pub(crate) files: Vec<File>,
    pub(crate) secrets: Vec<Secret>,
    pub(crate) pod_groups: Vec<Value>,
}

/// A replicated job.
#[derive(Clone, Debug)]
pub(crate) struct Step {
    pub(crate) name: String,
    pub(crate) ancestor: Option<String>,
    /// Nodes of each replica. May be negative: this release has no lower bound.
    pub(crate) count: i32,
    pub(crate) replicas: i32,
    /// Fields of the replicated job: `dependsOn`, `groupName`, …
    pub(crate) fields: Rest,
    pub(crate) job_labels: Rest,
    pub(crate) job_annotations: Rest,
    /// Fields of the Job: `backoffLimit`, …
    pub(crate) job_fields: Rest,
    pub(crate) pod_labels: Rest,
    pub(crate) pod_annotations: Rest,
    /// Fields of the pod: `tolerations`, …
    pub(crate) pod_fields: Rest,
    pub(crate) volumes: Vec<Value>,
    pub(crate) init_containers: Vec<Draft>,
    pub(crate) containers: Vec<Draft>,
}

/// A container, as the template has it and the policies change it.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct Draft {
    pub(crate) name: String,
    pub(crate) image: Option<String>,
    #[serde(deserialize_with = "null_is_default")]
    pub(crate) command: Vec<String>,
    #[serde(deserialize_with = "null_is_default")]
    pub(crate) args: Vec<String>,
    #[serde(deserialize_with = "null_is_default")]
    pub(crate) env: Vec<EnvVar>,
    #[serde(deserialize_with = "null_is_default")]
    pub(crate) env_from: Vec<Value>,
    #[serde(deserialize_with = "null_is_default")]
    pub(crate) ports: Vec<Value>,
    #[serde(deserialize_with = "null_is_default")]
    pub(crate) resources: Resources,
    #[serde(deserialize_with = "null_is_default")]
    pub(crate) volume_mounts: Vec<Value>,
    #[serde(flatten)]
    pub(crate) rest: Rest,
}

/// A variable whose value is the node's number.
pub(super) fn completion_index(name: &str) -> EnvVar {
    let from = json!({"fieldRef": {"fieldPath": COMPLETION_INDEX}});
    EnvVar { name: name.to_owned(), value_from: Some(from), ..EnvVar::default() }
}

/// Where a pod finds its number.
pub(super) const COMPLETION_INDEX: &str = "metadata.annotations['batch.kubernetes.io/job-completion-index']";

/// The port on which nodes meet.
pub(super) const fn reserved_port() -> u16 {
    29500
}

/// The controller that makes JobSets; the default of `spec.managedBy`.
pub(crate) const OUR_CONTROLLER: &str = "trainer.kubeflow.org/trainjob-controller";

/// Whether the job is another controller's to run.
pub(crate) fn is_managed_elsewhere(job: &TrainJob) -> bool {
    job.spec.managed_by.as_deref().is_some_and(|controller| controller != OUR_CONTROLLER)
}

/// Nodes of one step, at most: a plan has an entry for each.
const MOST_NODES: i64 = 100_000;

/// What the controller makes of `job` with `runtime`.
///
/// # Errors
/// `Invalid` if it has the wrong shape or is too large to be planned. Within: what the controller itself fails at.
pub(crate) fn assemble(job: &TrainJob, runtime: &Runtime) -> Result<Result<Assembly, Box<Violation>>> {
    let (mut assembly, policy) = template::of(job, runtime)?;
    assembly.check_size()?;
    if let Err(violation) = enforce(&mut assembly, policy.as_ref()) {
        return Ok(Err(violation));
    }
    gang::enforce(&mut assembly, runtime.spec.rest.get("podGroupPolicy"));
    assembly.build(job, policy.as_ref());
    Ok(Ok(assembly))
}

fn enforce(assembly: &mut Assembly, policy: Option<&Policy>) -> Result<(), Box<Violation>> {
    match policy {
        Some(Policy { torch: Some(torch), .. }) => torch::enforce(assembly, torch),
        Some(Policy { jax: Some(_), .. }) => jax::enforce(assembly),
        Some(Policy { xgboost: Some(_), .. }) => xgboost::enforce(assembly),
        Some(Policy { mpi: Some(mpi), .. }) => mpi::enforce(assembly, mpi)?,
        Some(Policy { flux: Some(flux), .. }) => flux::enforce(assembly, flux)?,
        _ => plain::enforce(assembly),
    }
    Ok(())
}

impl Assembly {
    /// Where steps find each other: the name after a host name.
    pub(crate) fn subdomain(&self) -> String {
        let network = self.spec.get("network").and_then(|network| network.get("subdomain"));
        network.and_then(Value::as_str).unwrap_or(&self.job).to_owned()
    }

    /// The address of the first node: by these names, whatever step and subdomain are called.
    pub(super) fn first_node(&self) -> String {
        format!("{job}-node-0-0.{job}", job = self.job)
    }

    /// The first step that is the trainer.
    pub(crate) fn trainer_step(&self) -> Option<&Step> {
        self.steps.iter().find(|step| step.is_trainer())
    }

    /// The container `node` of that step.
    pub(super) fn trainer_container(&mut self) -> Option<&mut Draft> {
        let step = self.steps.iter_mut().find(|step| step.is_trainer())?;
        step.containers.iter_mut().find(|container| container.name == "node")
    }

    /// A container of a step; containers before init containers.
    pub(crate) fn container_of(&mut self, step: &str, container: &str) -> Option<&mut Draft> {
        let step = self.steps.iter_mut().find(|other| other.name == step)?;
        step.containers.iter_mut().chain(&mut step.init_containers).find(|other| other.name == container)
    }

    /// `spec.trainer.numNodes` wins over the policy's.
    pub(super) fn take_nodes_from_job(&mut self) {
        let Some(nodes) = self.trainer.as_ref().and_then(|trainer| trainer.num_nodes) else { return };
        if let Some(step) = self.steps.iter_mut().find(|step| step.is_trainer()) {
            step.count = nodes;
        }
    }

    fn check_size(&self) -> Result<()> {
        let asked = self.trainer.as_ref().and_then(|trainer| trainer.num_nodes).unwrap_or(1);
        for step in &self.steps {
            let nodes = i64::from(step.count.max(asked)) * i64::from(step.replicas.max(1));
            if nodes > MOST_NODES {
                let message =
                    format!("the step `{}` has {nodes} nodes; at most {MOST_NODES} can be planned", step.name);
                return Err(Error::invalid(message));
            }
        }
        Ok(())
    }

    /// The job's variables into the trainer's container.
    pub(super) fn give_trainer_env(&mut self) {
        let env = self.job_env();
        if let Some(container) = self.trainer_container() {
            upsert::env(&mut container.env, env);
        }
    }

    /// What each node is given: the job's resources, or else the runtime's.
    pub(crate) fn resources_per_node(&self) -> Resources {
        let asked = self.trainer.as_ref().and_then(|trainer| trainer.resources_per_node.as_ref());
        if let Some(asked) = asked {
            return Resources::deserialize(asked).unwrap_or_default();
        }
        self.steps
            .iter()
            .filter(|step| step.name == "node" || step.is_trainer())
            .find_map(|step| step.containers.iter().find(|container| container.name == "node"))
            .map(|container| container.resources.clone())
            .unwrap_or_default()
    }

    /// How many processes a node of torchrun starts.
    pub(super) fn processes_per_node(&self) -> ProcessCount {
        let resources = self.resources_per_node();
        match self.trainer.as_ref().and_then(|trainer| trainer.num_proc_per_node) {
            Some(count) => ProcessCount::Fixed(count.into()),
            None if resources.gpus() > 0 => ProcessCount::Auto { gpus: resources.gpus() },
            None => ProcessCount::Fixed(resources.cpus().max(1)),
        }
    }

    fn job_env(&self) -> Vec<EnvVar> {
        let env = self.trainer.as_ref().and_then(|trainer| trainer.env.as_deref());
        env.unwrap_or_default().iter().map(super::env_var::as_applied).collect()
    }

    /// What is the same for all policies, after them.
    fn build(&mut self, job: &TrainJob, policy: Option<&Policy>) {
        for container in self.steps.iter_mut().flat_map(Step::all_containers) {
            // The controller puts each list into itself, and loses ports on the way.
            let ports = container.ports.clone();
            upsert::ports(&mut container.ports, ports);
        }
        initializer::apply(self, job.spec.initializer.as_ref());
        let env = self.job_env();
        let launcher_is_node =
            policy.and_then(|policy| policy.mpi.as_ref()).is_some_and(super::policy::Mpi::launcher_is_node);
        for step in &mut self.steps {
            let is_trainer = step.is_trainer();
            if is_trainer {
                step.replicas = 1;
            }
            if !(is_trainer || launcher_is_node && step.name == "node") {
                continue;
            }
            for container in step.containers.iter_mut().filter(|container| container.name == "node") {
                if is_trainer && let Some(trainer) = &self.trainer {
                    container.take_from(trainer);
                }
                upsert::env(&mut container.env, env.clone());
            }
        }
        self.spec.insert("suspend".to_owned(), json!(job.spec.suspend.unwrap_or(false)));
    }
}

impl Step {
    /// Whether it is the trainer's.
    pub(crate) fn is_trainer(&self) -> bool {
        self.ancestor.as_deref() == Some("trainer")
    }

    /// Host names of its nodes, replica by replica.
    pub(crate) fn hostnames<'a>(&'a self, job: &'a str) -> impl Iterator<Item = (i32, String)> + 'a {
        (0..self.replicas).flat_map(move |replica| {
            (0..self.count).map(move |node| (node, format!("{job}-{}-{replica}-{node}", self.name)))
        })
    }

    /// Addresses of its nodes, replica by replica.
    pub(super) fn addresses<'a>(&'a self, job: &'a str, subdomain: &'a str) -> impl Iterator<Item = String> + 'a {
        self.hostnames(job).map(move |(_, hostname)| format!("{hostname}.{subdomain}"))
    }

    /// Containers and init containers.
    pub(crate) fn all_containers(&mut self) -> impl Iterator<Item = &mut Draft> {
        self.init_containers.iter_mut().chain(&mut self.containers)
    }
}

impl Draft {
    /// The port on which nodes meet.
    pub(super) fn add_trainer_port(&mut self) {
        upsert::ports(&mut self.ports, [json!({"containerPort": reserved_port()})]);
    }

    fn take_from(&mut self, trainer: &Trainer) {
        if let Some(image) = &trainer.image {
            self.image = Some(image.clone());
        }
        if let Some(command) = &trainer.command {
            self.command.clone_from(command);
        }
        if let Some(args) = &trainer.args {
            self.args.clone_from(args);
        }
    }
}
