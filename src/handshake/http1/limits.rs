//! Limits on the peer's handshake.

/// Limits on the peer's opening handshake, in bytes unless stated otherwise. All are inclusive.
///
/// | limit | default | status | precedent |
/// |---|---|---|---|
/// | [`max_head`](Self::max_head) | 32 KiB | 431 | nginx: 4 buffers of 8 KiB |
/// | [`max_field_line`](Self::max_field_line) | 16 KiB | 431 | Node: 16 KiB of fields |
/// | [`max_fields`](Self::max_fields) | 128 fields | 431 | websockets: 128 |
/// | [`max_target`](Self::max_target) | 8 KiB | 414 | nginx, Apache: 8 KiB; RFC 9112, section 3: at least 8,000 |
/// | [`max_body`](Self::max_body) | 64 KiB | | websockets: 1 MiB |
///
/// ```
/// use websocket_proto::handshake::HeadLimits;
///
/// let limits = HeadLimits::DEFAULT.with_max_head(8 << 10);
/// assert_eq!(limits.max_fields, 128);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct HeadLimits {
    /// The whole head, including the empty line that ends it.
    pub max_head: usize,
    /// One field line, including the CRLF that ends it.
    pub max_field_line: usize,
    /// The number of field lines.
    pub max_fields: usize,
    /// The request target.
    pub max_target: usize,
    /// The body that a client keeps of a response that refuses its handshake; the remainder is
    /// dropped.
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

    /// Limits the whole head.
    #[must_use]
    pub const fn with_max_head(mut self, bytes: usize) -> Self {
        self.max_head = bytes;
        self
    }

    /// Limits one field line.
    #[must_use]
    pub const fn with_max_field_line(mut self, bytes: usize) -> Self {
        self.max_field_line = bytes;
        self
    }

    /// Limits the number of field lines.
    #[must_use]
    pub const fn with_max_fields(mut self, fields: usize) -> Self {
        self.max_fields = fields;
        self
    }

    /// Limits the request target.
    #[must_use]
    pub const fn with_max_target(mut self, bytes: usize) -> Self {
        self.max_target = bytes;
        self
    }

    /// Limits the body that a client keeps.
    #[must_use]
    pub const fn with_max_body(mut self, bytes: usize) -> Self {
        self.max_body = bytes;
        self
    }
}

impl Default for HeadLimits {
    fn default() -> Self {
        Self::DEFAULT
    }
}
