//! Opening handshakes, from a new state machine to a connection.

mod support;

use std::hint::black_box;
use std::sync::Arc;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use support::ENTROPY;
use support::handshake::{REQUEST, RESPONSE, client, server};
use websocket_proto::Config;
use websocket_proto::handshake::{Acceptance, HeadLimits, OriginPolicy, RequestParser, accept_key};

fn handshakes(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("handshake");
    let mut storage = [0; 1024];
    let config = Arc::new(Config::new().with_static_entropy(&ENTROPY));

    group.throughput(Throughput::Bytes(REQUEST.len() as u64));
    group.bench_function("server", |bencher| {
        bencher.iter(|| server(&config, &mut storage));
    });
    group.bench_function("server without allocation", |bencher| {
        let mut response = [0; 256];
        bencher.iter(|| {
            let mut parser = RequestParser::new(HeadLimits::DEFAULT);
            let request = parser.parse(black_box(REQUEST)).expect("good").expect("whole");
            let upgrade =
                request.upgrade(&OriginPolicy::same()).expect("good").expect("an upgrade");
            black_box(upgrade.accept(&Acceptance::new(), &mut response[..]).expect("room"));
        });
    });

    group.throughput(Throughput::Bytes(RESPONSE.len() as u64));
    group.bench_function("client", |bencher| {
        bencher.iter(|| client(&config, &mut storage));
    });

    group.throughput(Throughput::Elements(1));
    group.bench_function("accept key", |bencher| {
        bencher.iter(|| accept_key(black_box(b"dGhlIHNhbXBsZSBub25jZQ==")));
    });
}

criterion_group!(benches, handshakes);
criterion_main!(benches);
