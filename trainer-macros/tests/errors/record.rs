use trainer_core::register_backend;

/// The build step has not seen it.
#[register_backend("unseen")]
pub struct Unseen;

/// The build step has seen another type of this name.
#[register_backend("bare")]
pub struct Other;

fn main() {}
