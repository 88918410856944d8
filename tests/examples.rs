//! The examples, run as a person runs them.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::thread;

use websocket_proto::handshake::accept_key;

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

/// The echo server on a port of its own, ended with the test.
struct Server {
    child: Child,
    address: String,
}

impl Server {
    fn start() -> Self {
        let mut child =
            example("echo_server").arg("127.0.0.1:0").stdout(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let address = line.trim().strip_prefix("listening on http://").unwrap();
        let address = address.strip_suffix('/').unwrap().to_owned();
        Self { child, address }
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
    let mut client = example("echo_client")
        .arg(uri)
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
        let (mut socket, _) = listener.accept().unwrap();
        let mut key = String::new();
        for line in BufReader::new(socket.try_clone().unwrap()).lines() {
            let line = line.unwrap();
            if let Some(value) = line.strip_prefix("Sec-WebSocket-Key: ") {
                key = value.to_owned();
            }
            if line.is_empty() {
                break;
            }
        }
        socket.write_all(&answer(&key)).unwrap();
        socket.shutdown(std::net::Shutdown::Write).unwrap();
        let _ = socket.read_to_end(&mut Vec::new());
    });
    uri
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
