//! A complete endpoint: the protocol state machine with heap memory.
//!
//! [`Connection`] owns a [`Machine`] and adds everything that needs an allocator: reassembled messages,
//! queued output, masking keys and timers.
//!
//! | file | contains |
//! |---|---|
//! | `receive.rs` | bytes into events, and all endings |
//! | `next.rs` | the next step of an asynchronous driver |
//! | `assembly.rs` | the reassembly of messages |
//! | `inflate.rs`, `compress.rs` | received and sent messages with permessage-deflate |
//! | `deflate.rs` | the state that they keep |
//! | `send.rs` | messages into queued frames |
//! | `control.rs` | control frames, received and sent |
//! | `prepared.rs` | messages that are encoded once for many connections |
//! | `keys.rs` | the masking keys of a client |
//! | `output.rs` | the output as the driver uses it |
//! | `queue.rs`, `segment.rs`, `replies.rs` | its pending bytes, payloads without a copy, automatic replies |
//! | `pool.rs` | the queues of each thread |
//! | `report.rs` | the reports of time and traffic to the timers, and what they demand |
//! | `timers.rs` | the timers: keepalive, deadlines, statistics |

mod assembly;
#[cfg(feature = "deflate")]
mod compress;
mod control;
#[cfg(feature = "deflate")]
mod deflate;
#[cfg(feature = "deflate")]
mod inflate;
mod keys;
mod next;
mod output;
mod pool;
mod prepared;
mod queue;
mod receive;
mod replies;
mod report;
mod segment;
mod send;
mod statistics;
mod timers;

pub use next::Next;
pub use output::Output;
pub use prepared::PreparedMessage;
pub use statistics::{DirectionStatistics, Statistics};

use alloc::boxed::Box;
use core::fmt;

use assembly::Assembly;
use control::Control;
#[cfg(feature = "deflate")]
use deflate::DeflateState;
use keys::Keys;
use timers::Timers;

#[cfg(feature = "deflate")]
use crate::DeflateParameters;
use crate::session::{AbortCause, Machine};
use crate::{
    Config, ConnectionError, EntropyError, Negotiated, Outcome, Role, SharedConfig, Transport,
};

/// A WebSocket connection after its opening handshake.
///
/// [`ServerHandshake::accept`](crate::handshake::ServerHandshake::accept) and
/// [`ClientHandshake::establish`](crate::handshake::ClientHandshake::establish) create one.
///
/// [`receive`](Self::receive) consumes the bytes that the driver has read, and returns events.
/// [`output`](Self::output) returns the bytes that the driver has to write.
/// [`transport`](Self::transport) instructs the driver to continue or to close the transport. The
/// [front page](crate#the-driving-loop) of the crate shows the loop that drives a connection.
///
/// ```
/// use websocket_proto::{Config, Connection, Event, Input, Negotiated};
///
/// static CONFIG: Config = Config::new();
/// let mut connection = Connection::server(&CONFIG, &Negotiated::default());
///
/// let mut bytes = [0x81, 0x85, 0x37, 0xfa, 0x21, 0x3d, 0x7f, 0x9f, 0x4d, 0x51, 0x58];
/// let mut input = Input::with_bytes(&mut bytes);
/// while let Some(event) = connection.receive(&mut input) {
///     if let Event::Message(message) = event {
///         connection.send(message)?;
///     }
/// }
/// assert_eq!(connection.output().chunk(), b"\x81\x05Hello");
/// # Ok::<(), websocket_proto::SendError>(())
/// ```
pub struct Connection {
    machine: Machine,
    config: SharedConfig,
    output: Output,
    assembly: Assembly,
    control: Control,
    keys: Keys,
    timers: Option<Box<Timers>>,
    #[cfg(feature = "deflate")]
    deflate: Option<Box<DeflateState>>,
    /// The agreed parameters of permessage-deflate.
    #[cfg(feature = "deflate")]
    deflate_parameters: Option<DeflateParameters>,
    /// The number of bytes that the last call left unread in the [`Input`](crate::Input), modulo 2³²;
    /// compared with that of the next `Input` to detect a foreign one.
    expected_unread: u32,
}

/// # Construction
impl Connection {
    /// Creates the server end of a connection whose opening handshake another HTTP stack performed.
    ///
    /// Pass the bytes that the stack read after the request in the first [`Input`](crate::Input).
    /// `negotiated` determines the extension. The subprotocol is not stored; the application keeps it.
    #[must_use]
    pub fn server(config: impl Into<SharedConfig>, negotiated: &Negotiated<'_>) -> Self {
        Self::new(Role::Server, config.into(), negotiated, Keys::none())
    }

    /// Creates the client end of a connection whose opening handshake another HTTP stack performed.
    ///
    /// Pass the bytes that the stack read after the response in the first [`Input`](crate::Input).
    /// `negotiated` determines the extension. The subprotocol is not stored; the application keeps it.
    ///
    /// # Errors
    ///
    /// Returns an error if no masking keys can be drawn: the configured [`Entropy`](crate::Entropy)
    /// fails, or none is configured and the feature `getrandom` is disabled.
    pub fn client(
        config: impl Into<SharedConfig>,
        negotiated: &Negotiated<'_>,
    ) -> Result<Self, EntropyError> {
        let config = config.into();
        let keys = Keys::draw(&config)?;
        Ok(Self::new(Role::Client, config, negotiated, keys))
    }

    /// Adds the state that a handshake passes on: its unwritten `output`, and the number of unread
    /// bytes in the [`Input`](crate::Input).
    pub(crate) fn after_handshake(mut self, output: Output, expected_unread: usize) -> Self {
        if let Some(timers) = &mut self.timers {
            timers.completed_handshake(output.end());
        }
        self.output = output;
        self.expected_unread = expected_unread as u32;
        self
    }

    fn new(role: Role, config: SharedConfig, negotiated: &Negotiated<'_>, keys: Keys) -> Self {
        Self {
            machine: Machine::new(role, negotiated.reserved_bits()),
            timers: Timers::new(&config),
            config,
            output: Output::empty(),
            assembly: Assembly::default(),
            control: Control::default(),
            keys,
            #[cfg(feature = "deflate")]
            deflate: None,
            #[cfg(feature = "deflate")]
            deflate_parameters: negotiated.deflate_parameters(),
            expected_unread: 0,
        }
    }
}

/// # Output
impl Connection {
    /// Returns the queued output, for the driver to write now.
    ///
    /// With timers, this call starts the time in which the transport must accept output. A driver
    /// that only asks whether output is pending calls [`has_output`](Self::has_output).
    #[inline]
    pub fn output(&mut self) -> &mut Output {
        if self.timers.is_some() {
            self.observe_output();
        }
        &mut self.output
    }

    /// Returns whether output is pending.
    #[inline]
    #[must_use]
    pub fn has_output(&self) -> bool {
        !self.output.is_empty()
    }

    /// Reports that reading from or writing to the transport failed.
    ///
    /// Nothing is sent or received after this call. If the connection has not ended before, it
    /// fails with [`ConnectionError::Aborted`]: [`error`](Self::error) returns the failure at once,
    /// and the next [`receive`](Self::receive) returns it, even with an empty input. The connection
    /// does not store the I/O error; the driver keeps it.
    pub fn abort(&mut self) {
        self.abort_with(ConnectionError::Aborted);
    }

    /// Fails the connection without a Close frame.
    fn abort_with(&mut self, error: ConnectionError) {
        let cause = if self.output.close_is_pending() {
            AbortCause::CloseUnwritten
        } else {
            AbortCause::Transport
        };
        self.machine.abort(error, cause);
        self.settle();
    }
}

/// # Questions
impl Connection {
    /// Returns the parameters of permessage-deflate (RFC 7692), or `None` if it was not agreed.
    #[cfg(feature = "deflate")]
    #[must_use]
    pub const fn deflate_parameters(&self) -> Option<DeflateParameters> {
        self.deflate_parameters
    }

    /// Returns the instruction to the driver about the transport. Follow it after each write.
    ///
    /// While output is pending, the result is [`Open`](Transport::Open), or
    /// [`Abort`](Transport::Abort) if the transport failed or a timeout expired.
    #[must_use]
    pub fn transport(&self) -> Transport {
        match self.machine.transport() {
            Transport::Abort => Transport::Abort,
            Transport::Open | Transport::Drain | Transport::Close if self.has_output() => {
                Transport::Open
            }
            transport @ (Transport::Open | Transport::Drain | Transport::Close) => transport,
        }
    }

    /// Returns whether [`send`](Self::send) has room for one message of any size, and
    /// [`send_chunk`](Self::send_chunk) for one piece.
    ///
    /// There is room while less than the [high-water mark](Config::with_high_water_mark) is queued.
    /// Frames count with their headers, owned payloads with their capacity. Pings and Pongs of the
    /// application count; automatic Pongs, keepalive Pings and Close frames do not: room remains until the
    /// application sends.
    ///
    /// A program that replies to messages calls this before each [`receive`](Self::receive). A
    /// program that sends on its own initiative waits until it returns `true`, and continues to
    /// receive meanwhile. Once no message can be sent any more (after our Close or a failure), it
    /// always returns `true`, so that a loop that depends on it continues to receive.
    #[inline]
    #[must_use]
    pub fn has_room(&self) -> bool {
        self.output.counted() < self.config.high_water_mark || !self.machine.may_send_data()
    }

    /// Returns whether the protocol allows a new message. It does not after this endpoint has sent
    /// a Close frame, after a failure, and while a message is being sent in pieces.
    #[must_use]
    pub fn may_send(&self) -> bool {
        self.machine.may_send_data() && self.machine.outgoing().is_none()
    }

    /// Returns whether the protocol allows the next piece of the outgoing message in progress.
    #[must_use]
    pub fn may_send_chunk(&self) -> bool {
        self.machine.may_send_data() && self.machine.outgoing().is_some()
    }

    /// Returns whether a Close frame was sent or received, or the connection failed.
    #[must_use]
    pub fn is_closing(&self) -> bool {
        !self.machine.is_open()
    }

    /// Returns how the connection ended, or `None` if it has not ended.
    ///
    /// The result is `Some` exactly while [`transport`](Self::transport) is not
    /// [`Open`](Transport::Open), and so also while the transport is drained: after the closing
    /// handshake or a failure, once all output is written. After a complete closing handshake, a
    /// client also waits for the end of the server's stream.
    #[must_use]
    pub fn outcome(&self) -> Option<Outcome> {
        self.machine.outcome(self.transport())
    }

    /// Returns the failure of the connection, or `None` if it has not failed.
    ///
    /// The failure is available at once, before [`receive`](Self::receive) returns it as an event.
    #[must_use]
    pub const fn error(&self) -> Option<ConnectionError> {
        self.machine.error()
    }

    /// Returns the role of this endpoint.
    #[must_use]
    pub const fn role(&self) -> Role {
        self.machine.role()
    }

    /// Returns the configuration.
    #[must_use]
    pub fn config(&self) -> &Config {
        &self.config
    }
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection")
            .field("machine", &self.machine)
            .field("output", &self.output)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connections_can_be_moved_and_shared_between_threads() {
        fn check<T: Send + Sync>() {}
        check::<Connection>();
        check::<crate::session::Session>();
        check::<Config>();
        check::<crate::Event<'static>>();
    }

    #[test]
    fn sizes_are_bounded() {
        assert!(size_of::<Machine>() <= 64, "machine: {}", size_of::<Machine>());
        assert!(size_of::<Connection>() <= 160, "connection: {}", size_of::<Connection>());
    }
}
