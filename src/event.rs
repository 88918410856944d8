//! What `receive` reports.

#[cfg(feature = "alloc")]
use crate::Message;
use crate::{CloseFrame, MessageType, Payload, ProtocolError, Text};

/// Something that the peer's bytes, or their end, brought about.
///
/// It borrows from the buffer that was given to `receive`, never from the connection.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event<'a> {
    /// A whole message (RFC 6455, section 6.2). Only from a
    /// [`Connection`](crate::Connection) with [`Delivery::Messages`](crate::Delivery::Messages).
    #[cfg(feature = "alloc")]
    Message(Message<'a>),
    /// A piece of a message.
    Chunk(Chunk<'a>),
    /// The peer's Ping (section 5.5.2), at most 125 bytes.
    Ping(Payload<'a>),
    /// The peer's Pong (section 5.5.3), at most 125 bytes.
    Pong(Payload<'a>),
    /// The peer's Close (section 5.5.1), `None` if it says nothing. No message follows.
    Close(Option<CloseFrame<'a>>),
    /// The connection failed (section 7.1.7). Nothing follows.
    Failed(ProtocolError),
}

/// A piece of a message.
///
/// The pieces of a message, in order, are its payload; the cuts depend on how the bytes arrived.
/// An empty piece is delivered only where a message ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chunk<'a> {
    /// The bytes.
    pub payload: ChunkPayload<'a>,
    /// Whether the message begins here.
    pub first: bool,
    /// Whether the message ends here.
    pub last: bool,
}

/// The bytes of a [`Chunk`], by the type of its message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ChunkPayload<'a> {
    /// Whole characters of a text message.
    Text(Text<'a>),
    /// Bytes of a binary message.
    Binary(Payload<'a>),
}

impl ChunkPayload<'_> {
    /// The bytes, whatever the type.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        match self {
            Self::Text(text) => text.as_bytes(),
            Self::Binary(payload) => payload,
        }
    }

    /// How many there are, counted without a look at them.
    #[cfg(feature = "alloc")]
    pub(crate) fn byte_len(&self) -> usize {
        match self {
            Self::Text(text) => text.byte_len(),
            Self::Binary(payload) => payload.len(),
        }
    }

    /// Whether they belong to a text or a binary message.
    #[must_use]
    pub const fn message_type(&self) -> MessageType {
        match self {
            Self::Text(_) => MessageType::Text,
            Self::Binary(_) => MessageType::Binary,
        }
    }
}

#[cfg(feature = "alloc")]
impl Event<'_> {
    /// The same, borrowing from nothing.
    #[must_use]
    pub fn into_owned(self) -> Event<'static> {
        match self {
            Self::Message(message) => Event::Message(message.into_owned()),
            Self::Chunk(Chunk { payload, first, last }) => {
                let payload = match payload {
                    ChunkPayload::Text(text) => ChunkPayload::Text(text.into_owned()),
                    ChunkPayload::Binary(payload) => ChunkPayload::Binary(payload.into_owned()),
                };
                Event::Chunk(Chunk { payload, first, last })
            }
            Self::Ping(payload) => Event::Ping(payload.into_owned()),
            Self::Pong(payload) => Event::Pong(payload.into_owned()),
            Self::Close(frame) => Event::Close(frame.map(CloseFrame::into_owned)),
            Self::Failed(error) => Event::Failed(error),
        }
    }
}
