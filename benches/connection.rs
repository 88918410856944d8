//! Messages through a connection, driven by the loop of the crate's front page: received, sent, echoed,
//! fragmented, in chunks.
//!
//! A read copies into the input, at most 16 KiB, or 256 KiB where each message is to be complete in it. A
//! write copies nothing.

mod support;

use std::hint::black_box;
use std::io::{self, IoSlice, Write};

use bytes::Bytes;
use criterion::measurement::WallTime;
use criterion::{BenchmarkGroup, Criterion, Throughput, criterion_group, criterion_main};
use support::{Random, frame, named};
use websocket_proto::frame::Opcode;
use websocket_proto::{
    Config, Connection, Delivery, Event, Input, Negotiated, Outgoing, Output, Role, Unsent,
};

const KIB: usize = 1 << 10;
const SIZES: [usize; 6] = [8, 125, KIB, 16 * KIB, 64 * KIB, 1024 * KIB];
/// Bytes per read where several messages, or parts of one, fit in a read.
const READ: usize = 16 * KIB;
/// Bytes per read where each message is to be complete in the input.
const READ_WHOLE: usize = 256 * KIB;

fn connection(role: Role, config: Config) -> Connection {
    match role {
        Role::Server => Connection::server(config, &Negotiated::default()),
        Role::Client => Connection::client(config, &Negotiated::default()).expect("entropy"),
    }
}

/// A socket that accepts every write and copies nothing.
struct Sink;

impl Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        Ok(black_box(bytes).len())
    }

    fn write_vectored(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        Ok(slices.iter().map(|slice| black_box(slice).len()).sum())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn write(output: &mut Output) {
    output.write_to(&mut Sink).expect("a sink");
}

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
            for mut read in wire.chunks(read) {
                input.read_from(&mut read).expect("a slice");
                while connection.has_room()
                    && let Some(event) = connection.receive(&mut input)
                {
                    assert!(!matches!(black_box(event), Event::Failed(_)));
                }
                write(connection.output());
            }
        });
    });
}

/// The number of messages that fill a read, at least one.
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
            receive(&mut group, &named(size), &wire, READ, connection(role, Config::new()));
            if size == 64 * KIB {
                let name = format!("{} whole", named(size));
                receive(&mut group, &name, &wire, READ_WHOLE, connection(role, Config::new()));
            }
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
                receive(&mut group, &name, &wire, READ, connection(role, Config::new()));
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
        receive(&mut group, name, &wire, READ, connection(Role::Server, Config::new()));
    }
}

fn chunks(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("1 MiB in chunks, server");
    group.throughput(Throughput::Bytes(1024 * KIB as u64));
    let mut random = Random::new();
    let payloads = [
        ("binary", Opcode::Binary, random.bytes(1024 * KIB)),
        ("CJK", Opcode::Text, random.cjk(1024 * KIB).into_bytes()),
    ];
    for (name, opcode, payload) in payloads {
        let mut wire = Vec::new();
        frame(&mut wire, Role::Server, opcode, true, &payload);
        let config = Config::new().with_delivery(Delivery::Chunks);
        receive(&mut group, name, &wire, READ, connection(Role::Server, config));
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
    let mut connection = connection(role, Config::new());
    group.bench_function(name, |bencher| {
        bencher.iter(|| {
            connection.send(message()).map_err(Unsent::into_error).expect("room");
            write(connection.output());
        });
    });
}

fn echoing(criterion: &mut Criterion) {
    for role in [Role::Server, Role::Client] {
        let mut group = criterion.benchmark_group(format!("echo, {}", role_name(role)));
        for size in SIZES {
            let mut connection = connection(role, Config::new());
            let mut wire = Vec::new();
            frame(&mut wire, role, Opcode::Binary, true, &Random::new().bytes(size));
            let read = if size > READ { READ_WHOLE } else { READ };
            let mut storage = vec![0; read];
            let mut input = Input::new(&mut storage);
            group.throughput(Throughput::Bytes(size as u64));
            group.bench_function(named(size), |bencher| {
                bencher.iter(|| {
                    for mut read in wire.chunks(read) {
                        input.read_from(&mut read).expect("a slice");
                        while connection.has_room()
                            && let Some(event) = connection.receive(&mut input)
                        {
                            if let Event::Message(message) = event {
                                connection.send(message).map_err(Unsent::into_error).expect("room");
                            }
                        }
                        write(connection.output());
                    }
                });
            });
        }
    }
}

criterion_group!(benches, receiving, fragments, chunks, sending, echoing);
criterion_main!(benches);
