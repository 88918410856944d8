//! An echo server for ten thousand connections on one thread, with one read buffer for all of them.
//!
//! An idle connection costs its state and its timers, about 330 bytes. `GET /` returns the number of
//! connections and the resident memory of the process. Ten thousand connections need as many file
//! descriptors: `ulimit -n 11000`.

use std::error::Error;
use std::io::ErrorKind;
use std::net::Shutdown;
use std::time::{Duration, Instant};

use mio::event::Event;
use mio::net::{TcpListener, TcpStream};
use mio::{Events, Interest, Poll, Token};
use websocket_proto::handshake::{Acceptance, Handshake, ServerEvent, ServerHandshake};
use websocket_proto::{Config, Connection, Input, Io, Output, Timeouts, Transport, Unsent};

static CONFIG: Config = Config::new().with_timeouts(Timeouts::RECOMMENDED);

const LISTENER: Token = Token(usize::MAX);

struct Client {
    socket: TcpStream,
    state: State,
    /// Bytes that wait for room in the output, or the end of the stream.
    unread: Option<Box<Input<'static>>>,
}

enum State {
    Opening(Box<ServerHandshake>),
    Open(Connection),
}

struct Server {
    poll: Poll,
    listener: TcpListener,
    /// The token of a client is its index.
    clients: Vec<Option<Box<Client>>>,
    free: Vec<usize>,
    buffer: Box<[u8]>,
    start: Instant,
}

fn main() -> Result<(), Box<dyn Error>> {
    let address = std::env::args().nth(1).unwrap_or("127.0.0.1:9001".into()).parse()?;
    let poll = Poll::new()?;
    let mut listener = TcpListener::bind(address)?;
    poll.registry().register(&mut listener, LISTENER, Interest::READABLE)?;
    println!("listening on ws://{}/", listener.local_addr()?);
    let buffer = vec![0; 64 * 1024].into_boxed_slice();
    let (clients, free, start) = (Vec::new(), Vec::new(), Instant::now());
    Server { poll, listener, clients, free, buffer, start }.run()
}

impl Server {
    fn run(mut self) -> Result<(), Box<dyn Error>> {
        let mut events = Events::with_capacity(1024);
        let mut next_sweep = Duration::ZERO;
        loop {
            match self.poll.poll(&mut events, Some(Duration::from_secs(1))) {
                Err(error) if error.kind() != ErrorKind::Interrupted => return Err(error.into()),
                Ok(()) | Err(_) => {} // A signal interrupts, also that which continues a stopped process.
            }
            for token in events.iter().map(Event::token) {
                if token == LISTENER { self.accept() } else { self.serve(token.0) }
            }
            // Keepalive needs no more precision than a second.
            if self.start.elapsed() >= next_sweep {
                next_sweep = self.start.elapsed() + Duration::from_secs(1);
                self.accept();
                (0..self.clients.len()).for_each(|index| self.serve_if_due(index));
            }
        }
    }

    fn accept(&mut self) {
        loop {
            let added = match self.listener.accept() {
                Ok((socket, _)) => self.add(socket),
                Err(error) if error.kind() == ErrorKind::WouldBlock => return,
                Err(error) => Err(error),
            };
            if let Err(error) = added {
                // Possibly out of file descriptors: others wait in the queue of the listener, which reports
                // them only once. The next sweep accepts them.
                return eprintln!("{error}");
            }
        }
    }

    fn add(&mut self, mut socket: TcpStream) -> std::io::Result<()> {
        let index = self.free.last().copied().unwrap_or(self.clients.len());
        let interest = Interest::READABLE | Interest::WRITABLE;
        self.poll.registry().register(&mut socket, Token(index), interest)?;
        if self.free.pop().is_none() {
            self.clients.push(None);
        }
        let state = State::Opening(Box::new(ServerHandshake::new(&CONFIG)));
        self.clients[index] = Some(Box::new(Client { socket, state, unread: None }));
        Ok(())
    }

    fn serve_if_due(&mut self, index: usize) {
        let due = self.clients[index].as_ref().and_then(|client| client.state.poll_timeout());
        if due.is_some_and(|due| due <= self.start.elapsed()) {
            self.serve(index);
        }
    }

    /// Runs a client until its socket blocks, and removes it at its end.
    fn serve(&mut self, index: usize) {
        let connections = self.clients.len() - self.free.len();
        let Some(client) = &mut self.clients[index] else { return };
        match client.run(&mut self.buffer, self.start.elapsed(), connections) {
            Ok(true) => {}
            Ok(false) | Err(_) => {
                self.clients[index] = None;
                self.free.push(index);
            }
        }
    }
}

impl Client {
    /// Runs until the socket blocks. A client that sends as fast as this thread echoes would stop all others:
    /// a server for clients that are not trusted bounds the reads, as `manual::driving` shows.
    ///
    /// Returns whether the client continues.
    fn run(
        &mut self,
        buffer: &mut [u8],
        now: Duration,
        connections: usize,
    ) -> Result<bool, Box<dyn Error>> {
        loop {
            self.state.handle_timeout(now);
            let written = self.state.output().write_to(&mut self.socket)?;
            match self.state.transport() {
                Transport::Open => {}
                Transport::Drain => drop(self.socket.shutdown(Shutdown::Write)),
                Transport::Close | Transport::Abort => return Ok(false),
            }
            let mut input = match self.unread.take() {
                Some(unread) => *unread,
                None => Input::new(buffer),
            };
            let read = input.read_from(&mut self.socket)?;
            self.state.receive(&mut input, connections)?;
            let stays = input.has_unread() || input.is_finished();
            if stays {
                self.unread = Some(Box::new(input.into_owned()));
            }
            // Received messages may have queued output, which the next turn writes.
            if (read == Io::Blocked || stays)
                && (written == Io::Blocked || !self.state.has_output())
            {
                // The end of the stream may just have ended the connection.
                return Ok(matches!(self.state.transport(), Transport::Open | Transport::Drain));
            }
        }
    }
}

impl State {
    fn receive(&mut self, input: &mut Input<'_>, connections: usize) -> Result<(), Box<dyn Error>> {
        if let Self::Opening(handshake) = self {
            match handshake.receive(input) {
                Some(ServerEvent::Upgrade) => {
                    let handshake =
                        std::mem::replace(&mut **handshake, ServerHandshake::new(&CONFIG));
                    *self = Self::Open(handshake.accept(&Acceptance::new())?);
                }
                Some(ServerEvent::Http) => {
                    let page = format!("{connections} connections, {} bytes\n", resident());
                    handshake.respond(200, &[], page.as_bytes())?;
                }
                // The response to a failure is already queued.
                Some(ServerEvent::Failed(_)) | None => {}
            }
        }
        if let Self::Open(connection) = self {
            while connection.has_room()
                && let Some(event) = connection.receive(input)
            {
                if let websocket_proto::Event::Message(message) = event
                    && connection.may_send()
                {
                    connection.send(message).map_err(Unsent::into_error)?;
                }
            }
        }
        Ok(())
    }

    fn handle_timeout(&mut self, now: Duration) {
        match self {
            Self::Opening(handshake) => handshake.handle_timeout(now),
            Self::Open(connection) => connection.handle_timeout(now),
        }
    }

    fn poll_timeout(&self) -> Option<Duration> {
        match self {
            Self::Opening(handshake) => handshake.poll_timeout(),
            Self::Open(connection) => connection.poll_timeout(),
        }
    }

    fn output(&mut self) -> &mut Output {
        match self {
            Self::Opening(handshake) => handshake.output(),
            Self::Open(connection) => connection.output(),
        }
    }

    fn has_output(&self) -> bool {
        match self {
            Self::Opening(handshake) => handshake.has_output(),
            Self::Open(connection) => connection.has_output(),
        }
    }

    fn transport(&self) -> Transport {
        match self {
            Self::Opening(handshake) => handshake.transport(),
            Self::Open(connection) => connection.transport(),
        }
    }
}

/// Returns the resident memory of this process in bytes, or 0 where it is unknown.
fn resident() -> usize {
    let pages = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    pages.split(' ').nth(1).and_then(|pages| pages.parse::<usize>().ok()).unwrap_or(0) * 4096
}
