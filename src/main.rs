//! The `trainer` command.
fn main() -> std::process::ExitCode {
    trainer::main::<trainer::registry::Backend>()
}
