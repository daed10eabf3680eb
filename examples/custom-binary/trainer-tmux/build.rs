//! Records the backend for the binaries that link this crate.

fn main() {
    trainer_build::record();
}
