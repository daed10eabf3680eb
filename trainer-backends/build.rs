//! Records the backends of this crate for the binaries that link it.

fn main() {
    trainer_build::record();
}
