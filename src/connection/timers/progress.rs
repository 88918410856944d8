//! The progress of the output, and the dating of events.
//!
//! *Progress* is any byte that the transport accepts while the output is not refused. While it is
//! refused, only these count as progress: 16 KiB, all of the requested output, or the end of our Close.
//! A peer that reads single bytes makes no progress. If the report that made an alarm suspect was late,
//! the process may have run for no longer than the grace, in which a small send window may not take
//! 16 KiB. Until the suspicion ends, 512 bytes then count, at most three times in a row.
//!
//! Output is *refused* if an `advance` removed only a part of it and the time was reported before the
//! next `advance`. The timers are not informed of an `advance`. They observe the offsets of the output
//! when the driver requests it and at each report, and compare them:
//!
//! ```text
//!    mark       written             offered         end
//! ────┴────────────┴───────────────────┴─────────────┴──▶ offset in the output
//!      uncounted     requested, not      queued since
//!      progress      yet written
//! ```

use core::num::NonZeroU64;

use super::{Keepalive, Phase, PhaseState, Snapshot, Timers};
use crate::clock::Time;

/// The number of written bytes that count as progress of refused output.
const PROGRESS: u64 = 16 * 1024;

/// The number of written bytes that count as progress of refused output after a late report: less than
/// one segment of TCP, whose default size is 536 bytes (RFC 9293, section 3.7.1).
const PROGRESS_AFTER_LATE_REPORT: u64 = 512;

/// The number of times in a row that fewer bytes than [`PROGRESS`] count.
const MAX_LATE_PROGRESS: u8 = 3;

impl Timers {
    /// Records that the driver requested the output that `snapshot` describes.
    pub(in crate::connection) fn output_requested(&mut self, snapshot: &Snapshot) {
        self.observe(snapshot);
        // Output that is queued before all of `offered` is written does not count as requested: a
        // driver that submits a write and queues more before it completes has written all that it
        // could.
        if self.offered <= self.written {
            self.offered = snapshot.end;
        }
    }

    /// Dates all events since the last report at `now`, and starts the alarms that must start.
    pub(super) fn date_events(&mut self, now: Time, snapshot: &Snapshot) {
        self.observe(snapshot);
        let is_before_close = match self.state {
            PhaseState::Closing { close_end: Some(end), .. } => self.mark < end,
            PhaseState::Closing { close_end: None, .. } | PhaseState::Open { .. } => true,
        };
        let is_progress = self.count_progress(snapshot);
        if is_progress && self.refused {
            self.last_heard = None;
        }
        self.refused = self.was_partial;
        self.last_heard.get_or_insert(now);
        if self.offered <= self.written {
            self.output_since = None;
        } else if is_progress || self.output_since.is_none() {
            self.output_since = Some(now);
        }
        match &mut self.state {
            PhaseState::Open { ping, last_data, .. } if snapshot.phase == Phase::Open => {
                last_data.get_or_insert(now);
                if let Keepalive::Answered { sent_at } = *ping {
                    let nanos = u64::try_from(now.since(sent_at).as_nanos()).unwrap_or(u64::MAX);
                    self.rtt = Some(NonZeroU64::MIN.saturating_add(nanos));
                }
                *ping = ping.after_report(now, snapshot);
            }
            PhaseState::Open { .. } => {
                self.state = PhaseState::Closing { since: Some(now), close_end: None };
            }
            PhaseState::Closing { since, .. } => {
                if since.is_none() || (is_progress && is_before_close) {
                    *since = Some(now);
                }
            }
        }
    }

    /// Counts the bytes written since `mark` if they are progress. Returns whether they are.
    fn count_progress(&mut self, snapshot: &Snapshot) -> bool {
        if self.is_progress(snapshot, PROGRESS) {
            self.late_progress = 0;
        } else if self.late_progress < MAX_LATE_PROGRESS
            && self.suspicion.follows_late_report()
            && self.is_progress(snapshot, PROGRESS_AFTER_LATE_REPORT)
        {
            self.late_progress += 1;
        } else {
            return false;
        }
        self.mark = self.written;
        true
    }

    /// Returns whether the bytes written since `mark` count as progress, if at least `required` bytes
    /// count while the output is refused.
    fn is_progress(&self, snapshot: &Snapshot, required: u64) -> bool {
        let uncounted = self.written.saturating_sub(self.mark);
        let is_enough = !self.refused
            || !self.was_partial
            || uncounted >= required
            || self.close_was_written(snapshot);
        uncounted > 0 && is_enough
    }

    /// Returns whether the last byte of our Close was written since progress was last counted.
    pub(super) fn close_was_written(&self, snapshot: &Snapshot) -> bool {
        match self.state {
            PhaseState::Closing { close_end: Some(end), .. } => {
                self.mark < end && end <= snapshot.written
            }
            PhaseState::Closing { close_end: None, .. } | PhaseState::Open { .. } => false,
        }
    }

    /// Records the bytes that were written since the last observation.
    fn observe(&mut self, snapshot: &Snapshot) {
        debug_assert!(self.written <= snapshot.written && snapshot.written <= snapshot.end);
        if snapshot.written <= self.written {
            return;
        }
        // Some of these bytes belong to a data frame, or to control frames before one.
        if let PhaseState::Open { last_data, data_end, .. } = &mut self.state
            && self.written < *data_end
        {
            *last_data = None;
        }
        self.written = snapshot.written;
        self.was_partial = self.written < self.offered;
    }
}

impl Keepalive {
    /// Returns the state of the Ping after a report: whether it is queued, written, or done.
    fn after_report(self, now: Time, snapshot: &Snapshot) -> Self {
        match self {
            Self::Due { id } => Self::Queued { id, end: snapshot.end },
            Self::Queued { id, end } if end <= snapshot.written => Self::Sent { id, sent_at: now },
            Self::None | Self::Answered { .. } => Self::None,
            Self::Queued { .. } | Self::Sent { .. } => self,
        }
    }
}
