use trainer_core::register_backend;

#[register_backend("silent")]
pub struct Silent;

/// With a parameter.
#[register_backend("generic")]
pub struct Generic<T>(T);

/// Not a type.
#[register_backend("function")]
pub fn function() {}

fn main() {}
