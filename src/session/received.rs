//! The vocabulary of the receive path: what the machine reports to the two tiers.

use crate::frame::Masked;
use crate::{CloseCode, ConnectionError, Fragment};

/// What one step of the machine received, and what it owes the peer for it.
pub(crate) struct Received<'i> {
    pub(crate) piece: Piece<'i>,
    pub(crate) reply: Option<Reply>,
}

/// A piece of a message, a whole control frame, or the failure.
pub(crate) enum Piece<'i> {
    Data { data: Data<'i>, fragment: Fragment },
    Ping(ControlPayload<'i>),
    Pong(ControlPayload<'i>),
    Close(ControlPayload<'i>),
    Failed(ConnectionError),
}

/// The payload of a piece of a message.
pub(crate) enum Data<'i> {
    /// Whole characters, unmasked in place.
    Text(&'i str),
    /// A character whose bytes were split.
    Char(char),
    /// Bytes that are to be unmasked in place or while they are copied.
    Binary(Masked<'i>),
}

/// Where the payload of a control frame is.
pub(crate) enum ControlPayload<'i> {
    /// In the input, unmasked in place.
    Whole(&'i [u8]),
    /// In the first bytes, this many, of the caller's [`ControlStorage`].
    Stored(usize),
}

/// A frame that is owed to the peer.
#[must_use]
pub(crate) enum Reply {
    /// A Pong with the payload of the Ping (RFC 6455, section 5.5.2).
    Pong,
    /// A Close with this code and no reason (section 5.5.1); 1005 means without a code.
    Close(CloseCode),
}

/// Where the payload of a control frame is stored that is split across reads.
pub(crate) trait ControlStorage {
    fn bytes(&mut self) -> &mut [u8; 125];
}

impl Data<'_> {
    #[cfg(feature = "alloc")]
    pub(crate) const fn len(&self) -> usize {
        match self {
            Self::Text(text) => text.len(),
            Self::Char(character) => character.len_utf8(),
            Self::Binary(payload) => payload.len(),
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        match self {
            Self::Text(text) => text.is_empty(),
            Self::Char(_) => false,
            Self::Binary(payload) => payload.len() == 0,
        }
    }
}
