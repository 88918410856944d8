//! What `receive` reports.

use crate::{CloseFrame, Message, Payload, ProtocolError};

/// Something that the peer's bytes, or their end, brought about.
///
/// It borrows from the buffer that was given to `receive`, never from the connection.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
// The tag stands on its own: to look for it in what variants hold takes longer.
#[repr(usize)]
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
    /// What it holds of the message: bytes, or whole characters. To be sent on with
    /// [`send_chunk`](crate::Connection::send_chunk).
    pub payload: Message<'a>,
    /// Whether the message begins here.
    pub first: bool,
    /// Whether the message ends here.
    pub last: bool,
}

#[cfg(feature = "alloc")]
impl Event<'_> {
    /// The same, borrowing from nothing.
    #[must_use]
    pub fn into_owned(self) -> Event<'static> {
        match self {
            Self::Message(message) => Event::Message(message.into_owned()),
            Self::Chunk(Chunk { payload, first, last }) => {
                Event::Chunk(Chunk { payload: payload.into_owned(), first, last })
            }
            Self::Ping(payload) => Event::Ping(payload.into_owned()),
            Self::Pong(payload) => Event::Pong(payload.into_owned()),
            Self::Close(frame) => Event::Close(frame.map(CloseFrame::into_owned)),
            Self::Failed(error) => Event::Failed(error),
        }
    }
}
