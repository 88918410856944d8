//! Text, borrowed from the input where it lies in it whole, owned where it was put together.

#[cfg(feature = "alloc")]
use alloc::{borrow::Cow, string::String, vec::Vec};
use core::fmt;
use core::ops::Deref;

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
#[cfg_attr(feature = "alloc", repr(usize))] // as `Event` has it
enum TextInner<'a> {
    Borrowed(&'a str),
    /// The second, as among payloads: to ask a message for it is one comparison.
    #[cfg(feature = "alloc")]
    Owned(String),
    /// A character that two buffers held a part of each.
    Char {
        utf8: [u8; 4],
        len: u8,
    },
}

impl Text<'static> {
    /// A character, the first `len` bytes of `utf8`, which are checked.
    pub(crate) const fn character(utf8: [u8; 4], len: u8) -> Self {
        Self(TextInner::Char { utf8, len })
    }
}

impl Text<'_> {
    /// Its bytes, counted without a look at them.
    #[inline]
    pub(crate) fn byte_len(&self) -> usize {
        match &self.0 {
            TextInner::Borrowed(text) => text.len(),
            TextInner::Char { len, .. } => usize::from(*len),
            #[cfg(feature = "alloc")]
            TextInner::Owned(text) => text.len(),
        }
    }

    /// The text in memory of its own; no copy if it has that already.
    #[cfg(feature = "alloc")]
    #[must_use]
    pub fn into_string(self) -> String {
        match self.0 {
            TextInner::Owned(text) => text,
            TextInner::Borrowed(_) | TextInner::Char { .. } => String::from(&*self),
        }
    }

    /// The memory of its own, if it has some.
    #[cfg(feature = "alloc")]
    pub(crate) fn into_memory(self) -> Result<Vec<u8>, Self> {
        match self.0 {
            TextInner::Owned(text) => Ok(text.into_bytes()),
            TextInner::Borrowed(_) | TextInner::Char { .. } => Err(self),
        }
    }

    /// Whether it has memory of its own.
    #[cfg(feature = "alloc")]
    #[inline]
    pub(crate) const fn has_memory(&self) -> bool {
        matches!(self.0, TextInner::Owned(_))
    }

    /// That memory, which leaves it empty; none if it has none.
    #[cfg(feature = "alloc")]
    pub(crate) fn take_memory(&mut self) -> Vec<u8> {
        match &mut self.0 {
            TextInner::Owned(text) => core::mem::take(text).into_bytes(),
            TextInner::Borrowed(_) | TextInner::Char { .. } => Vec::new(),
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
                // A character, so neither fallback is ever taken.
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

#[cfg(feature = "alloc")]
impl From<String> for Text<'_> {
    #[inline]
    fn from(text: String) -> Self {
        Self(TextInner::Owned(text))
    }
}

#[cfg(feature = "alloc")]
impl<'a> From<&'a String> for Text<'a> {
    #[inline]
    fn from(text: &'a String) -> Self {
        Self(TextInner::Borrowed(text))
    }
}

#[cfg(feature = "alloc")]
impl<'a> From<Cow<'a, str>> for Text<'a> {
    #[inline]
    fn from(text: Cow<'a, str>) -> Self {
        match text {
            Cow::Borrowed(text) => text.into(),
            Cow::Owned(text) => text.into(),
        }
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
