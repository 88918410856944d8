//! Limits on the peer's head and body.

/// Limits on the peer's head and body in the opening handshake, in bytes unless stated otherwise. All
/// limits are inclusive. A server that receives more answers with the status code of the table.
///
/// | limit | default | status code | precedent |
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
    /// The length of the whole head, including the empty line that ends it. A client counts interim
    /// responses and the final head together.
    pub max_head: usize,
    /// The length of one field line, including the CRLF that ends it.
    pub max_field_line: usize,
    /// The number of field lines.
    pub max_fields: usize,
    /// The length of the request target.
    pub max_target: usize,
    /// The length of the body of a rejection that a client receives. A longer body is truncated, and the
    /// transport closes.
    pub max_body: usize,
}

impl HeadLimits {
    /// The default limits, which the table above lists.
    pub const DEFAULT: Self = Self {
        max_head: 32 << 10,
        max_field_line: 16 << 10,
        max_fields: 128,
        max_target: 8 << 10,
        max_body: 64 << 10,
    };

    /// Sets [`max_head`](Self::max_head).
    #[must_use]
    pub const fn with_max_head(mut self, bytes: usize) -> Self {
        self.max_head = bytes;
        self
    }

    /// Sets [`max_field_line`](Self::max_field_line).
    #[must_use]
    pub const fn with_max_field_line(mut self, bytes: usize) -> Self {
        self.max_field_line = bytes;
        self
    }

    /// Sets [`max_fields`](Self::max_fields).
    #[must_use]
    pub const fn with_max_fields(mut self, fields: usize) -> Self {
        self.max_fields = fields;
        self
    }

    /// Sets [`max_target`](Self::max_target).
    #[must_use]
    pub const fn with_max_target(mut self, bytes: usize) -> Self {
        self.max_target = bytes;
        self
    }

    /// Sets [`max_body`](Self::max_body).
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
