//! `instructions CASE COUNT` repeats one case COUNT times; `run` counts its instructions.

#[path = "../../support/mod.rs"]
mod support;

use std::sync::{Arc, LazyLock};

use bytes::Bytes;
use support::connection::{self, READ, READ_WHOLE, fragments, messages};
use support::{ENTROPY, handshake};
use websocket_proto::Role::{Client, Server};
use websocket_proto::frame::Opcode::{Binary, Text};
use websocket_proto::{Config, Input, Outgoing, Role};

static CONFIG: LazyLock<Arc<Config>> =
    LazyLock::new(|| Arc::new(Config::new().with_static_entropy(&ENTROPY)));

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    let [_, case, count] = &arguments[..] else { panic!("instructions CASE COUNT") };
    let count = count.parse().expect("a number");
    let cjk = "\u{6f22}".repeat(341) + ".";
    let large = &[1; 65536];
    let shared = Bytes::from_static(large);
    let mut storage = [0; 4096];
    match &**case {
        "receive-8" => receive(Server, &messages(Server, Binary, &[1; 8], 10), READ, count),
        "receive-125" => receive(Server, &messages(Server, Binary, &[1; 125], 10), READ, count),
        "receive-1024" => receive(Server, &messages(Server, Binary, &[1; 1024], 10), READ, count),
        "receive-65536" => receive(Server, &messages(Server, Binary, large, 1), READ, count),
        "receive-whole-65536" => {
            receive(Server, &messages(Server, Binary, large, 1), READ_WHOLE, count)
        }
        "receive-text-1024" => {
            receive(Server, &messages(Server, Text, &[b'a'; 1024], 10), READ, count)
        }
        "receive-text-cjk-1024" => {
            receive(Server, &messages(Server, Text, cjk.as_bytes(), 10), READ, count)
        }
        "receive-cut-1024" => receive(Server, &messages(Server, Binary, &[1; 1024], 1), 516, count),
        "receive-cut-text-1024" => {
            receive(Server, &messages(Server, Text, &[b'a'; 1024], 1), 516, count)
        }
        "receive-client-8" => receive(Client, &messages(Client, Binary, &[1; 8], 10), READ, count),
        "receive-client-125" => {
            receive(Client, &messages(Client, Binary, &[1; 125], 10), READ, count)
        }
        "receive-client-65536" => receive(Client, &messages(Client, Binary, large, 1), READ, count),
        "fragments" => receive(Server, &fragments(Binary, large), READ, count),
        "send-8" => send(Server, || &[1; 8], count),
        "send-1024" => send(Server, || &[1; 1024], count),
        "send-65536" => send(Server, || large, count),
        "send-shared-65536" => send(Server, || shared.clone(), count),
        "send-client-8" => send(Client, || &[1; 8], count),
        "send-client-1024" => send(Client, || &[1; 1024], count),
        "send-client-65536" => send(Client, || large, count),
        "echo-8" => echo(&[1; 8], READ, count),
        "echo-1024" => echo(&[1; 1024], READ, count),
        "echo-65536" => echo(large, READ_WHOLE, count),
        "handshake-server" => (0..count).for_each(|_| handshake::server(&CONFIG, &mut storage)),
        "handshake-client" => (0..count).for_each(|_| handshake::client(&CONFIG, &mut storage)),
        unknown => panic!("no case {unknown}"),
    }
}

/// Receives `count` messages, a multiple of those in `wire`, in reads of at most `read` bytes.
fn receive(role: Role, wire: &[u8], read: usize, count: usize) {
    let mut connection = connection::open(role, &*CONFIG);
    let mut storage = vec![0; read];
    let mut input = Input::new(&mut storage);
    let mut received = 0;
    while received < count {
        for bytes in wire.chunks(read) {
            received += connection::receive(&mut connection, &mut input, bytes);
        }
    }
}

/// Sends `count` messages, each written before the next one is sent.
fn send<'m, M: Into<Outgoing<'m>>>(role: Role, message: impl Fn() -> M, count: usize) {
    let mut connection = connection::open(role, &*CONFIG);
    for _ in 0..count {
        connection::send(&mut connection, message());
    }
}

/// Receives `count` messages, one per read, and echoes each.
fn echo(payload: &[u8], read: usize, count: usize) {
    let mut connection = connection::open(Server, &*CONFIG);
    let wire = messages(Server, Binary, payload, 1);
    let mut storage = vec![0; read];
    let mut input = Input::new(&mut storage);
    for _ in 0..count {
        connection::echo(&mut connection, &mut input, &wire);
    }
}
