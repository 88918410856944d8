//! An echo server over blocking sockets of the standard library, one thread for each connection.
//!
//! `cargo run --release --example echo_server [ADDRESS]` listens on 127.0.0.1:9001, or on ADDRESS
//! (port 0 picks one). It echoes text and binary at every path, and answers `GET /` with a page that
//! connects back.

use std::error::Error;
use std::io::{self, IoSlice, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use bytes::Buf;
use websocket_proto::handshake::{Acceptance, Field, ServerEvent, ServerHandshake};
use websocket_proto::{
    CloseCode, CloseFrame, Config, Connection, Event, Output, SendError, SendReason, Transport,
};

static CONFIG: Config = Config::new();
static PAGE: &str = include_str!("page.html");

/// How long a peer may take to end its stream once ours is over.
const DRAIN: Duration = Duration::from_secs(5);

fn main() -> Result<(), Box<dyn Error>> {
    let address = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:9001".into());
    let listener = TcpListener::bind(address)?;
    println!("listening on http://{}/", listener.local_addr()?);
    for socket in listener.incoming() {
        let socket = match socket {
            Ok(socket) => socket,
            Err(error) => {
                // Out of descriptors, perhaps: others will be closed.
                eprintln!("accept: {error}");
                thread::sleep(Duration::from_millis(100));
                continue;
            }
        };
        let serving = thread::Builder::new().stack_size(256 << 10).spawn(|| {
            let peer = socket.peer_addr();
            if let (Err(error), Ok(peer)) = (serve(socket), peer) {
                eprintln!("{peer}: {error}");
            }
        });
        if let Err(error) = serving {
            eprintln!("thread: {error}");
        }
    }
    Ok(())
}

/// Serves one socket: the opening handshake, then the connection it leads to.
fn serve(mut socket: TcpStream) -> io::Result<()> {
    socket.set_nodelay(true)?;
    let peer = socket.peer_addr()?;
    let mut buffer = vec![0; 64 << 10];
    let mut handshake = ServerHandshake::new(&CONFIG);
    loop {
        write_all(handshake.output(), &mut socket)?;
        match handshake.transport() {
            Transport::Open => {}
            Transport::Drain => return drain(&mut socket, &mut buffer),
            Transport::Close | Transport::Abort => return Ok(()),
        }
        let length = socket.read(&mut buffer)?;
        if length == 0 {
            handshake.receive_eof();
        }
        let mut input = &mut buffer[..length];
        match handshake.receive(&mut input) {
            None => {}
            Some(ServerEvent::Upgrade) => {
                let established = handshake.accept(&Acceptance::new()).map_err(io::Error::other)?;
                // What came behind the request is the connection's.
                let rest = length - input.len()..length;
                return echo(established.connection, socket, peer, buffer, rest);
            }
            Some(ServerEvent::Http) => answer(&mut handshake).map_err(io::Error::other)?,
            Some(ServerEvent::Failed(error)) => eprintln!("{peer}: {error}"),
        }
    }
}

/// Plain HTTP on the same port: the page, and nothing else.
fn answer(handshake: &mut ServerHandshake) -> Result<(), websocket_proto::handshake::HeadError> {
    let request = handshake.request();
    let is_read = request.is_some_and(|request| matches!(request.method(), "GET" | "HEAD"));
    let is_page = request.is_some_and(|request| request.path() == "/");
    let text = Field::new("Content-Type", "text/plain; charset=utf-8");
    match (is_page, is_read) {
        (true, true) => {
            let html = Field::new("Content-Type", "text/html; charset=utf-8");
            handshake.respond(200, &[html], PAGE.as_bytes())
        }
        (true, false) => {
            handshake.respond(405, &[text, Field::new("Allow", "GET, HEAD")], b"Only GET\n")
        }
        (false, _) => handshake.respond(404, &[text], b"Not found\n"),
    }
}

/// Sends every message back. `buffer[rest]` is the first input.
fn echo(
    mut connection: Connection,
    mut socket: TcpStream,
    peer: SocketAddr,
    mut buffer: Vec<u8>,
    rest: std::ops::Range<usize>,
) -> io::Result<()> {
    let mut input = &mut buffer[rest];
    loop {
        while let Some(event) = connection.receive(&mut input) {
            match event {
                Event::Message(message) => {
                    let mut unsent = Some(message);
                    while let Some(message) = unsent.take() {
                        match connection.send(message) {
                            Ok(()) => {}
                            // Too much waits: nothing is received until it is written.
                            Err(SendError { unsent: message, reason: SendReason::Full }) => {
                                write_all(connection.output(), &mut socket)?;
                                unsent = Some(message);
                            }
                            // The connection is closing: there is nobody to echo to.
                            Err(_) => {}
                        }
                    }
                }
                Event::Close(frame) => {
                    let code = frame.as_ref().map_or(CloseCode::NO_STATUS, CloseFrame::code);
                    let reason = frame.as_ref().map_or("", CloseFrame::reason);
                    let line = format!("closed {peer}: {code} {reason}");
                    // Nobody may be listening any more.
                    let _ = writeln!(io::stdout(), "{}", line.trim_end());
                }
                Event::Failed(error) => eprintln!("{peer}: {error}"),
                // Answered already.
                _ => {}
            }
        }
        if let Err(error) = write_all(connection.output(), &mut socket) {
            connection.abort();
            return Err(error);
        }
        match connection.transport() {
            Transport::Open => {}
            Transport::Drain => return drain(&mut socket, &mut buffer),
            Transport::Close | Transport::Abort => return Ok(()),
        }
        let length = socket.read(&mut buffer)?;
        if length == 0 {
            connection.receive_eof();
        }
        input = &mut buffer[..length];
    }
}

/// Writes all that waits, header and payload in one call.
fn write_all(output: &mut Output, socket: &mut TcpStream) -> io::Result<()> {
    while output.has_remaining() {
        let mut slices = [IoSlice::new(&[]); 16];
        let count = output.chunks_vectored(&mut slices);
        let length = socket.write_vectored(&slices[..count])?;
        if length == 0 {
            return Err(io::ErrorKind::WriteZero.into());
        }
        output.advance(length);
    }
    Ok(())
}

/// Ends our direction and drops what still comes: closing with unread bytes would reset the
/// connection and destroy what is on its way to the peer.
fn drain(socket: &mut TcpStream, buffer: &mut [u8]) -> io::Result<()> {
    socket.shutdown(Shutdown::Write)?;
    let deadline = Instant::now() + DRAIN;
    while let Some(left) = deadline.checked_duration_since(Instant::now()) {
        if left.is_zero() {
            break;
        }
        socket.set_read_timeout(Some(left))?;
        match socket.read(buffer) {
            Ok(0) | Err(_) => break,
            Ok(_) => {}
        }
    }
    Ok(())
}
