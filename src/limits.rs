//! Limits on incoming frames and messages.

/// Limits on incoming frames and messages (RFC 6455, section 10.4). All are inclusive.
///
/// | limit | default | close code if exceeded |
/// |---|---|---|
/// | [`max_message`](Self::max_message) | 64 MiB for whole messages; none for chunks | 1009 |
/// | compressed payload of a message | 16 times the message limit, plus 64 KiB | 1009 |
/// | [`max_frame`](Self::max_frame) | none; the message limit applies | 1009 |
/// | [`max_empty_fragments`](Self::max_empty_fragments) | 1,024 in a message | 1008 |
///
/// ```
/// use websocket_proto::Limits;
///
/// let limits = Limits::DEFAULT.with_max_message(64 * 1024);
/// assert_eq!(limits.max_message(), Some(64 * 1024));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    max_message: Option<u64>,
    max_frame: Option<u64>,
    max_empty_fragments: u32,
}

/// The limits that apply, with defaults filled in.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ReceiveLimits {
    pub(crate) max_message: u64,
    pub(crate) max_frame: u64,
    pub(crate) max_empty_fragments: u32,
}

#[cfg(feature = "deflate")]
impl ReceiveLimits {
    /// Returns the maximum compressed payload of a message in bytes. A byte that is compressed and flushed
    /// alone has up to 11.
    pub(crate) const fn max_compressed(&self) -> u64 {
        self.max_message.saturating_mul(16).saturating_add(64 << 10)
    }
}

impl Limits {
    /// The defaults in the table of [`Limits`].
    pub const DEFAULT: Self =
        Self { max_message: None, max_frame: None, max_empty_fragments: 1024 };

    /// The default limit on a whole message.
    #[cfg(feature = "alloc")]
    const DEFAULT_MAX_MESSAGE: u64 = 64 << 20;

    /// The largest message that is reassembled: its buffer may double, and no buffer exceeds
    /// `isize::MAX` bytes.
    #[cfg(feature = "alloc")]
    const MAX_REASSEMBLED: u64 = isize::MAX as u64 / 2;

    /// Sets the maximum payload of an incoming message in bytes, over all its fragments.
    ///
    /// Of a compressed message, it limits the inflated payload. The compressed payload may have 16 times as
    /// many bytes plus 64 KiB, so that a message of blocks that inflate to nothing is bounded, too.
    ///
    /// With [`Delivery::Messages`](crate::Delivery::Messages), values above `isize::MAX / 2` are
    /// clamped to it.
    #[must_use]
    pub const fn with_max_message(mut self, bytes: u64) -> Self {
        self.max_message = Some(bytes);
        self
    }

    /// Sets the maximum payload of an incoming data frame in bytes. For outgoing frames, see
    /// [`Config::with_max_fragment`](crate::Config::with_max_fragment).
    #[must_use]
    pub const fn with_max_frame(mut self, bytes: u64) -> Self {
        self.max_frame = Some(bytes);
        self
    }

    /// Sets the maximum number of empty fragments of an incoming message. The last fragment does not
    /// count.
    ///
    /// Fragments with payload are bounded by the limit on the message, if there is one.
    #[must_use]
    pub const fn with_max_empty_fragments(mut self, fragments: u32) -> Self {
        self.max_empty_fragments = fragments;
        self
    }

    /// Returns the maximum payload of an incoming message in bytes, or `None` if the default applies:
    /// 64 MiB with [`Delivery::Messages`](crate::Delivery::Messages), none with
    /// [`Delivery::Chunks`](crate::Delivery::Chunks).
    #[must_use]
    pub const fn max_message(&self) -> Option<u64> {
        self.max_message
    }

    /// Returns the maximum payload of an incoming data frame in bytes, or `None` if only the message
    /// limit applies.
    #[must_use]
    pub const fn max_frame(&self) -> Option<u64> {
        self.max_frame
    }

    /// Returns the maximum number of empty fragments of an incoming message.
    #[must_use]
    pub const fn max_empty_fragments(&self) -> u32 {
        self.max_empty_fragments
    }

    /// Returns the limits for delivery in pieces, which needs constant memory for messages of any
    /// length.
    pub(crate) const fn for_pieces(&self) -> ReceiveLimits {
        ReceiveLimits {
            max_message: or_none(self.max_message),
            max_frame: or_none(self.max_frame),
            max_empty_fragments: self.max_empty_fragments,
        }
    }

    /// Returns the limits for delivery of whole messages.
    #[cfg(feature = "alloc")]
    pub(crate) const fn for_messages(&self) -> ReceiveLimits {
        let max_message = match self.max_message {
            Some(bytes) if bytes < Self::MAX_REASSEMBLED => bytes,
            Some(_) => Self::MAX_REASSEMBLED,
            None => Self::DEFAULT_MAX_MESSAGE,
        };
        ReceiveLimits { max_message, ..self.for_pieces() }
    }
}

const fn or_none(limit: Option<u64>) -> u64 {
    match limit {
        Some(limit) => limit,
        None => u64::MAX,
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self::DEFAULT
    }
}
