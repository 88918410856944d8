//! Messages through a connection: received, sent, echoed, in fragments, in pieces.
//!
//! A read is one copy into the buffer that is received from; what is sent is taken from the
//! output, not copied.

mod support;

use std::hint::black_box;

use bytes::{Buf, Bytes};
use criterion::measurement::WallTime;
use criterion::{BenchmarkGroup, Criterion, Throughput, criterion_group, criterion_main};
use support::{Random, frame, named};
use websocket_proto::{
    Config, Connection, Delivery, EntropyError, Event, Message, Negotiated, Opcode, Role,
};

const KIB: usize = 1 << 10;
const SIZES: [usize; 6] = [8, 125, KIB, 16 * KIB, 64 * KIB, 1024 * KIB];
/// Bytes of a read.
const READ: usize = 16 * KIB;

fn config() -> Config {
    Config::new().entropy(|out: &mut [u8]| getrandom::fill(out).map_err(|_| EntropyError))
}

fn connection(role: Role, config: Config) -> Connection {
    match role {
        Role::Server => Connection::server(config, &Negotiated::default()),
        Role::Client => Connection::client(config, &Negotiated::default()),
    }
}

fn role_name(role: Role) -> &'static str {
    match role {
        Role::Server => "server",
        Role::Client => "client",
    }
}

/// Receives `wire` in reads of at most 16 KiB, over and over.
fn receive(
    group: &mut BenchmarkGroup<'_, WallTime>,
    name: &str,
    wire: &[u8],
    mut connection: Connection,
) {
    let mut buffer = [0; READ];
    group.bench_function(name, |bencher| {
        bencher.iter(|| {
            for read in wire.chunks(READ) {
                let mut input = &mut buffer[..read.len()];
                input.copy_from_slice(read);
                while let Some(event) = connection.receive(&mut input) {
                    assert!(!matches!(black_box(event), Event::Failed(_)));
                }
                let output = connection.output();
                output.advance(output.remaining());
            }
        });
    });
}

/// As many messages as make a read, at least one.
fn messages(size: usize) -> usize {
    (READ / (size + 14)).max(1)
}

fn throughput(size: usize) -> Throughput {
    let count = messages(size);
    Throughput::ElementsAndBytes { elements: count as u64, bytes: (count * size) as u64 }
}

fn receiving(criterion: &mut Criterion) {
    for role in [Role::Server, Role::Client] {
        let mut group = criterion.benchmark_group(format!("receive, {}", role_name(role)));
        for size in SIZES {
            let mut wire = Vec::new();
            for _ in 0..messages(size) {
                frame(&mut wire, role, Opcode::Binary, true, &Random::new().bytes(size));
            }
            group.throughput(throughput(size));
            receive(&mut group, &named(size), &wire, connection(role, config()));
        }
        for size in [KIB, 64 * KIB] {
            let mut random = Random::new();
            for (kind, text) in [("ASCII", random.ascii(size)), ("CJK", random.cjk(size))] {
                let mut wire = Vec::new();
                for _ in 0..messages(size) {
                    frame(&mut wire, role, Opcode::Text, true, text.as_bytes());
                }
                group.throughput(throughput(size));
                let name = format!("{kind} {}", named(size));
                receive(&mut group, &name, &wire, connection(role, config()));
            }
        }
    }
}

fn fragments(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("64 fragments of 1 KiB and Pings, server");
    group.throughput(Throughput::Bytes(64 * KIB as u64));
    let mut random = Random::new();
    let payloads = [
        ("binary", Opcode::Binary, random.bytes(64 * KIB)),
        ("CJK", Opcode::Text, random.cjk(64 * KIB).into_bytes()),
    ];
    for (name, opcode, payload) in payloads {
        let mut wire = Vec::new();
        let count = payload.chunks(KIB).count();
        for (i, piece) in payload.chunks(KIB).enumerate() {
            let opcode = if i == 0 { opcode } else { Opcode::Continuation };
            frame(&mut wire, Role::Server, opcode, i + 1 == count, piece);
            if i + 1 < count {
                frame(&mut wire, Role::Server, Opcode::Ping, true, b"are you there?");
            }
        }
        receive(&mut group, name, &wire, connection(Role::Server, config()));
    }
}

fn pieces(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("1 MiB in pieces, server");
    group.throughput(Throughput::Bytes(1024 * KIB as u64));
    let mut random = Random::new();
    let payloads = [
        ("binary", Opcode::Binary, random.bytes(1024 * KIB)),
        ("CJK", Opcode::Text, random.cjk(1024 * KIB).into_bytes()),
    ];
    for (name, opcode, payload) in payloads {
        let mut wire = Vec::new();
        frame(&mut wire, Role::Server, opcode, true, &payload);
        let config = config().delivery(Delivery::Chunks);
        receive(&mut group, name, &wire, connection(Role::Server, config));
    }
}

fn sending(criterion: &mut Criterion) {
    for role in [Role::Server, Role::Client] {
        let mut group = criterion.benchmark_group(format!("send, {}", role_name(role)));
        let mut send = |size: usize, name: &str, message: &dyn Fn() -> Message<'static>| {
            let mut connection = connection(role, config());
            group.throughput(Throughput::Bytes(size as u64));
            group.bench_function(name, |bencher| {
                bencher.iter(|| {
                    assert!(connection.send(message()).is_ok());
                    let output = connection.output();
                    black_box(output.chunk());
                    output.advance(output.remaining());
                });
            });
        };
        for size in SIZES {
            let payload = &*Random::new().bytes(size).leak();
            send(size, &named(size), &|| payload.into());
            if size == 64 * KIB {
                let counted = Bytes::from_static(payload);
                send(size, "64 KiB as Bytes", &|| counted.clone().into());
            }
        }
    }
}

fn echoing(criterion: &mut Criterion) {
    for role in [Role::Server, Role::Client] {
        let mut group = criterion.benchmark_group(format!("echo, {}", role_name(role)));
        for size in SIZES {
            let mut connection = connection(role, config());
            let mut wire = Vec::new();
            frame(&mut wire, role, Opcode::Binary, true, &Random::new().bytes(size));
            let mut buffer = [0; READ];
            group.throughput(Throughput::Bytes(size as u64));
            group.bench_function(named(size), |bencher| {
                bencher.iter(|| {
                    for read in wire.chunks(READ) {
                        let mut input = &mut buffer[..read.len()];
                        input.copy_from_slice(read);
                        while let Some(event) = connection.receive(&mut input) {
                            if let Event::Message(message) = event {
                                assert!(connection.send(message).is_ok());
                            }
                        }
                    }
                    let output = connection.output();
                    black_box(output.chunk());
                    output.advance(output.remaining());
                });
            });
        }
    }
}

criterion_group!(benches, receiving, fragments, pieces, sending, echoing);
criterion_main!(benches);
