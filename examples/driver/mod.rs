//! Drives handshakes and connections over blocking sockets with timers. Shared by several examples.

#![allow(dead_code, reason = "each example uses a part")]

use std::error::Error;
use std::io::{self, ErrorKind, IoSlice, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::time::{Duration, Instant};

#[cfg(feature = "deflate")]
use websocket_proto::Deflate;
use websocket_proto::handshake::{ClientHandshake, Handshake, ServerHandshake, Uri};
use websocket_proto::{Config, Connection, Input, Io, Output, Transport};

/// Takes `--deflate[=SETTING,…]` from the arguments of a program and enables permessage-deflate. A setting
/// is `takeover`, or the bits of the windows.
#[cfg(feature = "deflate")]
pub(crate) fn with_deflate(
    config: Config,
    arguments: &mut Vec<String>,
) -> Result<Config, Box<dyn Error + Send + Sync>> {
    let Some(option) = take_deflate(arguments) else { return Ok(config) };
    let mut deflate = Deflate::new();
    for setting in option.split(['=', ',']).skip(1) {
        deflate = match (setting, setting.parse()) {
            ("takeover", _) => {
                deflate.with_outgoing_context_takeover().with_incoming_context_takeover()
            }
            (_, Ok(bits @ 8..=15)) => {
                deflate.with_outgoing_window_bits(bits).with_incoming_window_bits(bits)
            }
            _ => return Err(format!("{option}: a setting is `takeover`, or 8 to 15 bits").into()),
        };
    }
    Ok(config.with_deflate(deflate))
}

/// Rejects `--deflate`, which needs the feature.
#[cfg(not(feature = "deflate"))]
pub(crate) fn with_deflate(
    config: Config,
    arguments: &mut Vec<String>,
) -> Result<Config, Box<dyn Error + Send + Sync>> {
    match take_deflate(arguments) {
        Some(option) => Err(format!("{option} needs `cargo run --features deflate`").into()),
        None => Ok(config),
    }
}

fn take_deflate(arguments: &mut Vec<String>) -> Option<String> {
    let is_deflate = |argument: &String| argument.split('=').next() == Some("--deflate");
    arguments.iter().position(is_deflate).map(|at| arguments.remove(at))
}

/// A blocking socket whose calls return when a timer is due.
pub(crate) struct Socket {
    stream: TcpStream,
    /// The origin of the clock.
    start: Instant,
    /// When a call fails with `TimedOut`.
    deadline: Option<Duration>,
}

impl Socket {
    pub(crate) fn new(stream: TcpStream) -> io::Result<Self> {
        stream.set_nodelay(true)?;
        Ok(Self { stream, start: Instant::now(), deadline: None })
    }

    /// Connects to a server.
    pub(crate) fn connect(uri: &Uri<'_>) -> Result<Self, Box<dyn Error + Send + Sync>> {
        if uri.is_secure() {
            return Err("wss:// needs a TLS library, which the examples do without".into());
        }
        let connected = TcpStream::connect((uri.host(), uri.port())).and_then(Self::new);
        connected.map_err(|error| {
            io::Error::new(error.kind(), format!("{}: {error}", uri.authority())).into()
        })
    }

    pub(crate) fn stream(&self) -> &TcpStream {
        &self.stream
    }

    pub(crate) fn into_stream(self) -> TcpStream {
        self.stream
    }

    /// The current time, to be reported.
    pub(crate) fn now(&self) -> Duration {
        self.start.elapsed()
    }

    pub(crate) fn is_due(&self, timeout: Option<Duration>) -> bool {
        timeout.is_some_and(|timeout| timeout <= self.now())
    }

    /// Lets the next calls block until `deadline` at most.
    pub(crate) fn until(&mut self, deadline: Option<Duration>) -> &mut Self {
        self.deadline = deadline;
        self
    }

    /// The time until the deadline, never zero: a socket rejects a timeout of zero.
    fn remaining(&self) -> io::Result<Option<Duration>> {
        match self.deadline.map(|deadline| deadline.saturating_sub(self.now())) {
            Some(Duration::ZERO) => Err(ErrorKind::TimedOut.into()),
            remaining => Ok(remaining),
        }
    }
}

impl Read for Socket {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.stream.set_read_timeout(self.remaining()?)?;
        self.stream.read(buffer)
    }
}

impl Write for Socket {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.stream.set_write_timeout(self.remaining()?)?;
        self.stream.write(bytes)
    }

    fn write_vectored(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        self.stream.set_write_timeout(self.remaining()?)?;
        self.stream.write_vectored(slices)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The calls that handshakes and connections have in common.
pub(crate) trait Machine {
    fn handle_timeout(&mut self, now: Duration);
    fn poll_timeout(&self) -> Option<Duration>;
    fn output(&mut self) -> &mut Output;
    fn transport(&self) -> Transport;
    fn abort(&mut self);
}

/// Implements [`Machine`] for a type with its own calls, or with those of a trait.
macro_rules! machine {
    ($machine:ty, $calls:ident) => {
        impl Machine for $machine {
            fn handle_timeout(&mut self, now: Duration) {
                $calls::handle_timeout(self, now);
            }

            fn poll_timeout(&self) -> Option<Duration> {
                $calls::poll_timeout(self)
            }

            fn output(&mut self) -> &mut Output {
                $calls::output(self)
            }

            fn transport(&self) -> Transport {
                $calls::transport(self)
            }

            fn abort(&mut self) {
                $calls::abort(self);
            }
        }
    };
}

machine!(ServerHandshake, Handshake);
machine!(ClientHandshake, Handshake);
machine!(Connection, Connection);

/// The longest time that a write waits for a peer that does not read.
const BLOCKED_WRITE: Duration = Duration::from_millis(20);

/// The longest time that a read waits while output is queued.
const BLOCKED_READ: Duration = Duration::from_millis(1);

/// Reports the time, writes and reads. Call before each round of `receive`. Returns `false` if the socket is
/// to be closed. The outcome of a connection is then known; `receive` of a handshake may still report a
/// failure.
///
/// Reads also while the peer does not: it may be waiting for this end to read.
pub(crate) fn turn(machine: &mut impl Machine, socket: &mut Socket, input: &mut Input<'_>) -> bool {
    // Report the time and write until nothing is due, then wait.
    let written = loop {
        machine.handle_timeout(socket.now());
        if machine.transport() == Transport::Abort {
            break Io::Done;
        }
        let deadline = earliest(machine.poll_timeout(), socket.now() + BLOCKED_WRITE);
        match machine.output().write_to(socket.until(deadline)) {
            Ok(written) if !socket.is_due(machine.poll_timeout()) => break written,
            Ok(Io::Done | Io::Blocked) => {}
            Err(_) => machine.abort(),
        }
    };
    if !follow(machine.transport(), socket) {
        return false;
    }
    let deadline = match written {
        Io::Done => machine.poll_timeout(),
        Io::Blocked => earliest(machine.poll_timeout(), socket.now() + BLOCKED_READ),
    };
    if input.read_from(socket.until(deadline)).is_err() {
        machine.abort();
    }
    true
}

fn earliest(timeout: Option<Duration>, other: Duration) -> Option<Duration> {
    Some(timeout.map_or(other, |timeout| timeout.min(other)))
}

/// Follows the transport instruction. Returns `false` if the socket is to be closed.
pub(crate) fn follow(transport: Transport, socket: &Socket) -> bool {
    match transport {
        Transport::Open => true,
        // Keep reading: closing with unread bytes would destroy output in flight.
        Transport::Drain => {
            // Fails if the peer is gone, which a read reports too.
            let _ = socket.stream.shutdown(Shutdown::Write);
            true
        }
        Transport::Close | Transport::Abort => false,
    }
}
