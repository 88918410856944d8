//! Compressed JSON through a connection, driven by the loop of the crate's front page, with and without
//! context takeover. `benches/peers` compares with the codec alone.
//!
//! A read copies at most 16 KiB into the input. A write copies nothing.

mod support;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use support::connection::{self, READ};
use support::{Random, named};
use websocket_proto::{
    Config, Connection, Deflate, DeflateParameters, Input, Negotiated, Role, Unsent,
};

const SIZES: [usize; 5] = [32, 128, 1 << 10, 16 << 10, 1 << 20];

const CASES: [(&str, ContextTakeover); 2] =
    [("no context takeover", ContextTakeover::None), ("context takeover", ContextTakeover::Both)];

/// Opens a connection that compresses messages of any length.
fn open(role: Role, takes_over: ContextTakeover) -> Connection {
    let deflate = Deflate::new().with_min_len(1);
    let agreed = DeflateParameters::new();
    let (deflate, agreed) = match takes_over {
        ContextTakeover::None => {
            (deflate, agreed.with_server_no_context_takeover().with_client_no_context_takeover())
        }
        ContextTakeover::Both => {
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

/// The directions whose messages refer to those before them.
#[derive(Clone, Copy, PartialEq, Eq)]
enum ContextTakeover {
    None,
    Both,
}

/// Returns messages that fill a read uncompressed, at least one.
fn json_messages(len: usize) -> Vec<String> {
    let mut random = Random::new();
    (0..(READ / len).max(1)).map(|_| random.json(len)).collect()
}

/// Returns the frames of a server that sends `messages` with a new context.
fn wire(takes_over: ContextTakeover, messages: &[String]) -> Vec<u8> {
    let mut server = open(Role::Server, takes_over);
    let mut wire = Vec::new();
    for message in messages {
        server.send(message.as_str()).map_err(Unsent::into_error).expect("room");
        server.output().write_to(&mut wire).expect("a vector");
    }
    wire
}

/// Compresses one message.
fn sending(criterion: &mut Criterion) {
    for (name, takes_over) in CASES {
        let mut group = criterion.benchmark_group(format!("compress, {name}"));
        for size in SIZES {
            let messages = json_messages(size);
            let mut next = messages.iter().cycle();
            let mut server = open(Role::Server, takes_over);
            group.throughput(Throughput::Bytes(size as u64));
            group.bench_function(named(size), |bencher| {
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
    for (name, takes_over) in CASES {
        let mut group = criterion.benchmark_group(format!("inflate, {name}"));
        for size in SIZES {
            let messages = json_messages(size);
            let wire = wire(takes_over, &messages);
            let mut client = open(Role::Client, takes_over);
            let mut storage = vec![0; READ];
            let mut input = Input::new(&mut storage);
            group.throughput(Throughput::ElementsAndBytes {
                elements: messages.len() as u64,
                bytes: (messages.len() * size) as u64,
            });
            group.bench_function(named(size), |bencher| {
                bencher.iter(|| {
                    for bytes in wire.chunks(READ) {
                        connection::receive(&mut client, &mut input, bytes);
                    }
                });
            });
        }
    }
}

criterion_group!(benches, sending, receiving);
criterion_main!(benches);
