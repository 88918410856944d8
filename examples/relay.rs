//! A relay over blocking sockets between clients and an upstream server. It performs both opening handshakes
//! and then relays frames with tier 1, the part of the crate that needs no allocator.
//!
//! `cargo run --release --example relay -- 127.0.0.1:9002 ws://127.0.0.1:9001/` listens on 127.0.0.1:9002
//! (with port 0, the system chooses one).
//!
//! Each chunk of a message is forwarded as it arrives, as one fragment, in constant memory. Each side has
//! its own [`Session`], which checks the order of frames and fragments, masking, UTF-8 across fragments and
//! close codes: an invalid frame from one side never reaches the other.
//!
//! Control frames pass end to end: the relay answers neither a Ping nor a Close, but forwards it to the
//! other side. If one side fails, it gets the close code of its failure, and the other side is closed too:
//!
//! | failure | close code to the client | close code to the server |
//! |---|---|---|
//! | the client breaks a rule | the code of that rule | 1001 |
//! | the client is lost | | 1001 |
//! | the server breaks a rule | 1014 | the code of that rule |
//! | the server is lost | 1014 | |
//!
//! The relay sends no Pings. A side that is silent for [`SILENCE`] is considered lost; a keepalive of
//! either side prevents that.

mod driver;

use std::error::Error;
use std::io::{self, ErrorKind, Write};
use std::net::{Shutdown, TcpListener, TcpStream, ToSocketAddrs};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use driver::Socket;
use websocket_proto::frame::mask;
use websocket_proto::handshake::{
    AcceptError, Acceptance, ClientEvent, ClientHandshake, ClientRequest, Field, Handshake,
    InvalidHead, Rejection, ServerEvent, ServerHandshake, Uri,
};
use websocket_proto::session::{Session, SessionEvent};
use websocket_proto::{
    CloseCode, CloseFrame, Config, ConnectionError, EntropyError, Fragment, Input, Io, MessageType,
    Role, SendError, Timeouts, Transport,
};

/// Size of the read buffers.
const BUFFER: usize = 32 << 10;

/// Time limit for each opening handshake, and for the TCP connection to the server.
const OPENING: Duration = Duration::from_secs(10);

/// Time limit without a received byte, and for a write that makes no progress. nginx uses 60 s as well.
const SILENCE: Duration = Duration::from_secs(60);

/// Time limit from the first Close or failure until both sockets are closed.
const CLOSING: Duration = Duration::from_secs(10);

/// Interval at which a blocked thread checks these limits.
const TICK: Duration = Duration::from_secs(1);

/// The configuration of both handshakes. The default origin policy applies to the client: the request to the
/// server carries no Origin.
static CONFIG: Config = Config::new()
    .with_timeouts(Timeouts::NONE.with_opening(Some(OPENING)).with_closing(Some(CLOSING)));

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
        let thread = thread::Builder::new().stack_size(256 << 10);
        let started = client.and_then(|client| {
            thread.spawn(move || {
                if let Err(error) = serve(client, &uri) {
                    eprintln!("{error}");
                }
            })
        });
        if let Err(error) = started {
            // Possibly out of file descriptors or threads: other connections will end.
            eprintln!("{error}");
            thread::sleep(Duration::from_millis(100));
        }
    }
    Ok(())
}

/// Serves one client: both opening handshakes, then the relay.
fn serve(client: TcpStream, uri: &str) -> Result<(), Box<dyn Error>> {
    let (mut client_storage, mut server_storage) = ([0; BUFFER], [0; BUFFER]);
    let mut from_client = Input::new(&mut client_storage);
    let mut from_server = Input::new(&mut server_storage);
    let mut client = Socket::new(client)?;
    if let Some(server) = open(&mut client, &mut from_client, uri, &mut from_server)? {
        Relay::new(client, server)?.run(from_client, from_server)?;
    }
    Ok(())
}

// --- The opening handshakes ---------------------------------------------------------------------

/// Reads the client's request, connects to the server, and accepts if the server does. The client's
/// subprotocols are offered to the server, and the server's choice is returned to the client. Returns `None`
/// after plain HTTP.
fn open(
    client: &mut Socket,
    from_client: &mut Input<'_>,
    uri: &str,
    from_server: &mut Input<'_>,
) -> Result<Option<Socket>, Box<dyn Error>> {
    let mut handshake = ServerHandshake::new(&CONFIG);
    let mut failure = None;
    loop {
        let is_open = driver::turn(&mut handshake, client, from_client);
        match handshake.receive(from_client) {
            Some(ServerEvent::Upgrade) => match connect(&handshake, uri, from_server) {
                Ok((server, subprotocol)) => {
                    accept(handshake, subprotocol.as_deref(), client)?;
                    return Ok(Some(server));
                }
                Err(error) => {
                    reject(&mut handshake, &*error)?;
                    failure = Some(format!("server: {error}").into());
                }
            },
            Some(ServerEvent::Http) => handshake.reject(Rejection::UpgradeRequired)?,
            // The response is already queued.
            Some(ServerEvent::Failed(error)) => failure = Some(format!("client: {error}").into()),
            None if !is_open => return failure.map_or(Ok(None), Err),
            None => {}
        }
    }
}

/// Writes the response that accepts the upgrade.
fn accept(
    handshake: ServerHandshake,
    subprotocol: Option<&str>,
    client: &mut Socket,
) -> Result<(), Box<dyn Error>> {
    let acceptance = Acceptance::new().with_subprotocol(subprotocol);
    // A session for each side replaces the connection.
    let mut connection = handshake.accept(&acceptance)?;
    let deadline = client.now() + OPENING;
    match connection.output().write_to(client.until(Some(deadline)))? {
        Io::Done => Ok(()),
        Io::Blocked => Err("client: the response could not be written".into()),
    }
}

/// Rejects a client because the server cannot be reached or rejects. The client gets no details.
fn reject(
    handshake: &mut ServerHandshake,
    error: &(dyn Error + 'static),
) -> Result<(), AcceptError> {
    if error.is::<InvalidHead>() {
        // The client offered a subprotocol twice.
        return handshake.reject(Rejection::BadRequest);
    }
    let fields = [Field::new("Content-Type", "text/plain; charset=utf-8")];
    handshake.respond(502, &fields, b"Bad gateway\n")
}

/// Performs the opening handshake with the server. Returns the server's choice of a subprotocol.
fn connect(
    client: &ServerHandshake,
    uri: &str,
    from_server: &mut Input<'_>,
) -> Result<(Socket, Option<String>), Box<dyn Error>> {
    let uri = Uri::parse(uri)?;
    let request = client.request();
    let subprotocols: Vec<&str> = request.iter().flat_map(|head| head.subprotocols()).collect();
    let offer = ClientRequest::new(&uri).with_subprotocols(&subprotocols);
    let mut handshake = ClientHandshake::new(&CONFIG, &offer)?;
    let mut server = Socket::new(connect_tcp(&uri)?)?;
    loop {
        let is_open = driver::turn(&mut handshake, &mut server, from_server);
        match handshake.receive(from_server) {
            Some(ClientEvent::Accepted) => {
                let negotiated = handshake.negotiated();
                let chosen = negotiated.and_then(|negotiated| negotiated.subprotocol());
                return Ok((server, chosen.map(String::from)));
            }
            Some(ClientEvent::Rejected { status }) => return Err(format!("status {status}").into()),
            Some(ClientEvent::Failed(error)) => return Err(error.into()),
            Some(ClientEvent::BodyEnded(_)) => {}
            None if !is_open => return Err("no response".into()),
            None => {}
        }
    }
}

/// Connects to one of the host's addresses.
fn connect_tcp(uri: &Uri<'_>) -> io::Result<TcpStream> {
    let mut last = ErrorKind::NotFound.into();
    for address in (uri.host(), uri.port()).to_socket_addrs()? {
        match TcpStream::connect_timeout(&address, OPENING) {
            Ok(socket) => return Ok(socket),
            Err(error) => last = error,
        }
    }
    Err(last)
}

// --- The relay ----------------------------------------------------------------------------------

/// Both sides. Each of two threads reads from one side and writes to the other.
struct Relay {
    ends: Mutex<Ends>,
    client: Side,
    server: Side,
    /// The time of the first Close or failure.
    closing: OnceLock<Instant>,
}

struct Ends {
    client: End,
    server: End,
}

/// A session and its frames that are not yet written, in the order of their encoding.
struct End {
    session: Session,
    output: Vec<u8>,
}

struct Side {
    socket: TcpStream,
    /// Locked while a thread writes.
    writing: Mutex<()>,
}

#[derive(Clone, Copy)]
enum Peer {
    Client,
    Server,
}

impl Peer {
    fn other(self) -> Self {
        match self {
            Self::Client => Self::Server,
            Self::Server => Self::Client,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Client => "client",
            Self::Server => "server",
        }
    }

    /// The close code that the other side gets if this one fails.
    fn failure_code(self) -> CloseCode {
        match self {
            Self::Client => CloseCode::GOING_AWAY,
            Self::Server => CloseCode::BAD_GATEWAY,
        }
    }
}

impl Relay {
    fn new(client: Socket, server: Socket) -> io::Result<Self> {
        let end = |role| End { session: Session::new(role), output: Vec::new() };
        Ok(Self {
            ends: Mutex::new(Ends { client: end(Role::Server), server: end(Role::Client) }),
            client: Side::new(client)?,
            server: Side::new(server)?,
            closing: OnceLock::new(),
        })
    }

    /// Forwards in both directions until both have ended.
    fn run(&self, from_client: Input<'_>, from_server: Input<'_>) -> io::Result<()> {
        thread::scope(|scope| {
            thread::Builder::new()
                .stack_size(256 << 10)
                .spawn_scoped(scope, || self.forward(Peer::Server, from_server))?;
            self.forward(Peer::Client, from_client);
            Ok(())
        })
    }

    /// Forwards frames from one side to the other until the last frame, then reads until EOF.
    fn forward(&self, from: Peer, mut input: Input<'_>) {
        let mut is_open = self.forward_input(from, &mut input);
        while is_open && !input.is_finished() {
            if !self.read(from, &mut input) {
                lock(&self.ends).get(from).session.abort();
            }
            is_open = self.forward_input(from, &mut input);
        }
        // Nothing follows a Close or a failure, but the other side may not have read our last bytes yet.
        let mut is_finished = input.is_finished();
        while !is_finished {
            let mut storage = [0; 1024];
            let mut input = Input::new(&mut storage);
            is_finished = !self.read(from, &mut input) || input.is_finished();
        }
    }

    /// Forwards the frames in `input`. Returns `false` after the last one.
    fn forward_input(&self, from: Peer, input: &mut Input<'_>) -> bool {
        let mut ends = lock(&self.ends);
        let Ends { client, server } = &mut *ends;
        let (source, sink) = match from {
            Peer::Client => (client, server),
            Peer::Server => (server, client),
        };
        let mut is_last = false;
        while !is_last && let Ok(Some(event)) = source.session.receive(input) {
            // Fails only if the other side is closing and no longer needs the frame.
            let _ = sink.push(&event);
            match event {
                // The reply stays pending until the other side's Close arrives.
                SessionEvent::Close(_) => {
                    is_last = true;
                    break;
                }
                SessionEvent::Failed(error) => {
                    is_last = true;
                    eprintln!("{}: {error}", from.name());
                    let _ = sink.push_failure(from, error);
                }
                // The other side answers the Ping.
                SessionEvent::Ping(_) => source.drop_reply(),
                _ => {}
            }
            // After a failure the reply is a Close, unless this side can no longer be reached.
            let _ = source.push_reply();
        }
        drop(ends);
        if is_last {
            let _ = self.closing.set(Instant::now());
        }
        self.flush(from.other());
        if is_last {
            self.flush(from);
        }
        !is_last
    }

    /// Writes the frames to one side, then shuts its sending direction down if no frame will follow.
    fn flush(&self, to: Peer) {
        let side = self.side(to);
        let _writing = lock(&side.writing);
        loop {
            let mut ends = lock(&self.ends);
            let end = ends.get(to);
            let (frames, transport) = (std::mem::take(&mut end.output), end.session.transport());
            drop(ends);
            match transport {
                _ if !frames.is_empty() => {
                    if !self.write(to, &frames) {
                        lock(&self.ends).get(to).session.abort();
                        // Wakes the reader thread.
                        let _ = side.socket.shutdown(Shutdown::Both);
                    }
                }
                // Fails if the other side is gone, which a read reports too.
                Transport::Drain => return drop(side.socket.shutdown(Shutdown::Write)),
                // The socket is closed when both threads have ended.
                Transport::Open | Transport::Close | Transport::Abort => return,
            }
        }
    }

    /// Writes all `bytes`. Returns `false` if the side accepted none for too long, closing took too long,
    /// or the socket is broken.
    fn write(&self, to: Peer, mut bytes: &[u8]) -> bool {
        let mut progress = Instant::now();
        while self.may_continue() {
            match (&self.side(to).socket).write(bytes).map_err(|error| error.kind()) {
                Ok(0) => return false,
                Ok(len) if len == bytes.len() => return true,
                Ok(len) => {
                    bytes = &bytes[len..];
                    progress = Instant::now();
                }
                Err(ErrorKind::Interrupted) => {}
                Err(ErrorKind::WouldBlock | ErrorKind::TimedOut)
                    if progress.elapsed() < SILENCE => {}
                Err(_) => return false,
            }
        }
        false
    }

    /// Returns `false` if closing took too long.
    fn may_continue(&self) -> bool {
        self.closing.get().is_none_or(|since| since.elapsed() < CLOSING)
    }

    /// Reads once. Returns `false` if the side was silent for too long, closing took too long, or the
    /// socket is broken.
    fn read(&self, from: Peer, input: &mut Input<'_>) -> bool {
        let start = Instant::now();
        while self.may_continue() {
            match input.read_from(&mut &self.side(from).socket) {
                Ok(Io::Done) => return true,
                Ok(Io::Blocked) if start.elapsed() < SILENCE => {}
                Ok(Io::Blocked) | Err(_) => return false,
            }
        }
        false
    }

    fn side(&self, peer: Peer) -> &Side {
        match peer {
            Peer::Client => &self.client,
            Peer::Server => &self.server,
        }
    }
}

impl Ends {
    fn get(&mut self, peer: Peer) -> &mut End {
        match peer {
            Peer::Client => &mut self.client,
            Peer::Server => &mut self.server,
        }
    }
}

impl Side {
    fn new(socket: Socket) -> io::Result<Self> {
        let socket = socket.into_stream();
        socket.set_read_timeout(Some(TICK))?;
        socket.set_write_timeout(Some(TICK))?;
        Ok(Self { socket, writing: Mutex::new(()) })
    }
}

impl End {
    /// Queues the frame that forwards an event.
    fn push(&mut self, event: &SessionEvent<'_>) -> Result<(), SendError> {
        let mut control = [0; Session::MAX_CONTROL_FRAME_LEN];
        let len = match event {
            SessionEvent::Text(text, fragment) => {
                return self.push_data(MessageType::Text, *fragment, text.as_bytes());
            }
            SessionEvent::Binary(bytes, fragment) => {
                return self.push_data(MessageType::Binary, *fragment, bytes);
            }
            SessionEvent::Ping(payload) => self.session.ping(payload, masking_key, &mut control)?,
            SessionEvent::Pong(payload) => self.session.pong(payload, masking_key, &mut control)?,
            // A new Close, or the reply to a Close that this side sent.
            SessionEvent::Close(frame) => {
                self.session.close(frame.clone(), masking_key, &mut control)?
            }
            _ => 0,
        };
        self.output.extend_from_slice(&control[..len]);
        Ok(())
    }

    fn push_data(
        &mut self,
        message_type: MessageType,
        fragment: Fragment,
        payload: &[u8],
    ) -> Result<(), SendError> {
        let len = payload.len() as u64;
        let header = self.session.data_header(message_type, fragment, len, masking_key)?;
        self.output.extend_from_slice(&header.encode());
        let start = self.output.len();
        self.output.extend_from_slice(payload);
        if let Some(key) = header.masking_key() {
            mask(&mut self.output[start..], key, 0);
        }
        Ok(())
    }

    /// Queues the Close that this side gets because `failed` failed.
    fn push_failure(&mut self, failed: Peer, error: ConnectionError) -> Result<(), SendError> {
        if self.session.reply_pending() {
            // This side sent its Close first, and the failed side can no longer reply.
            return self.push_reply();
        }
        let reason = format!("{}: {error}", failed.name());
        self.push(&SessionEvent::Close(Some(CloseFrame::new(failed.failure_code(), reason)?)))
    }

    /// Queues the pending reply, if any.
    fn push_reply(&mut self) -> Result<(), SendError> {
        let mut control = [0; Session::MAX_CONTROL_FRAME_LEN];
        let len = self.session.write_reply(masking_key, &mut control)?;
        self.output.extend_from_slice(&control[..len]);
        Ok(())
    }

    fn drop_reply(&mut self) {
        let mut control = [0; Session::MAX_CONTROL_FRAME_LEN];
        let _ = self.session.write_reply(masking_key, &mut control);
    }
}

/// A fresh masking key for a frame to the server.
fn masking_key() -> Result<[u8; 4], EntropyError> {
    let mut key = [0; 4];
    getrandom::fill(&mut key).map_err(|_| EntropyError)?;
    Ok(key)
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // A panic of another thread leaves the sessions consistent.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
