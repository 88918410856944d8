//! Runs the examples as programs.
#![cfg(all(feature = "std", feature = "getrandom"))]

#[path = "../examples/driver/mod.rs"]
mod driver;
#[path = "support/example.rs"]
mod example;

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::thread;
use std::time::Duration;

use example::example;
use websocket_proto::handshake::{
    ClientEvent, ClientHandshake, ClientRequest, Handshake, accept_key,
};
use websocket_proto::{
    Chunk, CloseCode, CloseFrame, Config, Connection, Event, Fragment, Input, Io, Message,
    Negotiated, Outcome, Timeouts, Transport,
};

/// A running example that listens on a free port. It is killed when dropped.
struct Server {
    name: String,
    child: Child,
    address: String,
    stdout: BufReader<ChildStdout>,
}

impl Server {
    fn start() -> Self {
        Self::start_with(&[])
    }

    fn start_with(options: &[&str]) -> Self {
        Self::run(example("echo_server").args(options).arg("127.0.0.1:0"))
    }

    fn minimal() -> Self {
        Self::run(example("minimal").arg("127.0.0.1:0"))
    }

    fn mio() -> Self {
        Self::run(example("mio").arg("127.0.0.1:0"))
    }

    fn embedded() -> Self {
        Self::run(example("embedded").arg("127.0.0.1:0"))
    }

    fn broadcast() -> Self {
        Self::run(example("broadcast").arg("127.0.0.1:0"))
    }

    /// A relay to the server at `upstream`.
    fn relay(upstream: &str) -> Self {
        Self::run(example("relay").args(["127.0.0.1:0", &format!("ws://{upstream}/")]))
    }

    fn run(command: &mut Command) -> Self {
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        let stdout = BufReader::new(child.stdout.take().unwrap());
        let name = format!("{command:?}");
        let mut server = Self { name, child, address: String::new(), stdout };
        let line = server.line();
        let (_, address) = line.split_once("://").unwrap();
        server.address = address.trim_end_matches('/').to_owned();
        server
    }

    /// Reads the next line of its output.
    fn line(&mut self) -> String {
        let mut line = String::new();
        self.stdout.read_line(&mut line).unwrap();
        line.trim_end().to_owned()
    }

    /// Reads the code and reason of the next Close that the echo server prints.
    fn closed(&mut self) -> String {
        let line = self.line();
        let (_, rest) = line.strip_prefix("closed ").unwrap().split_once(": ").unwrap();
        rest.to_owned()
    }

    /// Connects a client that fails after a minute of silence.
    fn connect(&self) -> TcpStream {
        let socket = TcpStream::connect(&self.address).unwrap();
        socket.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
        socket
    }

    /// Sends `request` and returns the response up to the end of the stream.
    fn ask(&self, request: &[u8]) -> String {
        let mut socket = self.connect();
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

/// Runs the client and returns its standard output, standard error and exit code.
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
    // The client may exit before it reads its input.
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

#[cfg(feature = "deflate")]
#[test]
fn client_and_server_echo_lines_with_deflate() {
    let typed = format!("short\n{}\n", "long, ".repeat(10_000)).repeat(2);
    for option in ["--deflate", "--deflate=takeover", "--deflate=9", "--deflate=takeover,8"] {
        let server = Server::start_with(&[option]);
        let uri = format!("ws://{}/", server.address);
        let (printed, error, code) = run_client_with(&[option, &uri], &typed);
        assert_eq!((printed == typed, &*error, code), (true, "", 0), "{option}");
    }
}

#[test]
fn examples_explain_an_unusable_deflate_option() {
    let wording = if cfg!(feature = "deflate") { "8 to 15 bits" } else { "--features deflate" };
    for name in ["echo_server", "echo_client"] {
        let output = example(name).arg("--deflate=16").output().unwrap();
        let error = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1));
        assert!(error.contains(wording), "{error:?}");
    }
}

#[test]
fn server_answers_plain_and_malformed_http() {
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

/// Returns an address that refuses connections: that of a client, whose port nobody else gets while its
/// connection, the returned sockets, is there.
fn refusing() -> ([TcpStream; 2], SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let address = client.local_addr().unwrap();
    ([client, listener.accept().unwrap().0], address)
}

/// Starts a server that answers one handshake with `answer` and ends the stream. Returns its URI.
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

/// Accepts one client and answers its handshake with `answer`.
fn answer_one(listener: &TcpListener, answer: impl FnOnce(&str) -> Vec<u8>) -> TcpStream {
    let (mut socket, _) = listener.accept().unwrap();
    let mut key = String::new();
    // Reads byte by byte, so that the bytes after the head stay in the socket.
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

/// A 101 response for `key`, followed by the bytes `then`.
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
fn client_prints_the_failure_and_exits_with_1() {
    let (_held, free) = refusing();
    for (uri, wording) in [
        (format!("ws://{free}/"), "refused"),
        ("ftp://127.0.0.1/".into(), "scheme"),
        ("wss://127.0.0.1/".into(), "TLS"),
        (scripted(|_| b"SSH-2.0-OpenSSH\r\n".to_vec()), ""),
        (scripted(|_| accepted("another key", b"")), "Sec-WebSocket-Accept"),
        (scripted(|key| accepted(key, b"")), "ended without a Close frame (close code 1006)"),
        (scripted(|key| accepted(key, b"\x83\x00")), "the reserved opcode 0x3 (close code 1002)"),
        (scripted(|key| accepted(key, b"\x81\x01\xff")), "not UTF-8 (close code 1007)"),
        (scripted(|key| accepted(key, b"\x88\x07\x03\xe9later")), "1001 later"),
    ] {
        let (printed, error, code) = run_client(&uri, "");
        assert_eq!((&*printed, code), ("", 1), "{error}");
        assert!(!error.trim().is_empty() && error.contains(wording), "{wording:?} in {error:?}");
    }
}

#[test]
fn clients_end_without_a_failure_after_a_close_without_a_code() {
    let uri = || scripted(|key| accepted(key, b"\x88\x00"));
    let (_, error, code) = run_client(&uri(), "");
    assert_eq!((&*error, code), ("", 0));
    let output = example("minimal_client").arg(uri()).output().unwrap();
    assert!(output.status.success(), "{output:?}");
}

#[test]
fn client_prints_messages_that_follow_the_handshake_at_once() {
    let uri = scripted(|key| accepted(key, b"\x81\x05first\x82\x02\x00\x01\x88\x02\x03\xe8"));
    let (printed, error, code) = run_client(&uri, "");
    assert_eq!((&*printed, &*error, code), ("first\n[2 bytes]\n", "", 0));
}

#[test]
fn client_prints_a_rejection_incrementally() {
    for (head, body, rest, printed) in [
        (
            "HTTP/1.1 403 Forbidden\r\nTransfer-Encoding: chunked\r\nX-Policy: none\r\n\r\n",
            "6\r\nfirst\n\r\n",
            "5\r\nlast\n\r\n0\r\n\r\n",
            "403 Forbidden\nTransfer-Encoding: chunked\nX-Policy: none\n\nfirst\n",
        ),
        (
            "HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: Basic\r\n\r\n",
            "first\n",
            "last\n",
            "401 Unauthorized\nWWW-Authenticate: Basic\n\nfirst\n",
        ),
        (
            "HTTP/1.1 404 Not Found\r\nContent-Length: 11\r\n\r\n",
            "first\n",
            "last\n",
            "404 Not Found\nContent-Length: 11\n\nfirst\n",
        ),
    ] {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let mut client = example("echo_client")
            .arg(format!("ws://{}/", listener.local_addr().unwrap()))
            .stdin(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut error = client.stderr.take().unwrap();
        let mut socket = answer_one(&listener, |_| [head, body].concat().into_bytes());
        // The server keeps the connection open: the client prints all of this before the body ends.
        let mut received = vec![0; printed.len()];
        error.read_exact(&mut received).unwrap();
        assert_eq!(String::from_utf8(received).unwrap(), printed);
        socket.write_all(rest.as_bytes()).unwrap();
        if head.contains("401") {
            // Without a length, only EOF ends the body.
            drop(socket);
        }
        let mut received = String::new();
        error.read_to_string(&mut received).unwrap();
        let status = &printed[..3];
        assert_eq!(received, format!("last\n\nthe server rejected with status {status}\n"));
        assert_eq!(client.wait().unwrap().code(), Some(1));
    }
}

#[test]
fn client_reconnects_after_temporary_failures() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let uri = format!("ws://{}/", listener.local_addr().unwrap());
    let server = thread::spawn(move || {
        let busy = b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 5\r\n\r\nBusy\n";
        drop(answer_one(&listener, |_| busy.to_vec()));
        for close in [1001, 1012, 1013_u16] {
            let [high, low] = close.to_be_bytes();
            let socket = answer_one(&listener, |key| accepted(key, &[0x88, 2, high, low]));
            socket.shutdown(Shutdown::Write).unwrap();
            // The client sends its Close and no message: it saves the line for the next open connection.
            let mut received = Vec::new();
            (&socket).read_to_end(&mut received).unwrap();
            assert_eq!((received.len(), received[0]), (8, 0x88));
        }
        let socket = answer_one(&listener, |key| accepted(key, b""));
        let mut peer = Peer::server(socket);
        assert_eq!(peer.next(), Event::Message(Message::from("kept")));
        peer.connection.send("came").unwrap();
        assert!(matches!(peer.next(), Event::Close(Some(_))));
        peer.finish_cleanly()
    });
    let (printed, error, code) = run_client_with(&["--reconnect", "0.01", &uri], "kept\n");
    assert_eq!((&*printed, code), ("came\n", 0), "{error}");
    assert!(error.contains("\nBusy\n"), "{error}");
    let lines = error.lines().filter(|line| line.contains("; again in "));
    let lines: Vec<&str> = lines.collect();
    assert_eq!(lines.len(), 4, "{error}");
    for (line, wording) in lines.iter().zip(["503", "1001", "1012", "1013"]) {
        assert!(line.contains(wording), "{line}");
        let milliseconds = line.rsplit(' ').next().unwrap().strip_suffix("ms").unwrap();
        assert!(milliseconds.parse::<f64>().unwrap() >= 5.0, "{line}");
    }
    assert_eq!(server.join().unwrap(), CloseCode::NORMAL);
}

#[test]
fn client_reconnects_until_the_server_listens() {
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
fn client_gives_up_after_permanent_failures() {
    for (uri, wording) in [
        (scripted(|_| b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n".to_vec()), "403"),
        (scripted(|key| accepted(key, b"\x83\x00")), "1002"),
        (scripted(|key| accepted(key, b"\x88\x02\x03\xf0")), "1008"),
        ("ftp://127.0.0.1/".into(), "scheme"),
        ("wss://127.0.0.1/".into(), "TLS"),
    ] {
        let (printed, error, code) = run_client_with(&["--reconnect", "0.01", &uri], "");
        assert_eq!((&*printed, code), ("", 1), "{error}");
        assert!(error.contains(wording) && !error.contains("again"), "{wording:?} in {error:?}");
    }
}

#[test]
fn minimal_client_prints_the_reply_and_closes_normally() {
    let mut server = Server::start();
    let large = "x".repeat(100_000);
    for message in ["grüße 👋", "", &large] {
        let uri = format!("ws://{}/", server.address);
        let output = example("minimal_client").args([&uri, message]).output().unwrap();
        assert!(output.stdout == format!("{message}\n").into_bytes());
        assert_eq!((output.status.code(), server.closed()), (Some(0), "1000".into()));
    }
}

#[test]
fn minimal_client_explains_a_failure() {
    let (_held, free) = refusing();
    for (uri, printed, wording) in [
        (format!("ws://{free}/"), "", "refused"),
        ("wss://127.0.0.1/".into(), "", "TLS"),
        ("localhost:9001".into(), "", "the scheme is none of ws"),
        (scripted(|_| b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n".to_vec()), "", "403"),
        (scripted(|_| b"HTTP/1.1 101 S".to_vec()), "", "the stream ended"),
        (scripted(|key| accepted(key, b"\x88\x02\x03\xe9")), "", "1001"),
        (scripted(|key| accepted(key, b"\x81\x01a\x81\x01b\x88\x02\x03\xe9")), "a\nb\n", "1001"),
        (scripted(|key| accepted(key, b"\x81\x01\xff")), "", "not UTF-8"),
        (scripted(|key| accepted(key, b"\x81\x01a\x81")), "a\n", "ended without a Close frame"),
    ] {
        let output = example("minimal_client").arg(uri).output().unwrap();
        let error = String::from_utf8(output.stderr).unwrap();
        assert_eq!((str::from_utf8(&output.stdout), output.status.code()), (Ok(printed), Some(1)));
        assert!(error.contains(wording), "{wording:?} in {error:?}");
    }
}

/// Runs `shared` and returns its standard output and exit code.
fn run_shared(uri: &str, senders: &str, messages: &str) -> (String, i32) {
    let output = example("shared").args([uri, senders, messages]).output().unwrap();
    (String::from_utf8(output.stdout).unwrap(), output.status.code().unwrap())
}

#[test]
fn several_threads_share_a_connection() {
    let mut server = Server::start();
    let uri = format!("ws://{}/", server.address);
    for (senders, messages) in [(1, 1), (2, 300), (8, 150)] {
        let (printed, code) = run_shared(&uri, &senders.to_string(), &messages.to_string());
        let total = senders * messages;
        let line = format!("{total} messages from {senders} threads came back\n");
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

/// One end of a connection over a blocking socket.
struct Peer {
    connection: Connection,
    subprotocol: Option<String>,
    socket: TcpStream,
    input: Input<'static>,
}

impl Peer {
    /// Connects a client and completes its handshake.
    fn client(address: &str, subprotocols: &[&str]) -> Self {
        let request = ClientRequest::to(address, "/").with_subprotocols(subprotocols);
        let mut handshake = ClientHandshake::new(Config::new(), &request).unwrap();
        let mut socket = TcpStream::connect(address).unwrap();
        socket.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
        let mut input = Input::owned(vec![0; 16 << 10]);
        loop {
            handshake.output().write_to(&mut socket).unwrap();
            input.read_from(&mut socket).unwrap();
            match handshake.receive(&mut input) {
                None => assert!(!input.is_finished()),
                Some(ClientEvent::Accepted) => {
                    let negotiated = handshake.negotiated().unwrap();
                    let subprotocol = negotiated.subprotocol().map(String::from);
                    let connection = handshake.establish().unwrap();
                    return Self { connection, subprotocol, socket, input };
                }
                Some(event) => panic!("{event:?}"),
            }
        }
    }

    /// Accepts a client's handshake.
    fn server(socket: TcpStream) -> Self {
        static CONFIG: Config = Config::new();
        let connection = Connection::server(&CONFIG, &Negotiated::default());
        Self { connection, subprotocol: None, socket, input: Input::owned(vec![0; 16 << 10]) }
    }

    fn write(&mut self) {
        self.connection.output().write_to(&mut self.socket).unwrap();
    }

    /// Writes the output and reads up to the next event.
    fn next(&mut self) -> Event<'static> {
        self.write();
        loop {
            if let Some(event) = self.connection.receive(&mut self.input) {
                return event.into_owned();
            }
            self.input.read_from(&mut self.socket).unwrap();
        }
    }

    /// Follows the transport instructions to the end and asserts that it is clean. Returns the close code.
    fn finish_cleanly(self) -> CloseCode {
        let outcome = self.finish();
        assert!(outcome.clean, "{outcome:?}");
        outcome.code
    }

    /// Follows the transport instructions to the end.
    fn finish(mut self) -> Outcome {
        loop {
            self.write();
            match self.connection.transport() {
                Transport::Open => {}
                Transport::Drain => self.socket.shutdown(Shutdown::Write).unwrap(),
                Transport::Close | Transport::Abort => return self.connection.outcome().unwrap(),
            }
            self.input.read_from(&mut self.socket).unwrap();
            while self.connection.receive(&mut self.input).is_some() {}
        }
    }
}

#[test]
fn minimal_echoes_to_a_client_that_reads_late() {
    for server in [Server::minimal(), Server::start()] {
        let mut client = Peer::client(&server.address, &[]);
        // More than the server's output and the socket buffers hold, followed by messages that arrive while
        // the output is full.
        let large: Vec<u8> = (0..2 << 20).map(|at: u32| (at * 31).to_be_bytes()[2]).collect();
        client.connection.send(&large).unwrap();
        client.write();
        for small in ["one", "two", "three", "four", "five"] {
            client.connection.send(small).unwrap();
        }
        client.write();
        assert!(client.next() == Event::Message(large.into()));
        for small in ["one", "two", "three", "four", "five"] {
            assert_eq!(client.next(), Event::Message(small.into()));
        }
        client.connection.close(CloseCode::NORMAL).unwrap();
        assert_eq!(client.finish_cleanly(), CloseCode::NORMAL);
    }
}

#[test]
fn rejected_client_reads_the_whole_response() {
    let upgrade = "GET / HTTP/1.1\r\nHost: h\r\nOrigin: http://other\r\nUpgrade: websocket\r\n\
        Connection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
        Sec-WebSocket-Version: 13\r\n\r\n";
    let servers = [Server::minimal(), Server::start(), Server::relay("127.0.0.1:1")];
    for (server, request, status) in servers.iter().flat_map(|server| {
        [(server, upgrade, "403"), (server, "GET / HTTP/1.1\nHost: h\r\n\r\n", "400")]
    }) {
        // The server does not read these bytes; without draining they would reset the connection.
        let request = [request.as_bytes(), &[b'x'; 100_000]].concat();
        let answer = server.ask(&request);
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{answer}");
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        assert!(head.contains(&format!("Content-Length: {}", body.len())), "{answer}");
    }
}

#[test]
fn broadcast_sends_each_message_to_all_other_clients_in_order() {
    let server = Server::broadcast();
    let mut clients: Vec<Peer> = (0..3).map(|_| Peer::client(&server.address, &[])).collect();
    // The client knows that it is a member once it has received the response.
    for sender in 0..clients.len() {
        for text in ["one", "two", "three"] {
            clients[sender].connection.send(format!("{text} from {sender}")).unwrap();
            clients[sender].write();
        }
        // The receivers send nothing: the server sends on its own initiative.
        for receiver in (0..clients.len()).filter(|&receiver| receiver != sender) {
            for text in ["one", "two", "three"] {
                let message = Message::from(format!("{text} from {sender}"));
                assert_eq!(clients[receiver].next(), Event::Message(message));
            }
        }
    }
    for mut client in clients {
        client.connection.close(CloseCode::NORMAL).unwrap();
        assert_eq!(client.finish_cleanly(), CloseCode::NORMAL);
    }
}

#[test]
fn broadcast_disconnects_a_client_that_does_not_read() {
    // More than the output, the queue and the socket buffers of one client hold.
    const COUNT: u32 = 300;
    let message = |number: u32| {
        let mut message = number.to_be_bytes().to_vec();
        message.resize(128 << 10, 0);
        message
    };
    let server = Server::broadcast();
    let mut slow = Peer::client(&server.address, &[]);
    let mut sender = Peer::client(&server.address, &[]);
    for number in 0..COUNT {
        sender.connection.send(message(number)).unwrap();
        sender.write();
    }
    sender.connection.close(CloseCode::NORMAL).unwrap();
    assert_eq!(sender.finish_cleanly(), CloseCode::NORMAL);
    for number in 0..COUNT {
        match slow.next() {
            Event::Message(received) => assert!(received == Message::from(message(number))),
            event => {
                let frame = CloseFrame::new(CloseCode::TRY_AGAIN_LATER, "too slow").unwrap();
                assert_eq!(event, Event::Close(Some(frame)));
                return;
            }
        }
    }
    panic!("all messages came");
}

/// Starts a relay and the echo server behind it.
fn relayed() -> (Server, Server) {
    let server = Server::start();
    let relay = Server::relay(&server.address);
    (server, relay)
}

#[test]
fn relay_passes_messages_pings_and_closes() {
    let (mut server, relay) = relayed();
    let mut client = Peer::client(&relay.address, &[]);
    let big: Vec<u8> = (0..1 << 20).map(|at: u32| (at * 31).to_be_bytes()[2]).collect();
    for message in ["grüße 👋".into(), "".into(), Message::from(big), "後".repeat(70_000).into()]
    {
        client.connection.send(&message).unwrap();
        assert!(client.next() == Event::Message(message));
    }
    // Fragments with a Ping between them.
    client.connection.send_chunk(Chunk::new("one, ", Fragment::First)).unwrap();
    client.connection.ping(b"between").unwrap();
    client.connection.send_chunk(Chunk::new("zwölf, ", Fragment::Middle)).unwrap();
    client.connection.send_chunk(Chunk::new("", Fragment::Last)).unwrap();
    assert_eq!(client.next(), Event::Pong(b"between".into()));
    assert_eq!(client.next(), Event::Message("one, zwölf, ".into()));
    let frame = CloseFrame::new(CloseCode(4321), "enough").unwrap();
    client.connection.close(frame).unwrap();
    assert_eq!(client.next(), Event::Close(CloseFrame::new(CloseCode(4321), "").ok()));
    assert_eq!(client.finish_cleanly(), CloseCode(4321));
    assert_eq!(server.closed(), "4321 enough");

    // Traffic in both directions at once.
    let (printed, code) = run_shared(&format!("ws://{}/", relay.address), "4", "200");
    assert_eq!((&*printed, code), ("800 messages from 4 threads came back\n", 0));
}

#[test]
fn relay_forwards_no_invalid_frame() {
    let (mut server, relay) = relayed();
    for (bytes, code, reason) in [
        // Invalid UTF-8 in the first frame, and only in the second fragment.
        (
            &b"\x81\x82\0\0\0\0\xc3\x28"[..],
            1007,
            "1001 client: the peer sent a text message that is not UTF-8",
        ),
        (
            b"\x01\x81\0\0\0\0\xc3\x80\x81\0\0\0\0\x28",
            1007,
            "1001 client: the peer sent a text message that is not UTF-8",
        ),
        (b"\x81\x00", 1002, "1001 client: the client sent a frame that is not masked"),
        (
            b"\x80\x80\0\0\0\0",
            1002,
            "1001 client: the peer sent a continuation frame without a message in progress",
        ),
        (
            b"\x88\x82\0\0\0\0\x03\xed",
            1002,
            "1001 client: the peer sent the close code 1005, which must not be sent",
        ),
        (
            b"\x82\xff\x80\0\0\0\0\0\0\x01\0\0\0\0",
            1002,
            "1001 client: the peer announced a payload length of more than 63 bits",
        ),
    ] {
        let mut client = Peer::client(&relay.address, &[]);
        client.socket.write_all(bytes).unwrap();
        assert_eq!(client.next(), Event::Close(CloseFrame::new(CloseCode(code), "").ok()));
        assert_eq!(client.finish().code, CloseCode(code));
        assert_eq!(server.closed(), reason);
    }
    // A client that disappears inside a message.
    let mut client = Peer::client(&relay.address, &[]);
    client.socket.write_all(b"\x02\x81\0\0\0\0x").unwrap();
    drop(client);
    assert_eq!(server.closed(), "1001 client: the stream ended without a Close frame");
}

#[test]
fn relay_reports_the_end_of_the_server_to_the_client() {
    for (bytes, code, reason) in [
        (&b"\x88\x09\x03\xf4restart"[..], 1012, "restart"),
        (b"\x83\x00", 1014, "server: the peer sent a frame with the reserved opcode 0x3"),
        (b"\x82\x81\0\0\0\0x", 1014, "server: the server sent a masked frame"),
        (b"", 1014, "server: the stream ended without a Close frame"),
    ] {
        let uri = scripted(move |key| {
            let answer = accepted(key, bytes);
            String::from_utf8_lossy(&answer[..answer.len() - bytes.len()])
                .replace("\r\n\r\n", "\r\nSec-WebSocket-Protocol: chat\r\n\r\n")
                .into_bytes()
                .into_iter()
                .chain(bytes.iter().copied())
                .collect()
        });
        let relay = Server::relay(uri.trim_start_matches("ws://").trim_end_matches('/'));
        let mut client = Peer::client(&relay.address, &["other", "chat"]);
        assert_eq!(client.subprotocol.as_deref(), Some("chat"));
        let frame = CloseFrame::new(CloseCode(code), reason).ok();
        assert_eq!(client.next(), Event::Close(frame));
        client.finish_cleanly();
    }
}

#[test]
fn relay_rejects_other_requests_and_missing_servers() {
    let upgrade = b"GET / HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
        Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n";
    let repeated = std::str::from_utf8(upgrade).unwrap().trim_end();
    let repeated = format!("{repeated}\r\nSec-WebSocket-Protocol: chat, chat\r\n\r\n");
    let rejecting = scripted(|_| b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n".to_vec());
    let (_held, free) = refusing();
    let missing = format!("ws://{free}/");
    for (uri, request, status) in [
        (&missing, &upgrade[..], 502),
        (&rejecting, upgrade, 502),
        (&missing, repeated.as_bytes(), 400),
        (&missing, b"GET / HTTP/1.1\r\nHost: h\r\n\r\n", 426),
        (&missing, b"GET / HTTP/1.1\nHost: h\n\n", 400),
    ] {
        let relay = Server::relay(uri.trim_start_matches("ws://").trim_end_matches('/'));
        let answer = relay.ask(request);
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{answer}");
    }
}

/// Sends `bytes` and the end of the stream. Returns the response up to the end of the server's stream.
fn answer_to(mut socket: TcpStream, bytes: &[u8]) -> Vec<u8> {
    socket.write_all(bytes).unwrap();
    socket.shutdown(Shutdown::Write).unwrap();
    let mut answer = Vec::new();
    socket.read_to_end(&mut answer).unwrap();
    answer
}

#[test]
fn servers_answer_the_next_client_after_a_faulty_one() {
    let (upstream, relay) = relayed();
    for server in [
        Server::minimal(),
        Server::embedded(),
        Server::mio(),
        Server::broadcast(),
        relay,
        upstream, // the echo server; after the relay, which needs it
    ] {
        for request in ["", "GET / HT", "GET / HTTP/1.1\nHost: h\n\n", "GET / HTTP/1.1\r\n\r\n"] {
            let answer = answer_to(server.connect(), request.as_bytes());
            let expected = if request.ends_with('\n') { "HTTP/1.1 400 " } else { "" };
            assert!(answer.starts_with(expected.as_bytes()), "{request:?}");
            assert_eq!(answer.is_empty(), expected.is_empty(), "{request:?}");
        }
        for (bytes, code) in [
            // Invalid UTF-8 at the start of a message, after valid text, and in the second fragment.
            (&b"\x81\x81\0\0\0\0\xff"[..], Some(1007)),
            (b"\x81\x83\0\0\0\0ab\xff", Some(1007)),
            (b"\x01\x83\0\0\0\0ab\xc3\x80\x81\0\0\0\0\xff", Some(1007)),
            // Headers: no masking key, a reserved opcode, a reserved bit, a stray continuation.
            (b"\x81\x00", Some(1002)),
            (b"\x83\x80\0\0\0\0", Some(1002)),
            (b"\xc1\x80\0\0\0\0", Some(1002)),
            (b"\x80\x80\0\0\0\0", Some(1002)),
            // Control frames: a long Ping, and a Close with one byte, a reserved code, a bad reason.
            (b"\x89\xfe\0\x7e\0\0\0\0", Some(1002)),
            (b"\x88\x81\0\0\0\0\x03", Some(1002)),
            (b"\x88\x82\0\0\0\0\x03\xed", Some(1002)),
            (b"\x88\x83\0\0\0\0\x03\xe8\xff", Some(1007)),
            // The stream ends between frames, in a header, in a payload, in a Ping, between fragments.
            (b"", None),
            (b"\x81", None),
            (b"\x82\x85\0\0\0\0ab", None),
            (b"\x89\x85\0\0\0\0ab", None),
            (b"\x01\x81\0\0\0\0a", None),
        ] {
            let answer = answer_to(open_raw(&server), bytes);
            if let Some(code) = code {
                let close = [&[0x88, 2][..], &u16::to_be_bytes(code)].concat();
                assert!(answer.ends_with(&close), "{bytes:x?}: {answer:x?} from {}", server.name);
            }
        }
        let mut client = Peer::client(&server.address, &[]);
        client.connection.ping(b"still there?").unwrap();
        assert_eq!(client.next(), Event::Pong(b"still there?".into()), "{}", server.name);
        client.connection.close(CloseCode::NORMAL).unwrap();
        assert_eq!(client.finish_cleanly(), CloseCode::NORMAL);
    }
}

/// `ulimit` is a command of the shell.
#[test]
#[cfg(unix)]
fn servers_answer_a_client_that_waited_for_a_file_descriptor() {
    for name in ["minimal", "echo_server", "broadcast", "mio"] {
        let path = example(name).get_program().to_owned();
        let limited = "ulimit -n 24 && exec \"$0\" 127.0.0.1:0";
        let server = Server::run(Command::new("sh").args(["-c", limited]).arg(path));
        let connected: Vec<TcpStream> = (0..30).map(|_| server.connect()).collect();
        let mut last = server.connect();
        last.write_all(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n").unwrap();
        drop(connected);
        let mut answer = Vec::new();
        last.read_to_end(&mut answer).unwrap();
        assert!(answer.starts_with(b"HTTP/1.1 "), "{name}");
    }
}

#[test]
fn turn_reads_while_the_peer_does_not() {
    static CONFIG: Config = Config::new().with_timeouts(Timeouts::RECOMMENDED);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let mut peer = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let mut socket = driver::Socket::new(listener.accept().unwrap().0).unwrap();
    let mut connection = Connection::server(&CONFIG, &Negotiated::default());
    let mut input = Input::owned(vec![0; 1024]);
    // More than the buffers of both sockets hold.
    connection.send(vec![0; 64 << 20]).unwrap();
    peer.write_all(b"\x81\x85\0\0\0\0Hello").unwrap();
    while !input.has_unread() {
        assert!(driver::turn(&mut connection, &mut socket, &mut input));
    }
    assert_eq!(connection.receive(&mut input), Some(Event::Message("Hello".into())));
    assert!(connection.has_output());
    assert_eq!(connection.error(), None);
}

/// Reads the number of connections and the resident bytes from the page of `mio`.
fn mio_memory(server: &Server) -> (usize, usize) {
    let answer = server.ask(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n");
    let (_, page) = answer.split_once("\r\n\r\n").unwrap();
    let (connections, bytes) = page.split_once(" connections, ").unwrap();
    (connections.parse().unwrap(), bytes.trim_end_matches(" bytes\n").parse().unwrap())
}

/// Opens a connection with a raw request, and reads the response.
fn open_raw(server: &Server) -> TcpStream {
    let mut socket = server.connect();
    let request = "GET / HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
        Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n";
    socket.write_all(request.as_bytes()).unwrap();
    let mut response = Vec::new();
    while !response.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        socket.read_exact(&mut byte).unwrap();
        response.push(byte[0]);
    }
    assert!(response.starts_with(b"HTTP/1.1 101 "));
    socket
}

#[test]
fn mio_and_embedded_echo_and_close_normally() {
    for (server, len) in [(Server::mio(), 200_000), (Server::embedded(), 2000)] {
        let long = "x".repeat(len);
        let typed = format!("hello\ngrüße 👋\n{long}\n");
        let uri = format!("ws://{}/", server.address);
        let (printed, error, code) = run_client(&uri, &typed);
        assert_eq!((printed == typed, &*error, code), (true, "", 0), "{}", server.name);
    }
}

#[test]
fn mio_forgets_clients_whose_stream_ends() {
    let server = Server::mio();
    let close = b"\x88\x82\0\0\0\0\x03\xe8";
    for bytes in [&b""[..], b"\x82", b"\x82\x85\0\0\0\0ab", b"\x81\x80\0\0\0\0", close] {
        let mut sockets: Vec<_> = (0..20).map(|_| open_raw(&server)).collect();
        sockets.extend((0..20).map(|_| server.connect()));
        sockets.iter_mut().for_each(|socket| socket.write_all(bytes).unwrap());
        drop(sockets);
        // The server handles the ends of these streams before the request that follows them.
        assert_eq!(mio_memory(&server).0, 1, "{bytes:x?}");
    }
}

/// `IDLE_CONNECTIONS=10000` needs a limit of open files above that.
#[test]
#[cfg(target_os = "linux")]
fn mio_holds_an_idle_connection_in_500_bytes() {
    let count = std::env::var("IDLE_CONNECTIONS").map_or(700, |count| count.parse().unwrap());
    let server = Server::mio();
    let mut sockets: Vec<_> = (0..50).map(|_| open_raw(&server)).collect();
    let (_, before) = mio_memory(&server);
    sockets.extend((0..count).map(|_| open_raw(&server)));
    let (connections, after) = mio_memory(&server);
    assert_eq!(connections, sockets.len() + 1);
    let each = after.saturating_sub(before) / count;
    println!("{each} bytes for each of {count} idle connections");
    assert!(each <= 500, "{each}");
}

/// The loop of `manual::time` over a real socket while both directions are full.
#[test]
fn pipelined_messages_return_at_megabytes_per_second() {
    const QUIET: Duration = Duration::from_secs(1);
    const BLOCKED: Duration = Duration::from_millis(10);

    const MESSAGES: usize = 64;
    const MESSAGE_LEN: usize = 256 << 10;

    /// The sum of the waits that may expire: 16 MiB at 1 MiB/s. About 1 s expires; with waits of 1 s for blocked
    /// output, more than a minute does.
    const MAX_EXPIRED: Duration = Duration::from_secs(16);

    let server = Server::minimal();
    let mut socket = open_raw(&server);
    socket.set_write_timeout(Some(BLOCKED)).unwrap();
    let mut input = Input::owned(vec![0; 64 << 10]);
    let mut connection = Connection::client(Config::new(), &Negotiated::default()).unwrap();
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
