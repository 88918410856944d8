//! The loop of `manual::time` over a real socket while both directions are full. The example `minimal` runs it
//! as a server, the test as a client.
#![cfg(all(feature = "std", feature = "getrandom"))]

#[path = "support/example.rs"]
mod example;

use std::io::{BufRead, BufReader};
use std::net::TcpStream;
use std::process::{Child, Stdio};
use std::time::Duration;

use example::example;
use websocket_proto::handshake::{ClientEvent, ClientHandshake, ClientRequest, Handshake};
use websocket_proto::{CloseCode, Config, Connection, Event, Input, Io, Transport};

const QUIET: Duration = Duration::from_secs(1);
const BLOCKED: Duration = Duration::from_millis(10);

const MESSAGES: usize = 64;
const MESSAGE_LEN: usize = 256 << 10;

/// The sum of the waits that may expire: 16 MiB at 1 MiB/s. About 1 s expires; with waits of 1 s for blocked
/// output, more than a minute does.
const MAX_EXPIRED: Duration = Duration::from_secs(16);

/// The example, which is killed when dropped.
struct Server {
    child: Child,
    address: String,
}

impl Server {
    fn start() -> Self {
        let listening = example("minimal").arg("127.0.0.1:0").stdout(Stdio::piped()).spawn();
        let mut server = Self { child: listening.unwrap(), address: String::new() };
        let mut line = String::new();
        BufReader::new(server.child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let (_, address) = line.trim().split_once("://").unwrap();
        server.address = address.trim_end_matches('/').to_owned();
        server
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

fn open(address: &str, socket: &mut TcpStream, input: &mut Input<'_>) -> Connection {
    let request = ClientRequest::to(address, "/");
    let mut handshake = ClientHandshake::new(Config::new(), &request).unwrap();
    loop {
        handshake.output().write_to(socket).unwrap();
        input.read_from(socket).unwrap();
        match handshake.receive(input) {
            None => assert!(!input.is_finished()),
            Some(ClientEvent::Accepted) => return handshake.establish().unwrap(),
            Some(event) => panic!("{event:?}"),
        }
    }
}

#[test]
fn pipelined_messages_return_at_megabytes_per_second() {
    let server = Server::start();
    let mut socket = TcpStream::connect(&server.address).unwrap();
    socket.set_write_timeout(Some(BLOCKED)).unwrap();
    let mut input = Input::owned(vec![0; 64 << 10]);
    let mut connection = open(&server.address, &mut socket, &mut input);
    let (mut sent, mut received, mut expired) = (0, 0, Duration::ZERO);
    loop {
        while sent < MESSAGES && connection.has_room() {
            connection.send(vec![sent as u8; MESSAGE_LEN]).unwrap();
            sent += 1;
        }
        let written = connection.output().write_to(&mut socket).unwrap();
        match connection.transport() {
            Transport::Open => {}
            transport => {
                assert_eq!((transport, received), (Transport::Close, MESSAGES));
                return;
            }
        }
        let wait = if written == Io::Blocked { BLOCKED } else { QUIET };
        socket.set_read_timeout(Some(wait)).unwrap();
        let read = input.read_from(&mut socket).unwrap();
        expired += if written == Io::Blocked { BLOCKED } else { Duration::ZERO };
        expired += if read == Io::Blocked { wait } else { Duration::ZERO };
        assert!(expired < MAX_EXPIRED, "{received} of {MESSAGES} messages returned");
        while let Some(event) = connection.receive(&mut input) {
            if let Event::Message(message) = event {
                assert!(message.as_bytes() == vec![received as u8; MESSAGE_LEN]);
                received += 1;
                if received == MESSAGES {
                    connection.close(CloseCode::NORMAL).unwrap();
                }
            }
        }
    }
}
