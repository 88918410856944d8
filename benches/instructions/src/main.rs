//! `instructions CASE COUNT` does a thing so many times, for `run` to count the instructions of.

use std::hint::black_box;
use std::sync::{Arc, LazyLock};

use bytes::{Buf, Bytes};
use websocket_proto::handshake::{
    Acceptance, ClientEvent, ClientHandshake, ClientRequest, ServerEvent, ServerHandshake, Uri,
    accept_key, key_from_nonce,
};
use websocket_proto::{
    Buffers, Config, Connection, EntropyError, Event, FrameHeader, Message, Negotiated, Opcode,
    Role, mask,
};

/// Bytes of a read, at most, unless a message is to be cut.
const READ: usize = 16 << 10;

const REQUEST: &[u8] = b"GET /chat?room=1 HTTP/1.1\r\nHost: example.com\r\nConnection: Upgrade\r\n\
    Pragma: no-cache\r\nCache-Control: no-cache\r\nUser-Agent: Mozilla/5.0 (X11; Linux x86_64) \
    AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36\r\n\
    Upgrade: websocket\r\nOrigin: https://example.com\r\nSec-WebSocket-Version: 13\r\n\
    Accept-Encoding: gzip, deflate, br, zstd\r\nAccept-Language: en-US,en;q=0.9\r\n\
    Cookie: id=abcdefghijklmnopqrstuvwxyz01\r\n\
    Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
    Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n\r\n";

/// What drawing from a source costs is not counted.
static ENTROPY: fn(&mut [u8]) -> Result<(), EntropyError> = |out| {
    out.fill(7);
    Ok(())
};

static CONFIG: LazyLock<Arc<Config>> =
    LazyLock::new(|| Arc::new(Config::new().static_entropy(&ENTROPY)));

fn main() {
    use Opcode::{Binary, Text};
    use Role::{Client, Server};

    let arguments: Vec<String> = std::env::args().collect();
    let [_, case, count] = &arguments[..] else { panic!("instructions CASE COUNT") };
    let count = count.parse().expect("a number");
    let cjk = "\u{6f22}".repeat(341) + ".";
    let binary = |payload: &'static [u8]| move || Message::from(payload);
    let counted = Bytes::from_static(&[1; 65536]);
    match &**case {
        "receive-8" => receive(Server, &several(Server, Binary, &[1; 8]), READ, count),
        "receive-125" => receive(Server, &several(Server, Binary, &[1; 125]), READ, count),
        "receive-1024" => receive(Server, &several(Server, Binary, &[1; 1024]), READ, count),
        "receive-65536" => receive(Server, &frame(Server, Binary, true, &[1; 65536]), READ, count),
        "receive-text-1024" => receive(Server, &several(Server, Text, &[b'a'; 1024]), READ, count),
        "receive-text-cjk-1024" => {
            receive(Server, &several(Server, Text, cjk.as_bytes()), READ, count)
        }
        "receive-cut-1024" => receive(Server, &frame(Server, Binary, true, &[1; 1024]), 516, count),
        "receive-cut-text-1024" => {
            receive(Server, &frame(Server, Text, true, &[b'a'; 1024]), 516, count)
        }
        "receive-client-8" => receive(Client, &several(Client, Binary, &[1; 8]), READ, count),
        "fragments" => receive(Server, &fragments(), READ, count),
        "send-8" => send(Server, binary(&[1; 8]), None, count),
        "send-1024" => send(Server, binary(&[1; 1024]), None, count),
        "send-counted-65536" => send(Server, || Message::from(counted.clone()), None, count),
        "sending-65536" => sending(&[1; 65536], count),
        "send-lent-8" => send(Server, binary(&[1; 8]), Some(Buffers::new()), count),
        "send-client-8" => send(Client, binary(&[1; 8]), None, count),
        "send-client-1024" => send(Client, binary(&[1; 1024]), None, count),
        "send-client-lent-8" => send(Client, binary(&[1; 8]), Some(Buffers::new()), count),
        "echo-8" => echo(&[1; 8], None, count),
        "echo-1024" => echo(&[1; 1024], None, count),
        "echo-lent-8" => echo(&[1; 8], Some(Buffers::new()), count),
        "handshake-server" => handshake_server(count),
        "handshake-client" => handshake_client(count),
        unknown => panic!("no case {unknown}"),
    }
}

fn open(role: Role) -> Connection {
    let negotiated = Negotiated::default();
    match role {
        Role::Server => Connection::server(&*CONFIG, &negotiated),
        Role::Client => Connection::client(&*CONFIG, &negotiated),
    }
}

fn frame(receiver: Role, opcode: Opcode, fin: bool, payload: &[u8]) -> Vec<u8> {
    let mut header = FrameHeader::new(opcode, payload.len() as u64).expect("legal");
    if !fin {
        header = header.unfinished().expect("legal");
    }
    let mut payload = payload.to_vec();
    if receiver == Role::Server {
        let key = [0x37, 0xfa, 0x21, 0x3d];
        header = header.masked(key);
        mask(&mut payload, key, 0);
    }
    [&header.encode()[..], &payload].concat()
}

/// Messages that come in one read.
fn several(receiver: Role, opcode: Opcode, payload: &[u8]) -> Vec<u8> {
    frame(receiver, opcode, true, payload).repeat(10)
}

/// A message of 64 fragments of 1 KiB, and a Ping between any two.
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

/// Does a thing with memory that is lent for it, or without, and writes what comes of it.
fn turn(
    connection: &mut Connection,
    lent: &mut Option<Buffers>,
    act: impl FnOnce(&mut Connection),
) {
    if let Some(buffers) = lent {
        connection.lend(buffers);
    }
    act(connection);
    let output = connection.output();
    while output.has_remaining() {
        let len = black_box(output.chunk()).len();
        output.advance(len);
    }
    if let Some(buffers) = lent {
        connection.give_back(buffers);
    }
}

/// Receives `count` messages, a multiple of those in `wire`, in reads of at most so many bytes.
fn receive(role: Role, wire: &[u8], read: usize, count: usize) {
    let (mut connection, mut lent) = (open(role), Some(Buffers::new()));
    let (mut buffer, mut received) = (vec![0; READ], 0);
    while received < count {
        for read in wire.chunks(read) {
            let mut input = &mut buffer[..read.len()];
            input.copy_from_slice(read);
            turn(&mut connection, &mut lent, |connection| {
                while let Some(event) = &mut connection.receive(&mut input) {
                    match event {
                        Event::Message(message) => {
                            black_box(message.as_bytes());
                            connection.recycle(message);
                            received += 1;
                        }
                        Event::Ping(_) => {}
                        other => panic!("{other:?}"),
                    }
                }
            });
        }
    }
}

fn send(
    role: Role,
    message: impl Fn() -> Message<'static>,
    mut lent: Option<Buffers>,
    count: usize,
) {
    let mut connection = open(role);
    for _ in 0..count {
        turn(&mut connection, &mut lent, |connection| {
            assert!(connection.send(black_box(message())).is_ok());
        });
    }
}

/// Sends a message from where it is.
fn sending(payload: &[u8], count: usize) {
    let (mut connection, mut lent) = (open(Role::Server), Buffers::new());
    connection.lend(&mut lent);
    for _ in 0..count {
        let mut sending = connection.sending(black_box(payload)).expect("room");
        while sending.has_remaining() {
            let mut slices = [std::io::IoSlice::new(&[]); 2];
            let count = sending.chunks_vectored(&mut slices);
            let len = slices[..count].iter().map(|slice| black_box(slice).len()).sum();
            sending.advance(len);
        }
    }
}

fn echo(payload: &[u8], mut lent: Option<Buffers>, count: usize) {
    let mut connection = open(Role::Server);
    let wire = frame(Role::Server, Opcode::Binary, true, payload);
    let mut buffer = wire.clone();
    for _ in 0..count {
        buffer.copy_from_slice(&wire);
        let mut input = &mut buffer[..];
        turn(&mut connection, &mut lent, |connection| {
            while let Some(event) = connection.receive(&mut input) {
                let Event::Message(message) = event else { panic!("{event:?}") };
                assert!(connection.send(message).is_ok());
            }
        });
    }
}

fn handshake_server(count: usize) {
    let mut buffer = REQUEST.to_vec();
    for _ in 0..count {
        buffer.copy_from_slice(REQUEST);
        let mut handshake = ServerHandshake::new(&*CONFIG);
        let event = handshake.receive(&mut &mut buffer[..]);
        assert_eq!(event, Some(ServerEvent::Upgrade));
        let mut established = handshake.accept(&Acceptance::new()).expect("accepted");
        turn(&mut established.connection, &mut None, |_| {});
    }
}

fn handshake_client(count: usize) {
    let key = accept_key(&key_from_nonce(&[7; 16]));
    let response = [
        b"HTTP/1.1 101 Switching Protocols\r\nServer: nginx\r\n\
        Date: Thu, 01 Jan 2026 00:00:00 GMT\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\
        Sec-WebSocket-Accept: ",
        &key[..],
        b"\r\n\r\n",
    ]
    .concat();
    let mut buffer = response.clone();
    for _ in 0..count {
        let uri = Uri::parse("ws://example.com/chat?room=1").expect("a URI");
        let request = ClientRequest::new(&uri);
        let mut handshake = ClientHandshake::new(&*CONFIG, &request).expect("a request");
        let output = handshake.output();
        output.advance(black_box(output.chunk()).len());
        buffer.copy_from_slice(&response);
        let event = handshake.receive(&mut &mut buffer[..]);
        assert_eq!(event, Some(ClientEvent::Accepted));
        turn(&mut handshake.establish().expect("accepted").connection, &mut None, |_| {});
    }
}
