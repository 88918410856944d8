//! The examples, run as a person runs them.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::thread;
use std::time::Duration;

use bytes::Buf;
use websocket_proto::handshake::{ClientEvent, ClientHandshake, ClientRequest, accept_key};
use websocket_proto::{
    Chunk, CloseCode, CloseFrame, Config, Connection, EntropyError, Event, Message, Negotiated,
    Outcome, Transport,
};

/// An example that `cargo test` has built beside this test.
fn example(name: &str) -> Command {
    let mut path: PathBuf = std::env::current_exe().unwrap();
    path.pop();
    path.pop();
    path.push("examples");
    path.push(format!("{name}{}", std::env::consts::EXE_SUFFIX));
    assert!(
        path.exists(),
        "{} is built by `cargo test` or `cargo build --examples`",
        path.display()
    );
    Command::new(path)
}

/// An example that listens on a port of its own, ended with the test.
struct Server {
    child: Child,
    address: String,
    stdout: BufReader<ChildStdout>,
}

impl Server {
    fn start() -> Self {
        Self::run(example("echo_server").arg("127.0.0.1:0"))
    }

    /// The relay to this address.
    fn relay(upstream: &str) -> Self {
        Self::run(example("relay").args(["127.0.0.1:0", &format!("ws://{upstream}/")]))
    }

    fn run(command: &mut Command) -> Self {
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        let stdout = BufReader::new(child.stdout.take().unwrap());
        let mut server = Self { child, address: String::new(), stdout };
        let line = server.line();
        let (_, address) = line.split_once("://").unwrap();
        server.address = address.trim_end_matches('/').to_owned();
        server
    }

    /// The next line that it prints.
    fn line(&mut self) -> String {
        let mut line = String::new();
        self.stdout.read_line(&mut line).unwrap();
        line.trim_end().to_owned()
    }

    /// The code and reason of the next Close that the echo server tells.
    fn closed(&mut self) -> String {
        let line = self.line();
        let (_, rest) = line.strip_prefix("closed ").unwrap().split_once(": ").unwrap();
        rest.to_owned()
    }

    /// All that the server answers to these bytes.
    fn ask(&self, request: &[u8]) -> String {
        let mut socket = TcpStream::connect(&self.address).unwrap();
        socket.write_all(request).unwrap();
        let mut answer = Vec::new();
        socket.read_to_end(&mut answer).unwrap();
        String::from_utf8_lossy(&answer).into_owned()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

/// What the client prints, says on standard error, and exits with.
fn run_client(uri: &str, typed: &str) -> (String, String, i32) {
    run_client_with(&[uri], typed)
}

fn run_client_with(arguments: &[&str], typed: &str) -> (String, String, i32) {
    let mut client = example("echo_client")
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // It may be gone before it reads.
    let _ = client.stdin.take().unwrap().write_all(typed.as_bytes());
    let output = client.wait_with_output().unwrap();
    (
        String::from_utf8(output.stdout).unwrap(),
        String::from_utf8(output.stderr).unwrap(),
        output.status.code().unwrap(),
    )
}

#[test]
fn client_and_server_echo_lines_and_close_normally() {
    let server = Server::start();
    for path in ["/", "/any/path?query"] {
        let long = "x".repeat(100_000);
        let typed = format!("hello\n\ngrüße 👋\n{long}\n");
        let uri = format!("ws://{}{path}", server.address);
        let (printed, error, code) = run_client(&uri, &typed);
        assert_eq!((printed == typed, &*error, code), (true, "", 0));
    }
}

#[test]
fn the_server_answers_plain_and_bad_http() {
    let server = Server::start();
    for (request, status) in [
        (&b"GET / HTTP/1.1\r\nHost: h\r\n\r\n"[..], "200"),
        (b"HEAD / HTTP/1.0\r\n\r\n", "200"),
        (b"POST / HTTP/1.1\r\nHost: h\r\n\r\n", "405"),
        (b"GET /other HTTP/1.1\r\nHost: h\r\n\r\n", "404"),
        (b"GET / HTTP/1.1\nHost: h\n\n", "400"),
        (b"GET / HTTP/1.1\r\n\r\n", "400"),
        (b"GET / HTTP/2.0\r\nHost: h\r\n\r\n", "505"),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", "400"),
        (
            b"GET / HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
           Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 8\r\n\r\n",
            "426",
        ),
    ] {
        let answer = server.ask(request);
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{answer}");
    }
    let page = server.ask(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n");
    assert!(page.contains("<!doctype html>") || page.contains("<!DOCTYPE html>"));
}

/// A server that answers one handshake with `answer` and what follows it.
fn scripted(answer: impl FnOnce(&str) -> Vec<u8> + Send + 'static) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let uri = format!("ws://{}/", listener.local_addr().unwrap());
    thread::spawn(move || {
        let mut socket = answer_one(&listener, answer);
        socket.shutdown(Shutdown::Write).unwrap();
        let _ = socket.read_to_end(&mut Vec::new());
    });
    uri
}

/// Answers the next handshake with `answer` and what follows it.
fn answer_one(listener: &TcpListener, answer: impl FnOnce(&str) -> Vec<u8>) -> TcpStream {
    let (mut socket, _) = listener.accept().unwrap();
    let mut key = String::new();
    // Byte by byte: what follows the head stays in the socket.
    for line in BufReader::with_capacity(1, socket.try_clone().unwrap()).lines() {
        let line = line.unwrap();
        if let Some(value) = line.strip_prefix("Sec-WebSocket-Key: ") {
            key = value.to_owned();
        }
        if line.is_empty() {
            break;
        }
    }
    socket.write_all(&answer(&key)).unwrap();
    socket
}

/// The 101 that the key asks for, and these bytes behind it.
fn accepted(key: &str, then: &[u8]) -> Vec<u8> {
    let accept = accept_key(key.as_bytes());
    let head = format!(
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Accept: {}\r\n\r\n",
        str::from_utf8(&accept).unwrap()
    );
    [head.as_bytes(), then].concat()
}

#[test]
fn the_client_says_what_happened_and_exits_with_1() {
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    for (uri, wording) in [
        (format!("ws://{free}/"), "refused"),
        ("http://127.0.0.1/".into(), "scheme"),
        ("wss://127.0.0.1/".into(), "TLS"),
        (
            scripted(|_| b"HTTP/1.1 403 Forbidden\r\nContent-Length: 5\r\n\r\nNope\n".to_vec()),
            "403: Nope",
        ),
        (scripted(|_| b"SSH-2.0-OpenSSH\r\n".to_vec()), ""),
        (scripted(|_| accepted("another key", b"")), "Sec-WebSocket-Accept"),
        (scripted(|key| accepted(key, b"")), "ended without a Close frame (close code 1006)"),
        (scripted(|key| accepted(key, b"\x83\x00")), "opcode 0x3 is reserved (close code 1002)"),
        (scripted(|key| accepted(key, b"\x81\x01\xff")), "not UTF-8 (close code 1007)"),
        (scripted(|key| accepted(key, b"\x88\x07\x03\xe9later")), "1001 later"),
        (scripted(|key| accepted(key, b"\x88\x00")), "1005"),
    ] {
        let (printed, error, code) = run_client(&uri, "");
        assert_eq!((&*printed, code), ("", 1), "{error}");
        assert!(!error.trim().is_empty() && error.contains(wording), "{wording:?} in {error:?}");
    }
}

#[test]
fn messages_that_come_right_behind_the_handshake_are_printed() {
    let uri = scripted(|key| accepted(key, b"\x81\x05first\x82\x02\x00\x01\x88\x02\x03\xe8"));
    let (printed, error, code) = run_client(&uri, "");
    assert_eq!((&*printed, &*error, code), ("first\n[2 bytes]\n", "", 0));
}

#[test]
fn the_client_connects_again_after_what_may_pass() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let uri = format!("ws://{}/", listener.local_addr().unwrap());
    let server = thread::spawn(move || {
        let busy = b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 5\r\n\r\nBusy\n";
        drop(answer_one(&listener, |_| busy.to_vec()));
        for close in [1001, 1012, 1013_u16] {
            let [high, low] = close.to_be_bytes();
            let socket = answer_one(&listener, |key| accepted(key, &[0x88, 2, high, low]));
            socket.shutdown(Shutdown::Write).unwrap();
            // Its Close, and no message: what is typed was kept for a connection that is open.
            let mut received = Vec::new();
            (&socket).read_to_end(&mut received).unwrap();
            assert_eq!((received.len(), received[0]), (8, 0x88));
        }
        let socket = answer_one(&listener, |key| accepted(key, b""));
        let mut peer = Peer::server(socket);
        assert_eq!(peer.next(), Event::Message(Message::from("kept")));
        peer.connection.send("came").unwrap();
        assert!(matches!(peer.next(), Event::Close(Some(_))));
        peer.finish()
    });
    let (printed, error, code) = run_client_with(&["--reconnect", "0.01", &uri], "kept\n");
    assert_eq!((&*printed, code), ("came\n", 0), "{error}");
    let lines: Vec<&str> = error.lines().collect();
    assert_eq!(lines.len(), 4, "{error}");
    for (line, wording) in lines.iter().zip(["503: Busy", "1001", "1012", "1013"]) {
        assert!(line.contains(wording) && line.contains("; again in "), "{line}");
    }
    assert_eq!(server.join().unwrap(), Some(Outcome { clean: true, code: CloseCode::NORMAL }));
}

#[test]
fn the_client_waits_for_a_server_that_is_not_there_yet() {
    let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let mut client = example("echo_client")
        .args(["--reconnect", "0.02", &format!("ws://{address}/")])
        .stdin(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(client.stderr.take().unwrap()).lines();
    for _ in 0..2 {
        let line = lines.next().unwrap().unwrap();
        assert!(line.contains("refused") && line.contains("; again in "), "{line}");
    }
    let listener = TcpListener::bind(address).unwrap();
    let mut peer = Peer::server(answer_one(&listener, |key| accepted(key, b"")));
    assert!(matches!(peer.next(), Event::Close(Some(_))));
    peer.finish();
    assert_eq!(client.wait().unwrap().code(), Some(0));
}

#[test]
fn the_client_gives_up_where_another_try_would_end_the_same() {
    for (uri, wording) in [
        (scripted(|_| b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n".to_vec()), "403"),
        (scripted(|key| accepted(key, b"\x83\x00")), "1002"),
        (scripted(|key| accepted(key, b"\x88\x02\x03\xf0")), "1008"),
        ("http://127.0.0.1/".into(), "scheme"),
    ] {
        let (printed, error, code) = run_client_with(&["--reconnect", "0.01", &uri], "");
        assert_eq!((&*printed, code), ("", 1), "{error}");
        assert!(error.contains(wording) && !error.contains("again"), "{wording:?} in {error:?}");
    }
}

/// What `shared` prints, and exits with.
fn run_shared(uri: &str, writers: &str, messages: &str) -> (String, i32) {
    let output = example("shared").args([uri, writers, messages]).output().unwrap();
    (String::from_utf8(output.stdout).unwrap(), output.status.code().unwrap())
}

#[test]
fn threads_share_a_connection() {
    let mut server = Server::start();
    let uri = format!("ws://{}/", server.address);
    for (writers, messages) in [(1, 1), (2, 300), (8, 150)] {
        let (printed, code) = run_shared(&uri, &writers.to_string(), &messages.to_string());
        let total = writers * messages;
        let line = format!("{total} messages from {writers} threads came back\n");
        assert_eq!((printed, code), (line, 0));
        assert_eq!(server.closed(), "1000");
    }
    for uri in [
        scripted(|key| accepted(key, b"\x88\x02\x03\xe8")),
        scripted(|key| accepted(key, b"")),
        scripted(|key| accepted(key, b"\x81\x05other")),
    ] {
        assert_eq!(run_shared(&uri, "3", "1000"), (String::new(), 1));
    }
}

/// An end of a connection over a blocking socket.
struct Peer {
    connection: Connection,
    negotiated: Negotiated,
    socket: TcpStream,
    buffer: Vec<u8>,
}

impl Peer {
    /// A client whose handshake is accepted.
    fn client(address: &str, subprotocols: &[&str]) -> Self {
        let entropy = |out: &mut [u8]| getrandom::fill(out).map_err(|_| EntropyError);
        let config = Config::new().entropy(entropy);
        let request = ClientRequest::to(address, "/").subprotocols(subprotocols);
        let mut handshake = ClientHandshake::new(config, &request).unwrap();
        let mut socket = TcpStream::connect(address).unwrap();
        socket.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
        let output = handshake.output();
        socket.write_all(&output.copy_to_bytes(output.remaining())).unwrap();
        let mut buffer = [0; 1024];
        loop {
            let length = socket.read(&mut buffer).unwrap();
            assert!(length > 0);
            let mut input = &mut buffer[..length];
            match handshake.receive(&mut input) {
                None => {}
                Some(ClientEvent::Accepted) => {
                    let established = handshake.establish().unwrap();
                    return Self {
                        connection: established.connection,
                        negotiated: established.negotiated,
                        socket,
                        buffer: input.to_vec(),
                    };
                }
                Some(event) => panic!("{event:?}"),
            }
        }
    }

    /// A server that has accepted.
    fn server(socket: TcpStream) -> Self {
        static CONFIG: Config = Config::new();
        let negotiated = Negotiated::default();
        let connection = Connection::server(&CONFIG, &negotiated);
        Self { connection, negotiated, socket, buffer: Vec::new() }
    }

    fn write(&mut self) {
        let output = self.connection.output();
        while output.has_remaining() {
            let length = self.socket.write(output.chunk()).unwrap();
            output.advance(length);
        }
    }

    /// Writes all that waits, and reads the next event.
    fn next(&mut self) -> Event<'static> {
        self.write();
        loop {
            let mut input = &mut self.buffer[..];
            let event = self.connection.receive(&mut input).map(Event::into_owned);
            self.buffer = input.to_vec();
            if let Some(event) = event {
                return event;
            }
            self.read();
        }
    }

    fn read(&mut self) {
        let mut buffer = [0; 16 << 10];
        match self.socket.read(&mut buffer).unwrap() {
            0 => self.connection.receive_eof(),
            length => self.buffer.extend_from_slice(&buffer[..length]),
        }
    }

    /// Follows the closing handshake to the end of the transport.
    fn finish(mut self) -> Option<Outcome> {
        self.write();
        loop {
            match self.connection.transport() {
                Transport::Open => {}
                Transport::Drain => self.socket.shutdown(Shutdown::Write).unwrap(),
                Transport::Close | Transport::Abort => return self.connection.outcome(),
            }
            self.read();
            while self.connection.receive(&mut &mut self.buffer[..]).is_some() {}
            self.buffer.clear();
        }
    }
}

/// A relay to an echo server.
fn relayed() -> (Server, Server) {
    let server = Server::start();
    let relay = Server::relay(&server.address);
    (server, relay)
}

#[test]
fn the_relay_passes_messages_pings_and_closes() {
    let (mut server, relay) = relayed();
    let mut client = Peer::client(&relay.address, &[]);
    let big: Vec<u8> = (0..1 << 20).map(|at: u32| (at * 31).to_be_bytes()[2]).collect();
    for message in ["grüße 👋".into(), "".into(), Message::from(big), "後".repeat(70_000).into()]
    {
        client.connection.send(message.clone()).unwrap();
        assert!(client.next() == Event::Message(message));
    }
    // Fragments, with a Ping between two, and a character cut by none of them.
    let piece = |text: &'static str, first, last| Chunk { payload: text.into(), first, last };
    client.connection.send_chunk(piece("one, ", true, false)).unwrap();
    client.connection.ping(b"between").unwrap();
    client.connection.send_chunk(piece("zwölf, ", false, false)).unwrap();
    client.connection.send_chunk(piece("", false, true)).unwrap();
    assert_eq!(client.next(), Event::Pong(b"between".into()));
    assert_eq!(client.next(), Event::Message("one, zwölf, ".into()));
    let frame = CloseFrame::new(CloseCode(4321), "enough").unwrap();
    client.connection.close(frame).unwrap();
    assert_eq!(client.next(), Event::Close(CloseFrame::new(CloseCode(4321), "").ok()));
    assert_eq!(client.finish(), Some(Outcome { clean: true, code: CloseCode(4321) }));
    assert_eq!(server.closed(), "4321 enough");

    // The example that shares a connection has the most to say at once.
    let (printed, code) = run_shared(&format!("ws://{}/", relay.address), "4", "200");
    assert_eq!((&*printed, code), ("800 messages from 4 threads came back\n", 0));
}

#[test]
fn the_relay_stops_what_breaks_a_rule() {
    let (mut server, relay) = relayed();
    for (bytes, code, reason) in [
        // Text that is not UTF-8, and text that is until its second fragment.
        (&b"\x81\x82\0\0\0\0\xc3\x28"[..], 1007, "1001 client: a text message is not UTF-8"),
        (
            b"\x01\x81\0\0\0\0\xc3\x80\x81\0\0\0\0\x28",
            1007,
            "1001 client: a text message is not UTF-8",
        ),
        (b"\x81\x00", 1002, "1001 client: a client's frame is not masked"),
        (b"\x80\x80\0\0\0\0", 1002, "1001 client: a continuation without a message"),
        (b"\x88\x82\0\0\0\0\x03\xed", 1002, "1001 client: close code 1005 may not be sent"),
        (b"\x82\xff\0\0\0\0\x04\0\0\x01\0\0\0\0", 1009, "1001 client: a message exceeds the limit"),
    ] {
        let mut client = Peer::client(&relay.address, &[]);
        client.socket.write_all(bytes).unwrap();
        assert_eq!(client.next(), Event::Close(CloseFrame::new(CloseCode(code), "").ok()));
        assert_eq!(client.finish().unwrap().code, CloseCode(code));
        assert_eq!(server.closed(), reason);
    }
    // A client that vanishes inside a message.
    let mut client = Peer::client(&relay.address, &[]);
    client.socket.write_all(b"\x02\x81\0\0\0\0x").unwrap();
    drop(client);
    assert_eq!(server.closed(), "1001 client: the stream ended without a Close frame");
}

#[test]
fn the_relay_tells_a_client_what_the_server_does() {
    for (said, code, reason) in [
        (&b"\x88\x09\x03\xf4restart"[..], 1012, "restart"),
        (b"\x83\x00", 1014, "server: opcode 0x3 is reserved"),
        (b"\x82\x81\0\0\0\0x", 1014, "server: a server's frame is masked"),
        (b"", 1014, "server: the stream ended without a Close frame"),
    ] {
        let uri = scripted(move |key| {
            let answer = accepted(key, said);
            String::from_utf8_lossy(&answer[..answer.len() - said.len()])
                .replace("\r\n\r\n", "\r\nSec-WebSocket-Protocol: chat\r\n\r\n")
                .into_bytes()
                .into_iter()
                .chain(said.iter().copied())
                .collect()
        });
        let relay = Server::relay(uri.trim_start_matches("ws://").trim_end_matches('/'));
        let mut client = Peer::client(&relay.address, &["other", "chat"]);
        assert_eq!(client.negotiated.subprotocol(), Some("chat"));
        let frame = CloseFrame::new(CloseCode(code), reason).ok();
        assert_eq!(client.next(), Event::Close(frame));
        assert!(client.finish().unwrap().clean);
    }
}

#[test]
fn the_relay_refuses_what_it_cannot_relay() {
    let upgrade = b"GET / HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
        Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n";
    let refusing = scripted(|_| b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n".to_vec());
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let missing = format!("ws://{free}/");
    for (uri, request, status) in [
        (&missing, &upgrade[..], 502),
        (&refusing, upgrade, 502),
        (&missing, b"GET / HTTP/1.1\r\nHost: h\r\n\r\n", 426),
        (&missing, b"GET / HTTP/1.1\nHost: h\n\n", 400),
    ] {
        let relay = Server::relay(uri.trim_start_matches("ws://").trim_end_matches('/'));
        let answer = relay.ask(request);
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{answer}");
    }
}
