//! The instructions of 1024 calls on backends in random order, behind each kind of dispatch.

#![allow(missing_docs, clippy::unwrap_used)]

use gungraun::{library_benchmark, library_benchmark_group, main};
use trainer_benches::Mixture;

fn mixture() -> Mixture {
    Mixture::new().unwrap()
}

#[library_benchmark]
#[bench::generated_enum(mixture(), Mixture::generated)]
#[bench::match_by_hand(mixture(), Mixture::by_hand)]
#[bench::box_dyn(mixture(), Mixture::objects)]
#[bench::hash_map(mixture(), Mixture::by_name)]
fn synchronous(mixture: Mixture, calls: fn(&Mixture) -> usize) -> (usize, Mixture) {
    // Handed out, so that its end is not measured.
    (calls(&mixture), mixture)
}

#[library_benchmark]
#[bench::generated_enum(mixture(), Mixture::generated_async)]
#[bench::match_by_hand(mixture(), Mixture::by_hand_async)]
#[bench::box_dyn(mixture(), Mixture::objects_async)]
#[bench::hash_map(mixture(), Mixture::by_name_async)]
fn asynchronous(mixture: Mixture, calls: fn(&Mixture) -> usize) -> (usize, Mixture) {
    // Handed out, so that its end is not measured.
    (calls(&mixture), mixture)
}

library_benchmark_group!(name = dispatch, benchmarks = [synchronous, asynchronous]);
main!(library_benchmark_groups = dispatch);
