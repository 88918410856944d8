//! The seam for extensions (RFC 6455, section 9): who may use the reserved bits. Who transforms
//! payloads is matched where the [`Session`](crate::Session) delivers them.

use crate::Fragment;
use crate::frame::ReservedBits;

/// The extension that the opening handshake agreed on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Extension {
    #[default]
    None,
}

impl Extension {
    /// The bits that the peer may set on the first frame of a message.
    pub(crate) const fn received_bits(self) -> ReservedBits {
        match self {
            Self::None => ReservedBits::NONE,
        }
    }

    /// The bits to set on a frame of ours.
    pub(crate) const fn sent_bits(self, _fragment: Fragment) -> ReservedBits {
        match self {
            Self::None => ReservedBits::NONE,
        }
    }
}
