//! Bytes, borrowed from the input where they lie in it whole, owned where they were put together,
//! reference-counted where the application has them so.

#[cfg(feature = "alloc")]
use alloc::{borrow::Cow, vec::Vec};
use core::fmt;
use core::ops::Deref;

#[cfg(feature = "alloc")]
use bytes::Bytes;

/// Bytes: a `[u8]`, borrowed, owned or reference-counted.
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
#[repr(usize)] // as `Event` has it
enum PayloadInner<'a> {
    /// With place and length as the second and the third word, where `Vec` and `Bytes` happen to have
    /// them, so that a look at the bytes loads the same words whoever holds them.
    Borrowed(Counted<'a>, &'a [u8]),
    #[cfg(feature = "alloc")]
    Owned(Vec<u8>),
    #[cfg(feature = "alloc")]
    Counted(Bytes),
}

/// The reference-counted bytes that borrowed ones are known to be.
#[cfg(feature = "alloc")]
type Counted<'a> = Option<&'a Bytes>;
#[cfg(not(feature = "alloc"))]
type Counted<'a> = Option<core::convert::Infallible>;

/// Bytes that borrow from nothing.
#[cfg(feature = "alloc")]
pub(crate) enum OwnBytes {
    Vec(Vec<u8>),
    Counted(Bytes),
}

#[cfg(feature = "alloc")]
impl Deref for OwnBytes {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match self {
            Self::Vec(bytes) => bytes,
            Self::Counted(bytes) => bytes,
        }
    }
}

#[cfg(feature = "alloc")]
impl From<OwnBytes> for Bytes {
    fn from(bytes: OwnBytes) -> Self {
        match bytes {
            OwnBytes::Vec(bytes) => bytes.into(),
            OwnBytes::Counted(bytes) => bytes,
        }
    }
}

#[cfg(feature = "alloc")]
impl Payload<'_> {
    /// The bytes in memory of their own; no copy if they have that already.
    #[must_use]
    pub fn into_vec(self) -> Vec<u8> {
        match self.0 {
            PayloadInner::Borrowed(_, bytes) => bytes.to_vec(),
            PayloadInner::Owned(bytes) => bytes,
            PayloadInner::Counted(bytes) => bytes.into(),
        }
    }

    /// The bytes, reference-counted; no copy unless they are borrowed from elsewhere.
    #[must_use]
    pub fn into_bytes(self) -> Bytes {
        match self.0 {
            PayloadInner::Borrowed(Some(bytes), _) => bytes.clone(),
            PayloadInner::Borrowed(None, bytes) => Bytes::copy_from_slice(bytes),
            PayloadInner::Owned(bytes) => bytes.into(),
            PayloadInner::Counted(bytes) => bytes,
        }
    }

    /// Whether it has memory of its own, not reference-counted.
    #[inline]
    pub(crate) const fn has_memory(&self) -> bool {
        matches!(self.0, PayloadInner::Owned(_))
    }

    /// That memory, which leaves it empty; none if it has none.
    pub(crate) fn take_memory(&mut self) -> Vec<u8> {
        match &mut self.0 {
            PayloadInner::Owned(bytes) => core::mem::take(bytes),
            PayloadInner::Borrowed(..) | PayloadInner::Counted(_) => Vec::new(),
        }
    }

    /// The bytes with the memory that holds them, if it takes no copy to keep them.
    pub(crate) fn into_own(self) -> Result<OwnBytes, Self> {
        match self.0 {
            PayloadInner::Counted(bytes) => Ok(OwnBytes::Counted(bytes)),
            PayloadInner::Borrowed(Some(bytes), _) => Ok(OwnBytes::Counted(bytes.clone())),
            PayloadInner::Owned(bytes) => Ok(OwnBytes::Vec(bytes)),
            PayloadInner::Borrowed(None, _) => Err(self),
        }
    }

    /// The same, borrowing from nothing.
    #[must_use]
    pub fn into_owned(self) -> Payload<'static> {
        Payload(match self.0 {
            PayloadInner::Borrowed(Some(bytes), _) => PayloadInner::Counted(bytes.clone()),
            PayloadInner::Borrowed(None, bytes) => PayloadInner::Owned(bytes.to_vec()),
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
            PayloadInner::Borrowed(_, bytes) => bytes,
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
        Self(PayloadInner::Borrowed(None, bytes))
    }
}

impl<'a, const N: usize> From<&'a [u8; N]> for Payload<'a> {
    #[inline]
    fn from(bytes: &'a [u8; N]) -> Self {
        Self(PayloadInner::Borrowed(None, bytes))
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

#[cfg(feature = "alloc")]
impl<'a> From<&'a Bytes> for Payload<'a> {
    #[inline]
    fn from(bytes: &'a Bytes) -> Self {
        Self(PayloadInner::Borrowed(Some(bytes), bytes))
    }
}

#[cfg(feature = "alloc")]
impl<'a> From<&'a Vec<u8>> for Payload<'a> {
    #[inline]
    fn from(bytes: &'a Vec<u8>) -> Self {
        Self(PayloadInner::Borrowed(None, bytes))
    }
}

#[cfg(feature = "alloc")]
impl<'a> From<Cow<'a, [u8]>> for Payload<'a> {
    #[inline]
    fn from(bytes: Cow<'a, [u8]>) -> Self {
        match bytes {
            Cow::Borrowed(bytes) => bytes.into(),
            Cow::Owned(bytes) => bytes.into(),
        }
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
