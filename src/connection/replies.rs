//! Automatic Pongs, keepalive Pings and the Close in the output: bounds the number of queued Pongs, and
//! records which pending bytes do not count against the high-water mark. A keepalive Ping counts as a
//! reply: the application did not ask for it.

use alloc::collections::VecDeque;
use alloc::vec::Vec;

/// Number of queued bytes of automatic Pongs from which on only the newest Pong is kept.
const MAX_PONGS: usize = 4096;

/// Maximum number of runs. They occupy at most 512 bytes.
const MAX_RUNS: usize = 32;

/// The pending automatic Pongs, keepalive Pings and Close, and the Pong that is held back.
///
/// RFC 6455, section 5.5.3: an endpoint that has not answered earlier Pings may answer only the
/// newest. Each Ping gets its own Pong while fewer than 4 KiB of automatic Pongs were queued since
/// the last moment at which none was pending. Beyond that, only the newest Pong is stored. It is
/// held back until the last queued Pong is written or a Close is queued.
#[derive(Default)]
pub(super) struct Replies {
    /// The runs in the order of their ends, without overlap, at most [`MAX_RUNS`]. Each has pending
    /// bytes.
    runs: VecDeque<Run>,
    /// The sum of `pending` over `runs`.
    pending: usize,
    /// The bytes of Pongs queued since the last time that none was pending; 0 exactly while none is.
    pongs_queued: usize,
    /// The stream offset after the last queued Pong; meaningless while `pongs_queued` is 0.
    pongs_end: u64,
    /// The stream offset after the Close while it is pending, else 0.
    close_end: u64,
    /// The Pong frame that is held back, or empty. It is empty while `pongs_queued < MAX_PONGS`, so
    /// that an output that has a Pong to send is never empty.
    newest_pong: Vec<u8>,
}

/// Adjacent reply frames: the `pending` bytes before the stream offset `end`.
struct Run {
    end: u64,
    pending: usize,
}

impl Replies {
    /// The maximum heap memory in bytes of a cleared value.
    #[cfg(all(test, feature = "std"))]
    pub(super) const MAX_POOLED_SIZE: usize = MAX_RUNS * size_of::<Run>() + 256;

    /// Returns whether nothing is recorded. All three fields matter: a Pong or a Close that
    /// [`reply_queued`](Self::reply_queued) recorded too early is still pending when its run has ended. Only
    /// a keepalive Ping may still be pending when nothing is recorded, because it has no field besides its
    /// run: it then counts as sent.
    pub(super) fn is_empty(&self) -> bool {
        self.pongs_queued == 0 && self.close_end == 0 && self.runs.is_empty()
    }

    /// Returns whether a Close is pending.
    pub(super) fn close_is_pending(&self) -> bool {
        self.close_end > 0
    }

    /// Returns the number of pending bytes of replies.
    pub(super) fn pending(&self) -> usize {
        self.pending
    }

    /// Returns whether the next Pong must be held back.
    pub(super) fn hold_back_pongs(&self) -> bool {
        self.pongs_queued >= MAX_PONGS
    }

    /// Returns the Pong that is held back, or an empty slice if there is none.
    pub(super) fn newest_pong(&self) -> &[u8] {
        &self.newest_pong
    }

    /// Discards the Pong that is held back and returns the empty buffer for its replacement.
    pub(super) fn replace_newest_pong(&mut self) -> &mut Vec<u8> {
        debug_assert!(self.hold_back_pongs());
        self.newest_pong.clear();
        &mut self.newest_pong
    }

    /// Records that a Pong of `len` bytes was queued and ends at the stream offset `end`. It
    /// replaces the Pong that was held back.
    pub(super) fn pong_queued(&mut self, end: u64, len: usize) {
        self.pongs_queued += len;
        self.pongs_end = end;
        self.newest_pong.clear();
        self.reply_queued(end, len);
    }

    /// Records that a keepalive Ping of `len` bytes was queued and ends at the stream offset `end`.
    pub(super) fn ping_queued(&mut self, end: u64, len: usize) {
        self.reply_queued(end, len);
    }

    /// Records that a Close of `len` bytes was queued and ends at the stream offset `end`.
    pub(super) fn close_queued(&mut self, end: u64, len: usize) {
        self.close_end = end;
        self.reply_queued(end, len);
    }

    /// Records that a reply of `len` bytes was queued and ends at the stream offset `end`.
    ///
    /// If there are too many runs, the reply is recorded directly after the last run, which is too
    /// early. Until the output is empty, other frames may then count for longer than they are
    /// pending, by at most the length of such replies.
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

    /// Resets the count of queued Pongs if the last queued one was written. Returns whether it did:
    /// the Pong that is held back must then be queued.
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

    /// Returns the heap memory in bytes that the value owns.
    #[cfg(all(test, feature = "std"))]
    pub(super) fn memory(&self) -> usize {
        self.runs.capacity() * size_of::<Run>() + self.newest_pong.capacity()
    }
}
