//! The integration point of extensions (RFC 6455, section 9): the reserved bits that they use. The
//! receive path of [`Machine`](crate::session::Machine) returns the compressed payload
//! of a message untouched, and a [`Connection`](crate::Connection) inflates it.

#[cfg(feature = "deflate")]
pub(crate) mod deflate;

use crate::frame::ReservedBits;

/// The extension that was negotiated in the opening handshake.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Extension {
    #[default]
    None,
    #[cfg(feature = "deflate")]
    Deflate,
}

impl Extension {
    /// Returns the reserved bits that the peer may set on the first frame of a message.
    pub(crate) const fn received_bits(self) -> ReservedBits {
        match self {
            Self::None => ReservedBits::NONE,
            // RFC 7692, section 6: RSV1 marks a compressed message.
            #[cfg(feature = "deflate")]
            Self::Deflate => ReservedBits::RSV1,
        }
    }
}
