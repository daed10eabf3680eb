//! V18: what `tune run` can do.

use serde_json::{Value, json};

use super::invalid;
use crate::{
    Violation,
    api::TrainJob,
    plan::{
        assembly::Assembly,
        resources::ProcessCount,
        torchtune::{
            LLAMA3_2_1B, LLAMA3_2_3B, LLAMA3_3_70B, MANAGED_KEYS, MODELS, QWEN2_5_1_5B, asks_for_lora, asks_for_qlora,
            model, recipe,
        },
    },
};

pub(super) fn applies(job: &TrainJob) -> bool {
    crate::plan::torchtune::applies(job.spec.trainer.as_ref())
}

pub(super) fn check(job: &TrainJob, template: &Assembly) -> Vec<Violation> {
    let mut found = Vec::new();
    let mut object = |field: &str, value: Value, message: String| found.push(invalid("V18", field, value, message));
    let Some(trainer) = &job.spec.trainer else { return found };
    let runtime = &job.spec.runtime_ref.name;
    let model = model(runtime);
    let args = trainer.args.as_deref().unwrap_or_default();

    if !MODELS.contains(&model.as_str()) {
        object(
            "spec.runtimeRef.name",
            json!(runtime),
            format!("must have a supported pretrained model, invalid model configured: {model}"),
        );
    }
    // Only the job's own number is looked at, not the policy's.
    let nodes = trainer.num_nodes.unwrap_or(1);
    if nodes > 1 && model != LLAMA3_3_70B {
        object("spec.trainer.numNodes", json!(nodes), format!("must be 1 for {model} model"));
    }

    let gpus = template.resources_per_node().gpus();
    let processes = match trainer.num_proc_per_node {
        Some(count) => ProcessCount::Fixed(count.into()),
        None => ProcessCount::Auto { gpus },
    };
    let (_, configuration) = recipe(nodes, processes, gpus, args);
    if configuration.contains("_qlora") {
        if model == QWEN2_5_1_5B {
            object("spec.runtimeRef.name", json!(runtime), format!("QLoRA is not supported for {model} model"));
        }
        if configuration != "_qlora_single_device" && (model == LLAMA3_2_1B || model == LLAMA3_2_3B) {
            let asked = trainer.num_proc_per_node.map_or(json!("auto"), |count| json!(count));
            object(
                "spec.trainer.numProcPerNode",
                asked,
                format!("must be auto or 1 for {model} model when using QLoRA"),
            );
            object(
                "spec.trainer.resourcesPerNode",
                json!(trainer.resources_per_node),
                format!("must have gpu resource with value 1 for {model} model when using QLoRA"),
            );
        }
    }
    if nodes > 1 && (asks_for_lora(args) || asks_for_qlora(args)) {
        let message = "LoRA fine-tuning is not supported for multi-node training in TorchTune";
        object("spec.trainer.numNodes", json!(nodes), message.to_owned());
    }
    for (index, arg) in args.iter().enumerate() {
        let key = arg.split('=').next().unwrap_or_default();
        if MANAGED_KEYS.contains(&key) {
            object(
                &format!("spec.trainer.args[{index}]"),
                json!(arg),
                format!("must not set immutable config {key:?} in trainer args; it is managed by the runtime"),
            );
        }
    }
    found
}
