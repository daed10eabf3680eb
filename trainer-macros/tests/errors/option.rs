use trainer_core::register_backend;

/// Misspelled.
#[register_backend("slurm", alias("sbatch"))]
pub struct Misspelled;

/// Not a list.
#[register_backend("slurm", aliases = "sbatch")]
pub struct NoList;

/// The same alias again.
#[register_backend("slurm", aliases("sbatch", "sbatch"))]
pub struct Again;

/// Its own name as alias.
#[register_backend("slurm", aliases("slurm"))]
pub struct Own;

/// A bad alias.
#[register_backend("slurm", aliases("s batch"))]
pub struct Space;

fn main() {}
