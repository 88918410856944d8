//! The echo server under load: a thousand clients at once, and among them those that would hold a
//! server up. All the good ones are served, the others are ended by its deadlines, and its memory
//! follows from the number of its connections.

use std::io::{BufRead, BufReader, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use bytes::Buf;
use websocket_proto::handshake::{ClientEvent, ClientHandshake, ClientRequest};
use websocket_proto::{
    CloseCode, CloseFrame, Config, Connection, EntropyError, Event, Message, Outcome, SharedConfig,
    Transport,
};

const CLIENTS: usize = 1000;
/// Each drives its part of the clients in turn.
const THREADS: usize = 4;

/// The round of each client's first message. It is cut by reads and sent on as it is, so that the
/// server's thread has touched what of its stack such messages take.
const FIRST: usize = 1_000_000;

/// What the server is started with: a silent client is pinged after this time.
const PING: Duration = Duration::from_secs(4);
/// In proportion, as the defaults are: 10 s for a handshake, 20 s to answer a Ping.
const OPENING: Duration = Duration::from_secs(2);
const GONE: Duration = Duration::from_secs(8);
/// No deadline takes this long, however busy the machine is.
const EVER: Duration = Duration::from_secs(30);

/// KiB that a connection may add to the server's memory, all of it the stack of its thread: a buffer
/// of 16 KiB, and what the calls touch, many pages of it without optimisation (42 KiB measured, 27 with
/// it).
const PER_CONNECTION: u64 = 64;
/// KiB for what is on its way, whatever the number of connections: a few messages of 100 KB that
/// are put together and sent back, what the client that does not read lets wait, lent buffers.
const ON_ITS_WAY: u64 = 8 << 10;
/// KiB that may be left when all connections are gone: the C library keeps some of the threads'
/// stacks and of the heap for the next ones.
const LEFT: u64 = 16 << 10;
/// KiB that a second load may add to that: less than 2 for each of its connections.
const LEAKED: u64 = 2 << 10;

#[test]
fn a_thousand_clients_are_served_while_others_misbehave() {
    let clients = affordable(CLIENTS);
    let server = Server::start();
    // The first connection touches what all share.
    load(&server, 1, 0, || {}, || {});
    let rest = server.memory_at_rest();

    let mut full = None;
    let mut misbehaving = Vec::new();
    let served = load(
        &server,
        clients,
        1,
        || full = server.memory("VmRSS"),
        || misbehaving = misbehave(server.address),
    );
    let most = server.memory("VmHWM");
    let after = server.memory_at_rest();
    load(&server, clients, 0, || {}, || {});
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
        assert!(most <= full + ON_ITS_WAY, "{most} KiB at most, {full} with all connected");
        assert!(after <= rest + LEFT, "{after} KiB when all are gone, {rest} before");
        assert!(again <= after + LEAKED, "{again} KiB after as many again, {after} before");
    }

    let (stdout, stderr) = server.stop();
    let closed = stdout.iter().filter(|line| line.ends_with(": 1000")).count();
    assert_eq!((stdout.len(), closed), (2 * clients + 1, 2 * clients + 1));
    for client in misbehaving {
        let (name, lasted) = (client.name, client.lasted.unwrap());
        assert!(lasted >= client.not_before, "{name}: {lasted:?}");
        let line = stderr.iter().find_map(|line| line.strip_prefix(&client.address));
        let reason = line.and_then(|line| line.strip_prefix(": ")).unwrap_or_default();
        assert!(client.reasons.contains(&reason), "{name}: {reason}");
    }
    assert_eq!(stderr.len(), 5, "{stderr:?}");
}

/// As many clients as descriptors allow, here and in the server, which has the same limit.
fn affordable(clients: usize) -> usize {
    // Standard streams, pipes, what the test harness has open, and the five that misbehave.
    const OTHERS: usize = 20;
    match descriptors() {
        Some(limit) if limit < clients + OTHERS => {
            println!("only {} clients: {limit} descriptors are all there are", limit - OTHERS);
            limit - OTHERS
        }
        Some(_) | None => clients,
    }
}

/// The limit on descriptors, if there is one that can be asked for.
fn descriptors() -> Option<usize> {
    let output = Command::new("sh").args(["-c", "ulimit -n"]).output().ok()?;
    String::from_utf8(output.stdout).ok()?.trim().parse().ok()
}

/// The example, with deadlines that a test can wait for.
struct Server {
    child: Child,
    address: SocketAddr,
    /// What it prints, and says on standard error.
    said: Option<[JoinHandle<Vec<String>>; 2]>,
}

impl Server {
    fn start() -> Self {
        let mut path: PathBuf = std::env::current_exe().unwrap();
        path.pop();
        path.pop();
        path.push("examples");
        path.push(format!("echo_server{}", std::env::consts::EXE_SUFFIX));
        assert!(path.exists(), "{} is built by `cargo build --examples`", path.display());
        let mut child = Command::new(path)
            .args(["127.0.0.1:0", &PING.as_secs().to_string()])
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
        // Read all along: the server would wait for a pipe that is full.
        let stdout = thread::spawn(|| stdout.lines().map(Result::unwrap).collect());
        let stderr = thread::spawn(|| stderr.lines().map(Result::unwrap).collect());
        Self { child, address, said: Some([stdout, stderr]) }
    }

    /// A number of its `/proc/PID/status`, where there is one.
    fn memory(&self, key: &str) -> Option<u64> {
        let path = format!("/proc/{}/status", self.child.id());
        let status = std::fs::read_to_string(path).ok()?;
        let line = status.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(':'))?;
        line.trim().trim_end_matches(" kB").parse().ok()
    }

    /// KiB resident once all connections' threads have ended.
    fn memory_at_rest(&self) -> Option<u64> {
        let since = Instant::now();
        while self.memory("Threads")? > 1 {
            assert!(since.elapsed() < EVER, "connections are left");
            thread::yield_now();
        }
        self.memory("VmRSS")
    }

    /// All that it said.
    fn stop(mut self) -> (Vec<String>, Vec<String>) {
        assert_eq!(self.child.try_wait().unwrap(), None);
        self.child.kill().unwrap();
        let [stdout, stderr] = self.said.take().unwrap().map(|reading| reading.join().unwrap());
        (stdout, stderr)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

/// Connects so many clients, has each send a message, calls `idle` while they say nothing, has them
/// send and compare for as long as `busy` runs, waits until the server has pinged each of them so
/// many times, and closes. Returns how many messages came back.
fn load(
    server: &Server,
    clients: usize,
    pings: usize,
    idle: impl FnOnce(),
    busy: impl FnOnce(),
) -> usize {
    let entropy = |out: &mut [u8]| getrandom::fill(out).map_err(|_| EntropyError);
    let config = Arc::new(Config::new().entropy(entropy));
    // All three also give way when a thread panics: a sender and a guard are dropped then.
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
                    let mut buffer = vec![0; 64 << 10];
                    let open = |number| Client::open(server.address, number, &config);
                    let mut clients: Vec<Client> = numbers.map(open).collect();
                    clients.iter_mut().for_each(|client| client.send(FIRST));
                    clients.iter_mut().for_each(|client| client.compare(FIRST, &mut buffer));
                    drop(connecting);
                    drop(gate.lock());
                    drive(&mut clients, &mut buffer, over, pings)
                })
            })
            .collect();
        drop(connecting);
        assert!(connected.recv().is_err());
        idle();
        drop(closed);
        busy();
        over.store(true, Ordering::Relaxed);
        drivers.into_iter().map(|driver| driver.join().unwrap()).sum()
    })
}

/// Raises a flag at the end of its scope, however that ends.
struct Raise<'a>(&'a AtomicBool);

impl Drop for Raise<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// The part of one thread, after connecting.
fn drive(clients: &mut [Client], buffer: &mut [u8], over: &AtomicBool, pings: usize) -> usize {
    let mut served = 0;
    for round in 0.. {
        if round >= 3 && over.load(Ordering::Relaxed) {
            break;
        }
        clients.iter_mut().for_each(|client| client.send(round));
        clients.iter_mut().for_each(|client| client.compare(round, buffer));
        served += clients.len();
    }
    for _ in 0..pings {
        clients.iter_mut().for_each(|client| client.await_ping(buffer));
    }
    clients.iter_mut().for_each(Client::close);
    clients.iter_mut().for_each(|client| client.finish(buffer));
    served
}

/// A client that does all as it should.
struct Client {
    number: usize,
    connection: Connection,
    socket: TcpStream,
}

impl Client {
    fn open(address: SocketAddr, number: usize, config: &SharedConfig) -> Self {
        let host = address.to_string();
        let request = ClientRequest::to(&host, "/");
        let mut handshake = ClientHandshake::new(config.clone(), &request).unwrap();
        let mut socket = connect(address);
        let output = handshake.output();
        socket.write_all(&output.copy_to_bytes(output.remaining())).unwrap();
        let mut buffer = [0; 1024];
        loop {
            let length = socket.read(&mut buffer).unwrap();
            assert!(length > 0, "client {number}: the server ended the handshake");
            let mut input = &mut buffer[..length];
            if let Some(event) = handshake.receive(&mut input) {
                assert_eq!((event, input.len()), (ClientEvent::Accepted, 0));
                let connection = handshake.establish().unwrap().connection;
                return Self { number, connection, socket };
            }
        }
    }

    /// Text or binary, of a size that no other client has; now and then a large one.
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
        let output = self.connection.output();
        while output.has_remaining() {
            let length = self.socket.write(output.chunk()).unwrap();
            output.advance(length);
        }
    }

    /// Reads until an event comes that is wanted.
    fn read(&mut self, buffer: &mut [u8], mut is_wanted: impl FnMut(&Event<'_>) -> bool) {
        let mut found = false;
        while !found {
            let length = self.socket.read(buffer).unwrap();
            assert!(length > 0, "client {}: the server ended the connection", self.number);
            let mut input = &mut buffer[..length];
            while let Some(event) = self.connection.receive(&mut input) {
                found |= is_wanted(&event);
            }
            // Pongs.
            self.write();
        }
    }

    fn compare(&mut self, round: usize, buffer: &mut [u8]) {
        let (number, expected) = (self.number, self.message(round));
        self.read(buffer, |event| match event {
            Event::Message(message) => {
                assert!(*message == expected, "client {number}, round {round}");
                true
            }
            Event::Ping(_) => false,
            other => panic!("client {number}: {other:?}"),
        });
    }

    fn await_ping(&mut self, buffer: &mut [u8]) {
        self.read(buffer, |event| matches!(event, Event::Ping(_)));
    }

    fn close(&mut self) {
        self.connection.close(CloseFrame::new(CloseCode::NORMAL, "").unwrap()).unwrap();
        self.write();
    }

    fn finish(&mut self, buffer: &mut [u8]) {
        while self.connection.transport() == Transport::Open {
            let length = self.socket.read(buffer).unwrap();
            if length == 0 {
                self.connection.receive_eof();
            }
            while self.connection.receive(&mut &mut buffer[..length]).is_some() {}
        }
        let outcome = Outcome { clean: true, code: CloseCode::NORMAL };
        assert_eq!(self.connection.outcome(), Some(outcome), "client {}", self.number);
    }
}

fn connect(address: SocketAddr) -> TcpStream {
    let socket = TcpStream::connect(address).unwrap();
    socket.set_nodelay(true).unwrap();
    socket.set_read_timeout(Some(EVER)).unwrap();
    socket.set_write_timeout(Some(EVER)).unwrap();
    socket
}

/// A client that holds the server up for as long as it is let.
struct Misbehaving {
    name: &'static str,
    address: String,
    /// What the server may say about its end.
    reasons: &'static [&'static str],
    /// How long it lasts at least.
    not_before: Duration,
    lasted: thread::Result<Duration>,
}

/// One of each kind, all at once, until the server has ended all of them.
fn misbehave(address: SocketAddr) -> Vec<Misbehaving> {
    let slow_handshake = &["the opening handshake took too long"][..];
    let no_pong = &["a Ping was not answered in time"][..];
    // After a Close that said that it is too slow.
    let no_close = &["closing took too long"][..];
    // Both fall due at once.
    let no_pong_or_slow = &["a Ping was not answered in time", "closing took too long"][..];
    let kinds: [(_, _, _, fn(TcpStream)); 5] = [
        ("stalls in its handshake", slow_handshake, OPENING, stall),
        ("vanishes", no_pong, GONE, vanish),
        ("vanishes inside a frame", no_pong_or_slow, GONE, vanish_in_frame),
        ("never reads", no_pong, GONE, never_read),
        ("trickles", no_close, GONE, trickle),
    ];
    let started = kinds.map(|(name, reasons, not_before, client)| {
        let since = Instant::now();
        let socket = connect(address);
        let address = socket.local_addr().unwrap().to_string();
        let lasting = thread::spawn(move || {
            client(socket);
            since.elapsed()
        });
        (Misbehaving { name, address, reasons, not_before, lasted: Ok(Duration::ZERO) }, lasting)
    });
    let ended = started.map(|(client, lasting)| Misbehaving { lasted: lasting.join(), ..client });
    ended.into()
}

/// The bytes of an upgrade, and of what answers it.
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

/// What comes until the server ends the connection, with a reset or without.
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
    socket.write_all(b"GET / HTTP/1.1\r\nHost: h\r\nUpgr").unwrap();
    assert!(read_to_end(&mut socket).starts_with(b"HTTP/1.1 408 "));
}

/// From here on it says nothing, nor answers the Ping.
fn vanish(mut socket: TcpStream) {
    upgrade(&mut socket);
    let received = read_to_end(&mut socket);
    assert_eq!((received.len(), received[0]), (2 + 8, 0x89));
}

fn vanish_in_frame(mut socket: TcpStream) {
    upgrade(&mut socket);
    socket.write_all(b"\x82\xfe\x10\x00\x01\x02\x03\x04half").unwrap();
    let received = read_to_end(&mut socket);
    assert_eq!(received[0], 0x89);
}

fn never_read(mut socket: TcpStream) {
    upgrade(&mut socket);
    let mut frame = vec![0x82, 0xff, 0, 0, 0, 0, 0, 1, 0, 0, 9, 9, 9, 9];
    frame.resize(14 + (1 << 16), 0);
    let error = loop {
        if let Err(error) = socket.write_all(&frame) {
            break error;
        }
    };
    assert!(is_end(error.kind()), "{error}");
}

/// A byte a second of a message of a thousand. The Close is not answered either.
fn trickle(mut socket: TcpStream) {
    upgrade(&mut socket);
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
    // Before it a Ping, if the machine was too busy for a byte a second.
    assert!(received.ends_with(b"\x88\x0a\x0b\xc0too slow"), "{received:x?}");
}
