//! The configuration of connections and handshakes.

#[cfg(target_has_atomic = "ptr")]
use alloc::sync::Arc;
use core::fmt;
use core::time::Duration;

use crate::handshake::{HeadLimits, OriginPolicy};
use crate::limits::ReceiveLimits;
use crate::{Entropy, EntropyError, Limits};

/// The way in which a [`Connection`](crate::Connection) delivers messages.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Delivery {
    /// Each message as one [`Event::Message`](crate::Event::Message), when it is complete.
    #[default]
    Messages,
    /// Each message as a sequence of [`Event::Chunk`](crate::Event::Chunk), as its bytes arrive.
    /// This needs constant memory.
    Chunks,
}

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
/// The rate is judged when the driver calls [`handle_timeout`](crate::Connection::handle_timeout),
/// for which `poll_timeout` is due at once when more than `frames` arrived. If several spans of
/// length `per` passed since the previous call, the peer may have sent `frames` in each of them. If
/// the driver never calls `handle_timeout`, the peer may send `frames` in the whole connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ControlRate {
    /// The number of Pings and Pongs that the peer may send in one span.
    pub frames: u16,
    /// The length of the span.
    pub per: Duration,
}

/// The configuration of any number of connections and handshakes.
///
/// A program creates it once, in a `static` or behind an `Arc`:
///
/// ```
/// use websocket_proto::{Config, Limits, Timeouts};
///
/// static CONFIG: Config = Config::new()
///     .with_limits(Limits::DEFAULT.with_max_message(1 << 20))
///     .with_timeouts(Timeouts::RECOMMENDED);
/// ```
#[derive(Clone)]
pub struct Config {
    limits: Limits,
    /// The limits that follow from `limits` and `delivery`.
    pub(crate) receive_limits: ReceiveLimits,
    pub(crate) head_limits: HeadLimits,
    pub(crate) origin_policy: OriginPolicy<'static>,
    /// At least 1.
    pub(crate) high_water_mark: usize,
    pub(crate) delivery: Delivery,
    pub(crate) timeouts: Timeouts,
    pub(crate) control_rate: Option<ControlRate>,
    pub(crate) statistics: bool,
    /// At least 1.
    pub(crate) max_fragment: usize,
    pub(crate) manual_pong: bool,
    pub(crate) manual_close: bool,
    entropy: EntropySource,
}

#[derive(Clone)]
enum EntropySource {
    OperatingSystem,
    Static(&'static dyn Entropy),
    #[cfg(target_has_atomic = "ptr")]
    Shared(Arc<dyn Entropy>),
}

/// # Construction
impl Config {
    /// Creates the default configuration.
    ///
    /// It has [`Limits::DEFAULT`], [`HeadLimits::DEFAULT`], [`OriginPolicy::same`],
    /// [`Delivery::Messages`], [`Timeouts::NONE`], no [`ControlRate`], no statistics, a high-water
    /// mark of 1 MiB, no fragmentation, automatic replies to Pings and Closes, and the entropy of
    /// the operating system (feature `getrandom`).
    #[must_use]
    pub const fn new() -> Self {
        Self {
            limits: Limits::DEFAULT,
            receive_limits: Limits::DEFAULT.for_messages(),
            head_limits: HeadLimits::DEFAULT,
            origin_policy: OriginPolicy::same(),
            high_water_mark: 1 << 20,
            delivery: Delivery::Messages,
            timeouts: Timeouts::NONE,
            control_rate: None,
            statistics: false,
            max_fragment: usize::MAX,
            manual_pong: false,
            manual_close: false,
            entropy: EntropySource::OperatingSystem,
        }
    }

    /// Sets the limits on the peer's frames and messages.
    #[must_use]
    pub const fn with_limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self.resolve_limits()
    }

    /// Sets whether messages are delivered whole or in chunks.
    #[must_use]
    pub const fn with_delivery(mut self, delivery: Delivery) -> Self {
        self.delivery = delivery;
        self.resolve_limits()
    }

    const fn resolve_limits(mut self) -> Self {
        self.receive_limits = match self.delivery {
            Delivery::Messages => self.limits.for_messages(),
            Delivery::Chunks => self.limits.for_pieces(),
        };
        self
    }

    /// Sets the limits on the head of the peer's request or response in the opening handshake.
    #[must_use]
    pub const fn with_head_limits(mut self, limits: HeadLimits) -> Self {
        self.head_limits = limits;
        self
    }

    /// Sets the origins whose pages may connect to a server (RFC 6455, section 10.2).
    ///
    /// The default is the server's own origin, the only safe policy when authentication uses
    /// cookies.
    #[must_use]
    pub const fn with_origin_policy(mut self, policy: OriginPolicy<'static>) -> Self {
        self.origin_policy = policy;
        self
    }

    /// Sets the number of queued bytes at which `send` fails with [`Full`](crate::SendError::Full).
    ///
    /// A message of any size is accepted while less is queued. 0 counts as 1, which accepts one
    /// message at a time.
    #[must_use]
    pub const fn with_high_water_mark(mut self, bytes: usize) -> Self {
        self.high_water_mark = if bytes == 0 { 1 } else { bytes };
        self
    }

    /// Sets the timeouts. The driver then reports the time with
    /// [`Connection::handle_timeout`](crate::Connection::handle_timeout).
    #[must_use]
    pub const fn with_timeouts(mut self, timeouts: Timeouts) -> Self {
        self.timeouts = timeouts;
        self
    }

    /// Sets a limit on the rate of the peer's Pings and Pongs. The default is no limit.
    #[must_use]
    pub const fn with_control_rate(mut self, rate: ControlRate) -> Self {
        self.control_rate = Some(rate);
        self
    }

    /// Enables [`Connection::statistics`](crate::Connection::statistics), which count messages,
    /// bytes and Pings.
    #[must_use]
    pub const fn with_statistics(mut self) -> Self {
        self.statistics = true;
        self
    }

    /// Sets the maximum payload of an outgoing data frame, in bytes. Longer messages are sent in
    /// fragments (RFC 6455, section 5.4).
    ///
    /// 0 counts as 1. A [`PreparedMessage`](crate::PreparedMessage) is never fragmented.
    #[must_use]
    pub const fn with_max_fragment(mut self, bytes: usize) -> Self {
        self.max_fragment = if bytes == 0 { 1 } else { bytes };
        self
    }

    /// Disables automatic Pongs. The application answers Pings with
    /// [`Connection::pong`](crate::Connection::pong).
    #[must_use]
    pub const fn with_manual_pong(mut self) -> Self {
        self.manual_pong = true;
        self
    }

    /// Disables the automatic reply to the peer's Close. The application answers it with
    /// [`Connection::close`](crate::Connection::close), and may send messages before (RFC 6455,
    /// section 5.5.1). If the peer's stream ends first, the reply is queued automatically.
    #[must_use]
    pub const fn with_manual_close(mut self) -> Self {
        self.manual_close = true;
        self
    }

    /// Sets the source of masking keys and nonces to a `static`. Only clients use it.
    #[must_use]
    pub fn with_static_entropy(mut self, entropy: &'static dyn Entropy) -> Self {
        self.entropy = EntropySource::Static(entropy);
        self
    }

    /// Sets the source of masking keys and nonces. Only clients use it.
    #[cfg(target_has_atomic = "ptr")]
    #[must_use]
    pub fn with_entropy(mut self, entropy: impl Entropy + 'static) -> Self {
        self.entropy = EntropySource::Shared(Arc::new(entropy));
        self
    }
}

/// # Questions
impl Config {
    /// Returns the limits on the peer's frames and messages.
    #[must_use]
    pub const fn limits(&self) -> Limits {
        self.limits
    }

    /// Returns the limits on the head of the peer's request or response.
    #[must_use]
    pub const fn head_limits(&self) -> HeadLimits {
        self.head_limits
    }

    /// Returns the origins whose pages may connect to a server.
    #[must_use]
    pub const fn origin_policy(&self) -> &OriginPolicy<'static> {
        &self.origin_policy
    }

    /// Returns the number of queued bytes at which `send` fails with
    /// [`Full`](crate::SendError::Full).
    #[must_use]
    pub const fn high_water_mark(&self) -> usize {
        self.high_water_mark
    }

    /// Returns whether messages are delivered whole or in chunks.
    #[must_use]
    pub const fn delivery(&self) -> Delivery {
        self.delivery
    }

    /// Returns the timeouts.
    #[must_use]
    pub const fn timeouts(&self) -> Timeouts {
        self.timeouts
    }

    /// Returns the limit on the rate of the peer's Pings and Pongs, or `None` if there is none.
    #[must_use]
    pub const fn control_rate(&self) -> Option<ControlRate> {
        self.control_rate
    }

    /// Returns whether messages, bytes and Pings are counted.
    #[must_use]
    pub const fn counts_statistics(&self) -> bool {
        self.statistics
    }

    /// Returns the maximum payload of an outgoing data frame in bytes; `usize::MAX` by default.
    #[must_use]
    pub const fn max_fragment(&self) -> usize {
        self.max_fragment
    }

    /// Returns whether a connection needs timers or statistics.
    pub(crate) fn has_timers(&self) -> bool {
        self.timeouts != Timeouts::NONE || self.control_rate.is_some() || self.statistics
    }

    /// Fills `out` from the configured source of entropy.
    pub(crate) fn fill(&self, out: &mut [u8]) -> Result<(), EntropyError> {
        match &self.entropy {
            #[cfg(feature = "getrandom")]
            EntropySource::OperatingSystem => crate::OsEntropy.fill(out),
            #[cfg(not(feature = "getrandom"))]
            EntropySource::OperatingSystem => Err(EntropyError),
            EntropySource::Static(entropy) => entropy.fill(out),
            #[cfg(target_has_atomic = "ptr")]
            EntropySource::Shared(entropy) => entropy.fill(out),
        }
    }
}

impl Default for Config {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Config")
            .field("limits", &self.limits)
            .field("head_limits", &self.head_limits)
            .field("origin_policy", &self.origin_policy)
            .field("high_water_mark", &self.high_water_mark)
            .field("delivery", &self.delivery)
            .field("timeouts", &self.timeouts)
            .finish_non_exhaustive()
    }
}

/// A reference to a [`Config`] that connections share: `&'static Config` or `Arc<Config>`.
///
/// Both convert into it with `into()`, and so does a `Config` by value, which moves into an `Arc`.
#[derive(Clone, Debug)]
pub struct SharedConfig(ConfigRef);

#[derive(Clone, Debug)]
enum ConfigRef {
    Static(&'static Config),
    #[cfg(target_has_atomic = "ptr")]
    Shared(Arc<Config>),
}

impl core::ops::Deref for SharedConfig {
    type Target = Config;

    fn deref(&self) -> &Config {
        match &self.0 {
            ConfigRef::Static(config) => config,
            #[cfg(target_has_atomic = "ptr")]
            ConfigRef::Shared(config) => config,
        }
    }
}

impl From<&'static Config> for SharedConfig {
    fn from(config: &'static Config) -> Self {
        Self(ConfigRef::Static(config))
    }
}

#[cfg(target_has_atomic = "ptr")]
impl From<Arc<Config>> for SharedConfig {
    fn from(config: Arc<Config>) -> Self {
        Self(ConfigRef::Shared(config))
    }
}

#[cfg(target_has_atomic = "ptr")]
impl From<&Arc<Config>> for SharedConfig {
    fn from(config: &Arc<Config>) -> Self {
        Self(ConfigRef::Shared(Arc::clone(config)))
    }
}

#[cfg(target_has_atomic = "ptr")]
impl From<Config> for SharedConfig {
    fn from(config: Config) -> Self {
        Self(ConfigRef::Shared(Arc::new(config)))
    }
}
