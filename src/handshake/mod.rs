//! The opening handshake (RFC 6455, section 4).

#[cfg(feature = "alloc")]
use alloc::string::String;

/// How much of a handshake's head is accepted. All limits are inclusive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HeadLimits {
    /// Bytes of the whole head: 32 KiB (431).
    pub max_head: usize,
    /// Bytes of a field line: 16 KiB (431).
    pub max_field_line: usize,
    /// Field lines: 128 (431).
    pub max_fields: usize,
    /// Bytes of the request target: 8 KiB (414).
    pub max_target: usize,
}

impl HeadLimits {
    /// The defaults named at each field.
    pub const DEFAULT: Self =
        Self { max_head: 32 << 10, max_field_line: 16 << 10, max_fields: 128, max_target: 8 << 10 };
}

impl Default for HeadLimits {
    fn default() -> Self {
        Self::DEFAULT
    }
}

/// What the opening handshake agreed on.
#[cfg(feature = "alloc")]
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Negotiated {
    pub(crate) subprotocol: Option<String>,
}

#[cfg(feature = "alloc")]
impl Negotiated {
    /// The subprotocol, `None` if none was agreed on.
    #[must_use]
    pub fn subprotocol(&self) -> Option<&str> {
        self.subprotocol.as_deref()
    }
}
