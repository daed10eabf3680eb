//! The flags of `run` → a request.

use std::{
    env,
    path::{Path, PathBuf},
};

use clap::CommandFactory;
use serde_json::{Map, Value, json};
use trainer_core::{
    Error, JobRequest, Result, TrainerClient,
    api::{Runtime, RuntimeKind, TrainJob, Trainer},
    plan::{LaunchPlan, literal},
    registry::BackendRegistry,
    request::Packages,
    runtimes::RuntimeCatalog,
};

use super::{
    Run, environment, job_name, misplaced,
    program::{Program, Words, is_torch, starts_processes, takes_scripts},
    source,
};
use crate::cli::{Cli, failure::warn, progress};

/// The runtime of a program that needs no other.
const PLAIN: &str = "plain";

/// What `run` asks for.
///
/// # Errors
/// `Invalid` for what can't be meant; `NotFound` for a runtime that there isn't.
pub(super) async fn build<B: BackendRegistry>(
    run: &Run,
    client: &TrainerClient<B>,
    command: &str,
) -> Result<JobRequest> {
    let line: Vec<_> = env::args_os().map(|word| word.to_string_lossy().into_owned()).collect();
    let words = Words::new(&run.words, &line);
    if let Some(flags) = Cli::command().find_subcommand("run") {
        misplaced::check(&words, flags, command)?;
    }
    let directory = directory(run.workdir.as_deref())?;
    let program = Program::read(&words, &directory, command)?;
    let all = client.runtimes().await?;
    let runtime = runtime(run, &program, &directory, &all)?;
    let name = match &run.name {
        Some(name) => name.clone(),
        None => job_name::after(program.word())?,
    };

    let mut job = TrainJob::new(&name, runtime.name());
    if runtime.kind != RuntimeKind::default() {
        job.spec.runtime_ref.kind = Some(runtime.kind.to_string());
    }
    // What is typed means itself; on a cluster the kubelet would read `$(…)` in it.
    let as_typed =
        |words: Vec<String>| -> Vec<String> { words.iter().map(|word| literal(word).into_owned()).collect() };
    let (argv, args) = program.argv(runtime);
    let (argv, args) = (as_typed(argv), as_typed(args));
    let env = environment::variables(&run.env, &run.env_file)?;
    for name in env.iter().map(|variable| &variable.name).filter(|name| environment::sounds_secret(name)) {
        warn(&format!("the value of {name} is written down with the job: `--secret {name}` keeps it out"));
    }
    job.spec.active_deadline_seconds = run.deadline;
    job.spec.trainer = Some(Trainer {
        command: Some(argv),
        args: (!args.is_empty()).then_some(args),
        env: (!env.is_empty()).then_some(env),
        image: run.image.clone(),
        num_nodes: run.nodes,
        num_proc_per_node: run.nproc,
        resources_per_node: resources(run),
        ..Trainer::default()
    });

    let mut request = JobRequest::new(job);
    request.runtime = run.retries.map(|retries| with_retries(runtime.clone(), retries));
    request.source = Some(source::of(directory));
    request.output = run.output.as_deref().map(output).transpose()?;
    request.packages = packages(run)?;
    request.mounts.clone_from(&run.mount);
    request.secrets = environment::secrets(&run.secret)?;
    request.options = run.options.iter().cloned().collect();
    request.progress = progress::on_terminal();
    request.annotated()
}

/// How large a job is: `2 nodes × 4 processes`.
pub(in crate::cli) fn shape(plan: &LaunchPlan) -> String {
    let (nodes, processes) = mpi_hosts(plan).unwrap_or_else(|| {
        let trainer = plan.steps.iter().filter(|step| step.ancestor.as_deref() == Some("trainer"));
        (trainer.map(|step| step.node_count).sum(), processes(plan))
    });
    let processes = match processes.as_str() {
        "1" => "1 process".to_owned(),
        number if number.parse::<u32>().is_ok() => format!("{number} processes"),
        word => format!("{word} processes"),
    };
    format!("{nodes} {} × {processes}", if nodes == 1 { "node" } else { "nodes" })
}

/// The hosts of MPI's list, and the slots of each.
fn mpi_hosts(plan: &LaunchPlan) -> Option<(u32, String)> {
    let hosts = &plan.files.iter().find(|file| file.key == "hostfile")?.content;
    let (_, slots) = hosts.lines().next()?.rsplit_once("slots=")?;
    Some((hosts.lines().count().try_into().ok()?, slots.to_owned()))
}

/// How many processes a node has, where something tells it: torchrun's variable, or the whole of XGBoost's world.
fn processes(plan: &LaunchPlan) -> String {
    let trainer = plan.steps.iter().filter(|step| step.ancestor.as_deref() == Some("trainer"));
    for step in trainer {
        for variable in step.nodes.iter().flat_map(|node| &node.containers).flat_map(|container| &container.env) {
            match (variable.name.as_str(), variable.value.as_deref()) {
                ("PET_NPROC_PER_NODE", Some(number)) => return number.to_owned(),
                ("DMLC_NUM_WORKER", Some(world)) => {
                    let world = world.parse::<u32>().unwrap_or(step.node_count);
                    return (world / step.node_count.max(1)).to_string();
                }
                _ => {}
            }
        }
    }
    "1".to_owned()
}

fn runtime<'a>(run: &Run, program: &Program, folder: &Path, all: &'a RuntimeCatalog) -> Result<&'a Runtime> {
    let several = run.nodes.is_some_and(|nodes| nodes > 1);
    let suggestion = |fits: fn(&Runtime) -> bool| match program
        .suggestions(folder, all.iter().filter(|runtime| takes_scripts(runtime) && fits(runtime)))[..]
    {
        [] => {
            let fitting = all.iter().filter(|runtime| takes_scripts(runtime) && fits(runtime));
            let names: Vec<_> = fitting.map(Runtime::name).collect();
            format!("`--runtime NAME`, where NAME is one of {}", names.join(", "))
        }
        [one] => format!("the script looks like `--runtime {one}`"),
        ref several => {
            format!("the script looks like `--runtime NAME`, where NAME is one of {}", several.join(", "))
        }
    };
    let runtime = match &run.runtime {
        Some(name) => all.named(name)?,
        None if several && matches!(program, Program::Python { .. }) => {
            return Err(Error::invalid("several nodes take a runtime that connects them")
                .with_hint(suggestion(|runtime| runtime.name() != PLAIN)));
        }
        None => all.named(PLAIN)?,
    };
    if several && program.is_torchrun() && !is_torch(runtime) {
        let problem = format!("under the runtime `{}` each torchrun would train alone", runtime.name());
        return Err(Error::invalid(problem).with_hint(suggestion(is_torch)));
    }
    if run.nproc.is_some_and(|nproc| nproc > 1) && !starts_processes(runtime) {
        let problem = format!("the runtime `{}` starts one process on each node", runtime.name());
        return Err(Error::invalid(problem)
            .with_hint(format!("leave `--nproc` out, or choose another: {}", suggestion(starts_processes))));
    }
    Ok(runtime)
}

fn directory(workdir: Option<&Path>) -> Result<PathBuf> {
    let here = env::current_dir().map_err(|error| Error::io("find", "the current folder", error))?;
    let Some(workdir) = workdir else { return Ok(here) };
    let directory = here.join(workdir);
    match directory.canonicalize() {
        Ok(directory) if directory.is_dir() => Ok(directory),
        Ok(_) => Err(Error::invalid(format!("`--workdir {}` is no folder", workdir.display()))),
        Err(_) => Err(Error::invalid(format!("`--workdir {}`: there is no such folder", workdir.display()))),
    }
}

/// Relative to here; what begins with `SCHEME:` is the engine's own.
fn output(output: &Path) -> Result<PathBuf> {
    if output.to_str().is_some_and(|text| text.split_once(':').is_some_and(|(scheme, _)| !scheme.contains('/'))) {
        return Ok(output.to_owned());
    }
    std::path::absolute(output).map_err(|error| Error::io("find", output, error))
}

fn packages(run: &Run) -> Result<Packages> {
    let requirements = match &run.requirements {
        Some(file) if !file.is_file() => {
            return Err(Error::invalid(format!("`--requirements {}`: there is no such file", file.display())));
        }
        Some(file) => Some(std::path::absolute(file).map_err(|error| Error::io("find", file, error))?),
        None => None,
    };
    Ok(Packages { specifiers: run.package.clone(), requirements })
}

fn resources(run: &Run) -> Option<Value> {
    let amounts: Map<String, Value> = [
        ("cpu", run.cpu.clone().map(Value::from)),
        ("memory", run.memory.clone().map(Value::from)),
        ("nvidia.com/gpu", run.gpu.map(|gpu| Value::from(gpu.to_string()))),
    ]
    .into_iter()
    .filter_map(|(name, amount)| Some((name.to_owned(), amount?)))
    .collect();
    (!amounts.is_empty()).then(|| json!({ "requests": amounts, "limits": amounts }))
}

/// The runtime, but that the trainer's step may be started again so often.
fn with_retries(mut runtime: Runtime, retries: u32) -> Runtime {
    let steps = runtime.spec.template.as_mut().and_then(|template| template.pointer_mut("/spec/replicatedJobs"));
    for step in steps.and_then(Value::as_array_mut).into_iter().flatten() {
        let label = "/template/metadata/labels/trainer.kubeflow.org~1trainjob-ancestor-step";
        if step.pointer(label).is_some_and(|ancestor| ancestor == "trainer") {
            step["template"]["spec"]["backoffLimit"] = Value::from(retries);
        }
    }
    runtime
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn retries_are_the_trainers_backoff_limit() {
        let runtime = RuntimeCatalog::builtin().iter().next().unwrap().clone();
        let template = with_retries(runtime, 3).spec.template.unwrap();
        assert_eq!(template.pointer("/spec/replicatedJobs/0/template/spec/backoffLimit"), Some(&json!(3)));
    }

    #[test]
    fn the_output_of_an_engine_is_left_as_it_is() {
        assert_eq!(output(Path::new("pvc:models/a")).unwrap(), Path::new("pvc:models/a"));
        assert!(output(Path::new("out")).unwrap().is_absolute());
    }
}
