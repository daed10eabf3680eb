use trainer_core::register_backend;

/// No name.
#[register_backend]
pub struct None;

/// Not a string.
#[register_backend(slurm)]
pub struct NoString;

/// Empty.
#[register_backend("")]
pub struct Empty;

/// Not what a person types.
#[register_backend("Slurm")]
pub struct Upper;

/// Two dashes.
#[register_backend("my--slurm")]
pub struct Dashes;

/// No variant could be called that.
#[register_backend("self")]
pub struct Itself;

fn main() {}
