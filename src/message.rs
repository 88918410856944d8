//! The messages that are received and sent, whole and in pieces.

use alloc::borrow::Cow;
use alloc::string::String;
use alloc::vec::Vec;

use bytes::Bytes;

use crate::{Fragment, MessageType, PreparedMessage};

/// A message: text or binary (RFC 6455, section 5.6).
///
/// ```
/// use websocket_proto::Message;
///
/// let message = Message::from("Hello");
/// assert!(message.is_text());
/// assert_eq!(message, "Hello");
/// assert_eq!(message.into_text().as_deref(), Ok("Hello"));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Message<'a> {
    /// A text message.
    Text(Cow<'a, str>),
    /// A binary message.
    Binary(Cow<'a, [u8]>),
}

impl Message<'_> {
    /// Returns the payload of a message of either type.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        match self {
            Self::Text(text) => text.as_bytes(),
            Self::Binary(bytes) => bytes,
        }
    }

    /// Returns the text, or `None` if the message is binary.
    #[must_use]
    pub fn as_text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            Self::Binary(_) => None,
        }
    }

    /// Returns the length of the payload in bytes.
    #[must_use]
    pub fn len(&self) -> usize {
        self.as_bytes().len()
    }

    /// Returns whether the payload is empty.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.as_bytes().is_empty()
    }

    /// Returns whether this is a text message.
    #[must_use]
    pub const fn is_text(&self) -> bool {
        matches!(self, Self::Text(_))
    }

    /// Returns whether this is a binary message.
    #[must_use]
    pub const fn is_binary(&self) -> bool {
        matches!(self, Self::Binary(_))
    }

    /// Returns the type of the message.
    #[inline]
    #[must_use]
    pub const fn message_type(&self) -> MessageType {
        match self {
            Self::Text(_) => MessageType::Text,
            Self::Binary(_) => MessageType::Binary,
        }
    }

    /// Converts into a message that owns its payload. Copies only a borrowed payload.
    #[inline]
    #[must_use]
    pub fn into_owned(self) -> Message<'static> {
        match self {
            Self::Text(text) => Message::Text(text.into_owned().into()),
            Self::Binary(bytes) => Message::Binary(bytes.into_owned().into()),
        }
    }

    /// Converts into the text. Copies only a borrowed payload.
    ///
    /// # Errors
    ///
    /// Gives the message back if it is binary.
    pub fn into_text(self) -> Result<String, Self> {
        match self {
            Self::Text(text) => Ok(text.into_owned()),
            Self::Binary(_) => Err(self),
        }
    }

    /// Converts into the payload of a message of either type. Copies only a borrowed payload.
    ///
    /// `Bytes::from` converts the `Vec` into shared bytes without a copy.
    #[must_use]
    pub fn into_bytes(self) -> Vec<u8> {
        match self {
            Self::Text(text) => text.into_owned().into_bytes(),
            Self::Binary(bytes) => bytes.into_owned(),
        }
    }
}

/// A piece of a message that is received or sent piece by piece.
///
/// [`Delivery::Chunks`](crate::Delivery::Chunks) delivers chunks, and
/// [`send_chunk`](crate::Connection::send_chunk) sends them. The payloads of the chunks of a
/// message, in order, make up its payload. Text is cut between characters only. The sizes of
/// received chunks depend on how the bytes arrive, and are [bounded](crate::Delivery::Chunks).
///
/// ```
/// use websocket_proto::{Chunk, Fragment};
///
/// let chunk = Chunk::new("Hel", Fragment::First);
/// assert!(chunk.fragment.begins() && !chunk.fragment.ends());
/// assert_eq!(chunk.payload, "Hel");
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chunk<'a> {
    /// The payload of this piece: bytes, or whole characters. Of the received pieces of a message,
    /// only the last may be empty.
    pub payload: Message<'a>,
    /// The position of this piece within its message.
    pub fragment: Fragment,
}

impl<'a> Chunk<'a> {
    /// Creates a piece with its position within the message.
    pub fn new(payload: impl Into<Message<'a>>, fragment: Fragment) -> Self {
        Self { payload: payload.into(), fragment }
    }

    /// Converts into a chunk that owns its payload. Copies only a borrowed payload.
    #[must_use]
    pub fn into_owned(self) -> Chunk<'static> {
        Chunk { payload: self.payload.into_owned(), fragment: self.fragment }
    }
}

/// A message to send, in one of the forms that [`send`](crate::Connection::send) accepts.
///
/// Strings, bytes, [`Message`] and `&`[`PreparedMessage`] convert into it with `into()`.
///
/// ```
/// use websocket_proto::{MessageType, Outgoing};
///
/// let message = Outgoing::from("Hello");
/// assert_eq!(message.message_type(), MessageType::Text);
/// assert_eq!(message.as_bytes(), b"Hello");
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Outgoing<'m> {
    /// A message, borrowed or owned.
    Message(Message<'m>),
    /// A binary message whose payload is shared by reference count.
    Shared(Bytes),
    /// A message that was encoded once for many connections.
    Prepared(&'m PreparedMessage),
}

impl Outgoing<'_> {
    /// Returns the payload.
    #[inline]
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        match self {
            Self::Message(message) => message.as_bytes(),
            Self::Shared(bytes) => bytes,
            Self::Prepared(message) => message.payload(),
        }
    }

    /// Returns the type of the message.
    #[inline]
    #[must_use]
    pub const fn message_type(&self) -> MessageType {
        match self {
            Self::Message(message) => message.message_type(),
            Self::Shared(_) => MessageType::Binary,
            Self::Prepared(message) => message.message_type(),
        }
    }
}

impl PartialEq for Outgoing<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.message_type() == other.message_type() && self.as_bytes() == other.as_bytes()
    }
}

impl<'m> From<Bytes> for Outgoing<'m> {
    fn from(bytes: Bytes) -> Self {
        Self::Shared(bytes)
    }
}

impl<'m> From<&'m PreparedMessage> for Outgoing<'m> {
    fn from(message: &'m PreparedMessage) -> Self {
        Self::Prepared(message)
    }
}

/// Implements `From` for `Message` and for `Outgoing`.
macro_rules! impl_from {
    ($($variant:ident: $($source:ty),*;)*) => {
        $($(
            impl<'a> From<$source> for Message<'a> {
                #[inline]
                fn from(payload: $source) -> Self {
                    Self::$variant(payload.into())
                }
            }

            impl<'a> From<$source> for Outgoing<'a> {
                #[inline]
                fn from(payload: $source) -> Self {
                    Self::Message(Message::from(payload))
                }
            }
        )*)*
    };
}

impl_from! {
    Text: &'a str, String, &'a String, Cow<'a, str>;
    Binary: &'a [u8], Vec<u8>, &'a Vec<u8>, Cow<'a, [u8]>;
}

impl<'a, const N: usize> From<&'a [u8; N]> for Message<'a> {
    fn from(bytes: &'a [u8; N]) -> Self {
        Self::Binary(Cow::Borrowed(bytes))
    }
}

impl<'a, const N: usize> From<&'a [u8; N]> for Outgoing<'a> {
    fn from(bytes: &'a [u8; N]) -> Self {
        Self::Message(bytes.into())
    }
}

impl<'a> From<&'a Message<'_>> for Message<'a> {
    fn from(message: &'a Message<'_>) -> Self {
        match message {
            Message::Text(text) => Self::Text(Cow::Borrowed(text)),
            Message::Binary(bytes) => Self::Binary(Cow::Borrowed(bytes)),
        }
    }
}

impl<'a> From<&'a Message<'_>> for Outgoing<'a> {
    fn from(message: &'a Message<'_>) -> Self {
        Self::Message(message.into())
    }
}

impl<'a> From<Message<'a>> for Outgoing<'a> {
    #[inline]
    fn from(message: Message<'a>) -> Self {
        Self::Message(message)
    }
}

/// Converts shared bytes into a binary message. Copies them if they are shared with other handles.
impl From<Bytes> for Message<'_> {
    fn from(bytes: Bytes) -> Self {
        Self::Binary(Vec::from(bytes).into())
    }
}

impl PartialEq<str> for Message<'_> {
    fn eq(&self, text: &str) -> bool {
        self.as_text() == Some(text)
    }
}

impl PartialEq<&str> for Message<'_> {
    fn eq(&self, text: &&str) -> bool {
        self.as_text() == Some(*text)
    }
}

impl PartialEq<[u8]> for Message<'_> {
    fn eq(&self, bytes: &[u8]) -> bool {
        self.is_binary() && self.as_bytes() == bytes
    }
}

impl PartialEq<&[u8]> for Message<'_> {
    fn eq(&self, bytes: &&[u8]) -> bool {
        *self == **bytes
    }
}

impl<const N: usize> PartialEq<[u8; N]> for Message<'_> {
    fn eq(&self, bytes: &[u8; N]) -> bool {
        *self == bytes[..]
    }
}

impl<const N: usize> PartialEq<&[u8; N]> for Message<'_> {
    fn eq(&self, bytes: &&[u8; N]) -> bool {
        *self == bytes[..]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::borrow::ToOwned;

    #[test]
    fn converts_text_and_bytes_into_messages_without_a_copy() {
        let (text, bytes) = ("text".to_owned(), std::vec![1, 2, 3]);
        let borrowed = Message::from(&text);
        for message in [
            Message::from(&text),
            Message::from(&*text),
            Message::from(Cow::from(&text)),
            Message::from(&borrowed),
        ] {
            assert_eq!(message, "text");
            assert_eq!(message.as_bytes().as_ptr(), text.as_ptr());
        }
        for message in
            [Message::from(&bytes), Message::from(&*bytes), Message::from(Cow::from(&bytes))]
        {
            assert_eq!(message, [1, 2, 3]);
            assert_eq!(message.as_bytes().as_ptr(), bytes.as_ptr());
        }
        let text_at = text.as_ptr();
        let owned = Message::from(text).into_text().unwrap();
        assert_eq!(owned.as_ptr(), text_at);
        let bytes_at = bytes.as_ptr();
        let owned = Message::from(bytes).into_bytes();
        assert_eq!(owned.as_ptr(), bytes_at);
        let shared = Bytes::from_owner([4; 9]);
        assert_eq!(Outgoing::from(shared.clone()).as_bytes().as_ptr(), shared.as_ptr());
    }

    #[test]
    fn binary_and_text_with_equal_bytes_differ() {
        assert_ne!(Message::from("a"), Message::from(b"a"));
        assert_ne!(Message::from("a"), b"a");
        assert_ne!(Message::from(b"a"), "a");
        assert_eq!(Message::from(b"a").into_text(), Err(Message::from(b"a")));
    }

    #[test]
    fn message_has_at_most_32_bytes() {
        assert!(size_of::<Message<'_>>() <= 32, "{}", size_of::<Message<'_>>());
    }
}
