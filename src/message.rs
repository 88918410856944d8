//! What messages are made of: text and bytes, borrowed from the input where they lie in it whole,
//! owned where they were assembled.

use core::fmt;
use core::ops::Deref;

#[cfg(feature = "alloc")]
use alloc::{string::String, vec::Vec};
#[cfg(feature = "alloc")]
use bytes::Bytes;

use crate::Opcode;

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

/// Text: a `str`, borrowed or owned.
///
/// ```
/// use websocket_proto::Text;
///
/// let text = Text::from("Hello");
/// assert_eq!(text, "Hello");
/// assert_eq!(text.len(), 5);
/// ```
#[derive(Clone)]
pub struct Text<'a>(TextInner<'a>);

#[derive(Clone)]
enum TextInner<'a> {
    Borrowed(&'a str),
    /// A character that two buffers held a part of each.
    Char {
        utf8: [u8; 4],
        len: u8,
    },
    #[cfg(feature = "alloc")]
    Owned(String),
}

impl Text<'_> {
    /// The text in memory of its own; no copy if it has that already.
    #[cfg(feature = "alloc")]
    #[must_use]
    pub fn into_string(self) -> String {
        match self.0 {
            TextInner::Owned(text) => text,
            TextInner::Borrowed(_) | TextInner::Char { .. } => String::from(&*self),
        }
    }

    /// The same, borrowing from nothing.
    #[cfg(feature = "alloc")]
    #[must_use]
    pub fn into_owned(self) -> Text<'static> {
        self.into_string().into()
    }
}

impl Deref for Text<'_> {
    type Target = str;

    #[inline]
    fn deref(&self) -> &str {
        match &self.0 {
            TextInner::Borrowed(text) => text,
            TextInner::Char { utf8, len } => {
                // Encoded by `From<char>`, so neither fallback is ever taken.
                let utf8 = utf8.get(..usize::from(*len)).unwrap_or_default();
                str::from_utf8(utf8).unwrap_or_default()
            }
            #[cfg(feature = "alloc")]
            TextInner::Owned(text) => text,
        }
    }
}

impl<'a> From<&'a str> for Text<'a> {
    #[inline]
    fn from(text: &'a str) -> Self {
        Self(TextInner::Borrowed(text))
    }
}

impl From<char> for Text<'_> {
    fn from(char: char) -> Self {
        let mut utf8 = [0; 4];
        let len = char.encode_utf8(&mut utf8).len() as u8;
        Self(TextInner::Char { utf8, len })
    }
}

#[cfg(feature = "alloc")]
impl From<String> for Text<'_> {
    #[inline]
    fn from(text: String) -> Self {
        Self(TextInner::Owned(text))
    }
}

impl fmt::Debug for Text<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&**self, f)
    }
}

impl fmt::Display for Text<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&**self, f)
    }
}

impl AsRef<str> for Text<'_> {
    fn as_ref(&self) -> &str {
        self
    }
}

impl PartialEq for Text<'_> {
    fn eq(&self, other: &Self) -> bool {
        **self == **other
    }
}

impl Eq for Text<'_> {}

impl PartialEq<str> for Text<'_> {
    fn eq(&self, other: &str) -> bool {
        **self == *other
    }
}

impl PartialEq<&str> for Text<'_> {
    fn eq(&self, other: &&str) -> bool {
        **self == **other
    }
}

/// Bytes: a `[u8]`, borrowed, owned or counted.
///
/// ```
/// use websocket_proto::Payload;
///
/// let payload = Payload::from(&[1, 2, 3][..]);
/// assert_eq!(payload, [1, 2, 3]);
/// ```
#[derive(Clone)]
pub struct Payload<'a>(PayloadInner<'a>);

#[derive(Clone)]
enum PayloadInner<'a> {
    Borrowed(&'a [u8]),
    #[cfg(feature = "alloc")]
    Owned(Vec<u8>),
    #[cfg(feature = "alloc")]
    Counted(Bytes),
}

#[cfg(feature = "alloc")]
impl Payload<'_> {
    /// The bytes in memory of their own; no copy if they have that already.
    #[must_use]
    pub fn into_vec(self) -> Vec<u8> {
        match self.0 {
            PayloadInner::Borrowed(bytes) => bytes.to_vec(),
            PayloadInner::Owned(bytes) => bytes,
            PayloadInner::Counted(bytes) => bytes.into(),
        }
    }

    /// The bytes, counted; no copy unless they are borrowed.
    #[must_use]
    pub fn into_bytes(self) -> Bytes {
        match self.0 {
            PayloadInner::Borrowed(bytes) => Bytes::copy_from_slice(bytes),
            PayloadInner::Owned(bytes) => bytes.into(),
            PayloadInner::Counted(bytes) => bytes,
        }
    }

    /// The same, borrowing from nothing.
    #[must_use]
    pub fn into_owned(self) -> Payload<'static> {
        Payload(match self.0 {
            PayloadInner::Borrowed(bytes) => PayloadInner::Owned(bytes.to_vec()),
            PayloadInner::Owned(bytes) => PayloadInner::Owned(bytes),
            PayloadInner::Counted(bytes) => PayloadInner::Counted(bytes),
        })
    }
}

impl Deref for Payload<'_> {
    type Target = [u8];

    #[inline]
    fn deref(&self) -> &[u8] {
        match &self.0 {
            PayloadInner::Borrowed(bytes) => bytes,
            #[cfg(feature = "alloc")]
            PayloadInner::Owned(bytes) => bytes,
            #[cfg(feature = "alloc")]
            PayloadInner::Counted(bytes) => bytes,
        }
    }
}

impl<'a> From<&'a [u8]> for Payload<'a> {
    #[inline]
    fn from(bytes: &'a [u8]) -> Self {
        Self(PayloadInner::Borrowed(bytes))
    }
}

impl<'a, const N: usize> From<&'a [u8; N]> for Payload<'a> {
    #[inline]
    fn from(bytes: &'a [u8; N]) -> Self {
        Self(PayloadInner::Borrowed(bytes))
    }
}

#[cfg(feature = "alloc")]
impl From<Vec<u8>> for Payload<'_> {
    #[inline]
    fn from(bytes: Vec<u8>) -> Self {
        Self(PayloadInner::Owned(bytes))
    }
}

#[cfg(feature = "alloc")]
impl From<Bytes> for Payload<'_> {
    #[inline]
    fn from(bytes: Bytes) -> Self {
        Self(PayloadInner::Counted(bytes))
    }
}

impl fmt::Debug for Payload<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&**self, f)
    }
}

impl AsRef<[u8]> for Payload<'_> {
    fn as_ref(&self) -> &[u8] {
        self
    }
}

impl PartialEq for Payload<'_> {
    fn eq(&self, other: &Self) -> bool {
        **self == **other
    }
}

impl Eq for Payload<'_> {}

impl PartialEq<[u8]> for Payload<'_> {
    fn eq(&self, other: &[u8]) -> bool {
        **self == *other
    }
}

impl PartialEq<&[u8]> for Payload<'_> {
    fn eq(&self, other: &&[u8]) -> bool {
        **self == **other
    }
}

impl<const N: usize> PartialEq<[u8; N]> for Payload<'_> {
    fn eq(&self, other: &[u8; N]) -> bool {
        **self == *other
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

    /// The memory of its own that it has.
    #[cfg(feature = "alloc")]
    pub(crate) fn into_memory(self) -> Option<Vec<u8>> {
        match self {
            Self::Text(Text(TextInner::Owned(text))) => Some(text.into_bytes()),
            Self::Binary(Payload(PayloadInner::Owned(bytes))) => Some(bytes),
            Self::Text(_) | Self::Binary(_) => None,
        }
    }

    /// The payload as counted bytes, if that takes no copy.
    #[cfg(feature = "alloc")]
    pub(crate) fn into_counted(self) -> Result<Bytes, Self> {
        match self {
            Self::Text(Text(TextInner::Owned(text))) => Ok(text.into_bytes().into()),
            Self::Binary(Payload(PayloadInner::Owned(bytes))) => Ok(bytes.into()),
            Self::Binary(Payload(PayloadInner::Counted(bytes))) => Ok(bytes),
            Self::Text(_) | Self::Binary(_) => Err(self),
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
