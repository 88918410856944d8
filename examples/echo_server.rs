//! An echo server over blocking sockets of the standard library, one thread for each connection.
//!
//! `cargo run --release --example echo_server [ADDRESS [SECONDS]]` listens on 127.0.0.1:9001, or on
//! ADDRESS (port 0 picks one). It echoes text and binary at every path, and answers `GET /` with a
//! page that connects back.
//!
//! No client holds a thread for ever: one that is silent is pinged after SECONDS (20) and given up
//! if it stays silent; one that does not read, does not end its handshake or its closing, or sends
//! a byte now and then, has deadlines in proportion. No call on a socket waits past the next one.

use std::error::Error;
use std::io::{self, ErrorKind, IoSlice, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::ops::Range;
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use bytes::Buf;
use websocket_proto::handshake::{Acceptance, Field, HeadError, ServerEvent, ServerHandshake};
use websocket_proto::{
    Buffers, CloseCode, CloseFrame, Config, Connection, Event, Output, SendError, SendReason,
    Timeouts, Transport,
};

static PAGE: &str = include_str!("page.html");

/// All the memory that a connection at rest needs: it lies on the stack of its thread.
const BUFFER: usize = 16 << 10;

/// Memory for a turn of any connection, lent by who last had one. Threads that allocate for
/// themselves would each keep what they free: that is how allocators are fast.
static BUFFERS: Mutex<Vec<Buffers>> = Mutex::new(Vec::new());

/// Where the clock begins.
static START: LazyLock<Instant> = LazyLock::new(Instant::now);

/// The clock that connections are told: any origin will do, as long as it stays the same.
fn now() -> Duration {
    START.elapsed()
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let address = arguments.next().unwrap_or_else(|| "127.0.0.1:9001".into());
    let seconds: f64 = arguments.next().map_or(Ok(20.0), |seconds| seconds.parse())?;
    if !(0.01..1e6).contains(&seconds) {
        return Err("SECONDS is a number from 0.01 on".into());
    }
    let timeouts = scaled(Timeouts::MIDDLEBOXES, seconds / 20.0);
    let config = Arc::new(Config::new().timeouts(timeouts));
    let listener = TcpListener::bind(address)?;
    println!("listening on http://{}/", listener.local_addr()?);
    for stream in listener.incoming() {
        let stream = match stream {
            Ok(stream) => stream,
            Err(error) => {
                // Out of descriptors, perhaps: others will be closed.
                eprintln!("accept: {error}");
                thread::sleep(Duration::from_millis(100));
                continue;
            }
        };
        let config = Arc::clone(&config);
        let serving = thread::Builder::new().stack_size(256 << 10).spawn(move || {
            let peer = stream.peer_addr();
            if let (Err(error), Ok(peer)) = (serve(stream, &config, &timeouts), peer) {
                eprintln!("{peer}: {error}");
            }
        });
        if let Err(error) = serving {
            eprintln!("thread: {error}");
        }
    }
    Ok(())
}

/// All times, times `factor`.
fn scaled(timeouts: Timeouts, factor: f64) -> Timeouts {
    let scale = |time: Option<Duration>| time.map(|time| time.mul_f64(factor));
    Timeouts {
        opening: scale(timeouts.opening),
        ping: scale(timeouts.ping),
        pong: scale(timeouts.pong),
        idle: scale(timeouts.idle),
        closing: scale(timeouts.closing),
    }
}

/// Serves one socket: the opening handshake, then the connection it leads to.
fn serve(stream: TcpStream, config: &Arc<Config>, timeouts: &Timeouts) -> io::Result<()> {
    let peer = stream.peer_addr()?;
    let mut socket = Socket::new(stream)?;
    let mut buffer = [0; BUFFER];
    let mut handshake = ServerHandshake::new(config);
    // The time is told once for each wake-up, before anything else.
    handshake.handle_timeout(now());
    loop {
        while handshake.wants_write() {
            let deadline = handshake.poll_timeout();
            socket.write(handshake.output(), deadline)?;
            handshake.handle_timeout(now());
        }
        match handshake.transport() {
            Transport::Open => {}
            Transport::Drain => socket.end(),
            Transport::Close | Transport::Abort => return Ok(()),
        }
        let input = socket.read(&mut buffer, handshake.poll_timeout())?;
        handshake.handle_timeout(now());
        let length = match input {
            Input::Bytes(length) => length,
            // A deadline, perhaps. What it led to is told like all else.
            Input::Nothing => 0,
            Input::End => {
                handshake.receive_eof();
                0
            }
        };
        let mut input = &mut buffer[..length];
        match handshake.receive(&mut input) {
            None => {}
            Some(ServerEvent::Upgrade) => {
                let established = handshake.accept(&Acceptance::new()).map_err(io::Error::other)?;
                // What came behind the request is the connection's.
                let rest = length - input.len()..length;
                let pace = Pace::new(timeouts);
                return echo(established.connection, &mut socket, peer, pace, &mut buffer, rest);
            }
            Some(ServerEvent::Http) => answer(&mut handshake).map_err(io::Error::other)?,
            Some(ServerEvent::Failed(error)) => eprintln!("{peer}: {error}"),
        }
    }
}

/// Plain HTTP on the same port: the page, and nothing else.
fn answer(handshake: &mut ServerHandshake) -> Result<(), HeadError> {
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
    socket: &mut Socket,
    peer: SocketAddr,
    mut pace: Pace,
    buffer: &mut [u8],
    rest: Range<usize>,
) -> io::Result<()> {
    connection.handle_timeout(now());
    let mut input = &mut buffer[rest];
    loop {
        let mut buffers = pool().pop().unwrap_or_default();
        connection.lend(&mut buffers);
        let received = input.len();
        let mut completed = false;
        while let Some(event) = connection.receive(&mut input) {
            completed = true;
            match event {
                Event::Message(message) => {
                    let mut unsent = Some(message);
                    while let Some(message) = unsent.take() {
                        match connection.send(message) {
                            Ok(()) => {}
                            // Too much waits. Nothing more is received, and the message is kept,
                            // until there is room for it.
                            Err(SendError { unsent: message, reason: SendReason::Full }) => {
                                while !connection.can_send() && connection.wants_write() {
                                    write(&mut connection, socket)?;
                                }
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
                // A Ping is answered already, and a failure is told at the end.
                _ => {}
            }
        }
        if pace.is_too_slow(received, completed) {
            // Refused if the connection is closing already, which has its deadline.
            let _ = connection.close(CloseFrame::new(CloseCode::TIMEOUT, "too slow").ok());
        }
        while connection.wants_write() {
            write(&mut connection, socket)?;
        }
        match connection.transport() {
            Transport::Open => {}
            // Then read on, up to the end of the stream or the deadline for closing: closing with
            // unread bytes would reset the connection and destroy what is on its way to the peer.
            Transport::Drain => socket.end(),
            Transport::Close | Transport::Abort => {
                return connection.error().map_or(Ok(()), |error| Err(io::Error::other(error)));
            }
        }
        connection.give_back(&mut buffers);
        pool().push(buffers);
        let deadline = [connection.poll_timeout(), pace.deadline].into_iter().flatten().min();
        let read = socket.read(buffer, deadline);
        connection.handle_timeout(now());
        let length = match read {
            Ok(Input::Bytes(length)) => length,
            // A deadline, perhaps. What it led to is told like all else.
            Ok(Input::Nothing) => 0,
            Ok(Input::End) => {
                connection.receive_eof();
                0
            }
            Err(error) => {
                connection.abort();
                return Err(error);
            }
        };
        input = &mut buffer[..length];
    }
}

/// There is nothing to mend behind a panic: any buffers will do.
fn pool() -> MutexGuard<'static, Vec<Buffers>> {
    BUFFERS.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Writes some of what waits. A peer that takes nothing runs into a deadline: then the transport is
/// to be aborted, and nothing more wants to be written.
fn write(connection: &mut Connection, socket: &mut Socket) -> io::Result<()> {
    let deadline = connection.poll_timeout();
    let written = socket.write(connection.output(), deadline);
    connection.handle_timeout(now());
    if written.is_err() {
        connection.abort();
    }
    written
}

/// A deadline of the driver's own: bytes have to lead to something.
///
/// For the connection every byte of a message is a sign of life, so that a big message may take
/// its time. Here that has a limit, so that nobody holds a thread with a byte now and then.
struct Pace {
    patience: Option<Duration>,
    /// Bytes since the last event.
    bytes: usize,
    deadline: Option<Duration>,
}

impl Pace {
    /// A second for each of so many bytes comes on top: a slow line, not a slow peer.
    const BYTES_PER_SECOND: usize = 1024;

    /// Who sends but completes nothing gets as much time as who is silent.
    fn new(timeouts: &Timeouts) -> Self {
        let patience = timeouts.ping.zip(timeouts.pong).map(|(ping, pong)| ping + pong);
        Self { patience, bytes: 0, deadline: None }
    }

    /// To be asked once for each wake-up, with the bytes that came and whether they led to an event.
    fn is_too_slow(&mut self, received: usize, completed: bool) -> bool {
        if completed {
            self.bytes = 0;
            self.deadline = None;
        } else if let Some(patience) = self.patience.filter(|_| received > 0) {
            let before = self.bytes / Self::BYTES_PER_SECOND;
            self.bytes += received;
            let earned = self.bytes / Self::BYTES_PER_SECOND - before;
            let deadline = self.deadline.unwrap_or_else(|| now() + patience);
            self.deadline = Some(deadline + Duration::from_secs(earned as u64));
        }
        self.deadline.take_if(|deadline| *deadline <= now()).is_some()
    }
}

/// A blocking socket whose calls return when something is due.
struct Socket {
    stream: TcpStream,
    reading: Option<Duration>,
    writing: Option<Duration>,
}

/// What a read brought.
enum Input {
    Bytes(usize),
    /// The call ended without: the deadline, most likely.
    Nothing,
    End,
}

impl Socket {
    fn new(stream: TcpStream) -> io::Result<Self> {
        stream.set_nodelay(true)?;
        Ok(Self { stream, reading: None, writing: None })
    }

    fn read(&mut self, buffer: &mut [u8], deadline: Option<Duration>) -> io::Result<Input> {
        let wait = wait(deadline);
        // Mostly it is the same time as before, and stays set.
        if self.reading != wait {
            self.stream.set_read_timeout(wait)?;
            self.reading = wait;
        }
        match self.stream.read(buffer) {
            Ok(0) => Ok(Input::End),
            Ok(length) => Ok(Input::Bytes(length)),
            Err(error) if is_wake_up(&error) => Ok(Input::Nothing),
            Err(error) => Err(error),
        }
    }

    /// Writes some of what waits, header and payload in one call.
    fn write(&mut self, output: &mut Output, deadline: Option<Duration>) -> io::Result<()> {
        let wait = wait(deadline);
        if self.writing != wait {
            self.stream.set_write_timeout(wait)?;
            self.writing = wait;
        }
        let mut slices = [IoSlice::new(&[]); 16];
        let count = output.chunks_vectored(&mut slices);
        match self.stream.write_vectored(&slices[..count]) {
            Ok(0) => Err(ErrorKind::WriteZero.into()),
            Ok(length) => {
                output.advance(length);
                Ok(())
            }
            Err(error) if is_wake_up(&error) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Ends our direction of the stream.
    fn end(&self) {
        // Fails if the peer is gone, which reading tells too.
        let _ = self.stream.shutdown(Shutdown::Write);
    }
}

/// From now to a deadline in whole milliseconds, rounded up: a socket can't wait for no time, and a
/// millisecond early would be a wake-up for nothing.
fn wait(deadline: Option<Duration>) -> Option<Duration> {
    let left = deadline?.saturating_sub(now());
    Some(Duration::from_millis(left.as_millis() as u64 + 1))
}

/// Whether a call ended because of its time, as systems variously call it, or of a signal.
fn is_wake_up(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut | ErrorKind::Interrupted)
}
