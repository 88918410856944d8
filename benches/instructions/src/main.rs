//! `instructions CASE COUNT` repeats one case COUNT times; `run` counts its instructions.

mod handshake;

use std::hint::black_box;
use std::io::{self, IoSlice, Write};
use std::sync::{Arc, LazyLock};

use bytes::Bytes;
use websocket_proto::frame::{FrameHeader, Opcode, mask};
use websocket_proto::{
    Config, Connection, EntropyError, Event, Input, Negotiated, Outgoing, Output, Role, Unsent,
};

/// Bytes per read where several messages, or parts of one, fit in a read.
const READ: usize = 16 << 10;

/// Bytes per read where each message is to be complete in the input.
const READ_WHOLE: usize = 256 << 10;

/// A nearly free entropy source: drawing entropy is not counted.
static ENTROPY: fn(&mut [u8]) -> Result<(), EntropyError> = |out| {
    out.fill(7);
    Ok(())
};

static CONFIG: LazyLock<Arc<Config>> =
    LazyLock::new(|| Arc::new(Config::new().with_static_entropy(&ENTROPY)));

fn main() {
    use Opcode::{Binary, Text};
    use Role::{Client, Server};

    let arguments: Vec<String> = std::env::args().collect();
    let [_, case, count] = &arguments[..] else { panic!("instructions CASE COUNT") };
    let count = count.parse().expect("a number");
    let cjk = "\u{6f22}".repeat(341) + ".";
    let large = &[1; 65536];
    let shared = Bytes::from_static(large);
    match &**case {
        "receive-8" => receive(Server, &several(Server, Binary, &[1; 8]), READ, count),
        "receive-125" => receive(Server, &several(Server, Binary, &[1; 125]), READ, count),
        "receive-1024" => receive(Server, &several(Server, Binary, &[1; 1024]), READ, count),
        "receive-65536" => receive(Server, &frame(Server, Binary, true, large), READ, count),
        "receive-whole-65536" => {
            receive(Server, &frame(Server, Binary, true, large), READ_WHOLE, count)
        }
        "receive-text-1024" => receive(Server, &several(Server, Text, &[b'a'; 1024]), READ, count),
        "receive-text-cjk-1024" => {
            receive(Server, &several(Server, Text, cjk.as_bytes()), READ, count)
        }
        "receive-cut-1024" => receive(Server, &frame(Server, Binary, true, &[1; 1024]), 516, count),
        "receive-cut-text-1024" => {
            receive(Server, &frame(Server, Text, true, &[b'a'; 1024]), 516, count)
        }
        "receive-client-8" => receive(Client, &several(Client, Binary, &[1; 8]), READ, count),
        "receive-client-125" => receive(Client, &several(Client, Binary, &[1; 125]), READ, count),
        "receive-client-65536" => receive(Client, &frame(Client, Binary, true, large), READ, count),
        "fragments" => receive(Server, &fragments(), READ, count),
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
        "handshake-server" => handshake::server(count),
        "handshake-client" => handshake::client(count),
        unknown => panic!("no case {unknown}"),
    }
}

fn open(role: Role) -> Connection {
    let negotiated = Negotiated::default();
    match role {
        Role::Server => Connection::server(&*CONFIG, &negotiated),
        Role::Client => Connection::client(&*CONFIG, &negotiated).expect("entropy"),
    }
}

fn frame(receiver: Role, opcode: Opcode, fin: bool, payload: &[u8]) -> Vec<u8> {
    let mut header = FrameHeader::new(opcode, payload.len() as u64).expect("a legal frame");
    if !fin {
        header = header.without_fin().expect("a data frame");
    }
    let mut payload = payload.to_vec();
    if receiver == Role::Server {
        let key = [0x37, 0xfa, 0x21, 0x3d];
        header = header.with_masking_key(key);
        mask(&mut payload, key, 0);
    }
    [&header.encode()[..], &payload].concat()
}

/// Ten messages in one read.
fn several(receiver: Role, opcode: Opcode, payload: &[u8]) -> Vec<u8> {
    frame(receiver, opcode, true, payload).repeat(10)
}

/// A message of 64 fragments of 1 KiB with a Ping between any two fragments.
fn fragments() -> Vec<u8> {
    let ping = frame(Role::Server, Opcode::Ping, true, b"are you there?");
    let pieces: Vec<_> = (0..64)
        .map(|i| {
            let opcode = if i == 0 { Opcode::Binary } else { Opcode::Continuation };
            frame(Role::Server, opcode, i == 63, &[1; 1024])
        })
        .collect();
    pieces.join(&ping[..])
}

/// Receives `count` messages, a multiple of those in `wire`, in reads of at most `read` bytes.
fn receive(role: Role, wire: &[u8], read: usize, count: usize) {
    let mut connection = open(role);
    let mut storage = vec![0; read];
    let mut input = Input::new(&mut storage);
    let mut received = 0;
    while received < count {
        for mut read in wire.chunks(read) {
            input.read_from(&mut read).expect("a slice");
            while connection.has_room()
                && let Some(event) = connection.receive(&mut input)
            {
                match event {
                    Event::Message(message) => {
                        black_box(message.as_bytes());
                        received += 1;
                    }
                    Event::Ping(_) => {}
                    other => panic!("{other:?}"),
                }
            }
            write(connection.output());
        }
    }
}

/// Sends `count` messages, each written before the next one is sent.
fn send<'m, M: Into<Outgoing<'m>>>(role: Role, message: impl Fn() -> M, count: usize) {
    let mut connection = open(role);
    for _ in 0..count {
        connection.send(black_box(message())).map_err(Unsent::into_error).expect("room");
        write(connection.output());
    }
}

/// Receives `count` messages, one per read, and echoes each.
fn echo(payload: &[u8], read: usize, count: usize) {
    let mut connection = open(Role::Server);
    let wire = frame(Role::Server, Opcode::Binary, true, payload);
    let mut storage = vec![0; read];
    let mut input = Input::new(&mut storage);
    for _ in 0..count {
        input.read_from(&mut &wire[..]).expect("a slice");
        while connection.has_room()
            && let Some(event) = connection.receive(&mut input)
        {
            let Event::Message(message) = event else { panic!("{event:?}") };
            connection.send(message).map_err(Unsent::into_error).expect("room");
        }
        write(connection.output());
    }
}

fn write(output: &mut Output) {
    output.write_to(&mut Sink).expect("a sink");
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
