//! How much of the peer's frames an endpoint accepts.

/// How much of the peer's frames is accepted. All limits are inclusive; the front page of the crate
/// lists the [defaults](crate#limits-and-times).
///
/// ```
/// use websocket_proto::Limits;
///
/// let limits = Limits { max_message: 64 * 1024, ..Limits::DEFAULT };
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of payload in a message, over all its fragments (1009). Where whole messages are
    /// delivered, more than half of `isize::MAX`, for which there is no memory, counts as that.
    pub max_message: u64,
    /// Bytes of payload in a data frame (1009).
    pub max_frame: u64,
    /// Empty fragments, the last one not counted, in a message (1008). Those that carry bytes are
    /// unlimited, since they cost nothing once their bytes are taken.
    pub max_empty_fragments: u32,
}

impl Limits {
    /// The defaults.
    pub const DEFAULT: Self =
        Self { max_message: 64 << 20, max_frame: u64::MAX, max_empty_fragments: 1024 };
}

impl Default for Limits {
    fn default() -> Self {
        Self::DEFAULT
    }
}
