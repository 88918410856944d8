//! One configuration for any number of connections.

#[cfg(target_has_atomic = "ptr")]
use alloc::sync::Arc;
use core::fmt;
use core::num::NonZeroUsize;
use core::time::Duration;

use crate::handshake::{HeadLimits, OriginPolicy};
use crate::{Entropy, EntropyError, Limits};

/// How the messages of a [`Connection`](crate::Connection) are delivered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Delivery {
    /// Whole, as [`Event::Message`](crate::Event::Message).
    #[default]
    Messages,
    /// Piece by piece as they arrive, as [`Event::Chunk`](crate::Event::Chunk), in constant
    /// memory. [`Limits::max_message`] does not apply.
    Chunks,
}

/// How long things may take, on the caller's clock; `None` bounds nothing and costs nothing. The
/// front page of the crate lists the [defaults](crate#limits-and-times).
///
/// ```
/// use std::time::Duration;
/// use websocket_proto::{Config, Timeouts};
///
/// let idle = Some(Duration::from_secs(600));
/// let config = Config::new().timeouts(Timeouts { idle, ..Timeouts::MIDDLEBOXES });
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Timeouts {
    /// The opening handshake, from its first call.
    pub opening: Option<Duration>,
    /// Silence after which a Ping is sent: nothing but Pongs that answer no Ping came from the
    /// peer, and no output was taken that had to wait.
    pub ping: Option<Duration>,
    /// Such silence after a Ping that was not answered, after which the peer counts as dead: the
    /// connection fails, the transport is to be aborted. Without [`ping`](Self::ping) it has no
    /// effect.
    pub pong: Option<Duration>,
    /// Nothing of a message passed, either way: the connection fails with close code 3008. Every
    /// piece counts, so that a long message may take its time.
    pub idle: Option<Duration>,
    /// From the first Close frame, either way, or the failure, to the end of the transport.
    pub closing: Option<Duration>,
}

impl Timeouts {
    /// No bounds, no clock.
    pub const NONE: Self =
        Self { opening: None, ping: None, pong: None, idle: None, closing: None };

    /// What keeps a path through proxies and address translators open and notices a peer that is
    /// gone: middleboxes drop silent connections, mostly after a minute, and say so to nobody.
    pub const MIDDLEBOXES: Self = Self {
        opening: Some(Duration::from_secs(10)),
        ping: Some(Duration::from_secs(20)),
        pong: Some(Duration::from_secs(20)),
        idle: None,
        closing: Some(Duration::from_secs(10)),
    };
}

/// At most so many control frames from the peer in each span of time; more fail the connection
/// with close code 1008. Counted only with a clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ControlRate {
    /// Pings and Pongs.
    pub frames: u16,
    /// The span.
    pub per: Duration,
}

/// What connections and handshakes share.
///
/// Built once, in a `static` or behind an `Arc`, and handed to each of them:
///
/// ```
/// use websocket_proto::{Config, Limits};
///
/// static CONFIG: Config = Config::new().limits(Limits { max_message: 1 << 20, ..Limits::DEFAULT });
/// ```
#[derive(Clone)]
pub struct Config {
    pub(crate) limits: Limits,
    /// As they apply to what is delivered in this way.
    pub(crate) incoming_limits: Limits,
    pub(crate) head_limits: HeadLimits,
    pub(crate) origin_policy: OriginPolicy<'static>,
    pub(crate) high_water_mark: usize,
    pub(crate) delivery: Delivery,
    pub(crate) timeouts: Timeouts,
    pub(crate) control_rate: Option<ControlRate>,
    pub(crate) counters: bool,
    pub(crate) fragment_size: usize,
    pub(crate) manual_pong: bool,
    pub(crate) manual_close: bool,
    entropy: Source,
}

#[derive(Clone)]
enum Source {
    Default,
    Static(&'static dyn Entropy),
    #[cfg(target_has_atomic = "ptr")]
    Shared(Arc<dyn Entropy>),
}

/// Bytes of a message that is put together, at most: its memory doubles, and none is larger than
/// `isize::MAX`.
const MAX_MESSAGE: u64 = isize::MAX as u64 / 2;

impl Config {
    /// The defaults: [`Limits::DEFAULT`], [`HeadLimits::DEFAULT`], [`OriginPolicy::same`], whole
    /// messages, a high-water mark of 1 MiB, and with the feature `getrandom` the operating system's
    /// entropy.
    pub const fn new() -> Self {
        Self {
            limits: Limits::DEFAULT,
            incoming_limits: Limits::DEFAULT,
            head_limits: HeadLimits::DEFAULT,
            origin_policy: OriginPolicy::same(),
            high_water_mark: 1 << 20,
            delivery: Delivery::Messages,
            timeouts: Timeouts::NONE,
            control_rate: None,
            counters: false,
            fragment_size: usize::MAX,
            manual_pong: false,
            manual_close: false,
            entropy: Source::Default,
        }
    }

    /// Limits on the peer's frames and messages.
    #[must_use]
    pub const fn limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self.with_incoming_limits()
    }

    /// Limits on the peer's handshake head.
    #[must_use]
    pub const fn head_limits(mut self, limits: HeadLimits) -> Self {
        self.head_limits = limits;
        self
    }

    /// Whose pages a server lets connect; its own by default, for there is no other that is safe
    /// with cookies. A list that is not `'static` is applied by the caller, to
    /// [`ServerHandshake::request`](crate::handshake::ServerHandshake::request), with
    /// [`OriginPolicy::any`] here.
    #[must_use]
    pub const fn origin_policy(mut self, policy: OriginPolicy<'static>) -> Self {
        self.origin_policy = policy;
        self
    }

    /// Bytes of queued output from which [`Connection::send`](crate::Connection::send) answers
    /// [`Full`](crate::SendReason::Full). Whatever a message's size, it is accepted while less
    /// than this waits.
    #[must_use]
    pub const fn high_water_mark(mut self, bytes: usize) -> Self {
        self.high_water_mark = bytes;
        self
    }

    /// Whole messages or pieces.
    #[must_use]
    pub const fn delivery(mut self, delivery: Delivery) -> Self {
        self.delivery = delivery;
        self.with_incoming_limits()
    }

    const fn with_incoming_limits(mut self) -> Self {
        let max_message = match self.delivery {
            Delivery::Messages if self.limits.max_message > MAX_MESSAGE => MAX_MESSAGE,
            Delivery::Messages => self.limits.max_message,
            // Pieces take no memory, however long the message.
            Delivery::Chunks => u64::MAX,
        };
        self.incoming_limits = Limits { max_message, ..self.limits };
        self
    }

    /// Bounds on time. With any of them, the driver tells the time with
    /// [`Connection::handle_timeout`](crate::Connection::handle_timeout).
    #[must_use]
    pub const fn timeouts(mut self, timeouts: Timeouts) -> Self {
        self.timeouts = timeouts;
        self
    }

    /// A bound on the peer's control frames. It needs the time, as [`timeouts`](Self::timeouts) do.
    #[must_use]
    pub const fn control_rate(mut self, rate: ControlRate) -> Self {
        self.control_rate = Some(rate);
        self
    }

    /// Counts messages, bytes and Pings: [`Connection::counters`](crate::Connection::counters). The
    /// bytes written are counted rightly if
    /// [`Connection::handle_timeout`](crate::Connection::handle_timeout) is called before they are
    /// 4 GiB more.
    #[must_use]
    pub const fn counters(mut self) -> Self {
        self.counters = true;
        self
    }

    /// Sends messages longer than this many bytes of payload in fragments of this size, so that
    /// control frames pass between them. Without, each message is one frame.
    #[must_use]
    pub const fn fragment_size(mut self, bytes: NonZeroUsize) -> Self {
        self.fragment_size = bytes.get();
        self
    }

    /// Leaves Pings for the application to answer, with
    /// [`Connection::pong`](crate::Connection::pong).
    #[must_use]
    pub const fn manual_pong(mut self) -> Self {
        self.manual_pong = true;
        self
    }

    /// Leaves the peer's Close for the application to answer, with
    /// [`Connection::close`](crate::Connection::close): until then it may finish what it sends
    /// (RFC 6455, section 5.5.1).
    #[must_use]
    pub const fn manual_close(mut self) -> Self {
        self.manual_close = true;
        self
    }

    /// The source of masking keys and nonces, from a `static`.
    #[must_use]
    pub fn static_entropy(mut self, entropy: &'static dyn Entropy) -> Self {
        self.entropy = Source::Static(entropy);
        self
    }

    /// The source of masking keys and nonces. Only clients need one.
    #[cfg(target_has_atomic = "ptr")]
    #[must_use]
    pub fn entropy(mut self, entropy: impl Entropy + 'static) -> Self {
        self.entropy = Source::Shared(Arc::new(entropy));
        self
    }

    /// Whether connections keep time or counts.
    pub(crate) fn has_timers(&self) -> bool {
        self.timeouts != Timeouts::NONE || self.control_rate.is_some() || self.counters
    }

    /// Fills `out` from the source of this configuration.
    pub(crate) fn fill(&self, out: &mut [u8]) -> Result<(), EntropyError> {
        match &self.entropy {
            #[cfg(feature = "getrandom")]
            Source::Default => crate::OsEntropy.fill(out),
            #[cfg(not(feature = "getrandom"))]
            Source::Default => Err(EntropyError),
            Source::Static(entropy) => entropy.fill(out),
            #[cfg(target_has_atomic = "ptr")]
            Source::Shared(entropy) => entropy.fill(out),
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

/// A [`Config`] by reference, counted or `'static`. Made by `into()`.
#[derive(Clone, Debug)]
pub struct SharedConfig(Holder);

#[derive(Clone, Debug)]
enum Holder {
    Static(&'static Config),
    #[cfg(target_has_atomic = "ptr")]
    Counted(Arc<Config>),
}

impl core::ops::Deref for SharedConfig {
    type Target = Config;

    #[inline]
    fn deref(&self) -> &Config {
        match &self.0 {
            Holder::Static(config) => config,
            #[cfg(target_has_atomic = "ptr")]
            Holder::Counted(config) => config,
        }
    }
}

impl From<&'static Config> for SharedConfig {
    fn from(config: &'static Config) -> Self {
        Self(Holder::Static(config))
    }
}

#[cfg(target_has_atomic = "ptr")]
impl From<Arc<Config>> for SharedConfig {
    fn from(config: Arc<Config>) -> Self {
        Self(Holder::Counted(config))
    }
}

#[cfg(target_has_atomic = "ptr")]
impl From<&Arc<Config>> for SharedConfig {
    fn from(config: &Arc<Config>) -> Self {
        Self(Holder::Counted(Arc::clone(config)))
    }
}

#[cfg(target_has_atomic = "ptr")]
impl From<Config> for SharedConfig {
    fn from(config: Config) -> Self {
        Self(Holder::Counted(Arc::new(config)))
    }
}
