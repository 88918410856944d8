//! The echo server under load: a thousand well-behaved clients at once, and five clients that try to block
//! a thread. The server serves the former, its timeouts end the latter, and its memory stays proportional
//! to the number of connections.
#![cfg(all(feature = "std", feature = "getrandom"))]

#[path = "support/example.rs"]
mod example;

use std::io::{BufRead, BufReader, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;
use std::sync::{Arc, Mutex, TryLockError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use example::example;
use websocket_proto::{
    CloseCode, Config, Connection, EntropyError, Event, Input, Io, Message, Negotiated,
    SharedConfig, Transport,
};

const CLIENTS: usize = 1000;
/// Client threads. Each drives its share of the clients in turn.
const THREADS: usize = 4;

/// The round of the first message of each client. Reads split it, so that the server's thread touches all
/// the stack that such messages need before memory is measured.
const FIRST: usize = 1_000_000;

/// The server's SECONDS argument: it pings a client that is silent for this long. The other timeouts keep
/// their default proportions.
const PING: u64 = 4;
/// Longer than any timeout even on a busy machine; it ends a test that hangs.
const EVER: Duration = Duration::from_secs(120);
/// The time after which a thread looks for Pings again until all clients are connected.
const TEND: Duration = Duration::from_millis(100);

/// KiB that a connection may add to the server's memory. It is the stack of its thread: the read buffer and
/// the pages that its calls touch, which are more without optimisation.
const PER_CONNECTION: u64 = 64;
/// KiB for messages in progress, whatever the number of connections: a few messages of 100 kB being
/// reassembled and echoed, the output of the client that does not read, and the pools of the threads.
const IN_PROGRESS: u64 = 8 << 10;
/// KiB of stack that the thread of each client touches for its first long message. A build without
/// optimization needs about 8, an optimized one less than 1.
const STACK: u64 = if cfg!(debug_assertions) { 10 } else { 1 };
/// KiB that may remain after all connections are closed: the C library caches some stacks and heap.
const LEFT: u64 = 16 << 10;
/// KiB that a second load may add: less than 2 per connection.
const LEAKED: u64 = 2 << 10;

#[test]
fn serves_a_thousand_clients_while_others_misbehave() {
    let clients = affordable(CLIENTS);
    let server = Server::start();
    // The first connection touches the memory that all connections share.
    load(&server, 1, 0, || {}, |()| {});
    let rest = server.memory_at_rest();

    let mut full = None;
    let mut misbehaving = Vec::new();
    let served = load(
        &server,
        clients,
        1,
        || {
            full = server.memory("VmRSS");
            // Later the machine is busy: a request could come too late.
            open_misbehaving(server.address)
        },
        |sockets| misbehaving = misbehave(sockets),
    );
    let most = server.memory("VmHWM");
    let after = server.memory_at_rest();
    load(&server, clients, 0, || {}, |()| {});
    let again = server.memory_at_rest();
    println!(
        "{clients} clients, {served} messages; KiB at rest {rest:?}, with all connected {full:?}, \
         at most {most:?}, after {after:?}, after as many again {again:?}"
    );
    if let [Some(rest), Some(full), Some(most), Some(after), Some(again)] =
        [rest, full, most, after, again]
    {
        let connections = PER_CONNECTION * clients as u64;
        assert!(full <= rest + connections, "{full} KiB with all connected, {rest} before");
        let in_progress = IN_PROGRESS + STACK * clients as u64;
        assert!(most <= full + in_progress, "{most} KiB at most, {full} with all connected");
        assert!(after <= rest + LEFT, "{after} KiB when all are gone, {rest} before");
        assert!(again <= after + LEAKED, "{again} KiB after as many again, {after} before");
    }

    let (stdout, stderr) = server.stop();
    let closed = stdout.iter().filter(|line| line.ends_with(": 1000")).count();
    assert_eq!((stdout.len(), closed), (2 * clients + 1, 2 * clients + 1));
    for client in misbehaving {
        let name = client.name;
        let line = stderr.iter().find_map(|line| line.strip_prefix(&client.address));
        let reason = line.and_then(|line| line.strip_prefix(": ")).unwrap_or_default();
        assert!(client.reasons.contains(&reason), "{name}: {reason}");
    }
    assert_eq!(stderr.len(), 5, "{stderr:?}");
}

/// The number of clients that the limit on file descriptors allows; the server has the same limit.
fn affordable(clients: usize) -> usize {
    // Standard streams, pipes, files of the test harness, and the five misbehaving clients.
    const OTHERS: usize = 20;
    match descriptors() {
        Some(limit) if limit < clients + OTHERS => {
            println!("only {} clients: the limit is {limit} file descriptors", limit - OTHERS);
            limit - OTHERS
        }
        Some(_) | None => clients,
    }
}

/// The limit on file descriptors, if it can be determined.
fn descriptors() -> Option<usize> {
    let output = Command::new("sh").args(["-c", "ulimit -n"]).output().ok()?;
    String::from_utf8(output.stdout).ok()?.trim().parse().ok()
}

/// The example, with timeouts short enough for a test.
struct Server {
    child: Child,
    address: SocketAddr,
    /// The lines of its standard output and standard error.
    lines: Option<[JoinHandle<Vec<String>>; 2]>,
}

impl Server {
    fn start() -> Self {
        let mut child = example("echo_server")
            .args(["127.0.0.1:0", &PING.to_string()])
            // glibc: all threads share one heap. With several, the unused memory that it keeps differs by
            // megabytes from load to load.
            .env("MALLOC_ARENA_MAX", "1")
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut stdout = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        stdout.read_line(&mut line).unwrap();
        let address = line.trim().strip_prefix("listening on http://").unwrap();
        let address = address.trim_end_matches('/').parse().unwrap();
        let stderr = BufReader::new(child.stderr.take().unwrap());
        // Both pipes are read continuously: a full pipe would block the server.
        let stdout = thread::spawn(|| stdout.lines().map(Result::unwrap).collect());
        let stderr = thread::spawn(|| stderr.lines().map(Result::unwrap).collect());
        Self { child, address, lines: Some([stdout, stderr]) }
    }

    /// A number from the server's `/proc/PID/status`, if the system has one.
    fn memory(&self, key: &str) -> Option<u64> {
        let path = format!("/proc/{}/status", self.child.id());
        let status = std::fs::read_to_string(path).ok()?;
        let line = status.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(':'))?;
        line.trim().trim_end_matches(" kB").parse().ok()
    }

    /// KiB resident after the threads of all connections have ended.
    fn memory_at_rest(&self) -> Option<u64> {
        let since = Instant::now();
        while self.memory("Threads")? > 1 {
            assert!(since.elapsed() < EVER, "connections remain");
            thread::yield_now();
        }
        self.memory("VmRSS")
    }

    /// Stops the server and returns the lines that it printed.
    fn stop(mut self) -> (Vec<String>, Vec<String>) {
        assert_eq!(self.child.try_wait().unwrap(), None);
        self.child.kill().unwrap();
        let [stdout, stderr] = self.lines.take().unwrap().map(|reading| reading.join().unwrap());
        (stdout, stderr)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

/// Runs a load: connects the clients, each of which sends a message; calls `idle` while they are silent;
/// lets them send and compare echoes while `busy` runs with the result of `idle`; waits until the server has pinged
/// each of them `pings` times; and closes. Returns the number of echoed messages.
fn load<T>(
    server: &Server,
    clients: usize,
    pings: usize,
    idle: impl FnOnce() -> T,
    busy: impl FnOnce(T),
) -> usize {
    let entropy = |out: &mut [u8]| getrandom::fill(out).map_err(|_| EntropyError);
    let config = Arc::new(Config::new().with_entropy(entropy));
    // A panicking thread drops its sender or guard, so none of these primitives blocks the other threads.
    let (connecting, connected) = mpsc::channel::<()>();
    let (gate, over) = (&Mutex::new(()), &AtomicBool::new(false));
    thread::scope(|scope| {
        let closed = gate.lock().unwrap();
        let _over = Raise(over);
        let drivers: Vec<_> = (0..THREADS)
            .map(|thread| {
                let numbers = thread * clients / THREADS..(thread + 1) * clients / THREADS;
                let config = SharedConfig::from(&config);
                let connecting = connecting.clone();
                scope.spawn(move || {
                    let (mut clients, mut tended) = (Vec::<Client>::new(), Instant::now());
                    for number in numbers {
                        let mut client = Client::open(server.address, number, &config);
                        // One after the other: on a busy machine, a thread of the server may lose the
                        // processor within a message, so any number could be in progress.
                        client.send(FIRST);
                        client.compare(FIRST);
                        clients.push(client);
                        if tended.elapsed() >= TEND {
                            clients.iter_mut().for_each(Client::tend);
                            tended = Instant::now();
                        }
                    }
                    drop(connecting);
                    while let Err(TryLockError::WouldBlock) = gate.try_lock() {
                        clients.iter_mut().for_each(Client::tend);
                        thread::sleep(TEND);
                    }
                    drive(&mut clients, over, pings)
                })
            })
            .collect();
        drop(connecting);
        assert!(connected.recv().is_err());
        let idled = idle();
        drop(closed);
        busy(idled);
        over.store(true, Ordering::Relaxed);
        drivers.into_iter().map(|driver| driver.join().unwrap()).sum()
    })
}

/// Sets a flag when dropped, also by a panic.
struct Raise<'a>(&'a AtomicBool);

impl Drop for Raise<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// The work of one thread after its clients are connected.
fn drive(clients: &mut [Client], over: &AtomicBool, pings: usize) -> usize {
    let mut served = 0;
    for round in 0.. {
        if round >= 3 && over.load(Ordering::Relaxed) {
            break;
        }
        clients.iter_mut().for_each(|client| client.send(round));
        clients.iter_mut().for_each(|client| client.compare(round));
        served += clients.len();
    }
    for _ in 0..pings {
        clients.iter_mut().for_each(Client::await_ping);
    }
    clients.iter_mut().for_each(Client::close);
    clients.iter_mut().for_each(Client::finish);
    served
}

/// A well-behaved client.
struct Client {
    number: usize,
    connection: Connection,
    socket: TcpStream,
    input: Input<'static>,
}

impl Client {
    fn open(address: SocketAddr, number: usize, config: &SharedConfig) -> Self {
        let mut socket = connect(address);
        upgrade(&mut socket);
        let connection = Connection::client(config.clone(), &Negotiated::default()).unwrap();
        Self { number, connection, socket, input: Input::owned(vec![0; 8 << 10]) }
    }

    /// Text or binary messages of different sizes, some of them large.
    fn message(&self, round: usize) -> Message<'static> {
        let seed = self.number * 31 + round;
        let length = match seed {
            _ if round == FIRST => 20_000,
            seed if seed % 101 == 7 => 100_000,
            seed => seed % 1500,
        };
        let bytes = (0..length).map(|at| b' ' + (at * 7 + seed) as u8 % 64).collect();
        if seed.is_multiple_of(2) {
            Message::from(bytes)
        } else {
            Message::from(String::from_utf8(bytes).unwrap())
        }
    }

    fn send(&mut self, round: usize) {
        self.connection.send(self.message(round)).unwrap();
        self.write();
    }

    fn write(&mut self) {
        self.connection.output().write_to(&mut self.socket).unwrap();
    }

    /// Reads until `is_wanted` accepts an event.
    fn read(&mut self, mut is_wanted: impl FnMut(&Event<'_>) -> bool) {
        let mut found = false;
        while !found {
            self.input.read_from(&mut self.socket).unwrap();
            let number = self.number;
            assert!(!self.input.is_finished(), "client {number}: the server ended the connection");
            while let Some(event) = self.connection.receive(&mut self.input) {
                found |= is_wanted(&event);
            }
            // Writes the automatic Pongs.
            self.write();
        }
    }

    fn compare(&mut self, round: usize) {
        let (number, expected) = (self.number, self.message(round));
        self.read(|event| match event {
            Event::Message(message) => {
                assert!(*message == expected, "client {number}, round {round}");
                true
            }
            Event::Ping(_) => false,
            other => panic!("client {number}: {other:?}"),
        });
    }

    /// Answers the server's Pings that have come. A slow machine may take longer to connect all clients
    /// than the server waits for a Pong.
    fn tend(&mut self) {
        self.socket.set_nonblocking(true).unwrap();
        while self.input.read_from(&mut self.socket).unwrap() == Io::Done {
            while let Some(event) = self.connection.receive(&mut self.input) {
                assert!(matches!(event, Event::Ping(_)), "client {}: {event:?}", self.number);
            }
            assert!(!self.input.is_finished(), "client {}: ended", self.number);
        }
        self.socket.set_nonblocking(false).unwrap();
        self.write();
    }

    fn await_ping(&mut self) {
        self.read(|event| matches!(event, Event::Ping(_)));
    }

    fn close(&mut self) {
        self.connection.close(CloseCode::NORMAL).unwrap();
        self.write();
    }

    fn finish(&mut self) {
        while self.connection.transport() == Transport::Open {
            self.input.read_from(&mut self.socket).unwrap();
            while self.connection.receive(&mut self.input).is_some() {}
            self.write();
        }
        let outcome = self.connection.outcome().map(|outcome| (outcome.clean, outcome.code));
        assert_eq!(outcome, Some((true, CloseCode::NORMAL)), "client {}", self.number);
    }
}

fn connect(address: SocketAddr) -> TcpStream {
    let socket = TcpStream::connect(address).unwrap();
    socket.set_nodelay(true).unwrap();
    socket.set_read_timeout(Some(EVER)).unwrap();
    socket.set_write_timeout(Some(EVER)).unwrap();
    socket
}

/// A client that blocks its server thread for as long as the server allows.
struct Misbehaving {
    name: &'static str,
    address: String,
    /// The errors that the server may print about this client.
    reasons: Vec<&'static str>,
}

/// Connects the clients that will misbehave, in the order of [`misbehave`]. The first one stalls already.
fn open_misbehaving(address: SocketAddr) -> [TcpStream; 5] {
    let open = || {
        let mut socket = connect(address);
        upgrade(&mut socket);
        socket
    };
    let mut stalling = connect(address);
    stalling.write_all(b"GET / HTTP/1.1\r\nHost: h\r\nUpgr").unwrap();
    [stalling, open(), open(), open(), open()]
}

/// Runs one client of each kind concurrently until the server has ended all of them.
fn misbehave(sockets: [TcpStream; 5]) -> Vec<Misbehaving> {
    let no_request = &["the opening handshake took too long"][..];
    let no_pong = &["the peer did not respond to a Ping"][..];
    // The timeout after the server's Close.
    let no_close = &["the closing handshake took too long"][..];
    // Both timeouts expire at the same time.
    let no_pong_or_close = &[no_pong[0], no_close[0]][..];
    let no_progress =
        &["the transport accepted no output for too long", no_pong[0], no_close[0]][..];
    type Kind<'a> = (&'static str, &'a [&'static str], fn(TcpStream));
    let kinds: [Kind<'_>; 5] = [
        ("stalls in its handshake", no_request, stall),
        ("vanishes", no_pong, vanish),
        ("vanishes inside a frame", no_pong_or_close, vanish_in_frame),
        ("never reads", no_progress, never_read),
        ("trickles", no_close, trickle),
    ];
    let mut clients = Vec::new();
    let mut threads = Vec::new();
    for ((name, reasons, client), socket) in kinds.into_iter().zip(sockets) {
        clients.push((name, socket.local_addr().unwrap().to_string(), reasons.to_vec()));
        threads.push(thread::spawn(move || client(socket)));
    }
    threads.into_iter().for_each(|thread| thread.join().unwrap());
    clients
        .into_iter()
        .map(|(name, address, reasons)| Misbehaving { name, address, reasons })
        .collect()
}

/// Upgrades without this crate's handshake, to keep it out of the test.
fn upgrade(socket: &mut TcpStream) {
    socket
        .write_all(
            b"GET / HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
              Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n",
        )
        .unwrap();
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        socket.read_exact(&mut byte).unwrap();
        head.extend(byte);
    }
    assert!(head.starts_with(b"HTTP/1.1 101 "));
}

/// Reads until the server ends the connection, with or without a reset.
fn read_to_end(socket: &mut TcpStream) -> Vec<u8> {
    let mut received = Vec::new();
    if let Err(error) = socket.read_to_end(&mut received) {
        assert!(is_end(error.kind()), "{error}");
    }
    received
}

fn is_end(error: ErrorKind) -> bool {
    matches!(
        error,
        ErrorKind::ConnectionReset | ErrorKind::ConnectionAborted | ErrorKind::BrokenPipe
    )
}

fn stall(mut socket: TcpStream) {
    assert!(read_to_end(&mut socket).starts_with(b"HTTP/1.1 408 "));
}

/// Sends nothing and answers no Ping.
fn vanish(mut socket: TcpStream) {
    let received = read_to_end(&mut socket);
    assert_eq!((received.len(), received[0]), (2 + 4, 0x89));
}

fn vanish_in_frame(mut socket: TcpStream) {
    socket.write_all(b"\x82\xfe\x10\x00\x01\x02\x03\x04half").unwrap();
    let received = read_to_end(&mut socket);
    assert_eq!(received[0], 0x89);
}

fn never_read(mut socket: TcpStream) {
    let mut frame = vec![0x82, 0xff, 0, 0, 0, 0, 0, 1, 0, 0, 9, 9, 9, 9];
    frame.resize(14 + (1 << 16), 0);
    let error = loop {
        if let Err(error) = socket.write_all(&frame) {
            break error;
        }
    };
    assert!(is_end(error.kind()), "{error}");
}

/// Sends one byte per second of a message of 1,000 bytes and does not answer the Close.
fn trickle(mut socket: TcpStream) {
    socket.set_read_timeout(Some(Duration::from_secs(1))).unwrap();
    socket.write_all(b"\x82\xfe\x03\xe8\x01\x02\x03\x04").unwrap();
    let mut received = Vec::new();
    loop {
        let mut buffer = [0; 64];
        match socket.read(&mut buffer) {
            Ok(0) => break,
            Ok(length) => received.extend_from_slice(&buffer[..length]),
            Err(error) if is_end(error.kind()) => break,
            Err(_) => drop(socket.write(b"x")),
        }
    }
    // A Ping precedes the Close if the machine was too busy to send a byte each second.
    assert!(received.ends_with(b"\x88\x0a\x0b\xc0too slow"), "{received:x?}");
}
