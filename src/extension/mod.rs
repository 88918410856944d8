//! The integration point of extensions (RFC 6455, section 9): the reserved bits that they use. The
//! receive path of [`Machine`](crate::session::Machine) selects the extension that transforms a
//! payload.

use crate::Fragment;
use crate::frame::ReservedBits;

/// The extension that was negotiated in the opening handshake.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Extension {
    #[default]
    None,
}

impl Extension {
    /// Returns the reserved bits that the peer may set on the first frame of a message.
    pub(crate) const fn received_bits(self) -> ReservedBits {
        match self {
            Self::None => ReservedBits::NONE,
        }
    }

    /// Returns the reserved bits to set on an outgoing frame.
    pub(crate) const fn sent_bits(self, _fragment: Fragment) -> ReservedBits {
        match self {
            Self::None => ReservedBits::NONE,
        }
    }
}
