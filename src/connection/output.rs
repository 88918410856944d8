//! The bytes that wait to be written, in one order.

use alloc::boxed::Box;
use alloc::collections::VecDeque;
use alloc::vec::Vec;
use core::fmt;

use bytes::Buf;

use super::buffers::{Buffers, is_kept};
use crate::frame::{EncodedHeader, FrameHeader};
use crate::mask::{copy_masked, mask};
use crate::payload::OwnBytes;

/// Automatic Pongs that wait at most, in bytes; beyond that only the newest waits (RFC 6455,
/// section 5.5.3).
const MAX_PONGS: usize = 4096;

/// Bytes of memory that are taken at least.
const MIN_MEMORY: usize = 128;

/// Places for payloads queued without a copy that are kept at most while memory is lent. Below the
/// default high-water mark half as many wait.
const MAX_KEPT_SPLICES: usize = 1024;

/// What waits to be written: one ordered stream of bytes, read as a [`Buf`].
///
/// Write [`chunk`](Buf::chunk), or several at once with `chunks_vectored`, then
/// [`advance`](Buf::advance) past what was written. It holds no memory when nothing waits, but for
/// what is [lent](crate::Buffers).
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
    /// The latest automatic Pongs that stand side by side: a [`Run`], its fields apart for size.
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

/// A payload in memory of its own, of which `payload[start..]` waits. It stands in the stream before
/// `bytes[at]`.
struct Splice {
    at: usize,
    payload: OwnBytes,
    start: usize,
}

impl Splice {
    fn waiting(&self) -> &[u8] {
        self.payload.get(self.start..).unwrap_or_default()
    }
}

/// Automatic Pongs: of the `len` bytes before `end`, those that wait.
#[derive(Clone, Copy, Default)]
struct Run {
    end: usize,
    len: usize,
}

impl Run {
    fn waiting(self, start: usize) -> usize {
        self.end.saturating_sub(start).min(self.len)
    }
}

impl Output {
    /// What is from `start` on in `bytes` waits, in the memory that it is in.
    pub(crate) fn holding(bytes: Vec<u8>, start: usize) -> Self {
        Self { start, end: bytes.len(), bytes, ..Self::default() }
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
        let Some(frame) = self.bytes.get_mut(self.end..self.end + room) else {
            // In registers, or each header would be written to memory for this.
            return self.push_beyond(*header.padded(), header.len(), payload, key);
        };
        if let Some(to) = frame.first_chunk_mut() {
            *to = *header.padded();
        }
        self.end += header.len() + payload.len();
        let frame = frame.get_mut(..header.len() + payload.len()).unwrap_or_default();
        write_payload(frame.get_mut(header.len()..).unwrap_or_default(), payload, key);
    }

    /// The same where there is no room. Memory that is taken anew is not cleared before.
    #[cold]
    fn push_beyond(
        &mut self,
        header: [u8; 16],
        header_len: usize,
        payload: &[u8],
        key: Option<[u8; 4]>,
    ) {
        let room = header.len() + payload.len();
        let header = header.get(..header_len).unwrap_or_default();
        if self.bytes.is_empty() {
            // If it is kept, as much as the same frame asks for the next time.
            let size = if self.lent { room } else { header.len() + payload.len() };
            let size = size.max(MIN_MEMORY);
            let mut bytes = Vec::with_capacity(size);
            append_frame(&mut bytes, header, payload, key);
            self.end = bytes.len();
            bytes.resize(size, 0);
            self.bytes = bytes;
        } else {
            self.make_room(room);
            self.push(header);
            let body = self.bytes.get_mut(self.end..self.end + payload.len());
            write_payload(body.unwrap_or_default(), payload, key);
            self.end += payload.len();
        }
    }

    #[inline]
    fn reserve(&mut self, len: usize) {
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

    /// Appends `payload` from `start` on, without a copy.
    pub(crate) fn splice(&mut self, payload: OwnBytes, start: usize) {
        let waiting = payload.len().saturating_sub(start);
        if waiting == 0 {
            return self.keep_spare(payload);
        }
        let at = self.end;
        let rare = self.rare.get_or_insert_default();
        rare.spliced += waiting;
        rare.splices.push_back(Splice { at, payload, start });
    }

    /// A payload was taken. Its memory serves again while memory is lent.
    fn keep_spare(&mut self, payload: OwnBytes) {
        if let OwnBytes::Vec(memory) = payload
            && self.lent
        {
            let spare = &mut self.rare.get_or_insert_default().spare;
            if is_kept(spare, &memory) {
                *spare = memory;
            }
        }
    }

    /// Appends an automatic Pong. Each is kept while less than 4 KiB of them wait, then only the
    /// newest.
    pub(crate) fn push_pong(&mut self, header: &FrameHeader, payload: &[u8]) {
        if self.waiting_pongs() >= MAX_PONGS {
            let newest = &mut self.rare.get_or_insert_default().newest_pong;
            newest.clear();
            return append_frame(newest, &header.encode(), payload, header.masking_key());
        }
        // First, since it may move all that waits to the front.
        self.reserve(header.encode().padded().len() + payload.len());
        self.note_pong(header.encoded_len() + payload.len());
        self.push_frame(header, payload);
    }

    /// The next `len` bytes will be an automatic Pong.
    fn note_pong(&mut self, len: usize) {
        let run = self.latest_pongs();
        if run.waiting(self.start) > 0 && run.end == self.end {
            // What was taken of it does not count any more.
            self.pongs_len = (run.waiting(self.start) + len) as u16;
        } else {
            if run.waiting(self.start) > 0 {
                self.rare.get_or_insert_default().pongs.push_back(run);
            }
            self.pongs_len = len as u16;
        }
        self.pongs_end = self.end + len;
    }

    /// Appends the newest Pong if it was held back: before a Close, behind which nothing may come,
    /// and as soon as the others are fewer.
    pub(crate) fn release_newest_pong(&mut self) {
        let Some(rare) = &mut self.rare else { return };
        let frame = core::mem::take(&mut rare.newest_pong);
        self.push(&frame);
    }

    /// At most 4 KiB and a frame, so that its length fits.
    fn latest_pongs(&self) -> Run {
        Run { end: self.pongs_end, len: self.pongs_len.into() }
    }

    fn waiting_pongs(&mut self) -> usize {
        let start = self.start;
        let earlier: usize = self.rare.as_mut().map_or(0, |rare| {
            while rare.pongs.front().is_some_and(|run| run.waiting(start) == 0) {
                rare.pongs.pop_front();
            }
            rare.pongs.iter().map(|run| run.waiting(start)).sum()
        });
        earlier + self.latest_pongs().waiting(start)
    }

    /// Makes room for `len` bytes at the end: by moving what waits to the front where there is room
    /// and at least as much was taken, otherwise by doubling.
    #[cold]
    fn make_room(&mut self, len: usize) {
        let waiting = self.end - self.start;
        let needed = waiting.saturating_add(len);
        if needed <= self.bytes.len() && waiting <= self.start {
            self.bytes.copy_within(self.start..self.end, 0);
        } else {
            let waits = self.bytes.get(self.start..self.end).unwrap_or_default();
            let size = needed.max(2 * waiting).max(MIN_MEMORY).max(self.bytes.len());
            let mut grown = Vec::with_capacity(size);
            grown.extend_from_slice(waits);
            grown.resize(size, 0);
            self.bytes = grown;
        }
        let moved = self.start;
        self.start = 0;
        self.end = waiting;
        self.pongs_end = self.pongs_end.saturating_sub(moved);
        for run in self.rare.iter_mut().flat_map(|rare| rare.pongs.iter_mut()) {
            run.end = run.end.saturating_sub(moved);
        }
        for splice in self.rare.iter_mut().flat_map(|rare| rare.splices.iter_mut()) {
            splice.at -= moved;
        }
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

    /// Memory of a payload that was taken, to be used again.
    #[inline]
    pub(super) fn take_spare(&mut self) -> Option<Vec<u8>> {
        let spare = &mut self.rare.as_mut().filter(|_| self.lent)?.spare;
        (spare.capacity() > 0).then(|| core::mem::take(spare))
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

    /// Gives the memory back, unless something waits in it; then it is freed when nothing does.
    #[inline]
    pub(super) fn give_back(&mut self, bytes: &mut Vec<u8>, rare: &mut Option<Box<Rare>>) {
        self.lent = false;
        if self.has_remaining() {
            if let Some(rare) = &mut self.rare {
                rare.spare = Vec::new();
            }
            return;
        }
        if is_kept(bytes, &self.bytes) {
            *bytes = core::mem::take(&mut self.bytes);
        } else {
            self.bytes = Vec::new();
        }
        if let Some(own) = self.rare.take() {
            rare.get_or_insert(own);
        }
    }

    /// Nothing waits any more.
    fn clear(&mut self) {
        self.start = 0;
        self.end = 0;
        self.pongs_end = 0;
        self.pongs_len = 0;
        if self.lent && self.bytes.len() <= Buffers::MAX_KEPT {
            if let Some(rare) = &mut self.rare {
                rare.clear();
            }
        } else {
            self.bytes = Vec::new();
            self.rare = None;
        }
    }

    /// What of `bytes` comes before the next spliced payload.
    #[inline]
    fn contiguous(&self) -> &[u8] {
        let next = self.rare.as_ref().and_then(|rare| rare.splices.front());
        self.bytes.get(self.start..next.map_or(self.end, |splice| splice.at)).unwrap_or_default()
    }
}

impl Buf for Output {
    #[inline]
    fn remaining(&self) -> usize {
        self.end - self.start + self.rare.as_ref().map_or(0, |rare| rare.spliced)
    }

    #[inline]
    fn has_remaining(&self) -> bool {
        self.start < self.end || self.rare.as_ref().is_some_and(|rare| rare.spliced > 0)
    }

    #[inline]
    fn chunk(&self) -> &[u8] {
        let contiguous = self.contiguous();
        match &self.rare {
            Some(rare) if contiguous.is_empty() => {
                rare.splices.front().map_or(contiguous, Splice::waiting)
            }
            Some(_) | None => contiguous,
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

impl Output {
    #[cfg(feature = "std")]
    fn chunks_between_splices<'a>(&'a self, out: &mut [std::io::IoSlice<'a>]) -> usize {
        let mut from = self.start;
        let splices = self.rare.iter().flat_map(|rare| rare.splices.iter());
        let chunks = splices
            .map(|splice| (splice.at, splice.waiting()))
            .chain([(self.end, &[][..])])
            .flat_map(|(at, payload)| {
                let before = self.bytes.get(from..at).unwrap_or_default();
                from = at;
                [before, payload]
            })
            .filter(|chunk| !chunk.is_empty());
        out.iter_mut().zip(chunks).map(|(out, chunk)| *out = std::io::IoSlice::new(chunk)).count()
    }

    /// Takes what is next. To be followed by [`settle`](Self::settle).
    pub(super) fn skip(&mut self, mut len: usize) {
        loop {
            let step = self.contiguous().len().min(len);
            self.start += step;
            len -= step;
            let Some(rare) = &mut self.rare else { break };
            let Some(splice) = rare.splices.front_mut() else { break };
            if splice.at > self.start {
                break;
            }
            let step = splice.waiting().len().min(len);
            splice.start += step;
            rare.spliced -= step;
            len -= step;
            if !splice.waiting().is_empty() {
                break;
            }
            if let Some(Splice { payload, .. }) = rare.splices.pop_front() {
                self.keep_spare(payload);
            }
        }
        assert!(len == 0, "advanced past the end of the output");
    }

    /// Appends the Pong that was held back if fewer wait now, and frees what nothing waits in. Not
    /// inside a frame.
    pub(super) fn settle(&mut self) {
        if self.rare.as_ref().is_some_and(|rare| !rare.newest_pong.is_empty())
            && self.waiting_pongs() < MAX_PONGS
            && let Some(rare) = &mut self.rare
        {
            let frame = core::mem::take(&mut rare.newest_pong);
            // First, since it may move all that waits to the front.
            self.reserve(frame.len());
            self.note_pong(frame.len());
            self.push(&frame);
        }
        if !self.has_remaining() {
            self.clear();
        }
    }
}

/// Writes a payload where it belongs, masked if there is a key.
#[inline(always)]
fn write_payload(to: &mut [u8], payload: &[u8], key: Option<[u8; 4]>) {
    match key {
        Some(key) => copy_masked(to, payload, key, 0),
        None => to.copy_from_slice(payload),
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
