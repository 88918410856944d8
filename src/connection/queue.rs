//! The pending bytes of one output, in one value that the pool of the thread can store.
//!
//! ```text
//!   stream  ── written ─┬──────────┬───────────┬──────────┬───────────┬─ end
//!                       │ copied 1 │ segment 1 │ copied 2 │ segment 2 │
//!                       └──────────┴───────────┴──────────┴───────────┘
//!   bytes   ┬─ written ─┬──────────┬──────────┬
//!           │           │ copied 1 │ copied 2 │
//!           0         start                 bytes.len()
//! ```
//!
//! Headers and small payloads are copied to the end of one buffer. Large owned payloads are not copied
//! but kept as segments. A segment stores its offset in the stream, not in the buffer; `bytes[start..]`
//! are the pending bytes outside of segments, in order. Compaction and growth of the buffer therefore
//! change only `start`.
//!
//! The parameter `written` of a method is the stream offset of the first pending byte.

use alloc::boxed::Box;
use alloc::collections::VecDeque;
use alloc::vec::Vec;

use super::replies::Replies;
use super::segment::{OwnedPayload, Segment, drop_first};
use crate::frame::FrameHeader;
use crate::mask::extend_masked;

/// Minimum number of bytes by which a buffer grows.
const MIN_GROWTH: usize = 128;

/// Bytes by which the capacity may exceed twice the pending bytes after [`Queue::split_excess`].
const MAX_EXCESS: usize = 4096;

/// Bytes to reserve for the header of a frame. The longest encoding has 14; encoding writes 16.
const HEADER_RESERVE: usize = 16;

/// Bytes to reserve for a head, enough for most.
const HEAD_RESERVE: usize = 512;

/// Number of segments for which an empty queue keeps capacity.
const MAX_POOLED_SEGMENTS: usize = 64;

/// The pending bytes of an output. Empty while it is in the pool, and not empty while an output
/// owns it.
#[derive(Default)]
pub(super) struct Queue {
    /// Copied bytes: appended at the end, removed from the front by compaction.
    bytes: Vec<u8>,
    /// `start <= bytes.len()`. `bytes[start..]` is pending.
    start: usize,
    /// The segments in the order of their offsets, without overlap. Each has pending bytes; only the
    /// first may be partly written.
    segments: VecDeque<Segment>,
    /// The number of pending bytes in `segments`.
    segments_len: usize,
    /// The sum of the sizes of the payloads in `segments`.
    segments_size: usize,
    /// The automatic Pongs, keepalive Pings and the Close among the copied bytes.
    replies: Replies,
}

/// # Questions
impl Queue {
    /// Returns the number of pending bytes.
    #[inline]
    pub(super) fn len(&self) -> usize {
        self.copied_len() + self.segments_len
    }

    /// Returns the number of bytes that count against the high-water mark.
    pub(super) fn counted(&self) -> usize {
        self.copied_len() + self.segments_size - self.replies.pending()
    }

    /// Returns whether a Close is pending.
    pub(super) fn close_is_pending(&self) -> bool {
        self.replies.close_is_pending()
    }

    /// Returns the capacity of the buffer.
    pub(super) fn capacity(&self) -> usize {
        self.bytes.capacity()
    }

    /// Returns whether the queue is in the state that [`clear`](Self::clear) establishes.
    pub(super) fn is_clear(&self) -> bool {
        self.bytes.is_empty()
            && self.start == 0
            && self.segments.is_empty()
            && self.segments_len == 0
            && self.segments_size == 0
            && self.replies.is_clear()
    }

    /// Returns the next pending bytes that are contiguous in memory.
    #[inline]
    pub(super) fn chunk(&self, written: u64) -> &[u8] {
        if self.segments.is_empty() {
            return self.copied();
        }
        self.first_of_many(written)
    }

    /// Returns the first of [`chunks`](Self::chunks), or an empty slice if there is none.
    #[inline(never)]
    fn first_of_many(&self, written: u64) -> &[u8] {
        self.chunks(written).next().unwrap_or_default()
    }

    /// Iterates over all pending bytes in contiguous slices. No slice is empty.
    pub(super) fn chunks(&self, written: u64) -> impl Iterator<Item = &[u8]> {
        let (mut copied, mut at) = (self.copied(), written);
        // Each segment with the copied bytes before it, and then the copied bytes after the last one.
        let chunks = self.segments.iter().map(Some).chain([None]).flat_map(move |segment| {
            let Some(segment) = segment else { return [copied, &[]] };
            let len = segment.start().saturating_sub(at) as usize;
            debug_assert!(len <= copied.len(), "segments do not overlap");
            let (before, after) = copied.split_at_checked(len).unwrap_or((copied, &[]));
            let pending = segment.pending(at);
            (copied, at) = (after, segment.end());
            [before, pending]
        });
        chunks.filter(|chunk| !chunk.is_empty())
    }

    fn copied_len(&self) -> usize {
        self.bytes.len() - self.start
    }

    fn copied(&self) -> &[u8] {
        debug_assert!(self.start <= self.bytes.len());
        self.bytes.get(self.start..).unwrap_or_default()
    }

    fn end(&self, written: u64) -> u64 {
        written + self.len() as u64
    }
}

/// # Appending
impl Queue {
    /// Creates an empty queue with this buffer, which is empty.
    pub(super) fn with_buffer(bytes: Vec<u8>) -> Self {
        debug_assert!(bytes.is_empty());
        Self { bytes, ..Self::default() }
    }

    /// Appends a frame, masked if the header has a masking key.
    #[inline(always)]
    pub(super) fn push_frame(&mut self, header: &FrameHeader, payload: &[u8]) {
        self.reserve(HEADER_RESERVE + payload.len());
        append_frame(&mut self.bytes, header, payload);
    }

    /// Returns the buffer, for a head to be appended.
    pub(super) fn head_buffer(&mut self) -> &mut Vec<u8> {
        self.reserve(HEAD_RESERVE);
        &mut self.bytes
    }

    /// Appends a copy of `bytes`.
    pub(super) fn push_copy(&mut self, bytes: &[u8]) {
        self.reserve(bytes.len());
        self.bytes.extend_from_slice(bytes);
    }

    /// Appends a payload without a copy. The payload must not be empty.
    pub(super) fn push_segment(&mut self, written: u64, payload: OwnedPayload) {
        debug_assert!(!payload.is_empty());
        let segment = Segment::new(self.end(written), payload);
        self.segments_len += segment.len();
        self.segments_size += segment.size();
        self.segments.push_back(segment);
    }

    /// Appends an automatic Pong, or holds it back in place of an earlier one.
    pub(super) fn push_pong(&mut self, written: u64, header: &FrameHeader, payload: &[u8]) {
        if self.replies.hold_back_pongs() {
            let newest_pong = self.replies.replace_newest_pong();
            newest_pong.reserve(HEADER_RESERVE + payload.len());
            return append_frame(newest_pong, header, payload);
        }
        self.push_frame(header, payload);
        self.replies.pong_queued(self.end(written), header.encoded_len() + payload.len());
    }

    /// Appends a keepalive Ping.
    pub(super) fn push_keepalive(&mut self, written: u64, header: &FrameHeader, payload: &[u8]) {
        self.push_frame(header, payload);
        self.replies.ping_queued(self.end(written), header.encoded_len() + payload.len());
    }

    /// Appends the Pong that is held back, if any, and then a Close.
    pub(super) fn push_close(&mut self, written: u64, header: &FrameHeader, payload: &[u8]) {
        self.push_newest_pong(written);
        self.push_frame(header, payload);
        self.replies.close_queued(self.end(written), header.encoded_len() + payload.len());
    }

    fn push_newest_pong(&mut self, written: u64) {
        let len = self.replies.newest_pong().len();
        if len > 0 {
            self.reserve(len);
            self.bytes.extend_from_slice(self.replies.newest_pong());
            self.replies.pong_queued(self.end(written), len);
        }
    }

    #[inline]
    fn reserve(&mut self, additional: usize) {
        if self.bytes.capacity() - self.bytes.len() < additional {
            self.make_room(additional);
        }
    }

    /// Compacts the buffer, and grows it unless compaction alone makes room for `additional` bytes
    /// and at least half of the buffer was written. Each byte is therefore moved a constant number
    /// of times.
    ///
    /// The growth is half of the bytes that count against the high-water mark. Automatic Pongs, at
    /// most 4 KiB, and the other replies only grow the buffer by [`MIN_GROWTH`]: the bound on the
    /// memory of an output leaves no room for more.
    #[cold]
    fn make_room(&mut self, additional: usize) {
        let pending = self.copied_len();
        let counted = pending.saturating_sub(self.replies.pending());
        let growth = (counted / 2).max(MIN_GROWTH);
        let spare = if self.start >= pending { 0 } else { growth };
        if self.start > 0 {
            count_moved(pending);
            self.bytes.drain(..self.start);
            self.start = 0;
        }
        if self.bytes.capacity() - pending < additional.saturating_add(spare) {
            count_moved(pending);
            self.bytes.reserve_exact(additional.saturating_add(growth));
        }
    }
}

/// # Removing
impl Queue {
    /// Clears the queue if the next `n` bytes are all that is pending, and it has neither segments
    /// nor replies. Returns `false` otherwise, and changes nothing.
    pub(super) fn clear_if_plain(&mut self, n: usize) -> bool {
        let is_plain = self.segments.is_empty() && self.replies.is_empty();
        let clears = is_plain && n == self.copied_len();
        if clears {
            self.bytes.clear();
            self.start = 0;
        }
        clears
    }

    /// Removes the next `n <= len` bytes and advances `written` by `n`. Queues the Pong that is
    /// held back if the last queued one was written.
    pub(super) fn advance(&mut self, written: &mut u64, n: usize) {
        let end = *written + n as u64;
        let (mut in_segments, mut finished) = (0, 0);
        for segment in self.segments.iter().take_while(|segment| segment.start() < end) {
            in_segments += (segment.end().min(end) - segment.start().max(*written)) as usize;
            if segment.end() <= end {
                finished += 1;
                self.segments_size -= segment.size();
            }
        }
        self.start += n - in_segments;
        self.segments_len -= in_segments;
        *written = end;
        self.replies.advance(end);
        if self.replies.restart_pongs(end) {
            self.push_newest_pong(end);
        }
        // Dropping a payload may run user code, which may panic, so it happens last.
        drop_first(&mut self.segments, finished);
        if self.segments.is_empty() {
            self.segments.shrink_to(MAX_POOLED_SEGMENTS);
        }
    }

    /// Removes all pending bytes. Dropping a payload may run user code.
    pub(super) fn clear(&mut self) {
        self.bytes.clear();
        self.start = 0;
        self.segments_len = 0;
        self.segments_size = 0;
        self.replies.clear();
        let count = self.segments.len();
        drop_first(&mut self.segments, count);
        self.segments.shrink_to(MAX_POOLED_SEGMENTS);
    }

    /// Frees the buffer of a clear queue if its capacity exceeds `capacity`. Shrinking the buffer
    /// instead would be slower: its next growth would touch new pages.
    #[cfg(feature = "std")]
    pub(super) fn free_above(&mut self, capacity: usize) {
        debug_assert!(self.bytes.is_empty());
        if self.capacity() > capacity {
            self.bytes = Vec::new();
        }
    }

    /// Moves the pending bytes to a buffer of their size if the capacity exceeds twice their number
    /// plus 4 KiB. Returns the larger buffer in a clear queue.
    pub(super) fn split_excess(&mut self) -> Option<Box<Self>> {
        let pending = self.copied_len();
        if self.capacity() <= pending.saturating_mul(2).saturating_add(MAX_EXCESS) {
            return None;
        }
        count_moved(pending);
        let smaller = self.copied().to_vec();
        let mut excess = core::mem::replace(&mut self.bytes, smaller);
        self.start = 0;
        excess.clear();
        Some(Box::new(Self::with_buffer(excess)))
    }
}

/// Appends a frame. The caller has reserved room for it.
#[inline(always)]
fn append_frame(to: &mut Vec<u8>, header: &FrameHeader, payload: &[u8]) {
    // One path for each role, so that the header of a server is encoded without branches on the
    // key.
    match header.masking_key() {
        None => {
            append_header(to, header);
            to.extend_from_slice(payload);
        }
        Some(key) => {
            append_header(to, header);
            extend_masked(to, payload, key, 0);
        }
    }
}

/// Appends a header: all 16 bytes of its encoding in one store, then truncates to its length.
#[inline(always)]
fn append_header(to: &mut Vec<u8>, header: &FrameHeader) {
    let header = header.encode();
    let end = to.len() + header.len();
    to.extend_from_slice(header.padded());
    to.truncate(end);
}

#[cfg(not(test))]
const fn count_moved(_len: usize) {}

#[cfg(test)]
use tests::count_moved;

#[cfg(test)]
pub(super) mod tests {
    use core::cell::Cell;

    #[cfg(feature = "std")]
    use super::*;

    std::thread_local! {
        /// The number of bytes that compaction, growth and splitting moved on this thread.
        pub(in super::super) static MOVED: Cell<usize> = const { Cell::new(0) };
    }

    pub(super) fn count_moved(len: usize) {
        MOVED.set(MOVED.get() + len);
    }

    #[cfg(feature = "std")]
    impl Queue {
        /// The maximum heap memory in bytes that a clear queue owns besides its buffer.
        pub(in super::super) const MAX_POOLED_SIZE: usize =
            MAX_POOLED_SEGMENTS * size_of::<Segment>() + Replies::MAX_POOLED_SIZE;

        /// Returns the heap memory in bytes that the queue owns, including its own box.
        pub(in super::super) fn memory(&self) -> usize {
            size_of::<Self>()
                + self.bytes.capacity()
                + self.segments_size
                + self.segments.capacity() * size_of::<Segment>()
                + self.replies.memory()
        }

        /// Returns whether the capacity is within the bound of `split_excess`.
        pub(in super::super) fn is_trim(&self) -> bool {
            self.bytes.capacity() <= 2 * self.copied_len() + MAX_EXCESS
        }
    }
}
