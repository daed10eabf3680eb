//! Which frameworks a Python script uses, by its imports.

/// Libraries that stand on a framework.
const ON_TOP: &[(&str, &str)] = &[
    ("accelerate", "torch"),
    ("deepspeed", "torch"),
    ("lightning", "torch"),
    ("peft", "torch"),
    ("pytorch_lightning", "torch"),
    ("torchvision", "torch"),
    ("transformers", "torch"),
    ("trl", "torch"),
    ("flax", "jax"),
    ("optax", "jax"),
];

/// The frameworks that `script` imports, directly or by a library on top, each once.
pub(super) fn frameworks(script: &[u8]) -> Vec<&str> {
    let mut found = Vec::new();
    for line in script.split(|byte| *byte == b'\n') {
        let Ok(line) = std::str::from_utf8(line) else { continue };
        for module in modules(line.trim()) {
            let framework = ON_TOP.iter().find(|(library, _)| *library == module).map_or(module, |(_, below)| below);
            if !found.contains(&framework) {
                found.push(framework);
            }
        }
    }
    found
}

/// The packages of `import a.b as c, d` and `from a.b import c`.
fn modules(line: &str) -> impl Iterator<Item = &str> {
    let list = match line.split_once(char::is_whitespace) {
        Some(("import", list)) => list,
        Some(("from", rest)) => rest.split_whitespace().next().unwrap_or_default(),
        _ => "",
    };
    list.split(',').filter_map(|item| {
        let module = item.trim().split(|c: char| c == '.' || c.is_whitespace()).next();
        module.filter(|module| !module.is_empty())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn imports_are_found_in_all_their_forms() {
        let found = |script: &'static str| frameworks(script.as_bytes());
        assert_eq!(found("import torch\n"), ["torch"]);
        assert_eq!(found("from torch.nn import Linear\nimport torch as t\n"), ["torch"]);
        assert_eq!(found("import os, jax.numpy as jnp\n"), ["os", "jax"]);
        assert_eq!(found("def f():\n    from transformers import Trainer\n"), ["torch"]);
        assert!(found("# import torch\nprint('import torch')\nfrom . import x\n").is_empty());
    }
}
