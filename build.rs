//! Generates the registry of backends.

fn main() {
    trainer_build::Generate::new().default_backend("local").reexport("trainer-backends", "backends").write();
}
