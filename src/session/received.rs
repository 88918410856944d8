//! The results of the receive path, which [`Machine`](super::Machine) returns.

use crate::frame::Masked;
use crate::utf8::Character;
use crate::{CloseCode, Fragment};

/// The result of one step: the received piece, and the pending reply.
pub(crate) struct Received<'i> {
    pub(crate) piece: Piece<'i>,
    pub(crate) reply: Option<Reply>,
}

#[cfg(feature = "deflate")]
impl<'i> Received<'i> {
    /// Returns the parts of a piece of a message.
    pub(crate) fn into_data(self) -> Option<(Data<'i>, Fragment, Option<Reply>)> {
        match self.piece {
            Piece::Data { data, fragment } => Some((data, fragment, self.reply)),
            Piece::Transformed | Piece::Ping(_) | Piece::Pong(_) | Piece::Close(_) => None,
        }
    }
}

/// A piece of a message, or a complete control frame.
pub(crate) enum Piece<'i> {
    Data {
        data: Data<'i>,
        fragment: Fragment,
    },
    /// Payload that an extension transformed is next in the input. It was not consumed.
    #[cfg(feature = "deflate")]
    Transformed,
    Ping(ControlPayload<'i>),
    Pong(ControlPayload<'i>),
    Close(ControlPayload<'i>),
}

/// The payload of a piece of a message.
pub(crate) enum Data<'i> {
    /// Whole characters, unmasked in place.
    Text(&'i str),
    /// A character whose bytes were split across reads or frames.
    Char(Character),
    /// Masked bytes, to be unmasked in place or in the same pass as a copy.
    Binary(Masked<'i>),
}

/// The payload of a control frame.
pub(crate) enum ControlPayload<'i> {
    /// The payload is in the input, unmasked in place.
    Whole(&'i [u8]),
    /// The payload is the first bytes, this many, of the caller's [`ControlStorage`].
    Stored(usize),
}

/// A frame that must be sent to the peer.
#[derive(Clone, Copy, Debug)]
#[must_use]
pub(crate) enum Reply {
    /// A Pong with the payload of the Ping (RFC 6455, section 5.5.2).
    Pong,
    /// A Close with this code and no reason (section 5.5.1); 1005 stands for an empty payload.
    Close(CloseCode),
}

/// Storage for the payload of a control frame that is split across reads.
pub(crate) trait ControlStorage {
    fn bytes(&mut self) -> &mut [u8; 125];
}

impl Data<'_> {
    #[cfg(feature = "alloc")]
    pub(crate) fn len(&self) -> usize {
        match self {
            Self::Text(text) => text.len(),
            Self::Char(character) => character.text().len(),
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
