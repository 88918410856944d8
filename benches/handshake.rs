//! Opening handshakes, from a new state machine to a connection.

mod support;

use std::alloc::{GlobalAlloc, Layout, System};
use std::hint::black_box;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use support::ENTROPY;
use support::handshake::{REQUEST, RESPONSE, client, server};
use websocket_proto::Config;
use websocket_proto::handshake::{
    Acceptance, ClientRequest, HeadLimits, OriginPolicy, RequestParser, ResponseParser, Uri,
    accept_key,
};

static ALLOCATIONS: AtomicUsize = AtomicUsize::new(0);

/// The system's allocator with a counter of allocations.
struct Counting;

// SAFETY: every call is passed to the system's allocator unchanged.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.fetch_add(1, Ordering::Relaxed);
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

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

/// 100,000 handshakes in both roles with the parsers of tier 1, which allocate nothing.
fn without_allocation(criterion: &mut Criterion) {
    const COUNT: u64 = 100_000;
    let uri = Uri::parse("ws://example.com/chat?room=1").expect("a URI");
    let nonce = b"the sample nonce";
    let mut group = criterion.benchmark_group("handshake");
    group.sample_size(10);
    group.throughput(Throughput::Elements(COUNT));
    group.bench_function("100,000 in both roles without allocation", |bencher| {
        let (mut sent, mut answer) = ([0; 512], [0; 512]);
        bencher.iter(|| {
            let before = ALLOCATIONS.load(Ordering::Relaxed);
            for _ in 0..COUNT {
                let request = ClientRequest::new(&uri);
                let length = request.write(nonce, &mut sent[..]).expect("room");
                let mut parser = RequestParser::new(HeadLimits::DEFAULT);
                let head = parser.parse(&sent[..length]).expect("good").expect("whole");
                let upgrade =
                    head.upgrade(&OriginPolicy::same()).expect("good").expect("an upgrade");
                let length = upgrade.accept(&Acceptance::new(), &mut answer[..]).expect("room");
                let mut parser = ResponseParser::new(HeadLimits::DEFAULT);
                let response = parser.parse(&answer[..length]).expect("good").expect("whole");
                assert!(request.verify(nonce, &response).expect("good").is_some());
            }
            assert_eq!(ALLOCATIONS.load(Ordering::Relaxed), before);
        });
    });
}

criterion_group!(benches, handshakes, without_allocation);
criterion_main!(benches);
