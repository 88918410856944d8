//! The automatic Pongs and the Close among the pending bytes: how many Pongs may be queued, and which
//! bytes do not count against the high-water mark.

use alloc::collections::VecDeque;
use alloc::vec::Vec;

/// Number of bytes of automatic Pongs after which only the newest Pong is kept.
const MAX_PONGS: usize = 4096;

/// Number of runs at the most. They take 512 bytes.
const MAX_RUNS: usize = 32;

/// The automatic Pongs and the Close that are pending, and the Pong that is held back.
///
/// RFC 6455, section 5.5.3: an endpoint that has not answered earlier Pings may answer only the newest.
/// Every Ping gets its own Pong while fewer than 4 KiB of automatic Pongs were queued since the last
/// queued one was written. After that only the newest Pong is kept, and queued when the last queued one
/// was written, or before a Close.
#[derive(Default)]
pub(super) struct Replies {
    /// In the order of their ends, without overlap. Each has pending bytes. At most [`MAX_RUNS`].
    runs: VecDeque<Run>,
    /// Sum of `pending` over `runs`.
    pending: usize,
    /// Number of bytes of Pongs queued since no queued Pong was pending; 0 exactly while none is.
    pongs_queued: usize,
    /// Stream offset after the last queued Pong; meaningless while `pongs_queued` is 0.
    pongs_end: u64,
    /// Stream offset after the Close while it is pending; 0 while none is.
    close_end: u64,
    /// The frame that is held back, or empty. Not empty only while `pongs_queued >= MAX_PONGS`, so that
    /// an output that has a Pong to send is never empty.
    newest_pong: Vec<u8>,
}

/// Adjacent frames: the `pending` bytes before the stream offset `end`.
struct Run {
    end: u64,
    pending: usize,
}

impl Replies {
    /// Heap bytes that an empty value owns at most.
    #[cfg(all(test, feature = "std"))]
    pub(super) const MAX_POOLED_SIZE: usize = MAX_RUNS * size_of::<Run>() + 256;

    /// Whether none is pending. A reply whose run was recorded too early is pending after its run.
    pub(super) fn is_empty(&self) -> bool {
        self.pongs_queued == 0 && self.close_end == 0 && self.runs.is_empty()
    }

    /// Whether a Close is pending.
    pub(super) fn close_is_pending(&self) -> bool {
        self.close_end > 0
    }

    /// Returns the number of pending bytes.
    pub(super) fn pending(&self) -> usize {
        self.pending
    }

    /// Whether the next Pong is to be held back.
    pub(super) fn hold_back_pongs(&self) -> bool {
        self.pongs_queued >= MAX_PONGS
    }

    /// Returns the Pong that is held back, empty if there is none.
    pub(super) fn newest_pong(&self) -> &[u8] {
        &self.newest_pong
    }

    /// Returns the buffer, emptied, for a Pong that replaces the one that is held back.
    pub(super) fn replace_newest_pong(&mut self) -> &mut Vec<u8> {
        debug_assert!(self.hold_back_pongs());
        self.newest_pong.clear();
        &mut self.newest_pong
    }

    /// Records that a Pong of `len` bytes was queued, which ends at the stream offset `end`. None is held
    /// back any more.
    pub(super) fn pong_queued(&mut self, end: u64, len: usize) {
        self.pongs_queued += len;
        self.pongs_end = end;
        self.newest_pong.clear();
        self.reply_queued(end, len);
    }

    /// Records that a Close of `len` bytes was queued, which ends at the stream offset `end`.
    pub(super) fn close_queued(&mut self, end: u64, len: usize) {
        self.close_end = end;
        self.reply_queued(end, len);
    }

    /// Records that a reply of `len` bytes was queued, which ends at the stream offset `end`.
    ///
    /// If there are too many runs, the reply is recorded directly after the last run, that is, too early.
    /// Until the output is empty, other frames then count for longer than they are pending, at most by the
    /// length of such replies.
    fn reply_queued(&mut self, end: u64, len: usize) {
        self.pending += len;
        let is_full = self.runs.len() >= MAX_RUNS;
        match self.runs.back_mut() {
            Some(run) if run.end + len as u64 == end || is_full => {
                run.end += len as u64;
                run.pending += len;
            }
            Some(_) | None => self.runs.push_back(Run { end, pending: len }),
        }
    }

    /// Records that the bytes before the stream offset `written` were written.
    pub(super) fn advance(&mut self, written: u64) {
        if self.close_end <= written {
            self.close_end = 0;
        }
        while let Some(run) = self.runs.front_mut() {
            let pending = run.pending.min(run.end.saturating_sub(written) as usize);
            self.pending -= run.pending - pending;
            run.pending = pending;
            if pending > 0 {
                return;
            }
            self.runs.pop_front();
        }
    }

    /// Starts to count Pongs anew if the last queued one was written. Then the Pong that is held back is
    /// due.
    pub(super) fn restart_pongs(&mut self, written: u64) -> bool {
        let restarts = self.pongs_queued > 0 && self.pongs_end <= written;
        if restarts {
            self.pongs_queued = 0;
        }
        restarts
    }

    pub(super) fn clear(&mut self) {
        self.runs.clear();
        self.pending = 0;
        self.pongs_queued = 0;
        self.close_end = 0;
        self.newest_pong.clear();
    }

    pub(super) fn is_clear(&self) -> bool {
        self.runs.is_empty()
            && self.pending == 0
            && self.pongs_queued == 0
            && self.close_end == 0
            && self.newest_pong.is_empty()
    }

    /// Returns the number of heap bytes that it owns.
    #[cfg(all(test, feature = "std"))]
    pub(super) fn memory(&self) -> usize {
        self.runs.capacity() * size_of::<Run>() + self.newest_pong.capacity()
    }
}
