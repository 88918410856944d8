//! A WebSocket client over blocking sockets.
//!
//! `cargo run --release --example echo_client -- ws://127.0.0.1:9001/` sends each typed line, prints each
//! received message, and closes at the end of its input. It exits with 0 after a normal close; otherwise it
//! prints the reason and exits with 1.
//!
//! `--reconnect [SECONDS] ws://…` connects again when the server is unreachable, lost or going away: first
//! after a random time between half of SECONDS (5, at least 0.001) and all of it, then after increasing
//! delays. A line that was sent but not answered is not sent again.
//!
//! `--autobahn AGENT ws://HOST:PORT` is the client for an Autobahn fuzzing server.
//!
//! `--deflate` before any of these offers compression, with the settings of the example `echo_server`. It
//! needs `--features deflate`.

use std::error::Error;
use std::fmt;
use std::io::{self, Write};
use std::net::{Shutdown, TcpStream};
use std::process::ExitCode;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, SyncSender};
use std::thread;
use std::time::{Duration, Instant};

use websocket_proto::handshake::{
    ClientEvent, ClientHandshake, ClientRequest, Handshake, HandshakeError, ResponseHead, Uri,
    is_temporary_status,
};
use websocket_proto::{
    CloseCode, CloseFrame, Config, Connection, ConnectionError, Event, Input, Message, Timeouts,
    Transport, Unsent,
};

mod driver;
use driver::Socket;

type Result<T, E = Box<dyn Error + Send + Sync>> = std::result::Result<T, E>;

fn main() -> ExitCode {
    match run(std::env::args().skip(1).collect()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn run(mut arguments: Vec<String>) -> Result<()> {
    let config = Config::new().with_timeouts(Timeouts::RECOMMENDED);
    let config = driver::with_deflate(config, &mut arguments)?;
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments[..] {
        [uri] if !uri.starts_with('-') => talk(uri, &config, &mut Inbox::new()),
        ["--reconnect", uri] => keep_talking(uri, &config, "5"),
        ["--reconnect", seconds, uri] => keep_talking(uri, &config, seconds),
        ["--autobahn", agent, uri] => run_autobahn(agent, uri, &config),
        _ => Err(
            "usage: echo_client [--deflate] [--reconnect [SECONDS]] ws://HOST[:PORT]/PATH\n       \
                  echo_client [--deflate] --autobahn AGENT ws://HOST:PORT"
                .into(),
        ),
    }
}

/// A connection that did not end normally.
#[derive(Debug)]
enum Ended {
    /// The server rejected the opening handshake with this status code.
    Rejected(u16),
    /// The connection failed, after a Close frame of the server with this code if it is not 1006.
    Failed(ConnectionError, CloseCode),
    /// The connection ended with this close code and for this reason.
    Closed(CloseCode, String),
}

impl fmt::Display for Ended {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Rejected(status) => write!(f, "the server rejected with status {status}"),
            Self::Failed(error, _) => write!(f, "{error} (close code {})", error.close_code()),
            Self::Closed(_, reason) => f.write_str(reason),
        }
    }
}

impl Error for Ended {}

// --- The opening handshake ----------------------------------------------------------------------

/// An open connection. The input contains the bytes that followed the handshake.
struct Opened {
    connection: Connection,
    socket: Socket,
    input: Input<'static>,
}

/// Connects and performs the opening handshake. Prints the response if the server rejects the request.
fn open(uri: &str, config: &Config) -> Result<Opened> {
    let uri = Uri::parse(uri)?;
    let mut socket = Socket::connect(&uri)?;
    let mut input = Input::owned(vec![0; 64 << 10]);
    let mut handshake = ClientHandshake::new(config.clone(), &ClientRequest::new(&uri))?;
    let mut printed = 0;
    loop {
        let is_open = driver::turn(&mut handshake, &mut socket, &mut input);
        let event = handshake.receive(&mut input);
        // The body arrives after the event, possibly slowly.
        io::stderr().write_all(handshake.body().get(printed..).unwrap_or_default())?;
        printed = handshake.body().len();
        match event {
            Some(ClientEvent::Accepted) => {
                let connection = handshake.establish()?;
                return Ok(Opened { connection, socket, input });
            }
            Some(ClientEvent::Rejected { .. }) => {
                handshake.response().iter().for_each(print_head);
            }
            Some(ClientEvent::BodyEnded(_)) => {
                eprintln!();
                let response = handshake.response().ok_or("a body without a response")?;
                return Err(Ended::Rejected(response.status()).into());
            }
            Some(ClientEvent::Failed(error)) => return Err(error.into()),
            None if !is_open => return Err("the server closed the connection".into()),
            None => {}
        }
    }
}

fn print_head(response: &ResponseHead<'_>) {
    eprintln!("{} {}", response.status(), String::from_utf8_lossy(response.reason()));
    for field in response.fields() {
        eprintln!("{}: {}", field.name(), String::from_utf8_lossy(field.value()));
    }
    eprintln!();
}

// --- Reconnecting -------------------------------------------------------------------------------

/// Talks, and connects again while that may help.
fn keep_talking(uri: &str, config: &Config, seconds: &str) -> Result<()> {
    let seconds: f64 = seconds.parse()?;
    if seconds < 1e-3 {
        return Err("SECONDS is less than 0.001".into());
    }
    let mut backoff = Backoff::new(Duration::try_from_secs_f64(seconds)?);
    let mut inbox = Inbox::new();
    loop {
        let start = Instant::now();
        let error = match talk(uri, config, &mut inbox) {
            Ok(()) => return Ok(()),
            Err(error) if inbox.has_ended || !is_temporary(&*error) => return Err(error),
            Err(error) => error,
        };
        let delay = backoff.next(start.elapsed())?;
        eprintln!("{error}; again in {delay:.1?}");
        thread::sleep(delay);
    }
}

/// Whether another attempt may succeed: after network errors, and if the server or the path to it is
/// unavailable for a time.
fn is_temporary(error: &(dyn Error + Send + Sync + 'static)) -> bool {
    match error.downcast_ref() {
        Some(Ended::Rejected(status)) => is_temporary_status(*status),
        Some(Ended::Failed(error, CloseCode::ABNORMAL)) => error.is_temporary(),
        Some(Ended::Failed(_, code) | Ended::Closed(code, _)) => code.is_temporary(),
        None => match error.downcast_ref::<HandshakeError>() {
            Some(error) => error.is_temporary(),
            None => error.is::<io::Error>(),
        },
    }
}

/// The delays between attempts (RFC 6455, section 7.2.3).
///
/// When a server comes back, its clients must not all connect at once, so delays are random: the first one
/// is between half of `first` and all of it, the next one between 1 and 2 times `first`, then 2 and 4 times,
/// up to 32 and 64 times. A delay is never zero: a server that refuses at once would be asked without a pause.
struct Backoff {
    first: Duration,
    attempts: u32,
}

impl Backoff {
    fn new(first: Duration) -> Self {
        Self { first, attempts: 0 }
    }

    /// The next delay, after a connection that lasted this long.
    fn next(&mut self, lasted: Duration) -> Result<Duration> {
        if lasted >= self.first * 12 {
            self.attempts = 0;
        }
        let longest = self.first * (1 << self.attempts.min(6));
        self.attempts += 1;
        let random = f64::from(getrandom::u32()?) / f64::from(u32::MAX);
        Ok(longest.mul_f64(0.5 + random / 2.0))
    }
}

// --- Talking ------------------------------------------------------------------------------------

/// Sends typed lines and prints received messages.
fn talk(uri: &str, config: &Config, inbox: &mut Inbox) -> Result<()> {
    let Opened { mut connection, mut socket, mut input } = open(uri, config)?;
    inbox.read_socket(&socket)?;
    let mut close = None;
    loop {
        while let Some(event) = connection.receive(&mut input) {
            match event {
                Event::Message(Message::Text(text)) => println!("{text}"),
                Event::Message(Message::Binary(bytes)) => println!("[{} bytes]", bytes.len()),
                Event::Close(frame) => close = Some(frame.map(CloseFrame::into_owned)),
                _ => {} // Pings are answered automatically.
            }
        }
        if connection.has_room() && connection.may_send() {
            match inbox.typed() {
                Some(Typed::Line(line)) => connection.send(line).map_err(Unsent::into_error)?,
                Some(Typed::End) => connection.close(CloseCode::NORMAL)?,
                None => {}
            }
        }
        // Keep receiving while the server does not read: it may be waiting for us to read.
        connection.handle_timeout(socket.now());
        if connection.transport() != Transport::Abort {
            let short = socket.now() + Duration::from_millis(20);
            let deadline = connection.poll_timeout().map_or(short, |due| due.min(short));
            if connection.output().write_to(socket.until(Some(deadline))).is_err() {
                connection.abort();
            }
        }
        if !driver::follow(connection.transport(), &socket) {
            break;
        }
        let wait = if connection.has_output() {
            Some(Duration::ZERO)
        } else {
            connection.poll_timeout().map(|due| due.saturating_sub(socket.now()))
        };
        match inbox.next(wait)? {
            Some(Received::Bytes(bytes)) => input = bytes,
            Some(Received::Broken) => connection.abort(),
            None => {}
        }
    }
    // This also ends the reader thread.
    let _ = socket.stream().shutdown(Shutdown::Both);
    match (connection.error(), close.flatten()) {
        (Some(error), _) => {
            let code = connection.outcome().map_or(CloseCode::ABNORMAL, |outcome| outcome.code);
            Err(Ended::Failed(error, code).into())
        }
        (None, Some(frame)) if frame.code() == CloseCode::NORMAL => Ok(()),
        (None, Some(frame)) => {
            let (code, reason) = (frame.code(), frame.reason());
            Err(Ended::Closed(code, format!("the server closed with {code} {reason}")).into())
        }
        // A Close without a code, as that of a browser's `close()`.
        (None, None) => Ok(()),
    }
}

/// One event queue for the keyboard, which outlives connections, and for their sockets.
struct Inbox {
    queue: Receiver<InboxEvent>,
    sender: SyncSender<InboxEvent>,
    /// The keyboard thread blocks until its line is received from here.
    keyboard: Receiver<Typed>,
    /// Whether that thread has a line or the end of the input.
    is_typed: bool,
    /// Whether the end of the input was received.
    has_ended: bool,
    /// The number of the current connection.
    connection: u32,
}

enum InboxEvent {
    Typed,
    Socket { connection: u32, received: Received },
}

enum Received {
    Bytes(Input<'static>),
    Broken,
}

enum Typed {
    Line(String),
    End,
}

impl Inbox {
    fn new() -> Self {
        let (sender, queue) = mpsc::sync_channel(16);
        let (typing, keyboard) = mpsc::sync_channel(0);
        let events = sender.clone();
        thread::spawn(move || {
            let lines = io::stdin().lines().map_while(io::Result::ok).map(Typed::Line);
            for typed in lines.chain([Typed::End]) {
                if events.send(InboxEvent::Typed).is_err() || typing.send(typed).is_err() {
                    return;
                }
            }
        });
        Self { queue, sender, keyboard, is_typed: false, has_ended: false, connection: 0 }
    }

    /// Returns the typed line, if any. Called only when the connection can send it.
    fn typed(&mut self) -> Option<Typed> {
        if !std::mem::take(&mut self.is_typed) {
            return None;
        }
        let typed = self.keyboard.recv().unwrap_or(Typed::End);
        self.has_ended = matches!(typed, Typed::End);
        Some(typed)
    }

    /// Starts a thread that reads from the socket of a new connection.
    fn read_socket(&mut self, socket: &Socket) -> io::Result<()> {
        self.connection += 1;
        let (connection, events) = (self.connection, self.sender.clone());
        let mut stream: TcpStream = socket.stream().try_clone()?;
        stream.set_read_timeout(None)?;
        thread::spawn(move || {
            loop {
                let mut input = Input::owned(vec![0; 64 << 10]);
                let read = input.read_from(&mut stream);
                let is_last = read.is_err() || input.is_finished();
                let received = read.map_or(Received::Broken, |_| Received::Bytes(input));
                if events.send(InboxEvent::Socket { connection, received }).is_err() || is_last {
                    return;
                }
            }
        });
        Ok(())
    }

    /// Waits up to `wait` for the next event. Returns what the current connection received.
    fn next(&mut self, wait: Option<Duration>) -> Result<Option<Received>> {
        let event = match wait {
            None => self.queue.recv()?,
            Some(wait) => match self.queue.recv_timeout(wait) {
                Ok(event) => event,
                Err(RecvTimeoutError::Timeout) => return Ok(None),
                Err(error) => return Err(error.into()),
            },
        };
        Ok(match event {
            InboxEvent::Socket { connection, received } if connection == self.connection => {
                Some(received)
            }
            InboxEvent::Socket { .. } => None,
            InboxEvent::Typed => {
                self.is_typed = true;
                None
            }
        })
    }
}

// --- Autobahn -----------------------------------------------------------------------------------

/// Runs all cases of a fuzzing server and has it write its reports.
fn run_autobahn(agent: &str, uri: &str, config: &Config) -> Result<()> {
    let uri = uri.trim_end_matches('/');
    // The suite judges every frame, so the client sends no keepalive Pings.
    let config = &config.clone().with_timeouts(Timeouts::RECOMMENDED.with_ping(None));
    let mut count = None;
    echo(&format!("{uri}/getCaseCount"), config, |message| {
        count = message.as_text().and_then(|text| text.parse::<u32>().ok());
    })?;
    for case in 1..=count.ok_or("the server did not send the number of cases")? {
        echo(&format!("{uri}/runCase?case={case}&agent={agent}"), config, |_| {})
            .map_err(|error| format!("case {case}: {error}"))?;
    }
    echo(&format!("{uri}/updateReports?agent={agent}"), config, |_| {})
}

/// Echoes every message until the connection ends for any reason.
fn echo(uri: &str, config: &Config, mut on_message: impl FnMut(&Message<'_>)) -> Result<()> {
    let Opened { mut connection, mut socket, mut input } = open(uri, config)?;
    while driver::turn(&mut connection, &mut socket, &mut input) {
        while connection.has_room()
            && let Some(event) = connection.receive(&mut input)
        {
            if let Event::Message(message) = event {
                on_message(&message);
                if connection.may_send() {
                    connection.send(message).map_err(Unsent::into_error)?;
                }
            }
        }
    }
    Ok(())
}
