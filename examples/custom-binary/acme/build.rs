//! The registry of this binary, and what its author decided about it.

fn main() {
    trainer_build::Generate::new().command("acme").default_backend("tmux").write();
}
