//! The calls by which a driver runs every opening handshake, and their results.

use alloc::string::String;
use core::fmt;
use core::str;
use core::time::Duration;

use super::fields::FieldName;
use super::{Acceptance, Choice, InvalidHead, ResponseHead};
use crate::{Connection, Input, Output, Transport};

/// The calls that drive an opening handshake: [`ServerHandshake`](super::ServerHandshake),
/// [`ClientHandshake`](super::ClientHandshake) and [`ProxyHandshake`](super::ProxyHandshake).
///
/// A [`Connection`](crate::Connection) has the same calls, and its loop has the same order. The
/// following function returns the next event, or `None` when the socket must be closed. If the
/// handshake ends without a connection, call it until it returns `None`. Pass the same [`Input`] to
/// each call, and then to the connection: bytes that follow the head, and the end of the stream,
/// remain in it.
///
#[cfg_attr(feature = "std", doc = "```no_run")]
#[cfg_attr(not(feature = "std"), doc = "```ignore")]
/// use std::io;
/// use std::net::{Shutdown, TcpStream};
/// use std::time::Instant;
///
/// use websocket_proto::handshake::Handshake;
/// use websocket_proto::{Input, Transport};
///
/// fn drive<H: Handshake>(
///     handshake: &mut H,
///     input: &mut Input<'_>,
///     socket: &mut TcpStream,
///     origin: Instant,
/// ) -> io::Result<Option<H::Event>> {
///     loop {
///         handshake.handle_timeout(origin.elapsed()); // if timeouts are configured
///         handshake.output().write_to(socket)?;
///         match handshake.transport() {
///             Transport::Open => {}
///             Transport::Drain => drop(socket.shutdown(Shutdown::Write)),
///             // Returns the failure, unless it was returned before.
///             Transport::Close | Transport::Abort => return Ok(handshake.receive(input)),
///         }
///         input.read_from(socket)?;
///         if let Some(event) = handshake.receive(input) {
///             return Ok(Some(event));
///         }
///     }
/// }
/// ```
///
/// Keep the order: a failure that the reported time causes shows in `transport()` before the driver
/// waits in `read_from`. With [timeouts](crate::Timeouts), limit each wait by a read timeout and a
/// write timeout on the socket ([`manual::time`](crate::manual::time)).
pub trait Handshake {
    /// The event that [`receive`](Self::receive) returns.
    type Event;

    /// Reads from `input` up to the end of the peer's head, or up to the end of the body if the peer
    /// refuses.
    ///
    /// Returns `None` if more bytes must arrive, if the application must decide, or if the handshake
    /// is over. After a refusal or a failure, it consumes and drops all input.
    fn receive(&mut self, input: &mut Input<'_>) -> Option<Self::Event>;

    /// Returns the output queue.
    fn output(&mut self) -> &mut Output;

    /// Returns what the driver does with the transport now. It is [`Transport::Open`] while the
    /// application must decide.
    ///
    /// In [`Transport::Drain`], continue to pass bytes to [`receive`](Self::receive): they may be the
    /// body of a refusal.
    fn transport(&self) -> Transport;

    /// Reports the time since an origin of the caller's choice.
    ///
    /// Call it at each wake-up, before or after [`receive`](Self::receive), or only when
    /// [`poll_timeout`](Self::poll_timeout) is due.
    ///
    /// The first report after a deadline only starts a grace of an eighth of the timeout, at least 1 ms
    /// and at most 1 s. A report after the grace fails the handshake, unless the head is complete by
    /// then ([`manual::time`](crate::manual::time#read-after-each-report)). A process that was suspended
    /// therefore does not fail a handshake whose bytes are already in the socket.
    fn handle_timeout(&mut self, now: Duration);

    /// Returns the time at which the next [`handle_timeout`](Self::handle_timeout) is due, or `None`
    /// if no deadline applies. A time that is already due means at once: a
    /// deadline starts with that report.
    fn poll_timeout(&self) -> Option<Duration>;

    /// Reports that the transport broke: reading or writing failed. Nothing more is sent or received.
    fn abort(&mut self);
}

/// The parameters on which the two sides agreed in the opening handshake.
///
/// To adopt a connection that another HTTP stack upgraded, name the subprotocol that the stack
/// accepted, if any, and pass the bytes that it read after the request:
///
/// ```
/// use websocket_proto::{Config, Connection, Event, Input, Negotiated};
///
/// static CONFIG: Config = Config::new();
/// let negotiated = Negotiated::new().with_subprotocol("chat");
/// let mut connection = Connection::server(&CONFIG, &negotiated);
/// let mut leftover = *b"\x81\x82\0\0\0\0Hi";
/// let mut input = Input::with_bytes(&mut leftover);
/// assert!(matches!(connection.receive(&mut input), Some(Event::Message(_))));
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Negotiated {
    subprotocol: Option<String>,
}

impl Negotiated {
    /// Creates parameters without a subprotocol.
    #[must_use]
    pub const fn new() -> Self {
        Self { subprotocol: None }
    }

    /// Sets the subprotocol.
    #[must_use]
    pub fn with_subprotocol(mut self, subprotocol: impl Into<String>) -> Self {
        self.subprotocol = Some(subprotocol.into());
        self
    }

    /// Returns the subprotocol, or `None` if there is none.
    #[must_use]
    pub fn subprotocol(&self) -> Option<&str> {
        self.subprotocol.as_deref()
    }

    /// Reads the parameters from a verified response.
    pub(super) fn from_verified(response: &ResponseHead<'_>) -> Self {
        let subprotocol = response.0.first(FieldName::Subprotocols);
        let subprotocol = subprotocol.and_then(|value| str::from_utf8(value).ok());
        Self { subprotocol: subprotocol.map(String::from) }
    }
}

impl From<Choice<'_>> for Negotiated {
    fn from(choice: Choice<'_>) -> Self {
        Self { subprotocol: choice.subprotocol().map(String::from) }
    }
}

impl From<&Acceptance<'_>> for Negotiated {
    fn from(acceptance: &Acceptance<'_>) -> Self {
        Self { subprotocol: acceptance.chosen_subprotocol().map(String::from) }
    }
}

/// A connection that its opening handshake established.
///
/// ```
/// use websocket_proto::Connection;
/// use websocket_proto::handshake::Accepted;
///
/// fn route(accepted: Accepted) -> (Connection, &'static str) {
///     let version = match accepted.negotiated.subprotocol() {
///         Some("chat.v2") => "version 2",
///         Some(_) | None => "version 1",
///     };
///     (accepted.connection, version)
/// }
/// ```
#[derive(Debug)]
#[non_exhaustive]
pub struct Accepted {
    /// The connection. Its output begins with the bytes that the handshake queued and the driver has
    /// not written. Bytes that follow the peer's head are in the driver's [`Input`](crate::Input), for
    /// [`Connection::receive`].
    pub connection: Connection,
    /// The parameters on which both sides agreed.
    pub negotiated: Negotiated,
}

/// A handshake that could not be turned into a connection, and the reason.
///
/// ```
/// use websocket_proto::handshake::{
///     AcceptError, Acceptance, Accepted, Rejection, ServerHandshake, Unaccepted,
/// };
///
/// /// Returns a refused handshake, which the driver continues until `transport()` is `Close`.
/// fn accept(handshake: ServerHandshake) -> Result<Accepted, ServerHandshake> {
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

/// Why a handshake could not be turned into a connection.
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
    /// The handshake has not returned the event that asks for this call, or has ended since.
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
            Self::NotReady => f.write_str("the handshake has nothing to accept"),
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
