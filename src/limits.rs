//! How much of the peer's frames an endpoint accepts.

/// How much of the peer's frames is accepted. All limits are inclusive.
///
/// | limit | default | close code | precedent |
/// |---|---|---|---|
/// | [`max_message`](Self::max_message) | 64 MiB | 1009 | tungstenite |
/// | [`max_frame`](Self::max_frame) | the message limit | 1009 | |
/// | [`max_empty_fragments`](Self::max_empty_fragments) | 1,024 | 1008 | ws counts fragments since its 2026 advisory |
///
/// ```
/// use websocket_proto::Limits;
///
/// let limits = Limits { max_message: 64 * 1024, ..Limits::DEFAULT };
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of payload in a message, over all its fragments.
    pub max_message: u64,
    /// Bytes of payload in a data frame.
    pub max_frame: u64,
    /// Empty fragments, the last one not counted, in a message. Those that carry bytes are
    /// unlimited, since they cost nothing once their bytes are taken.
    pub max_empty_fragments: u32,
}

impl Limits {
    /// The defaults of the table above.
    pub const DEFAULT: Self =
        Self { max_message: 64 << 20, max_frame: u64::MAX, max_empty_fragments: 1024 };
}

impl Default for Limits {
    fn default() -> Self {
        Self::DEFAULT
    }
}
