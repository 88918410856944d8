//! Compressed JSON through a connection, driven by the loop of the crate's front page, with and without
//! context takeover. Beside the rows of `compress` and `inflate`, `codec` is `zlib-rs` driven directly with
//! this crate's level and memory level, and with window 15.
//!
//! A read copies at most 16 KiB into the input. A write copies nothing.

#[path = "support/codec.rs"]
mod codec;
mod support;

use std::hint::black_box;

use codec::{Compressor, Context, Inflater};
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use support::connection::{self, READ};
use support::{Random, named};
use websocket_proto::frame::{FrameHeader, Opcode, ReservedBits};
use websocket_proto::{Config, Connection, Deflate, DeflateParameters, Input, Negotiated, Role};

const SIZES: [usize; 5] = [32, 128, 1 << 10, 16 << 10, 1 << 20];

const CASES: [(&str, Context); 2] =
    [("no context takeover", Context::None), ("context takeover", Context::Kept)];

/// Opens a connection that compresses messages of any length.
fn open(role: Role, context: Context) -> Connection {
    open_with(role, context, Deflate::new())
}

fn open_with(role: Role, context: Context, deflate: Deflate) -> Connection {
    let deflate = deflate.with_min_len(1);
    let agreed = DeflateParameters::new();
    let (deflate, agreed) = match context {
        Context::None => {
            (deflate, agreed.with_server_no_context_takeover().with_client_no_context_takeover())
        }
        Context::Kept => {
            (deflate.with_outgoing_context_takeover().with_incoming_context_takeover(), agreed)
        }
    };
    let config = Config::new().with_deflate(deflate);
    let negotiated = Negotiated::default().with_deflate_parameters(agreed);
    match role {
        Role::Server => Connection::server(config, &negotiated),
        Role::Client => Connection::client(config, &negotiated).expect("entropy"),
    }
}

/// Returns messages that fill a read uncompressed, at least one.
fn json_messages(len: usize) -> Vec<String> {
    let mut random = Random::new();
    (0..(READ / len).max(1)).map(|_| random.json(len)).collect()
}

/// Returns the payloads of a server that sends `messages` with a new context.
fn compressed(context: Context, messages: &[String]) -> Vec<Vec<u8>> {
    let len = messages.iter().map(String::len).max().unwrap_or_default();
    let mut codec = Compressor::new(context, len, Compressor::MEMORY_LEVEL);
    messages.iter().map(|message| codec.compress(message.as_bytes()).to_vec()).collect()
}

/// Returns each payload in a frame of a server.
fn wire(payloads: &[Vec<u8>]) -> Vec<u8> {
    let mut wire = Vec::new();
    for payload in payloads {
        let header = FrameHeader::new(Opcode::Text, payload.len() as u64).expect("a legal frame");
        wire.extend_from_slice(&header.with_reserved_bits(ReservedBits::RSV1).encode());
        wire.extend_from_slice(payload);
    }
    wire
}

/// Compresses one message.
fn sending(criterion: &mut Criterion) {
    for (name, context) in CASES {
        let mut group = criterion.benchmark_group(format!("compress, {name}"));
        for size in SIZES {
            let messages = json_messages(size);
            group.throughput(Throughput::Bytes(size as u64));
            let mut next = messages.iter().cycle();
            let mut server = open(Role::Server, context);
            group.bench_function(named(size), |bencher| {
                bencher.iter(|| {
                    let message = next.next().expect("a cycle");
                    connection::send(&mut server, message.as_str());
                });
            });
            let memory_level = Compressor::tuned_memory_level(context, size);
            let mut codec = Compressor::new(context, size, memory_level);
            group.bench_function(BenchmarkId::new(named(size), "codec"), |bencher| {
                bencher.iter(|| {
                    let message = next.next().expect("a cycle");
                    black_box(codec.compress(black_box(message.as_bytes())));
                });
            });
        }
    }
}

/// Compresses messages with several levels, and with a small compressor. Prints the compressed sizes, frame
/// headers included.
fn settings(criterion: &mut Criterion) {
    let mut settings: Vec<(String, Deflate)> = [1, 2, 3, 6, 7, 9]
        .map(|level| (format!("level {level}"), Deflate::new().with_level(level)))
        .into();
    let small = Deflate::new().with_outgoing_window_bits(12).with_memory_level(1);
    settings.push(("window 12, memory level 1".into(), small));
    for (size, case) in [(128, 1), (1 << 10, 1), (16 << 10, 0)] {
        let (name, context) = CASES[case];
        let mut group = criterion.benchmark_group(format!("settings, {}, {name}", named(size)));
        // Longer in sum than the window: a context must not contain the same message.
        let mut random = Random::new();
        let messages: Vec<String> = (0..1000).map(|_| random.json(size)).collect();
        for (setting, deflate) in &settings {
            let mut server = open_with(Role::Server, context, *deflate);
            let sizes =
                messages.iter().map(|message| connection::send(&mut server, message.as_str()));
            let percent = sizes.sum::<usize>() as f64 / (messages.len() * size) as f64 * 100.0;
            println!("{}, {name}, {setting}: {percent:.1} % of the size", named(size));
            let mut next = messages.iter().cycle();
            group.bench_function(setting, |bencher| {
                bencher.iter(|| {
                    let message = next.next().expect("a cycle");
                    connection::send(&mut server, message.as_str());
                });
            });
        }
    }
}

/// Inflates the messages whose text fills a read, at least one.
fn receiving(criterion: &mut Criterion) {
    for (name, context) in CASES {
        let mut group = criterion.benchmark_group(format!("inflate, {name}"));
        for size in SIZES {
            let messages = json_messages(size);
            let payloads = compressed(context, &messages);
            let wire = wire(&payloads);
            group.throughput(Throughput::ElementsAndBytes {
                elements: messages.len() as u64,
                bytes: (messages.len() * size) as u64,
            });
            let mut client = open(Role::Client, context);
            let mut storage = vec![0; READ];
            let mut input = Input::new(&mut storage);
            group.bench_function(named(size), |bencher| {
                bencher.iter(|| {
                    for bytes in wire.chunks(READ) {
                        connection::receive(&mut client, &mut input, bytes);
                    }
                });
            });
            let mut codec = Inflater::new(context, size);
            group.bench_function(BenchmarkId::new(named(size), "codec"), |bencher| {
                bencher.iter(|| {
                    for payload in &payloads {
                        black_box(codec.inflate(black_box(payload)));
                    }
                });
            });
        }
    }
}

criterion_group!(benches, sending, settings, receiving);
criterion_main!(benches);
