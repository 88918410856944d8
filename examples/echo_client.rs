//! A client over blocking sockets of the standard library.
//!
//! `cargo run --release --example echo_client -- ws://127.0.0.1:9001/` sends the lines typed,
//! prints what comes back, and closes at the end of its input. It exits with 0 after a normal
//! close, otherwise it says what happened and exits with 1.
//!
//! `--reconnect [SECONDS] ws://…` connects again whenever the server can't be reached, is lost, or
//! goes away: after a random part of SECONDS (5) first, then after ever longer times. What was sent
//! and not answered by then is not sent again.
//!
//! `--autobahn AGENT ws://HOST:PORT` plays the client of an Autobahn fuzzing server.

use std::error::Error;
use std::fmt;
use std::io::{self, BufRead, ErrorKind, IoSlice, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::process::ExitCode;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender, SyncSender};
use std::sync::{Arc, LazyLock};
use std::thread;
use std::time::{Duration, Instant};

use bytes::Buf;
use websocket_proto::handshake::{
    ClientEvent, ClientHandshake, ClientRequest, HandshakeError, Uri,
};
use websocket_proto::{
    CloseCode, CloseFrame, Config, Connection, EntropyError, Event, Message, Output, SendError,
    SendReason, Timeouts, Transport,
};

type Result<T, E = Box<dyn Error + Send + Sync>> = std::result::Result<T, E>;

/// How long the server may take to answer the handshake, and to end its stream.
const PATIENCE: Duration = Duration::from_secs(10);

/// How long a write may keep what came meanwhile waiting.
const TURN: Duration = Duration::from_millis(20);

/// Where the clock begins.
static START: LazyLock<Instant> = LazyLock::new(Instant::now);

/// The clock that connections are told: any origin will do, as long as it stays the same.
fn now() -> Duration {
    START.elapsed()
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let result = match arguments[..] {
        [uri] if !uri.starts_with('-') => talk(uri, &mut Terminal::new()),
        ["--reconnect", uri] => keep_talking(uri, "5"),
        ["--reconnect", seconds, uri] => keep_talking(uri, seconds),
        ["--autobahn", agent, uri] => autobahn(agent, uri),
        _ => Err("usage: echo_client [--reconnect [SECONDS]] ws://HOST[:PORT]/PATH\n       \
                  echo_client --autobahn AGENT ws://HOST:PORT"
            .into()),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

/// How a connection ended that did not end normally.
#[derive(Debug)]
enum Ended {
    /// The opening handshake was answered with this status.
    Refused(u16, String),
    /// With this close code, and in words.
    Closed(CloseCode, String),
}

impl fmt::Display for Ended {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused(status, line) => {
                write!(f, "the server answered with status {status}: {line}")
            }
            Self::Closed(_, wording) => f.write_str(wording),
        }
    }
}

impl Error for Ended {}

/// An open connection with its socket, and the bytes that came right behind the handshake.
struct Opened {
    connection: Connection,
    socket: TcpStream,
    rest: Vec<u8>,
}

/// Connects and completes the opening handshake.
fn open(uri: &str, timeouts: Timeouts) -> Result<Opened> {
    let uri = Uri::parse(uri)?;
    if uri.is_secure() {
        return Err("wss:// needs a TLS library, which this example does without".into());
    }
    let mut socket = TcpStream::connect((uri.host(), uri.port()))
        .map_err(|error| io::Error::new(error.kind(), format!("{}: {error}", uri.authority())))?;
    socket.set_nodelay(true)?;
    // The handshake's own deadline.
    socket.set_read_timeout(Some(PATIENCE))?;
    let entropy = |out: &mut [u8]| getrandom::fill(out).map_err(|_| EntropyError);
    let config = Arc::new(Config::new().entropy(entropy).timeouts(timeouts));
    let mut handshake = ClientHandshake::new(config, &ClientRequest::new(&uri))?;
    let mut buffer = vec![0; 64 << 10];
    loop {
        write_all(handshake.output(), &mut socket)?;
        let length = match handshake.transport() {
            Transport::Open => socket.read(&mut buffer)?,
            Transport::Drain => {
                let _ = socket.shutdown(Shutdown::Write);
                socket.read(&mut buffer)?
            }
            Transport::Close | Transport::Abort => 0,
        };
        if length == 0 {
            handshake.receive_eof();
        }
        let mut input = &mut buffer[..length];
        match handshake.receive(&mut input) {
            None => {}
            Some(ClientEvent::Accepted) => {
                let rest = input.to_vec();
                let established = handshake.establish().ok_or("no connection")?;
                socket.set_read_timeout(None)?;
                return Ok(Opened { connection: established.connection, socket, rest });
            }
            Some(ClientEvent::Refused { status }) => {
                let body = String::from_utf8_lossy(handshake.body());
                let line = body.lines().next().unwrap_or_default();
                return Err(Ended::Refused(status, line.into()).into());
            }
            Some(ClientEvent::Failed(error)) => return Err(error.into()),
        }
    }
}

/// Talks, and connects again as long as that may help.
fn keep_talking(uri: &str, seconds: &str) -> Result<()> {
    let mut backoff = Backoff::new(Duration::try_from_secs_f64(seconds.parse()?)?);
    let mut terminal = Terminal::new();
    loop {
        let began = Instant::now();
        let error = match talk(uri, &mut terminal) {
            Ok(()) => return Ok(()),
            Err(error) if terminal.ended || !may_pass(&*error) => return Err(error),
            Err(error) => error,
        };
        if began.elapsed() >= backoff.settled() {
            backoff.tries = 0;
        }
        let delay = backoff.next()?;
        eprintln!("{error}; again in {delay:.1?}");
        thread::sleep(delay);
    }
}

/// Whether another try may go better: what the network does passes, and so does what a server says
/// that stops, restarts or has too much to do. All else would only come again.
fn may_pass(error: &(dyn Error + Send + Sync + 'static)) -> bool {
    match error.downcast_ref() {
        Some(Ended::Refused(status, _)) => matches!(status, 429 | 502..=504),
        Some(Ended::Closed(code, _)) => matches!(
            *code,
            CloseCode::ABNORMAL
                | CloseCode::GOING_AWAY
                | CloseCode::SERVICE_RESTART
                | CloseCode::TRY_AGAIN_LATER
        ),
        None => {
            error.is::<io::Error>()
                || matches!(error.downcast_ref(), Some(HandshakeError::UnexpectedEof))
        }
    }
}

/// When to connect again (RFC 6455, section 7.2.3).
///
/// When a server comes back, its clients must not all be there at once: the first delay is random
/// from the whole of a span, those that follow from spans that double, up to 64 times the first.
struct Backoff {
    first: Duration,
    tries: u32,
}

impl Backoff {
    fn new(first: Duration) -> Self {
        Self { first, tries: 0 }
    }

    /// A connection that lasted this long was a good one, and the next delay is a first one again.
    fn settled(&self) -> Duration {
        self.first * 12
    }

    fn next(&mut self) -> Result<Duration> {
        let (least, span) = match self.tries.min(6) {
            0 => (Duration::ZERO, self.first),
            doublings => {
                let span = self.first * (1 << (doublings - 1));
                (span, span)
            }
        };
        self.tries += 1;
        let part = f64::from(getrandom::u32()?) / f64::from(u32::MAX);
        Ok(least + span.mul_f64(part))
    }
}

/// What the threads tell the one that owns the connection.
enum Input {
    Typed(String),
    EndOfTyping,
    /// From the socket of the connection with this number.
    Socket(u32, FromSocket),
}

enum FromSocket {
    Received(Vec<u8>),
    End,
    Broken(io::Error),
}

/// The keyboard, which outlives connections, and the one queue of all that comes in.
struct Terminal {
    inputs: Receiver<Input>,
    sender: SyncSender<Input>,
    /// Asks for the next line.
    more: Sender<()>,
    is_asked: bool,
    /// A line that is not sent yet.
    typed: Option<String>,
    /// Whether nothing will be typed any more.
    ended: bool,
    connections: u32,
}

impl Terminal {
    fn new() -> Self {
        let (sender, inputs) = mpsc::sync_channel(16);
        let (more, asked) = mpsc::channel();
        let typing = sender.clone();
        thread::spawn(move || read_lines(&typing, &asked));
        Self { inputs, sender, more, is_asked: false, typed: None, ended: false, connections: 0 }
    }

    /// Asks for a line, unless that was done and none came yet.
    fn ask(&mut self) {
        if !self.is_asked && self.typed.is_none() {
            self.is_asked = true;
            // Nobody hears it after the last line.
            let _ = self.more.send(());
        }
    }

    /// What comes next until `deadline`, `None` for nothing.
    fn next(&self, deadline: Option<Duration>) -> Result<Option<Input>> {
        match deadline {
            None => Ok(Some(self.inputs.recv()?)),
            Some(deadline) => match self.inputs.recv_timeout(deadline.saturating_sub(now())) {
                Ok(input) => Ok(Some(input)),
                Err(RecvTimeoutError::Timeout) => Ok(None),
                Err(error) => Err(error.into()),
            },
        }
    }
}

/// Sends lines typed and prints messages, both as they come.
fn talk(uri: &str, terminal: &mut Terminal) -> Result<()> {
    // Pings show that the server is still there, deadlines bound all that waits for it.
    let Opened { mut connection, mut socket, mut rest } = open(uri, Timeouts::MIDDLEBOXES)?;
    socket.set_write_timeout(Some(TURN))?;
    terminal.connections += 1;
    let number = terminal.connections;
    let (reading, sender) = (socket.try_clone()?, terminal.sender.clone());
    thread::spawn(move || read_socket(reading, number, &sender));
    let mut closed = None;
    let mut input = &mut rest[..];
    let mut received;
    // The time is told once for each wake-up, before anything else.
    connection.handle_timeout(now());
    loop {
        while let Some(event) = connection.receive(&mut input) {
            match event {
                Event::Message(Message::Text(text)) => println!("{text}"),
                Event::Message(Message::Binary(bytes)) => println!("[{} bytes]", bytes.len()),
                Event::Close(frame) => closed = Some(frame.map(CloseFrame::into_owned)),
                _ => {}
            }
        }
        if let Some(line) = terminal.typed.take()
            && let Err(SendError { unsent, reason }) = connection.send(line)
        {
            match (reason, unsent) {
                // Until there is room; or for the next connection, if there is one.
                (SendReason::Full | SendReason::Closed, Message::Text(line)) => {
                    terminal.typed = Some(line.into_string());
                }
                _ => return Err(reason.into()),
            }
        }
        // Only now, so that what is typed has somewhere to go.
        terminal.ask();
        if connection.wants_write() {
            // Not all of it: a server that waits for us to read would wait for ever.
            match write_some(connection.output(), &mut socket) {
                Err(error) if !is_timeout(&error) => return Err(error.into()),
                Ok(()) | Err(_) => {}
            }
        }
        match connection.transport() {
            Transport::Open => {}
            // Fails if the server is gone, which reading tells too.
            Transport::Drain => drop(socket.shutdown(Shutdown::Write)),
            Transport::Close | Transport::Abort => break,
        }
        let next = if connection.wants_write() {
            terminal.inputs.try_recv().ok()
        } else {
            terminal.next(connection.poll_timeout())?
        };
        connection.handle_timeout(now());
        input = &mut [];
        match next {
            // A deadline, perhaps. What it led to is told like all else.
            None => {}
            Some(Input::Typed(line)) => {
                terminal.is_asked = false;
                terminal.typed = Some(line);
            }
            Some(Input::EndOfTyping) => {
                terminal.ended = true;
                // Refused if the server was faster.
                let _ = connection.close(CloseFrame::new(CloseCode::NORMAL, "")?);
            }
            // Left over from the connection before.
            Some(Input::Socket(from, _)) if from != number => {}
            Some(Input::Socket(_, FromSocket::Received(bytes))) => {
                received = bytes;
                input = &mut received;
            }
            Some(Input::Socket(_, FromSocket::End)) => connection.receive_eof(),
            Some(Input::Socket(_, FromSocket::Broken(error))) => {
                connection.abort();
                if connection.error().is_some() {
                    return Err(error.into());
                }
            }
        }
    }
    // Ends the thread that reads, if the server has not.
    let _ = socket.shutdown(Shutdown::Both);
    let ended = |code, wording| Err(Ended::Closed(code, wording).into());
    if let Some(error) = connection.error() {
        let code = error.close_code();
        return ended(code, format!("{error} (close code {code})"));
    }
    match closed.flatten() {
        Some(frame) if frame.code() == CloseCode::NORMAL => Ok(()),
        Some(frame) => {
            let (code, reason) = (frame.code(), frame.reason());
            ended(code, format!("the server closed with {code} {reason}"))
        }
        None => ended(CloseCode::NO_STATUS, "the server closed without a code (1005)".into()),
    }
}

fn read_socket(mut socket: TcpStream, number: u32, inputs: &SyncSender<Input>) {
    let mut buffer = vec![0; 64 << 10];
    loop {
        let (input, last) = match socket.read(&mut buffer) {
            Ok(0) => (FromSocket::End, true),
            Ok(length) => (FromSocket::Received(buffer[..length].to_vec()), false),
            Err(error) => (FromSocket::Broken(error), true),
        };
        if inputs.send(Input::Socket(number, input)).is_err() || last {
            return;
        }
    }
}

/// Hands over a line each time that one is asked for.
fn read_lines(inputs: &SyncSender<Input>, asked: &Receiver<()>) {
    for line in io::stdin().lock().lines().map_while(io::Result::ok) {
        if asked.recv().is_err() || inputs.send(Input::Typed(line)).is_err() {
            return;
        }
    }
    if asked.recv().is_ok() {
        let _ = inputs.send(Input::EndOfTyping);
    }
}

/// Runs all cases of a fuzzing server and has it write its reports.
fn autobahn(agent: &str, uri: &str) -> Result<()> {
    let uri = uri.trim_end_matches('/');
    let mut count = None;
    echo(&format!("{uri}/getCaseCount"), |message| {
        if let Message::Text(text) = message {
            count = text.parse::<u32>().ok();
        }
    })?;
    for case in 1..=count.ok_or("the server did not tell the number of cases")? {
        echo(&format!("{uri}/runCase?case={case}&agent={agent}"), |_| {})
            .map_err(|error| format!("case {case}: {error}"))?;
    }
    echo(&format!("{uri}/updateReports?agent={agent}"), |_| {})
}

/// Sends every message back until the connection ends, however it does.
fn echo(uri: &str, mut seen: impl FnMut(&Message<'_>)) -> Result<()> {
    let Opened { mut connection, mut socket, rest } = open(uri, Timeouts::NONE)?;
    let mut buffer = vec![0; 64 << 10];
    let length = rest.len();
    buffer[..length].copy_from_slice(&rest);
    let mut input = &mut buffer[..length];
    loop {
        while let Some(event) = connection.receive(&mut input) {
            if let Event::Message(message) = event {
                seen(&message);
                let mut unsent = Some(message);
                while let Some(message) = unsent.take() {
                    if let Err(SendError { unsent: message, reason: SendReason::Full }) =
                        connection.send(message)
                    {
                        write_all(connection.output(), &mut socket)?;
                        unsent = Some(message);
                    }
                }
            }
        }
        // A fuzzing server may be gone already.
        if write_all(connection.output(), &mut socket).is_err() {
            connection.abort();
        }
        match connection.transport() {
            Transport::Open => {}
            Transport::Drain => {
                socket.set_read_timeout(Some(PATIENCE))?;
                let _ = socket.shutdown(Shutdown::Write);
            }
            Transport::Close | Transport::Abort => return Ok(()),
        }
        let length = match socket.read(&mut buffer) {
            Ok(0) => {
                connection.receive_eof();
                0
            }
            Ok(length) => length,
            Err(_) => {
                connection.abort();
                0
            }
        };
        input = &mut buffer[..length];
    }
}

/// Writes all that waits.
fn write_all(output: &mut Output, socket: &mut TcpStream) -> io::Result<()> {
    while output.has_remaining() {
        write_some(output, socket)?;
    }
    Ok(())
}

/// Writes some of what waits, header and payload in one call.
fn write_some(output: &mut Output, socket: &mut TcpStream) -> io::Result<()> {
    let mut slices = [IoSlice::new(&[]); 16];
    let count = output.chunks_vectored(&mut slices);
    match socket.write_vectored(&slices[..count])? {
        0 => Err(ErrorKind::WriteZero.into()),
        length => {
            output.advance(length);
            Ok(())
        }
    }
}

/// Whether a call ended because of its time, as systems variously call it.
fn is_timeout(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut)
}
