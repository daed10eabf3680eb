//! Generates the registry of backends.

fn main() {
    trainer_build::Generate::new().reexport("trainer-backends", "backends").write();
}
