//! The settings that need a clock: timeouts, and the rate of control frames.

use core::time::Duration;

/// Timeouts, measured on the caller's clock. `None` disables a timeout.
///
/// The default is [`NONE`](Self::NONE). The page [`manual::time`](crate::manual::time) explains
/// each timeout.
///
/// ```
/// use std::time::Duration;
/// use websocket_proto::{Config, Timeouts};
///
/// let timeouts = Timeouts::RECOMMENDED.with_idle(Some(Duration::from_secs(600)));
/// let config = Config::new().with_timeouts(timeouts);
/// assert_eq!(config.timeouts().ping, Some(Duration::from_secs(20)));
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Timeouts {
    /// The time for the peer's request or response in the opening handshake, from the first
    /// reported time. When it expires, a server answers 408 and a client fails.
    pub opening: Option<Duration>,
    /// The silence of the peer after which a Ping is sent (RFC 6455, section 5.5.2).
    pub ping: Option<Duration>,
    /// The silence of the peer after which an unanswered Ping fails the connection and aborts the
    /// transport. It runs from the time that the Ping is written. It has no effect without
    /// [`ping`](Self::ping).
    ///
    /// Output that the transport does not accept for [`ping`](Self::ping) and `pong` together fails
    /// the connection in the same way.
    pub pong: Option<Duration>,
    /// The time without a data frame in either direction after which the connection fails with
    /// close code 3008. Each received or written part of a data frame restarts it.
    pub idle: Option<Duration>,
    /// The time from the first Close frame in either direction, or from a failure, to the end of
    /// the peer's stream. Until our Close frame is written, progress of the output restarts it.
    ///
    /// In the opening handshake, it bounds the time in which a server writes each 16 KiB of a response that
    /// does not accept, and then the time until the client's stream ends.
    pub closing: Option<Duration>,
}

impl Timeouts {
    /// No timeouts. The connection needs no clock; the driver bounds the time after the first Close
    /// frame itself.
    pub const NONE: Self =
        Self { opening: None, ping: None, pong: None, idle: None, closing: None };

    /// Recommended values for connections over the Internet: 10 s to open, a Ping after 20 s of
    /// silence, 20 s for its Pong, 10 s to close, no idle timeout.
    ///
    /// These values detect dead peers and keep a connection open through NATs and proxies, which
    /// commonly drop connections after 60 s of silence or more. They are the defaults of websockets
    /// for Python.
    pub const RECOMMENDED: Self = Self {
        opening: Some(Duration::from_secs(10)),
        ping: Some(Duration::from_secs(20)),
        pong: Some(Duration::from_secs(20)),
        idle: None,
        closing: Some(Duration::from_secs(10)),
    };

    /// Sets [`opening`](Self::opening).
    #[must_use]
    pub const fn with_opening(mut self, timeout: Option<Duration>) -> Self {
        self.opening = timeout;
        self
    }

    /// Sets [`ping`](Self::ping).
    #[must_use]
    pub const fn with_ping(mut self, timeout: Option<Duration>) -> Self {
        self.ping = timeout;
        self
    }

    /// Sets [`pong`](Self::pong).
    #[must_use]
    pub const fn with_pong(mut self, timeout: Option<Duration>) -> Self {
        self.pong = timeout;
        self
    }

    /// Sets [`idle`](Self::idle).
    #[must_use]
    pub const fn with_idle(mut self, timeout: Option<Duration>) -> Self {
        self.idle = timeout;
        self
    }

    /// Sets [`closing`](Self::closing).
    #[must_use]
    pub const fn with_closing(mut self, timeout: Option<Duration>) -> Self {
        self.closing = timeout;
        self
    }
}

/// A limit on the rate of the peer's Pings and Pongs. A peer that exceeds it fails the connection
/// with close code 1008.
///
/// The rate is judged when the driver calls [`handle_timeout`](crate::Connection::handle_timeout).
/// When more than `frames` arrived, [`poll_timeout`](crate::Connection::poll_timeout) asks for that
/// call at once. If several spans of length `per` passed since the previous call, the peer may have
/// sent `frames` in each of them. If the driver never calls `handle_timeout`, the peer may send
/// `frames` in the whole connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ControlRate {
    /// The number of Pings and Pongs that the peer may send in one span.
    pub frames: u16,
    /// The length of the span.
    pub per: Duration,
}
