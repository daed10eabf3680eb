//! The `trainer` command with the backends of Acme.

trainer::registry!();

fn main() -> std::process::ExitCode {
    trainer::main::<registry::Backend>()
}
