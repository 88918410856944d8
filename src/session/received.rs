//! The results of the receive path of [`Machine`](super::Machine).

use crate::Fragment;
use crate::frame::Masked;
use crate::utf8::Character;

/// A piece of a message, or a complete control frame.
pub(crate) enum Piece<'i> {
    Data {
        data: Data<'i>,
        fragment: Fragment,
    },
    /// The valid part of a message before a violation. The connection has failed, and its Close frame
    /// must be sent.
    LastValid {
        data: Data<'i>,
        fragment: Fragment,
    },
    /// Compressed payload is next in the input. It was not consumed.
    #[cfg(feature = "deflate")]
    Compressed,
    Ping(ControlPayload<'i>),
    Pong(ControlPayload<'i>),
    /// The caller passes the payload to [`receive_close`](super::Machine::receive_close).
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

/// The payload of a message that was not delivered, as far as its frame headers announce it.
#[cfg(feature = "alloc")]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Announced {
    /// The number of missing payload bytes of the current frame; an estimate if the message is
    /// compressed.
    pub(crate) frame: u64,
    /// The number of those bytes that are in the input; if the message is compressed, an estimate of the
    /// bytes to which the payload in the input inflates.
    pub(crate) arrived: u64,
    /// Whether no further frame of the message follows.
    pub(crate) fin: bool,
    /// The maximum number of further payload bytes of the message.
    pub(crate) max: u64,
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
