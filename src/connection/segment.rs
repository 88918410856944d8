//! Payloads that are queued without a copy.

use alloc::collections::VecDeque;
use alloc::vec::Vec;
use core::mem;
use core::ops::Deref;

use bytes::Bytes;

/// A payload to queue.
pub(super) enum Payload<'p> {
    /// The payload is copied: it is short, borrowed, compressed or to be masked.
    Copied(&'p [u8]),
    /// The payload of a server is queued without a copy.
    Owned(OwnedPayload),
}

impl Payload<'_> {
    pub(super) fn len(&self) -> usize {
        match self {
            Self::Copied(bytes) => bytes.len(),
            Self::Owned(payload) => payload.len(),
        }
    }

    /// Removes the first `len` bytes, which must be there, and returns them.
    pub(super) fn split_to(&mut self, len: usize) -> Self {
        match self {
            Self::Copied(bytes) => {
                let (first, remaining) = bytes.split_at(len);
                *bytes = remaining;
                Self::Copied(first)
            }
            Self::Owned(payload) => Self::Owned(payload.split_to(len)),
        }
    }
}

/// A payload that is queued without a copy.
pub(crate) enum OwnedPayload {
    Vec(Vec<u8>),
    Shared(Bytes),
}

impl OwnedPayload {
    /// Returns the allocated size in bytes: the capacity of a `Vec`. `Bytes` reveal only their length.
    fn size(&self) -> usize {
        match self {
            Self::Vec(bytes) => bytes.capacity(),
            Self::Shared(bytes) => bytes.len(),
        }
    }

    /// Removes the first `len` bytes, which must be there, and returns them. Both parts then share the
    /// bytes, and count as their length, so that no more capacity may be kept.
    fn split_to(&mut self, len: usize) -> Self {
        let mut shared = match mem::replace(self, Self::Shared(Bytes::new())) {
            Self::Vec(mut bytes) => {
                bytes.shrink_to_fit();
                Bytes::from(bytes)
            }
            Self::Shared(bytes) => bytes,
        };
        let first = shared.split_to(len);
        *self = Self::Shared(shared);
        Self::Shared(first)
    }

    /// Frees capacity beyond twice the length, so that a payload keeps at most twice its length. A
    /// buffer that grew by doubling has no such excess.
    fn without_excess(mut self) -> Self {
        match &mut self {
            Self::Vec(bytes) if bytes.capacity() - bytes.len() > bytes.len() => {
                bytes.shrink_to_fit()
            }
            Self::Vec(_) | Self::Shared(_) => {}
        }
        self
    }
}

impl Deref for OwnedPayload {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match self {
            Self::Vec(bytes) => bytes,
            Self::Shared(bytes) => bytes,
        }
    }
}

/// A payload and its offset in the output stream.
pub(super) struct Segment {
    /// Stream offset of the first byte.
    start: u64,
    payload: OwnedPayload,
}

impl Segment {
    pub(super) fn new(start: u64, payload: OwnedPayload) -> Self {
        Self { start, payload: payload.without_excess() }
    }

    /// Returns the stream offset of the first byte.
    pub(super) fn start(&self) -> u64 {
        self.start
    }

    /// Returns the stream offset after the last byte.
    pub(super) fn end(&self) -> u64 {
        self.start + self.payload.len() as u64
    }

    /// Returns the length of the payload, including bytes already written.
    pub(super) fn len(&self) -> usize {
        self.payload.len()
    }

    /// Returns the number of bytes that count against the high-water mark.
    pub(super) fn size(&self) -> usize {
        self.payload.size()
    }

    /// Returns the bytes from the stream offset `written` on. At least one byte must be pending.
    pub(super) fn pending(&self, written: u64) -> &[u8] {
        let skipped = written.saturating_sub(self.start) as usize;
        debug_assert!(skipped < self.payload.len(), "a written segment is removed");
        self.payload.get(skipped..).unwrap_or_default()
    }
}

/// Drops the first `count` segments, which may run user code.
///
/// If the destructor of a payload panics, the remaining ones of the `count` segments are leaked: a
/// second panic during unwinding would abort the process.
pub(super) fn drop_first(segments: &mut VecDeque<Segment>, count: usize) {
    struct First<'s> {
        segments: &'s mut VecDeque<Segment>,
        count: usize,
    }

    impl Drop for First<'_> {
        fn drop(&mut self) {
            self.segments.drain(..self.count).for_each(mem::forget);
        }
    }

    let mut first = First { segments, count };
    while first.count > 0 {
        first.count -= 1;
        drop(first.segments.pop_front());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn payload_keeps_at_most_twice_its_length() {
        for (len, capacity) in [(2048, 1 << 20), (2048, 4096), (2048, 4097), (2048, 5000)] {
            let mut bytes = Vec::with_capacity(capacity);
            bytes.resize(len, 7);
            let payload = OwnedPayload::Vec(bytes).without_excess();
            assert!(payload.size() <= 2 * len);
            assert_eq!(*payload, [7; 2048]);
        }
    }
}
