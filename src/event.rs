//! The events that `receive` returns.

use alloc::borrow::Cow;

use crate::{Chunk, CloseFrame, ConnectionError, Message};

/// An event caused by received bytes, by the end of the stream, or by a timeout.
///
/// An event borrows from the [`Input`](crate::Input) or owns its bytes. It never borrows from the
/// connection, so the connection can be used while the event is alive.
///
/// ```
/// use websocket_proto::{Config, Connection, Event, Input, Message, Negotiated};
///
/// static CONFIG: Config = Config::new();
/// let mut connection = Connection::server(&CONFIG, &Negotiated::default());
/// let mut bytes = *b"\x81\x85\0\0\0\0Hello";
/// let mut input = Input::with_bytes(&mut bytes);
/// while let Some(event) = connection.receive(&mut input) {
///     match event {
///         Event::Message(Message::Text(text)) => println!("{text}"),
///         Event::Message(Message::Binary(bytes)) => println!("{} bytes", bytes.len()),
///         Event::Close(frame) => println!("the peer closes: {frame:?}"),
///         Event::Failed(error) => println!("{error}"),
///         _ => {} // Pings and Closes are answered already.
///     }
/// }
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event<'a> {
    /// A message is complete (RFC 6455, section 6.2). Only with
    /// [`Delivery::Messages`](crate::Delivery::Messages), the default.
    Message(Message<'a>),
    /// A piece of a message arrived. Only with [`Delivery::Chunks`](crate::Delivery::Chunks).
    Chunk(Chunk<'a>),
    /// The peer sent a Ping (section 5.5.2) with at most 125 bytes of payload. The Pong is queued
    /// already, except with [`with_manual_pong`](crate::Config::with_manual_pong).
    Ping(Cow<'a, [u8]>),
    /// The peer sent a Pong (section 5.5.3) with at most 125 bytes of payload.
    Pong(Cow<'a, [u8]>),
    /// The peer sent a Close frame (section 5.5.1); `None` if its payload is empty. A reply that is
    /// due is queued already, except with [`with_manual_close`](crate::Config::with_manual_close).
    /// Only [`Failed`](Self::Failed) can follow.
    Close(Option<CloseFrame<'a>>),
    /// The connection failed (section 7.1.7). The Close frame is queued already if one can be sent.
    /// No event follows.
    Failed(ConnectionError),
}

impl Event<'_> {
    /// Converts into an event that owns its bytes. Copies only borrowed bytes.
    #[must_use]
    pub fn into_owned(self) -> Event<'static> {
        match self {
            Self::Message(message) => Event::Message(message.into_owned()),
            Self::Chunk(chunk) => Event::Chunk(chunk.into_owned()),
            Self::Ping(payload) => Event::Ping(payload.into_owned().into()),
            Self::Pong(payload) => Event::Pong(payload.into_owned().into()),
            Self::Close(frame) => Event::Close(frame.map(CloseFrame::into_owned)),
            Self::Failed(error) => Event::Failed(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn event_has_at_most_48_bytes() {
        assert!(size_of::<Event<'_>>() <= 48, "{}", size_of::<Event<'_>>());
    }
}
