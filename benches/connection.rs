//! Messages through a connection, driven by the loop of the crate's front page: received, sent, echoed,
//! fragmented, in chunks.
//!
//! A read copies into the input, at most 16 KiB, or 256 KiB where each message is to be complete in it. A
//! write copies nothing.

mod support;

use bytes::Bytes;
use criterion::measurement::WallTime;
use criterion::{BenchmarkGroup, Criterion, Throughput, criterion_group, criterion_main};
use support::connection::{self, READ, READ_WHOLE, messages, open};
use support::{Random, named};
use websocket_proto::frame::Opcode;
use websocket_proto::{Config, Connection, Delivery, Input, Outgoing, Role};

const KIB: usize = 1 << 10;
const SIZES: [usize; 6] = [8, 125, KIB, 16 * KIB, 64 * KIB, 1024 * KIB];

fn role_name(role: Role) -> &'static str {
    match role {
        Role::Server => "server",
        Role::Client => "client",
    }
}

/// Receives `wire` repeatedly, in reads of at most `read` bytes.
fn receive(
    group: &mut BenchmarkGroup<'_, WallTime>,
    name: &str,
    wire: &[u8],
    read: usize,
    mut connection: Connection,
) {
    let mut storage = vec![0; read];
    let mut input = Input::new(&mut storage);
    group.bench_function(name, |bencher| {
        bencher.iter(|| {
            for bytes in wire.chunks(read) {
                connection::receive(&mut connection, &mut input, bytes);
            }
        });
    });
}

/// The number of messages that fill a read, at least one.
fn per_read(size: usize) -> usize {
    (READ / (size + 14)).max(1)
}

fn throughput(size: usize) -> Throughput {
    let count = per_read(size);
    Throughput::ElementsAndBytes { elements: count as u64, bytes: (count * size) as u64 }
}

fn receiving(criterion: &mut Criterion) {
    for role in [Role::Server, Role::Client] {
        let mut group = criterion.benchmark_group(format!("receive, {}", role_name(role)));
        for size in SIZES {
            let payload = Random::new().bytes(size);
            let wire = messages(role, Opcode::Binary, &payload, per_read(size));
            group.throughput(throughput(size));
            receive(&mut group, &named(size), &wire, READ, open(role, Config::new()));
            if size == 64 * KIB {
                let name = format!("{} whole", named(size));
                receive(&mut group, &name, &wire, READ_WHOLE, open(role, Config::new()));
            }
        }
        for size in [KIB, 64 * KIB] {
            let mut random = Random::new();
            for (kind, text) in [("ASCII", random.ascii(size)), ("CJK", random.cjk(size))] {
                let wire = messages(role, Opcode::Text, text.as_bytes(), per_read(size));
                group.throughput(throughput(size));
                let name = format!("{kind} {}", named(size));
                receive(&mut group, &name, &wire, READ, open(role, Config::new()));
            }
        }
    }
}

fn payloads(size: usize) -> [(&'static str, Opcode, Vec<u8>); 2] {
    let mut random = Random::new();
    [
        ("binary", Opcode::Binary, random.bytes(size)),
        ("CJK", Opcode::Text, random.cjk(size).into_bytes()),
    ]
}

fn fragments(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("64 fragments of 1 KiB and Pings, server");
    group.throughput(Throughput::Bytes(64 * KIB as u64));
    for (name, opcode, payload) in payloads(64 * KIB) {
        let wire = connection::fragments(opcode, &payload);
        receive(&mut group, name, &wire, READ, open(Role::Server, Config::new()));
    }
}

fn chunks(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("1 MiB in chunks, server");
    group.throughput(Throughput::Bytes(1024 * KIB as u64));
    for (name, opcode, payload) in payloads(1024 * KIB) {
        let wire = messages(Role::Server, opcode, &payload, 1);
        let config = Config::new().with_delivery(Delivery::Chunks);
        receive(&mut group, name, &wire, READ, open(Role::Server, config));
    }
}

fn sending(criterion: &mut Criterion) {
    for role in [Role::Server, Role::Client] {
        let mut group = criterion.benchmark_group(format!("send, {}", role_name(role)));
        for size in SIZES {
            let payload = &*Random::new().bytes(size).leak();
            group.throughput(Throughput::Bytes(size as u64));
            send(&mut group, &named(size), role, || payload);
            if size == 64 * KIB {
                let shared = Bytes::from_static(payload);
                send(&mut group, "64 KiB as Bytes", role, || shared.clone());
            }
        }
    }
}

/// Sends messages, each written before the next one is sent.
fn send<'m, M: Into<Outgoing<'m>>>(
    group: &mut BenchmarkGroup<'_, WallTime>,
    name: &str,
    role: Role,
    message: impl Fn() -> M,
) {
    let mut connection = open(role, Config::new());
    group.bench_function(name, |bencher| {
        bencher.iter(|| connection::send(&mut connection, message()));
    });
}

fn echoing(criterion: &mut Criterion) {
    for role in [Role::Server, Role::Client] {
        let mut group = criterion.benchmark_group(format!("echo, {}", role_name(role)));
        for size in SIZES {
            let mut connection = open(role, Config::new());
            let wire = messages(role, Opcode::Binary, &Random::new().bytes(size), 1);
            let read = if size > READ { READ_WHOLE } else { READ };
            let mut storage = vec![0; read];
            let mut input = Input::new(&mut storage);
            group.throughput(Throughput::Bytes(size as u64));
            group.bench_function(named(size), |bencher| {
                bencher.iter(|| {
                    for bytes in wire.chunks(read) {
                        connection::echo(&mut connection, &mut input, bytes);
                    }
                });
            });
        }
    }
}

criterion_group!(benches, receiving, fragments, chunks, sending, echoing);
criterion_main!(benches);
