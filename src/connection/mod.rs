//! A complete endpoint: a session with memory.

mod assembly;
mod buffers;
mod keys;
mod output;
mod prepared;
mod receive;
mod send;
mod sending;
mod timers;

pub use buffers::Buffers;
pub use output::Output;
pub use prepared::PreparedMessage;
pub use sending::Sending;
pub use timers::{Counters, Traffic};

use alloc::boxed::Box;
use core::fmt;

use bytes::Buf;

use assembly::Assembly;
use keys::Keys;
use timers::Timers;

use crate::{Config, Negotiated, Outcome, ProtocolError, Role, Session, SharedConfig, Transport};

/// A WebSocket connection after its opening handshake.
///
/// Bytes go in through [`receive`](Self::receive), which returns events; bytes come out of
/// [`output`](Self::output); [`transport`](Self::transport) says what to do with the transport.
/// The front page of the crate has the loop that drives it.
///
/// ```
/// use bytes::Buf;
/// use websocket_proto::{Config, Connection, Event, Negotiated};
///
/// static CONFIG: Config = Config::new();
/// let mut connection = Connection::server(&CONFIG, &Negotiated::default());
///
/// let mut buffer = [0x81, 0x85, 0x37, 0xfa, 0x21, 0x3d, 0x7f, 0x9f, 0x4d, 0x51, 0x58];
/// let mut input = &mut buffer[..];
/// while let Some(event) = connection.receive(&mut input) {
///     if let Event::Message(message) = event {
///         connection.send(message)?;
///     }
/// }
/// assert_eq!(connection.output().chunk(), b"\x81\x05Hello");
/// # Ok::<(), websocket_proto::SendReason>(())
/// ```
pub struct Connection {
    session: Session,
    config: SharedConfig,
    output: Output,
    assembly: Assembly,
    keys: Keys,
    timers: Option<Box<Timers>>,
}

impl Connection {
    // --- Construction --------------------------------------------------------------------------

    /// The server's end of a connection whose opening handshake is done.
    #[must_use]
    pub fn server(config: impl Into<SharedConfig>, negotiated: &Negotiated) -> Self {
        Self::with_output(Role::Server, config.into(), negotiated, Output::default())
    }

    /// The client's end of a connection whose opening handshake is done.
    #[must_use]
    pub fn client(config: impl Into<SharedConfig>, negotiated: &Negotiated) -> Self {
        Self::with_output(Role::Client, config.into(), negotiated, Output::default())
    }

    /// A connection behind what its handshake still has to write.
    pub(crate) fn with_output(
        role: Role,
        config: SharedConfig,
        _negotiated: &Negotiated,
        output: Output,
    ) -> Self {
        Self {
            session: Session::new(role),
            timers: config.has_timers().then(Default::default),
            config,
            output,
            assembly: Assembly::default(),
            keys: Keys::default(),
        }
    }

    // --- What the transport reports ------------------------------------------------------------

    /// The peer's stream ended: a read returned 0 bytes. Before the peer's Close frame that is a
    /// failure, which [`receive`](Self::receive) tells, also without input.
    pub fn receive_eof(&mut self) {
        self.session.receive_eof();
        self.assembly.clear();
    }

    /// The transport broke: reading or writing failed. Nothing more is sent or received. Before the
    /// end of the closing handshake that is a failure, which [`receive`](Self::receive) tells, also
    /// without input.
    pub fn abort(&mut self) {
        self.fail(ProtocolError::Aborted);
    }

    /// Gives the transport up.
    fn fail(&mut self, error: ProtocolError) {
        if self.output.has_remaining() {
            self.session.fail_unwritten(error);
        } else {
            self.session.fail(error);
        }
        self.assembly.clear();
    }

    // --- Output --------------------------------------------------------------------------------

    /// What waits to be written.
    #[inline]
    pub fn output(&mut self) -> &mut Output {
        &mut self.output
    }

    // --- Questions -----------------------------------------------------------------------------

    /// What to do with the transport now.
    #[must_use]
    pub fn transport(&self) -> Transport {
        match self.session.transport() {
            Transport::Abort => Transport::Abort,
            Transport::Open | Transport::Drain | Transport::Close
                if self.output.has_remaining() =>
            {
                Transport::Open
            }
            transport @ (Transport::Open | Transport::Drain | Transport::Close) => transport,
        }
    }

    /// Whether bytes from the transport, or their end, are awaited.
    #[must_use]
    pub fn wants_read(&self) -> bool {
        self.session.wants_read()
    }

    /// Whether bytes wait to be written.
    #[must_use]
    pub fn wants_write(&self) -> bool {
        self.output.has_remaining() && self.session.transport() != Transport::Abort
    }

    /// Whether a message would be accepted, with room for more: less than half the
    /// [high-water mark](Config::high_water_mark) waits. After
    /// [`Full`](crate::SendReason::Full), wait for this. After a Close frame and after a failure it
    /// is `false` for good: what was refused can be dropped.
    #[must_use]
    pub fn can_send(&self) -> bool {
        self.session.may_send() && self.output.remaining() < self.config.high_water_mark.div_ceil(2)
    }

    /// How the connection ended, `None` until the transport is to be closed.
    #[must_use]
    pub fn outcome(&self) -> Option<Outcome> {
        match self.transport() {
            Transport::Open => None,
            Transport::Drain | Transport::Close | Transport::Abort => self.session.outcome(),
        }
    }

    /// Why the connection failed, `None` if it did not.
    #[must_use]
    pub const fn error(&self) -> Option<ProtocolError> {
        self.session.error()
    }

    /// Which end this is.
    #[must_use]
    pub const fn role(&self) -> Role {
        self.session.role()
    }

    /// The configuration it was made with.
    #[must_use]
    pub fn config(&self) -> &Config {
        &self.config
    }
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection")
            .field("session", &self.session)
            .field("output", &self.output)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_connection_may_move_and_be_shared_between_threads() {
        fn check<T: Send + Sync>() {}
        check::<Connection>();
        check::<Session>();
        check::<Config>();
        check::<crate::Event<'static>>();
    }

    #[test]
    fn sizes_are_bounded() {
        assert!(size_of::<Session>() <= 64, "session: {}", size_of::<Session>());
        assert!(size_of::<Connection>() <= 192, "connection: {}", size_of::<Connection>());
    }
}
