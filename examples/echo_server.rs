//! An echo server over blocking sockets, one thread for each connection.
//!
//! `cargo run --release --example echo_server -- [ADDRESS [SECONDS]]` listens on 127.0.0.1:9001, or on
//! ADDRESS (with port 0, the system chooses one). It echoes messages at every path, and answers `GET /` with
//! a page that connects back.
//!
//! With `--deflate` it compresses messages, which needs `--features deflate`. `--deflate=takeover` allows
//! context takeover, `--deflate=10` limits the windows to 10 bits, and `--deflate=takeover,10` does both.
//!
//! No client can block a thread forever. A silent client is pinged after SECONDS (20) and dropped if it
//! stays silent; the other timeouts are proportional. A message in progress has to make progress.

use std::error::Error;
use std::io::{self, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use websocket_proto::handshake::{
    AcceptError, Acceptance, Field, Handshake, ServerEvent, ServerHandshake,
};
use websocket_proto::{CloseCode, CloseFrame, Config, Connection, Event, Input, Timeouts, Unsent};

mod driver;
use driver::Socket;

static PAGE: &[u8] = include_bytes!("page.html");

fn main() -> Result<(), Box<dyn Error + Send + Sync>> {
    let mut arguments = std::env::args().skip(1).collect();
    let config = driver::with_deflate(Config::new(), &mut arguments)?;
    let mut arguments = arguments.into_iter();
    let address = arguments.next().unwrap_or_else(|| "127.0.0.1:9001".into());
    let seconds: f64 = arguments.next().map_or(Ok(20.0), |seconds| seconds.parse())?;
    if !(0.01..1e6).contains(&seconds) {
        return Err("SECONDS must be at least 0.01 and less than 1000000".into());
    }
    let timeouts = scaled(Timeouts::RECOMMENDED, seconds / 20.0);
    let config = Arc::new(config.with_timeouts(timeouts).with_statistics());
    let listener = TcpListener::bind(address)?;
    println!("listening on http://{}/", listener.local_addr()?);
    for stream in listener.incoming() {
        let config = Arc::clone(&config);
        let thread = thread::Builder::new().stack_size(256 << 10);
        let started = stream.and_then(|stream| thread.spawn(move || serve(stream, &config)));
        if let Err(error) = started {
            // Possibly out of file descriptors or threads: other connections will end.
            eprintln!("{error}");
            thread::sleep(Duration::from_millis(100));
        }
    }
    Ok(())
}

fn scaled(timeouts: Timeouts, factor: f64) -> Timeouts {
    let scale = |timeout: Option<Duration>| timeout.map(|timeout| timeout.mul_f64(factor));
    timeouts
        .with_opening(scale(timeouts.opening))
        .with_ping(scale(timeouts.ping))
        .with_pong(scale(timeouts.pong))
        .with_closing(scale(timeouts.closing))
}

/// Serves one client, and prints the reason if it fails.
fn serve(stream: TcpStream, config: &Arc<Config>) {
    let Ok(peer) = stream.peer_addr() else { return };
    let served = Socket::new(stream).map_err(Into::into).and_then(|mut socket| {
        // The only buffer of this thread, shared by the handshake and the connection.
        let mut storage = [0; 16 << 10];
        let mut input = Input::new(&mut storage);
        match accept(config, &mut socket, &mut input)? {
            Some(connection) => echo(connection, peer, &mut socket, &mut input),
            None => Ok(()),
        }
    });
    if let Err(error) = served {
        eprintln!("{peer}: {error}");
    }
}

/// Performs the opening handshake. Returns `None` after plain HTTP.
fn accept(
    config: &Arc<Config>,
    socket: &mut Socket,
    input: &mut Input<'_>,
) -> Result<Option<Connection>, Box<dyn Error>> {
    let mut handshake = ServerHandshake::new(config);
    let mut failure = None;
    loop {
        let is_open = driver::turn(&mut handshake, socket, input);
        match handshake.receive(input) {
            Some(ServerEvent::Upgrade) => {
                return Ok(Some(handshake.accept(&Acceptance::new())?));
            }
            Some(ServerEvent::Http) => respond(&mut handshake)?,
            // The response is already queued.
            Some(ServerEvent::Failed(error)) => failure = Some(error),
            None if !is_open => return failure.map_or(Ok(None), |error| Err(error.into())),
            None => {}
        }
    }
}

/// Answers plain HTTP: the page for `GET /`, an error otherwise.
fn respond(handshake: &mut ServerHandshake) -> Result<(), AcceptError> {
    let Some(request) = handshake.request() else { return Ok(()) };
    let (html, text) = ("text/html; charset=utf-8", "text/plain; charset=utf-8");
    let content_type = |value| Field::new("Content-Type", value);
    match (request.path(), request.method()) {
        ("/", "GET" | "HEAD") => handshake.respond(200, &[content_type(html)], PAGE),
        ("/", _) => {
            let fields = [content_type(text), Field::new("Allow", "GET, HEAD")];
            handshake.respond(405, &fields, b"Only GET\n")
        }
        _ => handshake.respond(404, &[content_type(text)], b"Not found\n"),
    }
}

/// Echoes every message until the connection ends.
fn echo(
    mut connection: Connection,
    peer: SocketAddr,
    socket: &mut Socket,
    input: &mut Input<'_>,
) -> Result<(), Box<dyn Error>> {
    let mut pace = Pace::default();
    while driver::turn(&mut connection, socket, input) {
        // Without room, stop receiving until the client reads.
        while connection.has_room()
            && let Some(event) = connection.receive(input)
        {
            match event {
                Event::Message(message) if connection.may_send() => {
                    connection.send(message).map_err(Unsent::into_error)?;
                }
                Event::Close(frame) => print_close(peer, frame.as_ref()),
                _ => {} // Pings and Closes are answered automatically.
            }
        }
        if pace.is_too_slow(&connection, socket.now()) && !connection.is_closing() {
            connection.close(CloseFrame::new(CloseCode::TIMEOUT, "too slow")?)?;
        }
    }
    connection.error().map_or(Ok(()), |error| Err(error.into()))
}

fn print_close(peer: SocketAddr, frame: Option<&CloseFrame<'_>>) {
    let code = frame.map_or(CloseCode::NO_STATUS, CloseFrame::code);
    let reason = frame.map_or("", CloseFrame::reason);
    let line = format!("closed {peer}: {code} {reason}");
    // Fails if nobody reads the standard output any more.
    let _ = writeln!(io::stdout(), "{}", line.trim_end());
}

/// The progress of a message. The connection accepts any byte as a sign of life; here a message must also
/// arrive at a minimum rate, so that no client occupies a thread with a byte now and then.
#[derive(Default)]
struct Pace {
    /// When the current message began, and the totals at that time.
    since: Duration,
    messages: u64,
    payload_bytes: u64,
}

impl Pace {
    const BYTES_PER_SECOND: u64 = 1024;

    fn is_too_slow(&mut self, connection: &Connection, now: Duration) -> bool {
        let received = connection.statistics().unwrap_or_default().received;
        let progress = received.payload_bytes - self.payload_bytes;
        if received.messages > self.messages || progress == 0 {
            let (messages, payload_bytes) = (received.messages, received.payload_bytes);
            *self = Self { since: now, messages, payload_bytes };
        }
        let timeouts = connection.config().timeouts();
        let patience = timeouts.ping.unwrap_or_default() + timeouts.pong.unwrap_or_default();
        now > self.since + patience + Duration::from_secs(progress / Self::BYTES_PER_SECOND)
    }
}
