//! Opening handshakes, from a new state machine to a connection.

use std::alloc::{GlobalAlloc, Layout, System};
use std::hint::black_box;
use std::sync::atomic::{AtomicUsize, Ordering};

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use websocket_proto::handshake::{
    Acceptance, ClientEvent, ClientHandshake, ClientRequest, Handshake, HeadLimits, OriginPolicy,
    RequestParser, ResponseParser, ServerEvent, ServerHandshake, Uri, accept_key, key_from_nonce,
};
use websocket_proto::{Config, EntropyError, Input};

static CONFIG: Config = Config::new();

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

/// A browser's request.
const REQUEST: &[u8] = b"GET /chat?room=1 HTTP/1.1\r\nHost: example.com\r\nConnection: Upgrade\r\n\
    Pragma: no-cache\r\nCache-Control: no-cache\r\nUser-Agent: Mozilla/5.0 (X11; Linux x86_64) \
    AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36\r\n\
    Upgrade: websocket\r\nOrigin: https://example.com\r\nSec-WebSocket-Version: 13\r\n\
    Accept-Encoding: gzip, deflate, br, zstd\r\nAccept-Language: en-US,en;q=0.9\r\n\
    Cookie: id=abcdefghijklmnopqrstuvwxyz01\r\n\
    Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
    Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n\r\n";

const RESPONSE: &[u8] = b"HTTP/1.1 101 Switching Protocols\r\nServer: nginx\r\n\
    Date: Thu, 01 Jan 2026 00:00:00 GMT\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\
    Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";

fn handshakes(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("handshake");
    let mut storage = [0; 1024];

    group.throughput(Throughput::Bytes(REQUEST.len() as u64));
    group.bench_function("server", |bencher| {
        bencher.iter(|| {
            let mut input = Input::new(&mut storage);
            input.read_from(&mut &REQUEST[..]).expect("a slice");
            let mut handshake = ServerHandshake::new(&CONFIG);
            assert_eq!(handshake.receive(&mut input), Some(ServerEvent::Upgrade));
            let mut accepted = handshake.accept(&Acceptance::new()).expect("an upgrade");
            black_box(accepted.connection.output().chunk());
        });
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
    // The nonce of the fixed response, followed by masking keys; drawing entropy is not measured.
    static ENTROPY: fn(&mut [u8]) -> Result<(), EntropyError> = |out| {
        for (to, byte) in out.iter_mut().zip(b"the sample nonce".iter().cycle()) {
            *to = *byte;
        }
        Ok(())
    };
    let config = std::sync::Arc::new(Config::new().with_static_entropy(&ENTROPY));
    group.bench_function("client", |bencher| {
        bencher.iter(|| {
            let uri = Uri::parse("ws://example.com/chat?room=1").expect("a URI");
            let mut handshake =
                ClientHandshake::new(&config, &ClientRequest::new(&uri)).expect("a request");
            let output = handshake.output();
            output.advance(output.len());
            let mut input = Input::new(&mut storage);
            input.read_from(&mut &RESPONSE[..]).expect("a slice");
            assert_eq!(handshake.receive(&mut input), Some(ClientEvent::Accepted));
            black_box(handshake.establish().expect("accepted").connection);
        });
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
    let key = key_from_nonce(b"the sample nonce");
    let mut group = criterion.benchmark_group("handshake");
    group.sample_size(10);
    group.throughput(Throughput::Elements(COUNT));
    group.bench_function("100,000 in both roles without allocation", |bencher| {
        let (mut sent, mut answer) = ([0; 512], [0; 512]);
        bencher.iter(|| {
            let before = ALLOCATIONS.load(Ordering::Relaxed);
            for _ in 0..COUNT {
                let request = ClientRequest::new(&uri);
                let length = request.write(key, &mut sent[..]).expect("room");
                let mut parser = RequestParser::new(HeadLimits::DEFAULT);
                let head = parser.parse(&sent[..length]).expect("good").expect("whole");
                let upgrade =
                    head.upgrade(&OriginPolicy::same()).expect("good").expect("an upgrade");
                let length = upgrade.accept(&Acceptance::new(), &mut answer[..]).expect("room");
                let mut parser = ResponseParser::new(HeadLimits::DEFAULT);
                let response = parser.parse(&answer[..length]).expect("good").expect("whole");
                assert!(request.verify(&key, &response).expect("good").is_some());
            }
            assert_eq!(ALLOCATIONS.load(Ordering::Relaxed), before);
        });
    });
}

criterion_group!(benches, handshakes, without_allocation);
criterion_main!(benches);
