//! The calls by which a driver runs every opening handshake, and their results.

use core::fmt;
use core::time::Duration;

use super::InvalidHead;
use crate::{Input, Output, Transport};

/// The calls that drive an opening handshake: [`ServerHandshake`](super::ServerHandshake) and
/// [`ClientHandshake`](super::ClientHandshake).
///
/// A [`Connection`](crate::Connection) has the same calls, and its loop has the same order. The
/// following function returns the next event, or `None` when the socket must be closed. If the
/// handshake ends without a connection, call it until it returns `None`. After an event that asks for a
/// decision, decide before the next call. Pass the same [`Input`] to each call, and then to the
/// connection: bytes that follow the head, and the end of the stream, remain in it.
///
#[cfg_attr(feature = "std", doc = "```")]
#[cfg_attr(not(feature = "std"), doc = "```ignore")]
/// use std::io;
/// use std::net::{Shutdown, TcpStream};
/// use std::time::{Duration, Instant};
///
/// use websocket_proto::handshake::Handshake;
/// use websocket_proto::{Input, Io, Transport};
///
/// fn drive<H: Handshake>(
///     handshake: &mut H,
///     input: &mut Input<'_>,
///     socket: &mut TcpStream, // with a write timeout of 10 ms
///     origin: Instant,
/// ) -> io::Result<Option<H::Event>> {
///     loop {
///         handshake.handle_timeout(origin.elapsed()); // if timeouts are configured
///         let written = handshake.output().write_to(socket)?;
///         match handshake.transport() {
///             Transport::Open => {}
///             Transport::Drain => drop(socket.shutdown(Shutdown::Write)),
///             // Returns the failure, unless it was returned before.
///             Transport::Close | Transport::Abort => return Ok(handshake.receive(input)),
///         }
///         socket.set_read_timeout(Some(wait(written, handshake.poll_timeout(), origin.elapsed())))?;
///         input.read_from(socket)?;
///         if let Some(event) = handshake.receive(input) {
///             return Ok(Some(event));
///         }
///     }
/// }
///
/// /// Returns how long to wait for bytes, as in `manual::time`.
/// fn wait(written: Io, due: Option<Duration>, now: Duration) -> Duration {
///     let longest = Duration::from_millis(if written == Io::Blocked { 10 } else { 1000 });
///     due.map_or(longest, |due| due.saturating_sub(now)).clamp(Duration::from_millis(1), longest)
/// }
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # use std::io::{Read, Write};
/// # use websocket_proto::handshake::{ServerEvent, ServerHandshake};
/// # use websocket_proto::{Config, Timeouts};
/// # static CONFIG: Config = Config::new().with_timeouts(Timeouts::RECOMMENDED);
/// # let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
/// # let mut client = TcpStream::connect(listener.local_addr()?)?;
/// # client.write_all(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n")?;
/// # client.shutdown(Shutdown::Write)?;
/// # let mut handshake = ServerHandshake::new(&CONFIG);
/// # let (mut input, mut socket) = (Input::owned(vec![0; 4096]), listener.accept()?.0);
/// # let origin = Instant::now();
/// # let event = drive(&mut handshake, &mut input, &mut socket, origin)?;
/// # assert_eq!(event, Some(ServerEvent::Http));
/// # handshake.respond(200, &[], b"Hello")?;
/// # assert_eq!(drive(&mut handshake, &mut input, &mut socket, origin)?, None);
/// # drop(socket);
/// # let mut response = Vec::new();
/// # client.read_to_end(&mut response)?;
/// # assert!(response.ends_with(b"\r\n\r\nHello"));
/// # Ok(())
/// # }
/// ```
///
/// The error of a failed write ends this function, although the peer's response may still be readable: see
/// [`manual::driving`](crate::manual::driving#closing).
///
/// Keep the order: a failure that the reported time causes shows in `transport()` before the driver
/// waits in `read_from`. The page [`manual::time`](crate::manual::time#a-blocking-driver) explains the
/// waits.
pub trait Handshake {
    /// The event that [`receive`](Self::receive) returns.
    type Event;

    /// Reads from `input` up to the end of the peer's head, or up to the end of the body if the peer
    /// rejects the request.
    ///
    /// Returns `None` if more bytes must arrive, if the application must decide, or if the handshake
    /// is over. After this side has responded without accepting, after the body of the peer's
    /// rejection, and after a failure, it consumes and drops all input.
    fn receive(&mut self, input: &mut Input<'_>) -> Option<Self::Event>;

    /// Returns the output queue.
    fn output(&mut self) -> &mut Output;

    /// Returns whether output is pending.
    fn has_output(&self) -> bool;

    /// Returns what the driver does with the transport now. It is [`Transport::Open`] while the
    /// application must decide.
    ///
    /// In [`Transport::Drain`], continue to pass bytes to [`receive`](Self::receive): they may be the
    /// body of a rejection.
    fn transport(&self) -> Transport;

    /// Reports the time since an origin of the caller's choice.
    ///
    /// Call it at each wake-up, before or after [`receive`](Self::receive), or only when
    /// [`poll_timeout`](Self::poll_timeout) is due.
    ///
    /// The first report after a deadline only starts a grace of an eighth of the timeout, at least 1 ms
    /// and at most 1 s. The deadline expires at a report within the same time after the grace, unless
    /// the awaited bytes have arrived ([`manual::time`](crate::manual::time#read-after-each-report)).
    /// Then the handshake fails, the body of a rejection is truncated, or the transport closes. A process
    /// that was suspended therefore does not fail a handshake whose bytes are already in the socket.
    fn handle_timeout(&mut self, now: Duration);

    /// Returns the time at which the next [`handle_timeout`](Self::handle_timeout) is due, or `None`
    /// if no deadline applies. A time that is already due means at once: a deadline starts with that
    /// report.
    fn poll_timeout(&self) -> Option<Duration>;

    /// Reports that the transport broke: reading or writing failed. Nothing more is sent or received.
    fn abort(&mut self);
}

/// A handshake that could not be turned into a connection, and the reason.
///
/// ```
/// use websocket_proto::Connection;
/// use websocket_proto::handshake::{
///     AcceptError, Acceptance, Rejection, ServerHandshake, Unaccepted,
/// };
///
/// /// Returns a rejected handshake, which the driver continues until `transport()` is `Close`.
/// fn accept(handshake: ServerHandshake) -> Result<Connection, ServerHandshake> {
///     let acceptance = Acceptance::new().with_subprotocol("chat");
///     handshake.accept(&acceptance).map_err(|Unaccepted { mut handshake, error, .. }| {
///         if let AcceptError::Response(_) = error {
///             // The client did not offer this subprotocol.
///             let _ = handshake.reject(Rejection::BadRequest);
///         }
///         handshake
///     })
/// }
/// ```
#[derive(Debug)]
#[non_exhaustive]
pub struct Unaccepted<H> {
    /// The handshake. Continue to drive it.
    pub handshake: H,
    /// The reason.
    pub error: AcceptError,
}

/// Why a handshake did not act on a decision of the application.
///
/// ```
/// use websocket_proto::Config;
/// use websocket_proto::handshake::{AcceptError, Acceptance, ServerHandshake};
///
/// let handshake = ServerHandshake::new(Config::new());
/// let early = handshake.accept(&Acceptance::new()).unwrap_err();
/// assert_eq!(early.error, AcceptError::NotReady);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum AcceptError {
    /// The handshake has not returned the event that asks for this decision, or was decided or has ended
    /// since.
    NotReady,
    /// The response would be invalid. Call again with other values.
    Response(InvalidHead),
    /// The source of entropy failed, so that the client has no masking keys. The handshake has failed,
    /// and its next `receive` returns the failure.
    Entropy,
}

impl From<InvalidHead> for AcceptError {
    fn from(error: InvalidHead) -> Self {
        Self::Response(error)
    }
}

impl fmt::Display for AcceptError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotReady => f.write_str("the handshake does not wait for this decision"),
            Self::Response(error) => error.fmt(f),
            Self::Entropy => f.write_str("the source of entropy failed"),
        }
    }
}

impl core::error::Error for AcceptError {}

impl<H> fmt::Display for Unaccepted<H> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.error.fmt(f)
    }
}

impl<H: fmt::Debug> core::error::Error for Unaccepted<H> {}
