//! A relay over blocking sockets of the standard library: accepts clients and connects each to an
//! upstream server, over the part of the crate that needs no allocator.
//!
//! `cargo run --release --example relay -- 127.0.0.1:9002 ws://127.0.0.1:9001/` listens on
//! 127.0.0.1:9002 (port 0 picks one).
//!
//! Messages are forwarded piece by piece as they arrive, each piece a fragment, in constant memory
//! however long they are. Each side is a [`Session`] of its own, so that nothing passes that breaks
//! a rule: frame and fragment order, masking, UTF-8 across pieces, limits, close codes. What a
//! client may not send never reaches the server, and the reverse.
//!
//! Control frames pass from end to end. A Ping is answered by whom it is meant for, so that a
//! round trip is that of the whole path and each end learns that the *other end* is there; a Close
//! passes with its code and reason, and so does its answer, so that both closing handshakes are
//! one. When a side fails, it is told why, and the other is closed with what that means to it:
//!
//! | what fails | the client is closed with | the server is closed with |
//! |---|---|---|
//! | the client breaks a rule | that rule's code | 1001 |
//! | the client is gone | | 1001 |
//! | the server breaks a rule | 1014 | that rule's code |
//! | the server is gone | 1014 | |
//!
//! The relay has no keepalive of its own: a side that is silent for [`SILENCE`] is gone, and the
//! Pings of either end prevent that.

use std::error::Error;
use std::fmt;
use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream, ToSocketAddrs};
use std::ops::Range;
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use websocket_proto::handshake::{
    Acceptance, ClientRequest, Field, HandshakeError, HeadError, HeadLimits, Rejection,
    RequestParser, ResponseParser, Uri, key_from_nonce, write_response,
};
use websocket_proto::{
    CloseCode, CloseFrame, EntropyError, Event, Fragment, Limits, ProtocolError, Role, SendReason,
    Session, Transport, mask,
};

/// Bytes read at once.
const BUFFER: usize = 16 << 10;

/// A head has to fit into a buffer.
const HEADS: HeadLimits = HeadLimits { max_head: BUFFER - 1, ..HeadLimits::DEFAULT };

/// How long both opening handshakes may take together.
const OPENING: Duration = Duration::from_secs(10);

/// How long a side may send nothing, or a write to it may take nothing. (nginx: 60 s)
const SILENCE: Duration = Duration::from_secs(60);

/// How long closing may take, from the first Close or failure.
const CLOSING: Duration = Duration::from_secs(10);

/// How often a thread that waits looks at these times.
const TICK: Duration = Duration::from_secs(1);

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [address, uri] = &arguments[..] else {
        return Err("usage: relay ADDRESS ws://HOST[:PORT]/PATH".into());
    };
    if Uri::parse(uri)?.is_secure() {
        return Err("wss:// needs a TLS library, which this example does without".into());
    }
    let listener = TcpListener::bind(address)?;
    println!("listening on ws://{}/", listener.local_addr()?);
    for client in listener.incoming() {
        let uri = uri.clone();
        let serving = client.and_then(|client| {
            thread::Builder::new().stack_size(256 << 10).spawn(move || {
                let peer = client.peer_addr();
                if let (Err(error), Ok(peer)) = (serve(client, &uri), peer) {
                    eprintln!("{peer}: {error}");
                }
            })
        });
        if let Err(error) = serving {
            // Out of descriptors, perhaps: others will be closed.
            eprintln!("{error}");
            thread::sleep(Duration::from_millis(100));
        }
    }
    Ok(())
}

/// Serves one client: both opening handshakes, then all that passes.
fn serve(client: TcpStream, uri: &str) -> Result<(), Box<dyn Error>> {
    let deadline = Instant::now() + OPENING;
    let (mut from_client, mut from_server) = ([0; BUFFER], [0; BUFFER]);
    let opened = match open(&client, &mut from_client, uri, &mut from_server, deadline) {
        Ok(opened) => opened,
        Err(refusal) => {
            (&client).write_all(&refusal.response)?;
            // Closing with unread bytes would reset the connection and destroy the answer.
            client.shutdown(Shutdown::Write)?;
            while read_before(&client, &mut from_client, deadline).is_ok_and(|length| length > 0) {}
            return Err(refusal.into());
        }
    };
    let relay = Relay {
        client: Side::new(Role::Server, client)?,
        server: Side::new(Role::Client, opened.server)?,
        closing: OnceLock::new(),
    };
    let (relay, rest) = (&relay, opened.rest_of_server);
    thread::scope(|scope| {
        thread::Builder::new().stack_size(256 << 10).spawn_scoped(scope, move || {
            relay.forward(&relay.server, &relay.client, &mut from_server, rest);
        })?;
        relay.forward(&relay.client, &relay.server, &mut from_client, opened.rest_of_client);
        Ok(())
    })
}

// --- The opening handshakes --------------------------------------------------------------------

/// Both handshakes are done.
struct Opened {
    server: TcpStream,
    /// Where in the buffers lies what came behind the heads.
    rest_of_client: Range<usize>,
    rest_of_server: Range<usize>,
}

/// The client can't be served: what it is answered, and why.
#[derive(Debug)]
struct Refusal {
    response: Vec<u8>,
    why: String,
}

impl Refusal {
    /// What the client asks for is not a WebSocket, or not as it should.
    fn of_client(rejection: Option<Rejection>, why: impl ToString) -> Self {
        let (mut response, why) = (Vec::new(), why.to_string());
        if let Some(rejection) = rejection {
            // Into a `Vec`, it can't fail for want of room.
            let _ = rejection.write(&mut response, &why);
        }
        Self { response, why }
    }

    /// The server can't be had. The client is not told why.
    fn of_server(why: impl ToString) -> Self {
        let mut response = Vec::new();
        let fields = [Field::new("Content-Type", "text/plain; charset=utf-8")];
        let _ = write_response(&mut response, "GET", 502, &fields, b"Bad gateway\n");
        Self { response, why: format!("server: {}", why.to_string()) }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.why)
    }
}

impl Error for Refusal {}

impl From<HandshakeError> for Refusal {
    fn from(error: HandshakeError) -> Self {
        Self::of_client(error.rejection(), error)
    }
}

/// Reads the client's request, asks the server, and accepts if that does. The subprotocols that the
/// client offers are offered to the server, and its choice is passed back.
fn open(
    client: &TcpStream,
    from_client: &mut [u8],
    uri: &str,
    from_server: &mut [u8],
    deadline: Instant,
) -> Result<Opened, Refusal> {
    let mut parser = RequestParser::new(HEADS);
    let end = read_head(client, from_client, deadline, |received| {
        Ok(parser.parse(received)?.map(|head| head.as_bytes().len()))
    })?;
    let Some(request) = parser.head(&from_client[..end.head]) else {
        return Err(HandshakeError::UnexpectedEof.into());
    };
    let Some(upgrade) = request.upgrade()? else {
        return Err(Refusal::of_client(Some(Rejection::UpgradeRequired), "not a WebSocket"));
    };
    let rest_of_client = end.head..end.received;

    let uri = Uri::parse(uri).map_err(Refusal::of_server)?;
    let server = connect(&uri, deadline).map_err(Refusal::of_server)?;
    let subprotocols: Vec<&str> = request.subprotocols().collect();
    let asked = ClientRequest::new(&uri).subprotocols(&subprotocols);
    let mut nonce = [0; 16];
    getrandom::fill(&mut nonce).map_err(Refusal::of_server)?;
    let key = key_from_nonce(&nonce);
    let mut head = Vec::new();
    asked.write(key, &mut head).map_err(|error| match error {
        // Offered twice.
        HeadError::Subprotocol => Refusal::of_client(Some(Rejection::BadRequest), error),
        _ => Refusal::of_server(error),
    })?;
    (&server).write_all(&head).map_err(Refusal::of_server)?;

    let mut parser = ResponseParser::new(HEADS);
    let end = read_head(&server, from_server, deadline, |received| {
        Ok(parser.parse(received)?.map(|head| head.as_bytes().len()))
    })
    .map_err(Refusal::of_server)?;
    let response = parser.head(&from_server[..end.head]);
    let response = response.ok_or_else(|| Refusal::of_server("no response"))?;
    if !asked.is_accepted(&key, &response).map_err(Refusal::of_server)? {
        return Err(Refusal::of_server(format!("status {}", response.status())));
    }

    let mut acceptance = Acceptance::new();
    if let Some(subprotocol) = response.subprotocol() {
        acceptance = acceptance.subprotocol(subprotocol);
    }
    let mut head = Vec::new();
    upgrade.accept(&acceptance, &mut head).map_err(Refusal::of_server)?;
    let mut client = client;
    client.write_all(&head).map_err(|error| Refusal::of_client(None, error))?;
    Ok(Opened { server, rest_of_client, rest_of_server: end.head..end.received })
}

/// Connects to any of the host's addresses.
fn connect(uri: &Uri<'_>, deadline: Instant) -> std::io::Result<TcpStream> {
    let mut last = ErrorKind::NotFound.into();
    for address in (uri.host(), uri.port()).to_socket_addrs()? {
        // Not zero, which is refused.
        let left = deadline.saturating_duration_since(Instant::now()).max(TICK);
        match TcpStream::connect_timeout(&address, left) {
            Ok(socket) => return Ok(socket),
            Err(error) => last = error,
        }
    }
    Err(last)
}

/// How much of a buffer is filled, and how much of that is the head.
struct End {
    head: usize,
    received: usize,
}

/// Reads until `head_of` finds the length of a head in what was received.
fn read_head(
    socket: &TcpStream,
    buffer: &mut [u8],
    deadline: Instant,
    mut head_of: impl FnMut(&[u8]) -> Result<Option<usize>, HandshakeError>,
) -> Result<End, HandshakeError> {
    let mut received = 0;
    loop {
        match read_before(socket, &mut buffer[received..], deadline) {
            Ok(0) => return Err(HandshakeError::UnexpectedEof),
            Ok(length) => received += length,
            Err(_) => return Err(HandshakeError::Aborted),
        }
        if let Some(head) = head_of(&buffer[..received])? {
            return Ok(End { head, received });
        }
    }
}

/// Reads, and waits no longer than until `deadline`.
fn read_before(
    mut socket: &TcpStream,
    buffer: &mut [u8],
    deadline: Instant,
) -> std::io::Result<usize> {
    let left = deadline.saturating_duration_since(Instant::now());
    if left.is_zero() {
        return Err(ErrorKind::TimedOut.into());
    }
    socket.set_read_timeout(Some(left))?;
    socket.read(buffer)
}

// --- The relay ---------------------------------------------------------------------------------

/// Two sides, and two threads, each of which reads from one and writes to the other.
struct Relay {
    client: Side,
    server: Side,
    /// When the first Close or failure was seen.
    closing: OnceLock<Instant>,
}

/// One connection. The session is locked for a call, `output` from before a frame is made until it
/// is written: the frames leave in the order in which the session made them. If a thread locks
/// both, `output` comes first.
struct Side {
    socket: TcpStream,
    session: Mutex<Session>,
    /// Empty unless locked.
    output: Mutex<Vec<u8>>,
}

impl Relay {
    /// Forwards all that comes from one side, until it ends. `buffer[rest]` is the first input.
    fn forward(&self, from: &Side, to: &Side, buffer: &mut [u8], rest: Range<usize>) {
        let mut control = [0; 125];
        let mut heard = Instant::now();
        let mut input = &mut buffer[rest];
        loop {
            let mut failure = None;
            let mut output = lock(&to.output);
            loop {
                // Events borrow from the buffers, not from the session: its lock is released.
                let event = lock(&from.session).receive(&mut input, &mut control, &Limits::DEFAULT);
                let Some(event) = event else { break };
                match &event {
                    Event::Failed(error) => failure = Some(*error),
                    Event::Close(_) => drop(self.closing.get_or_init(Instant::now)),
                    _ => {}
                }
                // Refused if that side is closing: it has no use for it any more.
                let _ = to.push(&event, &mut output);
            }
            to.write(&mut output);
            drop(output);
            if lock(&to.session).error().is_some() {
                // The thread that reads from that side tells why, but it may wait for this one.
                self.closing.get_or_init(Instant::now);
            }
            if let Some(error) = failure {
                self.closing.get_or_init(Instant::now);
                from.fail(error);
                to.close_for_the_other(error);
            }
            from.follow();
            to.follow();
            if !lock(&from.session).wants_read() {
                return;
            }
            let length = match (&from.socket).read(buffer) {
                Ok(0) => {
                    lock(&from.session).receive_eof();
                    0
                }
                Ok(length) => {
                    heard = Instant::now();
                    length
                }
                Err(error) if is_wake_up(&error) && heard.elapsed() < SILENCE => 0,
                Err(_) => {
                    from.abort();
                    0
                }
            };
            if self.closing.get().is_some_and(|since| since.elapsed() >= CLOSING) {
                from.abort();
                to.abort();
            }
            input = &mut buffer[..length];
        }
    }
}

impl Side {
    fn new(role: Role, socket: TcpStream) -> std::io::Result<Self> {
        socket.set_nodelay(true)?;
        socket.set_read_timeout(Some(TICK))?;
        socket.set_write_timeout(Some(SILENCE))?;
        let session = Mutex::new(Session::new(role));
        Ok(Self { socket, session, output: Mutex::new(Vec::new()) })
    }

    /// Makes the frame that passes on what came from the other side.
    fn push(&self, event: &Event<'_>, output: &mut Vec<u8>) -> Result<(), SendReason> {
        let mut session = lock(&self.session);
        let mut control = [0; Session::MAX_REPLY];
        let length = match event {
            Event::Chunk(chunk) => {
                let message_type = chunk.payload.message_type();
                let fragment = match (chunk.first, chunk.last) {
                    (true, true) => Fragment::Whole(message_type),
                    (true, false) => Fragment::First(message_type),
                    (false, false) => Fragment::Middle,
                    (false, true) => Fragment::Last,
                };
                let payload = chunk.payload.as_bytes();
                let header = session.send(fragment, payload.len() as u64, masking_key)?;
                output.extend_from_slice(&header.encode());
                let start = output.len();
                output.extend_from_slice(payload);
                if let Some(key) = header.masking_key() {
                    mask(&mut output[start..], key, 0);
                }
                return Ok(());
            }
            Event::Ping(payload) => session.ping(payload, masking_key, &mut control)?,
            Event::Pong(payload) => session.pong(payload, masking_key, &mut control)?,
            // A Close of its own, or the answer to the one that this side sent before.
            Event::Close(frame) => session.close(frame.as_ref(), masking_key, &mut control)?,
            _ => 0,
        };
        output.extend_from_slice(&control[..length]);
        Ok(())
    }

    /// Tells this side which rule it broke, unless it is gone.
    fn fail(&self, error: ProtocolError) {
        eprintln!("{}: {error}", self.name());
        self.reply(&Event::Failed(error));
    }

    /// Closes this side because of what the other did.
    fn close_for_the_other(&self, error: ProtocolError) {
        let (owes_close, role) = {
            let session = lock(&self.session);
            (session.owes_close(), session.role())
        };
        let (code, other) = match role {
            Role::Client => (CloseCode::GOING_AWAY, "client"),
            Role::Server => (CloseCode::BAD_GATEWAY, "server"),
        };
        match CloseFrame::new(code, format!("{other}: {error}")) {
            // It closed first, and the other was to answer.
            _ if owes_close => self.reply(&Event::Close(None)),
            Ok(frame) => {
                let mut output = lock(&self.output);
                // Refused if it was closed before.
                let _ = self.push(&Event::Close(Some(frame)), &mut output);
                self.write(&mut output);
            }
            Err(_) => self.abort(),
        }
    }

    /// Writes the Close that the session owes for this event, if it does.
    fn reply(&self, event: &Event<'_>) {
        let mut output = lock(&self.output);
        let mut close = [0; Session::MAX_REPLY];
        let length = lock(&self.session).reply(event, masking_key, &mut close).unwrap_or(0);
        output.extend_from_slice(&close[..length]);
        self.write(&mut output);
    }

    /// Writes all frames. Who takes nothing for too long is gone.
    fn write(&self, output: &mut Vec<u8>) {
        if (&self.socket).write_all(output).is_err() {
            self.abort();
        }
        output.clear();
    }

    /// Does with the transport what is to be done. It is closed when both threads are done.
    fn follow(&self) {
        let transport = lock(&self.session).transport();
        match transport {
            Transport::Drain => {
                // Behind what another thread is writing just now.
                let _written = lock(&self.output);
                let _ = self.socket.shutdown(Shutdown::Write);
            }
            Transport::Open | Transport::Close | Transport::Abort => {}
        }
    }

    /// Gives this side up, and wakes the threads that wait for it.
    fn abort(&self) {
        lock(&self.session).abort();
        let _ = self.socket.shutdown(Shutdown::Both);
    }

    fn name(&self) -> &'static str {
        match lock(&self.session).role() {
            Role::Server => "client",
            Role::Client => "server",
        }
    }
}

/// A fresh key for a frame to the server. Where small frames are many, keep a block of them.
fn masking_key() -> Result<[u8; 4], EntropyError> {
    let mut key = [0; 4];
    getrandom::fill(&mut key).map_err(|_| EntropyError)?;
    Ok(key)
}

/// Locks. What another thread panicked over is still a session.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Whether a call ended because of its time, as systems variously call it, or of a signal.
fn is_wake_up(error: &std::io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut | ErrorKind::Interrupted)
}
