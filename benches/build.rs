//! Generates the enum that is measured, as for any binary.

fn main() {
    trainer_build::generate();
}
