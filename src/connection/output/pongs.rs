//! Automatic Pongs among what waits: so many at most.

use super::{Output, append_frame};
use crate::frame::FrameHeader;

/// Automatic Pongs that wait at most, in bytes; beyond that only the newest waits (RFC 6455,
/// section 5.5.3).
const MAX_PONGS: usize = 4096;

/// Automatic Pongs: of the `len` bytes before `end`, those that wait.
#[derive(Clone, Copy, Default)]
pub(super) struct Run {
    end: usize,
    len: usize,
}

impl Run {
    fn waiting(self, start: usize) -> usize {
        self.end.saturating_sub(start).min(self.len)
    }
}

impl Output {
    /// Appends an automatic Pong. Each is kept while less than 4 KiB of them wait, then only the
    /// newest.
    pub(crate) fn push_pong(&mut self, header: &FrameHeader, payload: &[u8]) {
        if self.waiting_pongs() >= MAX_PONGS {
            let newest = &mut self.rare.get_or_insert_default().newest_pong;
            newest.clear();
            return append_frame(newest, &header.encode(), payload, header.masking_key());
        }
        self.note_pong(header.encoded_len() + payload.len());
        self.push_frame(header, payload);
    }

    /// The next `len` bytes will be an automatic Pong.
    #[inline(always)]
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
        if !frame.is_empty() {
            self.note_pong(frame.len());
            self.push(&frame);
        }
    }

    /// Appends it if fewer wait now.
    pub(super) fn release_due_pong(&mut self) {
        if self.rare.as_ref().is_some_and(|rare| !rare.newest_pong.is_empty())
            && self.waiting_pongs() < MAX_PONGS
        {
            self.release_newest_pong();
        }
    }

    /// At most 4 KiB and two frames, so that its length fits.
    fn latest_pongs(&self) -> Run {
        Run { end: self.pongs_end, len: self.pongs_len.into() }
    }

    #[inline]
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

    /// What waits was moved so far to the front.
    pub(super) fn move_pongs(&mut self, by: usize) {
        self.pongs_end = self.pongs_end.saturating_sub(by);
        for run in self.rare.iter_mut().flat_map(|rare| rare.pongs.iter_mut()) {
            run.end = run.end.saturating_sub(by);
        }
    }
}
