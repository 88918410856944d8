//! How much of the peer's handshake is accepted.

/// How much of the peer's handshake is accepted. All limits are inclusive.
///
/// | limit | default | status | precedent |
/// |---|---|---|---|
/// | [`max_head`](Self::max_head) | 32 KiB | 431 | nginx: 4 buffers of 8 KiB |
/// | [`max_field_line`](Self::max_field_line) | 16 KiB | 431 | Node: 16 KiB of fields |
/// | [`max_fields`](Self::max_fields) | 128 | 431 | websockets: 128 |
/// | [`max_target`](Self::max_target) | 8 KiB | 414 | nginx, Apache: 8 KiB; RFC 9112 asks for 8000 |
/// | [`max_body`](Self::max_body) | 64 KiB | | |
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HeadLimits {
    /// Bytes of the whole head, with all that ends lines.
    pub max_head: usize,
    /// Bytes of a field line, with the CR and LF that end it.
    pub max_field_line: usize,
    /// Field lines.
    pub max_fields: usize,
    /// Bytes of the request target.
    pub max_target: usize,
    /// Bytes of the body that a client keeps of a response that refuses its handshake.
    pub max_body: usize,
}

impl HeadLimits {
    /// The defaults of the table above.
    pub const DEFAULT: Self = Self {
        max_head: 32 << 10,
        max_field_line: 16 << 10,
        max_fields: 128,
        max_target: 8 << 10,
        max_body: 64 << 10,
    };
}

impl Default for HeadLimits {
    fn default() -> Self {
        Self::DEFAULT
    }
}
