//! Messages: text or binary.

#[cfg(feature = "alloc")]
use alloc::{borrow::Cow, string::String, vec::Vec};

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

/// A message, or the payload of a [`Chunk`](crate::Chunk) of one: text or binary.
///
/// ```
/// use websocket_proto::Message;
///
/// let message = Message::from("Hello");
/// assert!(matches!(&message, Message::Text(text) if *text == "Hello"));
/// assert_eq!(message.as_bytes(), b"Hello");
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[repr(usize)] // as `Event` has it
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

    /// How many bytes it has, counted without a look at them.
    #[cfg(feature = "alloc")]
    #[inline]
    pub(crate) fn byte_len(&self) -> usize {
        match self {
            Self::Text(text) => text.byte_len(),
            Self::Binary(payload) => payload.len(),
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

    /// Whether it has memory of its own, not reference-counted.
    #[cfg(feature = "alloc")]
    #[inline]
    pub(crate) fn has_memory(&self) -> bool {
        match self {
            Self::Text(text) => text.has_memory(),
            Self::Binary(payload) => payload.has_memory(),
        }
    }

    /// That memory, which leaves the message empty; none if it has none.
    #[cfg(feature = "alloc")]
    pub(crate) fn take_memory(&mut self) -> Vec<u8> {
        match self {
            Self::Text(text) => text.take_memory(),
            Self::Binary(payload) => payload.take_memory(),
        }
    }

    /// The payload with the memory that holds it, if it takes no copy to keep it.
    #[cfg(feature = "alloc")]
    pub(crate) fn into_own(self) -> Result<OwnBytes, Self> {
        match self {
            Self::Text(text) => text.into_memory().map(OwnBytes::Vec).map_err(Self::Text),
            Self::Binary(payload) => payload.into_own().map_err(Self::Binary),
        }
    }
}

/// What becomes text or a payload becomes a message.
macro_rules! impl_from {
    ($($variant:ident: $($source:ty),*;)*) => {
        $($(
            impl<'a> From<$source> for Message<'a> {
                #[inline]
                fn from(payload: $source) -> Self {
                    Self::$variant(payload.into())
                }
            }
        )*)*
    };
}

impl_from! {
    Text: &'a str, Text<'a>;
    Binary: &'a [u8], Payload<'a>;
}

#[cfg(feature = "alloc")]
impl_from! {
    Text: String, &'a String, Cow<'a, str>;
    Binary: Vec<u8>, &'a Vec<u8>, Cow<'a, [u8]>, Bytes, &'a Bytes;
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

#[cfg(all(test, feature = "alloc"))]
mod tests {
    use super::*;

    #[test]
    fn whatever_holds_text_or_bytes_becomes_a_message_without_a_copy() {
        let (text, bytes) = (String::from("text"), std::vec![1, 2, 3]);
        let place = |message: &Message<'_>| message.as_bytes().as_ptr();
        let (borrowed_text, borrowed_bytes) = (Message::from(&text), Message::from(&bytes));
        let texts = [
            Message::from(&text),
            Message::from(&*text),
            Message::from(Cow::from(&text)),
            Message::from(Text::from(&text)),
            Message::from(&borrowed_text),
        ];
        let binaries = [
            Message::from(&bytes),
            Message::from(&*bytes),
            Message::from(Cow::from(&bytes)),
            Message::from(Payload::from(&bytes)),
            Message::from(&borrowed_bytes),
        ];
        for (messages, message_type, payload) in [
            (&texts, MessageType::Text, text.as_bytes()),
            (&binaries, MessageType::Binary, &*bytes),
        ] {
            for message in messages {
                assert_eq!((message.message_type(), message.as_bytes()), (message_type, payload));
                assert_eq!(place(message), payload.as_ptr());
            }
        }
        let (text_at, bytes_at) = (text.as_ptr(), bytes.as_ptr());
        assert_eq!(place(&Message::from(Cow::<str>::from(text))), text_at);
        let message = Message::from(Cow::<[u8]>::from(bytes));
        assert_eq!(place(&message), bytes_at);
        let counted = Bytes::from_owner([4; 9]);
        assert_eq!(place(&Message::from(counted.clone())), counted.as_ptr());
        assert_eq!(place(&Message::from(&counted)), counted.as_ptr());
        assert_eq!(place(&Message::from(&counted).into_owned()), counted.as_ptr());
        assert_eq!(Payload::from(&counted).into_bytes().as_ptr(), counted.as_ptr());
        assert_eq!(Payload::from(&counted).into_vec(), counted);
    }
}
