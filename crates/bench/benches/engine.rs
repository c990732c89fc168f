//! The engine on a simulated corpus, on JSON and on a flood, for developers:
//! `cargo bench -p bench`. What `docs/benchmarks.md` says comes from the
//! binary `bench`, which measures beside a rival.

use std::hint::black_box;
use std::time::Duration;

use bench::corpus::{self, Flood};
use bench::engine::{mine, ours};
use bench::random::Random;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};

const BYTES: usize = 4 << 20;
const FLOOD_BYTES: usize = 512 << 10;

fn engine(criterion: &mut Criterion) {
    let mut flood = Vec::new();
    Flood::Plain.fill(&mut Random::new(5), &mut flood, FLOOD_BYTES, 0);
    let corpora = [
        ("eight services", corpus::ordinary(BYTES)),
        ("json", corpus::json(BYTES)),
        ("flood", flood),
    ];
    let mut group = criterion.benchmark_group("engine");
    group
        .sample_size(10)
        .measurement_time(Duration::from_secs(3));
    for (name, bytes) in &corpora {
        group.throughput(Throughput::Bytes(bytes.len() as u64));
        group.bench_function(*name, |bencher| bencher.iter(|| ours(black_box(bytes))));
    }
    let (name, bytes) = &corpora[0];
    let lines: Vec<&str> = std::str::from_utf8(bytes)
        .unwrap_or_default()
        .lines()
        .collect();
    group.throughput(Throughput::Bytes(bytes.len() as u64));
    group.bench_function(format!("drain3 on {name}"), |bencher| {
        bencher.iter(|| mine(black_box(&lines), Vec::new()));
    });
    group.finish();
}

criterion_group!(benches, engine);
criterion_main!(benches);
