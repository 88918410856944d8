//! Messages: text or binary.

#[cfg(feature = "alloc")]
use alloc::{string::String, vec::Vec};

#[cfg(feature = "alloc")]
use bytes::Bytes;

#[cfg(feature = "alloc")]
use crate::payload::OwnBytes;
use crate::{Opcode, Payload, Text};

/// The two types of messages (RFC 6455, section 5.6).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum MessageType {
    /// UTF-8.
    Text,
    /// Any bytes.
    Binary,
}

impl MessageType {
    /// The opcode of the first or only frame of such a message.
    #[inline]
    #[must_use]
    pub const fn opcode(self) -> Opcode {
        match self {
            Self::Text => Opcode::Text,
            Self::Binary => Opcode::Binary,
        }
    }
}

/// A whole message.
///
/// ```
/// use websocket_proto::Message;
///
/// let message = Message::from("Hello");
/// assert!(matches!(&message, Message::Text(text) if *text == "Hello"));
/// assert_eq!(message.as_bytes(), b"Hello");
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Message<'a> {
    /// A text message.
    Text(Text<'a>),
    /// A binary message.
    Binary(Payload<'a>),
}

impl Message<'_> {
    /// The payload, whatever the type.
    #[inline]
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        match self {
            Self::Text(text) => text.as_bytes(),
            Self::Binary(payload) => payload,
        }
    }

    /// Whether this is text or binary.
    #[inline]
    #[must_use]
    pub const fn message_type(&self) -> MessageType {
        match self {
            Self::Text(_) => MessageType::Text,
            Self::Binary(_) => MessageType::Binary,
        }
    }

    /// The same, borrowing from nothing: for keeping a message that did not fit the output.
    #[cfg(feature = "alloc")]
    #[must_use]
    pub fn into_owned(self) -> Message<'static> {
        match self {
            Self::Text(text) => Message::Text(text.into_owned()),
            Self::Binary(payload) => Message::Binary(payload.into_owned()),
        }
    }

    /// The memory of its own, if it has some.
    #[cfg(feature = "alloc")]
    pub(crate) fn into_memory(self) -> Option<Vec<u8>> {
        match self {
            Self::Text(text) => text.into_memory().ok(),
            Self::Binary(payload) => payload.into_memory().ok(),
        }
    }

    /// The payload with the memory that holds it, if it is not borrowed.
    #[cfg(feature = "alloc")]
    pub(crate) fn into_own(self) -> Result<OwnBytes, Self> {
        match self {
            Self::Text(text) => text.into_memory().map(OwnBytes::Vec).map_err(Self::Text),
            Self::Binary(payload) => payload.into_own().map_err(Self::Binary),
        }
    }
}

impl<'a> From<&'a str> for Message<'a> {
    #[inline]
    fn from(text: &'a str) -> Self {
        Self::Text(text.into())
    }
}

impl<'a> From<&'a [u8]> for Message<'a> {
    #[inline]
    fn from(bytes: &'a [u8]) -> Self {
        Self::Binary(bytes.into())
    }
}

impl<'a, const N: usize> From<&'a [u8; N]> for Message<'a> {
    #[inline]
    fn from(bytes: &'a [u8; N]) -> Self {
        Self::Binary(bytes.into())
    }
}

impl<'a> From<&'a Message<'_>> for Message<'a> {
    #[inline]
    fn from(message: &'a Message<'_>) -> Self {
        match message {
            Message::Text(text) => Self::Text((&**text).into()),
            Message::Binary(payload) => Self::Binary((&**payload).into()),
        }
    }
}

impl<'a> From<Text<'a>> for Message<'a> {
    #[inline]
    fn from(text: Text<'a>) -> Self {
        Self::Text(text)
    }
}

impl<'a> From<Payload<'a>> for Message<'a> {
    #[inline]
    fn from(payload: Payload<'a>) -> Self {
        Self::Binary(payload)
    }
}

#[cfg(feature = "alloc")]
impl From<String> for Message<'_> {
    #[inline]
    fn from(text: String) -> Self {
        Self::Text(text.into())
    }
}

#[cfg(feature = "alloc")]
impl From<Vec<u8>> for Message<'_> {
    #[inline]
    fn from(bytes: Vec<u8>) -> Self {
        Self::Binary(bytes.into())
    }
}

#[cfg(feature = "alloc")]
impl From<Bytes> for Message<'_> {
    #[inline]
    fn from(bytes: Bytes) -> Self {
        Self::Binary(bytes.into())
    }
}
