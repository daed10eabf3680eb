//! The time of 1024 calls on backends in random order, behind each kind of dispatch; and of a process, for comparison.

#![allow(missing_docs, clippy::unwrap_used)]

use std::process::Command;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use trainer_benches::{CALLS, Mixture};

type Calls = (&'static str, fn(&Mixture) -> usize);

fn dispatch(criterion: &mut Criterion) {
    let mixture = Mixture::new().unwrap();
    let kinds: [(&str, [Calls; 4]); 2] = [
        (
            "sync",
            [
                ("generated enum", Mixture::generated),
                ("match by hand", Mixture::by_hand),
                ("Box<dyn>", Mixture::objects),
                ("HashMap<String, Box<dyn>>", Mixture::by_name),
            ],
        ),
        (
            "async",
            [
                ("generated enum", Mixture::generated_async),
                ("match by hand", Mixture::by_hand_async),
                ("Box<dyn>", Mixture::objects_async),
                ("HashMap<String, Box<dyn>>", Mixture::by_name_async),
            ],
        ),
    ];
    for (group, functions) in kinds {
        let mut group = criterion.benchmark_group(group);
        group.throughput(Throughput::Elements(CALLS as u64));
        for (name, function) in functions {
            group.bench_function(name, |bencher| bencher.iter(|| function(&mixture)));
        }
        group.finish();
    }
}

/// The least that any engine does for one node.
fn process(criterion: &mut Criterion) {
    criterion.bench_function("a process that does nothing", |bencher| {
        bencher.iter(|| Command::new("true").status().unwrap());
    });
}

criterion_group!(benches, dispatch, process);
criterion_main!(benches);
