//! One configuration for any number of connections.

#[cfg(target_has_atomic = "ptr")]
use alloc::sync::Arc;
use core::fmt;

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
    pub(crate) head_limits: HeadLimits,
    pub(crate) origin_policy: OriginPolicy<'static>,
    pub(crate) high_water_mark: usize,
    pub(crate) delivery: Delivery,
    entropy: Source,
}

#[derive(Clone)]
enum Source {
    Default,
    Static(&'static dyn Entropy),
    #[cfg(target_has_atomic = "ptr")]
    Shared(Arc<dyn Entropy>),
}

impl Config {
    /// The defaults: [`Limits::DEFAULT`], [`HeadLimits::DEFAULT`], [`OriginPolicy::same`], whole messages, a high-water
    /// mark of 1 MiB, and with the feature `getrandom` the operating system's entropy.
    pub const fn new() -> Self {
        Self {
            limits: Limits::DEFAULT,
            head_limits: HeadLimits::DEFAULT,
            origin_policy: OriginPolicy::same(),
            high_water_mark: 1 << 20,
            delivery: Delivery::Messages,
            entropy: Source::Default,
        }
    }

    /// Limits on the peer's frames and messages.
    #[must_use]
    pub const fn limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
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

    /// The limits as they apply to what is received.
    #[inline]
    pub(crate) const fn incoming_limits(&self) -> Limits {
        match self.delivery {
            Delivery::Messages => self.limits,
            // Pieces take no memory, however long the message.
            Delivery::Chunks => Limits { max_message: u64::MAX, ..self.limits },
        }
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
