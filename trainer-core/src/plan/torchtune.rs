//! `tune run` under `mlPolicy.torch`: the command is rewritten to a recipe and its configuration.

use super::{
    assembly::{Assembly, reserved_port},
    resources::ProcessCount,
};
use crate::api::Trainer;

/// Keys that only the runtime sets.
pub(crate) const MANAGED_KEYS: [&str; 4] =
    ["output_dir", "tokenizer.path", "checkpointer.checkpoint_dir", "tokenizer.merges_file"];

/// Models that have recipes.
pub(crate) const MODELS: [&str; 4] = [LLAMA3_2_1B, LLAMA3_2_3B, LLAMA3_3_70B, QWEN2_5_1_5B];
pub(crate) const LLAMA3_2_1B: &str = "llama3_2/1B";
pub(crate) const LLAMA3_2_3B: &str = "llama3_2/3B";
pub(crate) const LLAMA3_3_70B: &str = "llama3_3/70B";
pub(crate) const QWEN2_5_1_5B: &str = "qwen2_5/1.5B";

/// Whether the job asks for it: its command is exactly `tune run`.
pub(crate) fn applies(trainer: Option<&Trainer>) -> bool {
    trainer.and_then(|trainer| trainer.command.as_deref()).is_some_and(|command| command == ["tune", "run"])
}

/// `torchtune-llama3.2-1b` → `llama3_2/1B`; anything but three words has no model.
pub(crate) fn model(runtime: &str) -> String {
    match runtime.split('-').collect::<Vec<_>>()[..] {
        [_, family, size] => format!("{}/{}", family.replace('.', "_"), size.to_uppercase()),
        _ => String::new(),
    }
}

pub(super) fn rewrite_command(assembly: &mut Assembly, nodes: i32, processes: ProcessCount) {
    let distributed = nodes > 1
        || match processes {
            ProcessCount::Fixed(count) => count > 1,
            ProcessCount::Auto { gpus } => gpus > 1,
        };
    let rendezvous = distributed.then(|| format!("--rdzv_endpoint={}:{}", assembly.first_node(), reserved_port()));
    let gpus = assembly.resources_per_node().gpus();
    let managed = managed_by_runtime(assembly);
    let model = model(&assembly.runtime_name);
    if let Some(trainer) = &mut assembly.trainer {
        let args = trainer.args.as_deref().unwrap_or_default();
        let (recipe, suffix) = recipe(nodes, processes, gpus, args);
        let command = trainer.command.get_or_insert_default();
        command.extend(rendezvous);
        command.extend([recipe.to_owned(), "--config".to_owned(), format!("{model}{suffix}")]);
        command.extend(managed);
    }
}

/// Recipe, and what its configuration's name ends with.
pub(crate) fn recipe(nodes: i32, processes: ProcessCount, gpus: i64, args: &[String]) -> (&'static str, &'static str) {
    let single = matches!(processes, ProcessCount::Fixed(1)) || gpus == 1;
    let (qlora, lora) = (asks_for_qlora(args), asks_for_lora(args));
    match nodes {
        1 if single && qlora => ("lora_finetune_single_device", "_qlora_single_device"),
        1 if single && lora => ("lora_finetune_single_device", "_lora_single_device"),
        1 if single => ("full_finetune_single_device", "_full_single_device"),
        1 if qlora => ("lora_finetune_distributed", "_qlora"),
        1 if lora => ("lora_finetune_distributed", "_lora"),
        2.. => ("full_finetune_distributed", "_full_multinode"),
        _ => ("full_finetune_distributed", "_full"),
    }
}

/// Whether the arguments configure LoRA.
pub(crate) fn asks_for_lora(args: &[String]) -> bool {
    args.iter().any(|arg| arg.contains("model.lora_attn_modules"))
}

/// Whether the arguments ask for a quantized base model; DoRA excludes it.
pub(crate) fn asks_for_qlora(args: &[String]) -> bool {
    is_true(args, "model.quantize_base") && !is_true(args, "model.use_dora")
}

fn is_true(args: &[String], key: &str) -> bool {
    args.iter()
        .filter_map(|arg| arg.split_once('='))
        .any(|(name, value)| name.contains(key) && value.trim().eq_ignore_ascii_case("true"))
}

/// Words of the runtime's command that set what only the runtime may set.
fn managed_by_runtime(assembly: &Assembly) -> Vec<String> {
    assembly
        .steps
        .iter()
        .filter(|step| step.is_trainer())
        .flat_map(|step| step.containers.iter().filter(|container| container.name == "node"))
        .flat_map(|container| &container.command)
        .filter(|word| MANAGED_KEYS.contains(&word.split('=').next().unwrap_or_default()))
        .cloned()
        .collect()
}
