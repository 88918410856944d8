//! The load generator: raw frames over non-blocking sockets, without a WebSocket library.

use std::io::{ErrorKind, Read, Write};
use std::net::{Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant};

use mio::net::TcpStream;
use mio::{Events, Interest, Poll, Token};

use crate::rows::Row;

const REQUEST: &[u8] = b"GET / HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\n\
    Connection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
    Sec-WebSocket-Version: 13\r\n\r\n";

/// The bytes of a read.
const READ: usize = 256 << 10;

/// Connections that keep a number of messages in flight. All messages are equal.
pub struct Load {
    poll: Poll,
    events: Events,
    connections: Vec<Connection>,
    wire: Wire,
    /// The number of messages of each connection in flight.
    in_flight: usize,
    buffer: Vec<u8>,
}

/// The frames of the messages.
struct Wire {
    /// The masked frame, as often as it can be due, and once more.
    requests: Vec<u8>,
    request_len: usize,
    /// The echoed frame, as often as it begins in a read, and once more.
    echoes: Vec<u8>,
    echo_len: usize,
}

struct Connection {
    socket: TcpStream,
    /// The messages that are not yet echoed.
    in_flight: usize,
    /// The bytes of the current request that were written.
    written: usize,
    /// The bytes that must be written.
    due: usize,
    /// The bytes of the current echo that were read.
    read: usize,
}

/// The number of times that `check` sends the messages of each connection.
const CHECKS: usize = 3;

/// Whether each echo makes the next message due.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Traffic {
    /// The messages end. Each echo is compared with what was sent.
    Ends,
    Continues,
}

impl Load {
    /// Opens the connections.
    pub fn connect(port: u16, row: &Row) -> Self {
        let poll = Poll::new().expect("epoll");
        let mut connections = Vec::new();
        for token in 0..row.connections {
            let mut socket = handshake(port);
            let interest = Interest::READABLE | Interest::WRITABLE;
            poll.registry().register(&mut socket, Token(token), interest).expect("registered");
            connections.push(Connection { socket, in_flight: 0, written: 0, due: 0, read: 0 });
        }
        let events = Events::with_capacity(1024);
        let buffer = vec![0; READ];
        Self { poll, events, connections, wire: Wire::new(row), in_flight: row.in_flight, buffer }
    }

    /// Sends the messages of each connection [`CHECKS`] times, and compares the echoes. No message is in flight
    /// when it returns.
    pub fn check(&mut self) {
        for _ in 0..CHECKS {
            self.fill();
            while self.connections.iter().any(|connection| connection.in_flight > 0) {
                self.turn(Traffic::Ends);
            }
        }
    }

    /// Runs for `time` and returns the number of messages that were echoed. Messages stay in flight.
    pub fn run(&mut self, time: Duration) -> u64 {
        self.fill();
        let end = Instant::now() + time;
        let mut messages = 0;
        while Instant::now() < end {
            messages += self.turn(Traffic::Continues);
        }
        messages
    }

    /// Sends messages until as many as the row has are in flight.
    fn fill(&mut self) {
        for connection in &mut self.connections {
            connection.send(self.in_flight - connection.in_flight, &self.wire);
        }
    }

    /// Waits once, and handles what is ready. Returns the number of messages that were echoed.
    fn turn(&mut self, traffic: Traffic) -> u64 {
        let patience = Some(Duration::from_secs(10));
        self.poll.poll(&mut self.events, patience).expect("epoll");
        assert!(!self.events.is_empty(), "the server does not answer");
        let mut messages = 0;
        for event in &self.events {
            let connection = &mut self.connections[event.token().0];
            let mut next = 0;
            if event.is_readable() {
                let echoed = connection.read(&self.wire, &mut self.buffer, traffic);
                messages += echoed as u64;
                if traffic == Traffic::Continues {
                    next = echoed;
                }
            }
            connection.send(next, &self.wire);
        }
        messages
    }
}

impl Connection {
    /// Reads all there is. Returns the number of messages that were echoed.
    fn read(&mut self, wire: &Wire, buffer: &mut [u8], traffic: Traffic) -> usize {
        let mut messages = 0;
        loop {
            let len = match self.socket.read(buffer) {
                Ok(0) => panic!("the server closed the connection"),
                Ok(len) => len,
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) => panic!("{error}"),
            };
            let begins = self.read > 0 || buffer[0] == wire.echoes[0];
            assert!(begins, "the server sent something other than an echo");
            if traffic == Traffic::Ends {
                let expected = &wire.echoes[self.read..self.read + len];
                assert!(buffer[..len] == *expected, "an echo differs from the message");
            }
            let read = self.read + len;
            messages += read / wire.echo_len;
            self.read = read % wire.echo_len;
            if len < buffer.len() {
                break; // The next byte makes the socket readable again.
            }
        }
        self.in_flight = self.in_flight.checked_sub(messages).expect("an echo for each message");
        messages
    }

    /// Makes `messages` due, and writes what is due.
    fn send(&mut self, messages: usize, wire: &Wire) {
        self.in_flight += messages;
        self.due += messages * wire.request_len;
        while self.due > 0 {
            match self.socket.write(&wire.requests[self.written..self.written + self.due]) {
                Ok(len) => {
                    self.due -= len;
                    self.written = (self.written + len) % wire.request_len;
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) => panic!("{error}"),
            }
        }
    }
}

impl Wire {
    fn new(row: &Row) -> Self {
        let key = [0x37, 0xfa, 0x21, 0x3d];
        let payload: Vec<u8> = (0..row.size).map(|i| (i % 251) as u8).collect();
        let masked = payload.iter().zip(key.iter().cycle()).map(|(byte, key)| byte ^ key);
        let request: Vec<u8> =
            header(0x80, row.size).into_iter().chain(key).chain(masked).collect();
        let echo = [header(0, row.size), payload].concat();
        Self {
            requests: request.repeat(row.in_flight + 1),
            request_len: request.len(),
            echoes: echo.repeat(READ / echo.len() + 2),
            echo_len: echo.len(),
        }
    }
}

/// Returns the header of a binary message without a masking key.
fn header(mask: u8, len: usize) -> Vec<u8> {
    let mut header = vec![0x82];
    match len {
        0..126 => header.push(mask | len as u8),
        126..0x1_0000 => {
            header.push(mask | 126);
            header.extend((len as u16).to_be_bytes());
        }
        _ => {
            header.push(mask | 127);
            header.extend((len as u64).to_be_bytes());
        }
    }
    header
}

fn handshake(port: u16) -> TcpStream {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let mut socket = std::net::TcpStream::connect(address).expect("a connection");
    socket.set_nodelay(true).expect("a socket");
    socket.write_all(REQUEST).expect("a request");
    let mut response = Vec::new();
    while !response.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        socket.read_exact(&mut byte).expect("a response");
        response.extend(byte);
    }
    assert!(response.starts_with(b"HTTP/1.1 101"), "{}", String::from_utf8_lossy(&response));
    socket.set_nonblocking(true).expect("a socket");
    TcpStream::from_std(socket)
}
