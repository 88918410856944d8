//! Payloads queued without a copy, between the bytes that are.

use alloc::vec::Vec;

use super::Output;
use crate::connection::buffers::is_kept;
use crate::payload::OwnBytes;

/// Places for payloads queued without a copy that are kept at most while memory is lent. Below the
/// default high-water mark half as many wait.
pub(super) const MAX_KEPT_SPLICES: usize = 1024;

/// A payload in memory of its own, of which `payload[start..]` waits. It stands in the stream before
/// `bytes[at]`.
pub(super) struct Splice {
    at: usize,
    payload: OwnBytes,
    start: usize,
}

impl Splice {
    fn waiting(&self) -> &[u8] {
        self.payload.get(self.start..).unwrap_or_default()
    }
}

impl Output {
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

    /// Bytes of the payloads that were appended so and wait.
    #[inline]
    pub(super) fn spliced(&self) -> usize {
        self.rare.as_ref().map_or(0, |rare| rare.spliced)
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

    /// Memory of a payload that was taken, to be used again.
    #[inline]
    pub(in crate::connection) fn take_spare(&mut self) -> Option<Vec<u8>> {
        let spare = &mut self.rare.as_mut().filter(|_| self.lent)?.spare;
        (spare.capacity() > 0).then(|| core::mem::take(spare))
    }

    /// What of `bytes` comes before the next spliced payload.
    #[inline]
    pub(super) fn contiguous(&self) -> &[u8] {
        let next = self.rare.as_ref().and_then(|rare| rare.splices.front());
        self.bytes.get(self.start..next.map_or(self.end, |splice| splice.at)).unwrap_or_default()
    }

    /// That, or the next spliced payload where nothing comes before it.
    #[inline(never)]
    pub(super) fn chunk_or_splice(&self) -> &[u8] {
        match self.rare.as_ref().and_then(|rare| rare.splices.front()) {
            Some(splice) if splice.at == self.start => splice.waiting(),
            Some(_) | None => self.contiguous(),
        }
    }

    /// All that waits, in pieces.
    #[cfg(feature = "std")]
    pub(super) fn chunks_between_splices<'a>(&'a self, out: &mut [std::io::IoSlice<'a>]) -> usize {
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

    /// Takes what is next. To be followed by [`settle`](Output::settle).
    #[inline]
    pub(in crate::connection) fn skip(&mut self, len: usize) {
        if self.spliced() > 0 {
            return self.skip_splices(len);
        }
        assert!(len <= self.end - self.start, "advanced past the end of the output");
        self.start += len;
    }

    fn skip_splices(&mut self, mut len: usize) {
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

    /// What waits was moved so far to the front.
    pub(super) fn move_splices(&mut self, by: usize) {
        for splice in self.rare.iter_mut().flat_map(|rare| rare.splices.iter_mut()) {
            splice.at -= by;
        }
    }
}
