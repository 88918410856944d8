//! The bytes that wait to be written, in one order.

mod pongs;
mod splices;

use alloc::boxed::Box;
use alloc::collections::VecDeque;
use alloc::vec::Vec;
use core::fmt;

use bytes::Buf;

use self::pongs::Run;
use self::splices::{MAX_KEPT_SPLICES, Splice};
use super::buffers::{Buffers, SMALL, is_ample, is_kept};
use crate::frame::{EncodedHeader, FrameHeader};
use crate::mask::{copy_masked, copy_two_words, mask};

/// Bytes of memory that are taken at least.
const MIN_MEMORY: usize = 128;

/// What waits to be written: one ordered stream of bytes, read as a [`Buf`].
///
/// Write [`chunk`](Buf::chunk), or several at once with `chunks_vectored`, then
/// [`advance`](Buf::advance) past what was written. That of a connection holds no memory when nothing
/// waits, but for what is [lent](crate::Buffers).
///
/// ```
/// use bytes::Buf;
/// use websocket_proto::{Config, Connection, Negotiated};
///
/// static CONFIG: Config = Config::new();
/// let mut connection = Connection::server(&CONFIG, &Negotiated::default());
/// connection.send("Hi")?;
/// let output = connection.output();
/// assert_eq!(output.chunk(), b"\x81\x02Hi");
/// output.advance(4);
/// assert!(!output.has_remaining());
/// # Ok::<(), websocket_proto::SendReason>(())
/// ```
#[derive(Default)]
pub struct Output {
    /// `bytes[start..end]` waits. All of `bytes` is initialised, so that frames are written and
    /// masked in place.
    bytes: Vec<u8>,
    start: usize,
    end: usize,
    /// The latest automatic Pongs that stand side by side: a [`Run`], its fields apart for size. Where
    /// it ends means nothing while its length is 0.
    pongs_end: usize,
    pongs_len: u16,
    /// Whether memory is kept when nothing waits, to be given back.
    lent: bool,
    /// Bytes ever taken, modulo 2³².
    taken: u32,
    rare: Option<Box<Rare>>,
}

/// What most traffic does without.
#[derive(Default)]
pub(super) struct Rare {
    /// Payloads queued without a copy.
    splices: VecDeque<Splice>,
    /// Their bytes, taken together.
    spliced: usize,
    /// Runs of Pongs before the latest, which other frames separate.
    pongs: VecDeque<Run>,
    /// The newest Pong, while too many wait.
    newest_pong: Vec<u8>,
    /// The memory of a payload that was taken, if memory is lent.
    spare: Vec<u8>,
}

impl Rare {
    /// Nothing waits any more.
    #[cold]
    fn clear(&mut self) {
        self.pongs.clear();
        self.splices.shrink_to(MAX_KEPT_SPLICES);
    }
}

impl Output {
    /// What is from `start` on in `bytes` waits, in the memory that it is in.
    pub(crate) fn holding(bytes: Vec<u8>, start: usize) -> Self {
        Self { start, end: bytes.len(), bytes, ..Self::default() }
    }

    /// All of `bytes` waits. If it is small, the memory is kept for [`reclaim`](Self::reclaim).
    pub(crate) fn keeping(bytes: Vec<u8>) -> Self {
        Self { lent: bytes.capacity() <= SMALL, ..Self::holding(bytes, 0) }
    }

    /// The memory that was kept, empty; none if something waits in it. From now on none is kept.
    pub(crate) fn reclaim(&mut self) -> Vec<u8> {
        self.lent = false;
        if self.has_remaining() {
            return Vec::new();
        }
        let mut memory = core::mem::take(&mut self.bytes);
        memory.clear();
        memory
    }

    /// Appends a frame, masked by a client: header and payload side by side, so that they leave in
    /// one write.
    #[inline(always)]
    pub(crate) fn push_frame(&mut self, header: &FrameHeader, payload: &[u8]) {
        // Each on its own, so that a server's frames do without all that masking takes.
        match header.masking_key() {
            None => self.push_encoded(header.unmasked().encode(), payload, None),
            Some(key) => self.push_encoded(header.masked(key).encode(), payload, Some(key)),
        }
    }

    #[inline(always)]
    fn push_encoded(&mut self, header: EncodedHeader, payload: &[u8], key: Option<[u8; 4]>) {
        // All 16 bytes are written whatever the header's length: the payload goes over the rest.
        let room = header.padded().len() + payload.len();
        let free = self.bytes.get_mut(self.end..).unwrap_or_default();
        let Some(frame) = free.get_mut(..room) else {
            return self.push_beyond(header, payload, key);
        };
        if let Some(to) = frame.first_chunk_mut() {
            *to = *header.padded();
        }
        let len = header.len() + payload.len();
        self.end += len;
        let frame = frame.get_mut(..len).unwrap_or_default();
        write_payload(frame.get_mut(header.len()..).unwrap_or_default(), payload, key);
    }

    /// The same where there is no room. Memory that is taken anew is not cleared before.
    #[cold]
    fn push_beyond(&mut self, header: EncodedHeader, payload: &[u8], key: Option<[u8; 4]>) {
        let room = header.padded().len() + payload.len();
        if self.bytes.is_empty() {
            // If it is kept, as much as the same frame asks for the next time.
            let size = if self.lent { room } else { header.len() + payload.len() };
            let size = size.max(MIN_MEMORY);
            let mut bytes = Vec::with_capacity(size);
            append_frame(&mut bytes, &header, payload, key);
            self.end = bytes.len();
            bytes.resize(size, 0);
            self.bytes = bytes;
        } else {
            self.make_room(room);
            self.push(&header);
            let body = self.bytes.get_mut(self.end..self.end + payload.len());
            write_payload(body.unwrap_or_default(), payload, key);
            self.end += payload.len();
        }
    }

    /// Makes room for what is appended next.
    #[inline]
    pub(super) fn reserve(&mut self, len: usize) {
        if self.bytes.len() - self.end < len {
            self.make_room(len);
        }
    }

    /// Appends a copy of `bytes`.
    #[inline]
    pub(crate) fn push(&mut self, bytes: &[u8]) {
        self.reserve(bytes.len());
        let end = self.end + bytes.len();
        if let Some(to) = self.bytes.get_mut(self.end..end) {
            to.copy_from_slice(bytes);
        }
        self.end = end;
    }

    /// Makes room for `len` bytes at the end: by moving what waits to the front where there is room
    /// and at least as much was taken, otherwise by doubling.
    #[cold]
    fn make_room(&mut self, len: usize) {
        let waiting = self.end - self.start;
        let needed = waiting.saturating_add(len);
        if needed <= self.bytes.len() && waiting <= self.start {
            self.bytes.copy_within(self.start..self.end, 0);
            self.moved_to_front();
        } else {
            let size = needed.max(2 * waiting).max(MIN_MEMORY).max(self.bytes.len());
            self.move_to(Vec::with_capacity(size));
            self.bytes.resize(size, 0);
        }
    }

    /// Moves what waits to `memory`, which is empty. Returns what it was in.
    fn move_to(&mut self, mut memory: Vec<u8>) -> Vec<u8> {
        memory.extend_from_slice(self.bytes.get(self.start..self.end).unwrap_or_default());
        self.moved_to_front();
        core::mem::replace(&mut self.bytes, memory)
    }

    /// What waits was moved to the front.
    fn moved_to_front(&mut self) {
        let by = core::mem::take(&mut self.start);
        self.end -= by;
        self.move_pongs(by);
        self.move_splices(by);
    }

    /// So many bytes were taken that were not queued here.
    #[inline]
    pub(super) fn count_taken(&mut self, len: usize) {
        self.taken = self.taken.wrapping_add(len as u32);
    }

    /// Bytes ever taken, modulo 2³².
    pub(super) fn taken(&self) -> u32 {
        self.taken
    }

    /// Whether memory is lent.
    pub(super) fn is_lent(&self) -> bool {
        self.lent
    }

    /// Memory to use for a turn.
    #[inline]
    pub(super) fn lend(&mut self, bytes: &mut Vec<u8>, rare: &mut Option<Box<Rare>>) {
        if self.bytes.is_empty() {
            self.bytes = core::mem::take(bytes);
        }
        if self.rare.is_none() {
            self.rare = rare.take();
        }
        self.lent = true;
    }

    /// Gives the memory back, unless something waits in it; then it is freed when nothing does. What is
    /// far less moves out of it, since it may wait for long.
    #[inline]
    pub(super) fn give_back(&mut self, bytes: &mut Vec<u8>, rare: &mut Option<Box<Rare>>) {
        if self.end > 0 || self.spliced() > 0 {
            return self.give_back_what_is_free(bytes, rare);
        }
        self.lent = false;
        if is_kept(bytes, &self.bytes) {
            *bytes = core::mem::take(&mut self.bytes);
        } else {
            self.bytes = Vec::new();
        }
        if let Some(own) = self.rare.take() {
            rare.get_or_insert(own);
        }
    }

    /// The same where something waits, or a `Sending` that was forgotten has taken the last of it.
    #[cold]
    fn give_back_what_is_free(&mut self, bytes: &mut Vec<u8>, rare: &mut Option<Box<Rare>>) {
        self.settle();
        if !self.has_remaining() {
            return self.give_back(bytes, rare);
        }
        self.lent = false;
        if let Some(rare) = &mut self.rare {
            rare.spare = Vec::new();
        }
        let waiting = self.end - self.start;
        if is_ample(self.bytes.capacity(), waiting) {
            let memory = self.move_to(Vec::with_capacity(waiting));
            if is_kept(bytes, &memory) {
                *bytes = memory;
            }
        }
    }

    /// Appends the Pong that was held back if fewer wait now, and frees what nothing waits in. Not
    /// inside a frame.
    pub(super) fn settle(&mut self) {
        self.release_due_pong();
        if !self.has_remaining() {
            self.clear();
        }
    }

    /// Whether that may be due.
    #[inline]
    pub(super) fn is_unsettled(&self) -> bool {
        self.start > 0 || self.rare.is_some()
    }

    /// Nothing waits: what comes next stands at the front.
    #[inline]
    fn rewind(&mut self) {
        self.start = 0;
        self.end = 0;
        self.pongs_len = 0;
    }

    /// Nothing waits any more.
    fn clear(&mut self) {
        self.rewind();
        if self.lent && self.bytes.len() <= Buffers::MAX_KEPT {
            if let Some(rare) = &mut self.rare {
                rare.clear();
            }
        } else {
            self.bytes = Vec::new();
            self.rare = None;
        }
    }
}

impl Buf for Output {
    #[inline]
    fn remaining(&self) -> usize {
        self.end - self.start + self.spliced()
    }

    #[inline]
    fn has_remaining(&self) -> bool {
        self.start < self.end || self.spliced() > 0
    }

    #[inline]
    fn chunk(&self) -> &[u8] {
        match &self.rare {
            None => self.bytes.get(self.start..self.end).unwrap_or_default(),
            Some(_) => self.chunk_or_splice(),
        }
    }

    #[cfg(feature = "std")]
    #[inline]
    fn chunks_vectored<'a>(&'a self, out: &mut [std::io::IoSlice<'a>]) -> usize {
        match (&self.rare, out) {
            (None, [first, ..]) if self.start < self.end => {
                *first = std::io::IoSlice::new(self.contiguous());
                1
            }
            (_, out) => self.chunks_between_splices(out),
        }
    }

    /// # Panics
    ///
    /// If `len` exceeds [`remaining`](Buf::remaining).
    #[inline]
    fn advance(&mut self, len: usize) {
        self.count_taken(len);
        if self.rare.is_none() && len == self.end - self.start {
            self.clear();
        } else {
            self.skip(len);
            self.settle();
        }
    }
}

/// Writes a payload where it belongs, masked if there is a key.
#[inline(always)]
fn write_payload(to: &mut [u8], payload: &[u8], key: Option<[u8; 4]>) {
    match key {
        Some(key) => copy_masked(to, payload, key, 0),
        None => {
            if !copy_two_words(to, payload, |word, _| word) {
                to.copy_from_slice(payload);
            }
        }
    }
}

/// Appends a frame, masked if there is a key.
fn append_frame(to: &mut Vec<u8>, header: &[u8], payload: &[u8], key: Option<[u8; 4]>) {
    to.extend_from_slice(header);
    let start = to.len();
    to.extend_from_slice(payload);
    if let (Some(key), Some(body)) = (key, to.get_mut(start..)) {
        mask(body, key, 0);
    }
}

impl fmt::Debug for Output {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Output").field("remaining", &self.remaining()).finish_non_exhaustive()
    }
}
