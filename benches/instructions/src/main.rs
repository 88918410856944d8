//! `instructions CASE COUNT` does a thing so many times, for `run` to count the instructions of.

use std::hint::black_box;
use std::sync::Arc;

use bytes::Buf;
use websocket_proto::handshake::{
    Acceptance, ClientEvent, ClientHandshake, ClientRequest, ServerEvent, ServerHandshake, Uri,
};
use websocket_proto::{
    Buffers, Config, Connection, EntropyError, Event, FrameHeader, Negotiated, Opcode, Role, mask,
};

/// Messages of a read.
const READ: usize = 64;

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

static CONFIG: Config = Config::new();

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    let [_, case, count] = &arguments[..] else { panic!("instructions CASE COUNT") };
    let count = count.parse().expect("a number");
    match &**case {
        "receive-8" => receive(Role::Server, Opcode::Binary, &[1; 8], count),
        "receive-1024" => receive(Role::Server, Opcode::Binary, &[1; 1024], count),
        "receive-text-1024" => receive(Role::Server, Opcode::Text, &[b'a'; 1024], count),
        "receive-client-8" => receive(Role::Client, Opcode::Binary, &[1; 8], count),
        "send-8" => send(Role::Server, &[1; 8], count),
        "send-client-8" => send(Role::Client, &[1; 8], count),
        "echo-8" => echo(&[1; 8], count),
        "send-lent-8" => lent(Role::Server, &[1; 8], false, count),
        "send-client-lent-8" => lent(Role::Client, &[1; 8], false, count),
        "echo-lent-8" => lent(Role::Server, &[1; 8], true, count),
        "handshake" => handshake(count),
        "handshake-client" => handshake_client(count),
        unknown => panic!("no case {unknown}"),
    }
}

fn open(role: Role) -> Connection {
    let negotiated = Negotiated::default();
    match role {
        Role::Server => Connection::server(&CONFIG, &negotiated),
        Role::Client => {
            // What the source costs is not counted.
            static ENTROPY: fn(&mut [u8]) -> Result<(), EntropyError> = |out| {
                out.fill(7);
                Ok(())
            };
            Connection::client(Arc::new(Config::new().static_entropy(&ENTROPY)), &negotiated)
        }
    }
}

fn frame(receiver: Role, opcode: Opcode, payload: &[u8]) -> Vec<u8> {
    let mut header = FrameHeader::new(opcode, payload.len() as u64).expect("legal");
    let mut payload = payload.to_vec();
    if receiver == Role::Server {
        let key = [0x37, 0xfa, 0x21, 0x3d];
        header = header.masked(key);
        mask(&mut payload, key, 0);
    }
    [&header.encode()[..], &payload].concat()
}

fn receive(role: Role, opcode: Opcode, payload: &[u8], count: usize) {
    let mut connection = open(role);
    let wire = frame(role, opcode, payload).repeat(READ);
    let mut buffer = wire.clone();
    for _ in 0..count / READ {
        buffer.copy_from_slice(&wire);
        let mut input = &mut buffer[..];
        while let Some(event) = connection.receive(&mut input) {
            let Event::Message(message) = event else { panic!() };
            black_box(message.as_bytes());
        }
    }
}

fn send(role: Role, payload: &[u8], count: usize) {
    let mut connection = open(role);
    for _ in 0..count {
        assert!(connection.send(black_box(payload)).is_ok());
        take_output(&mut connection);
    }
}

fn echo(payload: &[u8], count: usize) {
    let mut connection = open(Role::Server);
    let wire = frame(Role::Server, Opcode::Binary, payload);
    let mut buffer = wire.clone();
    for _ in 0..count {
        buffer.copy_from_slice(&wire);
        let mut input = &mut buffer[..];
        while let Some(event) = connection.receive(&mut input) {
            let Event::Message(message) = event else { panic!() };
            assert!(connection.send(message).is_ok());
        }
        take_output(&mut connection);
    }
}

/// With memory lent for each turn: something is sent, or sent back.
fn lent(role: Role, payload: &[u8], echo: bool, count: usize) {
    let (mut connection, mut buffers) = (open(role), Buffers::new());
    let wire = frame(role, Opcode::Binary, payload);
    let mut buffer = wire.clone();
    for _ in 0..count {
        connection.lend(&mut buffers);
        if echo {
            buffer.copy_from_slice(&wire);
            let mut input = &mut buffer[..];
            while let Some(event) = connection.receive(&mut input) {
                let Event::Message(message) = &event else { panic!() };
                assert!(connection.send(message).is_ok());
            }
        } else {
            assert!(connection.send(black_box(payload)).is_ok());
        }
        take_output(&mut connection);
        connection.give_back(&mut buffers);
    }
}

fn handshake(count: usize) {
    let mut buffer = REQUEST.to_vec();
    for _ in 0..count {
        buffer.copy_from_slice(REQUEST);
        let mut handshake = ServerHandshake::new(&CONFIG);
        let event = handshake.receive(&mut &mut buffer[..]);
        assert_eq!(event, Some(ServerEvent::Upgrade));
        let mut established = handshake.accept(&Acceptance::new()).expect("accepted");
        take_output(&mut established.connection);
    }
}

fn handshake_client(count: usize) {
    // The nonce to which the response belongs. What the source costs is not counted.
    static ENTROPY: fn(&mut [u8]) -> Result<(), EntropyError> = |out| {
        out.copy_from_slice(b"the sample nonce");
        Ok(())
    };
    let config = Arc::new(Config::new().static_entropy(&ENTROPY));
    let mut buffer = RESPONSE.to_vec();
    for _ in 0..count {
        let uri = Uri::parse(black_box("ws://example.com/chat?room=1")).expect("a URI");
        let request = ClientRequest::new(&uri);
        let mut handshake = ClientHandshake::new(&config, &request).expect("a request");
        let output = handshake.output();
        let len = black_box(output.chunk()).len();
        output.advance(len);
        buffer.copy_from_slice(RESPONSE);
        let event = handshake.receive(&mut &mut buffer[..]);
        assert_eq!(event, Some(ClientEvent::Accepted));
        black_box(handshake.establish());
    }
}

fn take_output(connection: &mut Connection) {
    let output = connection.output();
    while output.has_remaining() {
        let len = black_box(output.chunk()).len();
        output.advance(len);
    }
}
