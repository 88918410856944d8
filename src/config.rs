//! The configuration of connections and handshakes.

#[cfg(target_has_atomic = "ptr")]
use alloc::sync::Arc;
use core::mem;

#[cfg(feature = "deflate")]
use crate::Deflate;
use crate::entropy::EntropySource;
use crate::handshake::{HeadLimits, OriginPolicy};
use crate::limits::ReceiveLimits;
use crate::{ControlRate, Entropy, EntropyError, Limits, Timeouts};

/// The way in which a [`Connection`](crate::Connection) delivers messages.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Delivery {
    /// Each message as one [`Event::Message`](crate::Event::Message), when it is complete.
    #[default]
    Messages,
    /// Each message as a sequence of [`Event::Chunk`](crate::Event::Chunk), as its bytes arrive.
    /// This needs constant memory.
    ///
    /// An uncompressed chunk is the part of one frame's payload that the current [`Input`](crate::Input) holds, and
    /// so no longer than one read. A character that was split between reads or frames is a chunk of its own, of
    /// 2 to 4 bytes. A compressed message is inflated in chunks of at most 256 KiB: one read may become many.
    Chunks,
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
#[derive(Clone, Debug)]
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
    #[cfg(feature = "deflate")]
    pub(crate) deflate: Option<Deflate>,
    pub(crate) manual_pong: bool,
    pub(crate) manual_close: bool,
    entropy: EntropySource,
}

/// # Construction
impl Config {
    /// Creates the default configuration.
    ///
    /// It has [`Limits::DEFAULT`], [`HeadLimits::DEFAULT`], [`OriginPolicy::same`],
    /// [`Delivery::Messages`], [`Timeouts::NONE`], no [`ControlRate`], no statistics, a high-water
    /// mark of 1 MiB, no fragmentation, no compression, automatic replies to Pings and Closes, and the entropy of
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
            #[cfg(feature = "deflate")]
            deflate: None,
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
    /// The default is the server's own origin, [`OriginPolicy::same`]. To allow others beside it, use a
    /// list with the entry `same`; [`OriginPolicy::try_list`] shows how a program reads a list at run time.
    /// When authentication uses cookies, allow only origins whose pages may act for the user.
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
    /// fragments (RFC 6455, section 5.4), each with a header of 2 to 14 bytes.
    ///
    /// 0 counts as 1. A [`PreparedMessage`](crate::PreparedMessage) is never fragmented. For incoming
    /// frames, see [`Limits::with_max_frame`].
    #[must_use]
    pub const fn with_max_fragment(mut self, bytes: usize) -> Self {
        self.max_fragment = if bytes == 0 { 1 } else { bytes };
        self
    }

    /// Enables permessage-deflate (RFC 7692): a client offers it, and a server accepts it. The default
    /// is no compression.
    #[cfg(feature = "deflate")]
    #[must_use]
    pub const fn with_deflate(mut self, deflate: Deflate) -> Self {
        self.deflate = Some(deflate);
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
    ///
    /// ```
    /// use websocket_proto::{Config, EntropyError};
    ///
    /// fn hardware(out: &mut [u8]) -> Result<(), EntropyError> {
    ///     // Fill `out` from the random number generator of the board.
    /// #   out.fill(7);
    ///     Ok(())
    /// }
    ///
    /// static CONFIG: Config = Config::new().with_static_entropy(&hardware);
    /// ```
    #[must_use]
    pub const fn with_static_entropy(mut self, entropy: &'static dyn Entropy) -> Self {
        // A `const fn` cannot drop the previous source. It owns memory only after `with_entropy`.
        mem::forget(mem::replace(&mut self.entropy, EntropySource::Static(entropy)));
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

    /// Returns the configuration of permessage-deflate, or `None` if it is disabled.
    #[cfg(feature = "deflate")]
    #[must_use]
    pub const fn deflate(&self) -> Option<Deflate> {
        self.deflate
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

    /// Returns whether the application answers Pings.
    #[must_use]
    pub const fn manual_pong(&self) -> bool {
        self.manual_pong
    }

    /// Returns whether the application answers the peer's Close.
    #[must_use]
    pub const fn manual_close(&self) -> bool {
        self.manual_close
    }

    /// Returns whether messages, bytes and Pings are counted.
    #[must_use]
    pub const fn statistics(&self) -> bool {
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

    /// Fills `out` from the configured source of entropy, for a driver that draws the nonce of a request
    /// which another HTTP stack writes.
    ///
    /// # Errors
    ///
    /// Returns an error if the source fails, or if none is configured and the feature `getrandom` is
    /// disabled.
    pub fn fill_random(&self, out: &mut [u8]) -> Result<(), EntropyError> {
        self.entropy.fill(out)
    }
}

impl Default for Config {
    fn default() -> Self {
        Self::new()
    }
}
