//! Keepalive, timeouts and the control frame rate of a connection, as a state machine over reported
//! times and offsets in the output. It knows neither frames nor the connection.
//!
//! Events carry no time. An event counts as happening at the next report after it, so the caller may
//! report the time before or after it reads. An event sets `last_heard`, `last_data` or the `since` of
//! the closing alarm to `None`, which means "since the last report". The next report replaces `None` by
//! its time. In `output_since`, however, `None` means that the output alarm does not run.
//!
//! | alarm | runs while | starts at | restarts at | on expiry |
//! |---|---|---|---|---|
//! | ping | open, and no Ping is queued or unanswered | a sign of life | a sign of life | send a Ping |
//! | pong | open, and no sign of life followed a written Ping | the report after the Ping was written | never; a sign of life stops it | fail |
//! | output | the driver requested output and has not written all of it | the next report | progress | fail |
//! | idle | open | the first report | a part of a data frame received or written | fail |
//! | closing | closing | the first Close or failure | progress up to the end of our Close | fail |
//!
//! A *sign of life* is any received byte, or progress of refused output. If the peer answers only the
//! newest of several Pings (RFC 6455, section 5.5.3), its Pong is therefore a sign of life for all.
//!
//! `progress.rs` defines *progress* and *refused output*.
//!
//! The alarms pong, output, idle and closing can end a connection; `clock.rs` defines when they expire.
//! A dead peer is detected within these bounds:
//!
//! - If output is not blocked: ping + pong + 1 s after the last received byte, provided that the caller
//!   reports the time after each read. Otherwise 2 × ping + pong + 1 s, because the next report may date
//!   that byte up to one ping too late.
//! - If output is blocked: 2 × (ping + pong) + 1 s after its last progress.
//! - If each call of the caller is up to d late: up to 8 × (d + 1 s) more.

mod alarms;
mod progress;
#[cfg(test)]
mod tests;

use alloc::boxed::Box;
use core::num::NonZeroU64;
use core::time::Duration;

use super::statistics::{Counters, Statistics};
use crate::clock::{Clock, Suspicion, Time};
use crate::{Config, ControlRate, Fragment, Timeout};

/// The phase of a connection, as far as timers depend on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    /// No Close was sent or received, and the connection has not failed.
    Open,
    /// A Close was sent or received, or the connection failed. The transport is still in use.
    Closing,
    /// The driver must close or abort the transport.
    Over,
}

/// The state of the connection that the timers need. Offsets count bytes from the beginning of the
/// output stream: `written <= end`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Snapshot {
    /// The number of bytes written so far.
    pub(super) written: u64,
    /// The offset after the last queued byte.
    pub(super) end: u64,
    pub(super) phase: Phase,
}

/// An action that the connection must take now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Action {
    /// Queue a Ping with this payload, regardless of the high-water mark. At most one is queued at
    /// a time.
    SendPing([u8; 4]),
    /// Fail the connection: a timeout expired.
    Expire(Timeout),
    /// Fail the connection: the peer exceeded the [`ControlRate`].
    FailControlRate,
}

/// The keepalive Ping.
#[derive(Clone, Copy, Debug)]
enum Keepalive {
    /// No Ping is outstanding.
    None,
    /// The connection must queue a Ping.
    Due { id: u32 },
    /// The Ping is queued and ends at the offset `end` of the output.
    Queued { id: u32, end: u64 },
    /// The Ping was written; `sent_at` is the time of the report after that. A sign of life permits
    /// the next Ping, but until that is due the Pong for this one still measures the round trip.
    Sent { id: u32, sent_at: Time },
    /// The Pong was received since the last report.
    Answered { sent_at: Time },
}

/// The state that the timers store in the open or in the closing phase.
#[derive(Clone, Copy, Debug)]
enum PhaseState {
    Open {
        ping: Keepalive,
        /// When a part of a data frame was last received or written.
        last_data: Option<Time>,
        /// The offset after the last queued data frame; 0 if none was queued.
        data_end: u64,
    },
    Closing {
        /// When the closing alarm last started or restarted; `None` if it must start.
        since: Option<Time>,
        /// The offset after our Close frame, once it is queued. Pongs may follow it.
        close_end: Option<u64>,
    },
}

/// The timers and the statistics of a connection.
#[derive(Debug)]
pub(super) struct Timers {
    clock: Clock,
    suspicion: Suspicion<Timeout>,
    /// When the last sign of life occurred.
    last_heard: Option<Time>,
    state: PhaseState,
    /// The last measured round-trip time in nanoseconds, plus one so that `Option` has 8 bytes.
    rtt: Option<NonZeroU64>,
    /// When the output alarm last started or restarted; `None` while it does not run.
    output_since: Option<Time>,
    /// The offset up to which output was written at the last observation.
    written: u64,
    /// The offset up to which progress was counted: `mark <= written`.
    mark: u64,
    /// The offset up to which the driver requested the output.
    offered: u64,
    /// Whether the last `advance` wrote only a part of the requested output.
    was_partial: bool,
    /// Whether `was_partial` was set at the last report.
    refused: bool,
    /// The number of times that progress was counted after a late report, since other progress.
    late_progress: u8,
    /// The number of control frames received in the current span of the [`ControlRate`], minus the
    /// credit for spans that passed without a report.
    control_frames: i32,
    counters: Option<Box<Counters>>,
}

impl Timers {
    /// Creates the timers of a new connection, or returns `None` if the configuration needs none.
    pub(super) fn new(config: &Config) -> Option<Box<Self>> {
        config.has_timers().then(|| {
            Box::new(Self {
                clock: Clock::new(),
                suspicion: Suspicion::NONE,
                last_heard: None,
                state: PhaseState::Open { ping: Keepalive::None, last_data: None, data_end: 0 },
                rtt: None,
                output_since: None,
                written: 0,
                mark: 0,
                offered: 0,
                was_partial: false,
                refused: false,
                late_progress: 0,
                control_frames: 0,
                counters: config.statistics.then(Box::default),
            })
        })
    }

    /// Returns the round-trip time of the last answered keepalive Ping: from the report after the
    /// Ping was written to the report after its Pong was received.
    pub(super) fn rtt(&self) -> Option<Duration> {
        self.rtt.map(|nanos| Duration::from_nanos(nanos.get() - 1))
    }

    /// Returns the statistics, if they are enabled.
    pub(super) fn statistics(&self, snapshot: &Snapshot) -> Option<Statistics> {
        let Counters { mut statistics, handshake_end } = **self.counters.as_ref()?;
        statistics.sent.wire_bytes = snapshot.written.saturating_sub(handshake_end);
        Some(statistics)
    }

    // --- Events ----------------------------------------------------------------------------------

    /// Records that the opening handshake ends at the offset `end` of the output.
    pub(super) fn completed_handshake(&mut self, end: u64) {
        if let Some(counters) = &mut self.counters {
            counters.handshake_end = end;
        }
    }

    /// Records that `bytes` bytes were read from the input, of any frame.
    pub(super) fn received(&mut self, bytes: usize) {
        if bytes > 0 {
            self.last_heard = None;
        }
        self.count(|statistics| statistics.received.wire_bytes += bytes as u64);
    }

    /// Records that a part of a data frame was received: at least its header.
    pub(super) fn received_data(&mut self) {
        if let PhaseState::Open { last_data, .. } = &mut self.state {
            *last_data = None;
        }
    }

    /// Records that `len` bytes of payload were received, at the position `fragment` within their
    /// message.
    pub(super) fn received_payload(&mut self, len: usize, fragment: Fragment) {
        self.count(|statistics| statistics.received.count_payload(len, fragment));
    }

    /// Records that a complete Ping was received.
    pub(super) fn received_ping(&mut self) {
        self.control_frames = self.control_frames.saturating_add(1);
        self.count(|statistics| statistics.received.pings += 1);
    }

    /// Records that a complete Pong was received.
    pub(super) fn received_pong(&mut self, payload: &[u8]) {
        self.control_frames = self.control_frames.saturating_add(1);
        if let PhaseState::Open { ping, .. } = &mut self.state
            && let Keepalive::Sent { id, sent_at } = *ping
            && *payload == id.to_be_bytes()
        {
            *ping = Keepalive::Answered { sent_at };
        }
    }

    /// Returns whether the peer exceeded `rate` on a connection whose driver has never reported the
    /// time: its whole life is then one span. The caller checks this after each Ping and Pong. With
    /// a clock, `handle_timeout` judges the rate instead, and `poll_timeout` requests that report
    /// at once.
    #[must_use]
    pub(super) fn exceeds_without_clock(&self, rate: ControlRate) -> bool {
        self.clock.now().is_none() && self.exceeds_one_span(rate)
    }

    /// Records that `len` bytes of payload were queued, at the position `fragment` within their
    /// message. Their last frame ends at the offset `end` of the output.
    pub(super) fn sent_data(&mut self, len: usize, fragment: Fragment, end: u64) {
        if let PhaseState::Open { data_end, .. } = &mut self.state {
            *data_end = end;
        }
        self.count(|statistics| statistics.sent.count_payload(len, fragment));
    }

    /// Records that a Ping of the application or a keepalive Ping was queued.
    pub(super) fn sent_ping(&mut self) {
        self.count(|statistics| statistics.sent.pings += 1);
    }

    /// Records that our Close was queued, up to the offset `end` of the output.
    pub(super) fn sent_close(&mut self, end: u64) {
        let since = match self.state {
            PhaseState::Open { .. } => None,
            PhaseState::Closing { since, .. } => since,
        };
        self.state = PhaseState::Closing { since, close_end: Some(end) };
    }

    fn count(&mut self, add: impl FnOnce(&mut Statistics)) {
        if let Some(counters) = &mut self.counters {
            add(&mut counters.statistics);
        }
    }

    // --- Time ------------------------------------------------------------------------------------

    /// Reports the time and returns the action that is due.
    ///
    /// The connection takes that action and calls this again with a new snapshot, until the result
    /// is `None`. The later calls record the offset of the queued Ping, or start the closing alarm.
    pub(super) fn handle_timeout(
        &mut self,
        now: Duration,
        snapshot: &Snapshot,
        config: &Config,
    ) -> Option<Action> {
        let before = self.clock.now();
        let now = self.clock.report(now);
        self.date_events(now, snapshot);
        if snapshot.phase == Phase::Over {
            return None;
        }
        if config.control_rate.is_some_and(|rate| self.judge_rate(rate, before, now)) {
            return Some(Action::FailControlRate);
        }
        let timeouts = &config.timeouts;
        if let Some(timeout) = self.suspicion.judge(&self.alarms(now, snapshot, timeouts), now) {
            return Some(Action::Expire(timeout));
        }
        let is_due = self.ping_alarm(now, snapshot, timeouts).is_some_and(|at| at <= now);
        if let PhaseState::Open { ping, .. } = &mut self.state
            && is_due
        {
            // The offset at which a Ping begins is unique within 4 GiB of output.
            let id = snapshot.end as u32;
            *ping = Keepalive::Due { id };
            return Some(Action::SendPing(id.to_be_bytes()));
        }
        None
    }

    /// Returns the latest time for the next call of `handle_timeout`.
    ///
    /// If a timer must start, the result is already due: it is the last reported time, or zero
    /// before the first report. After `handle_timeout` has returned `None` it is later than the
    /// reported time.
    #[must_use]
    pub(super) fn poll_timeout(&self, snapshot: &Snapshot, config: &Config) -> Option<Duration> {
        if snapshot.phase == Phase::Over {
            return None;
        }
        if self.report_is_due(snapshot, config) {
            return Some(self.clock.overdue_time());
        }
        let now = self.clock.now()?;
        let expiry =
            self.suspicion.next_judgement(&self.alarms(now, snapshot, &config.timeouts), now);
        let ping = self.ping_alarm(now, snapshot, &config.timeouts);
        self.clock.duration(expiry.into_iter().chain(ping).min()?)
    }
}
