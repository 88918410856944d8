//! The running alarms, and the control frame rate.

use core::time::Duration;

use super::{Keepalive, Phase, PhaseState, Snapshot, Timeout, Timers};
use crate::clock::{Alarm, Time};
use crate::{Config, ControlRate, Timeouts};

impl Timers {
    /// Returns whether a report is due at once: it starts an alarm, completes a round-trip
    /// measurement, or judges the control frame rate.
    pub(super) fn report_is_due(&self, snapshot: &Snapshot, config: &Config) -> bool {
        let timeouts = &config.timeouts;
        let needs_time = match (snapshot.phase, &self.state) {
            (Phase::Open, PhaseState::Open { ping, .. }) => match ping {
                Keepalive::Queued { end, .. } if *end <= snapshot.written => true,
                Keepalive::Due { .. } | Keepalive::Answered { .. } => true,
                Keepalive::None | Keepalive::Queued { .. } | Keepalive::Sent { .. } => {
                    let needs_clock = timeouts.ping.is_some()
                        || timeouts.idle.is_some()
                        || config.control_rate.is_some();
                    needs_clock && self.clock.now().is_none()
                }
            },
            (Phase::Closing, PhaseState::Open { .. } | PhaseState::Closing { since: None, .. }) => {
                timeouts.closing.is_some()
            }
            (Phase::Open | Phase::Closing, PhaseState::Closing { .. }) => {
                timeouts.closing.is_some() && self.close_was_written(snapshot)
            }
            (Phase::Over, PhaseState::Open { .. } | PhaseState::Closing { .. }) => false,
        };
        let starts_output = self.output_since.is_none() && snapshot.written < self.offered;
        needs_time
            || (starts_output && output_span(timeouts).is_some())
            || config.control_rate.is_some_and(|rate| self.exceeds_one_span(rate))
    }

    /// Returns the running alarms that end the connection when they expire.
    pub(super) fn alarms(
        &self,
        now: Time,
        snapshot: &Snapshot,
        timeouts: &Timeouts,
    ) -> [Option<Alarm<Timeout>>; 3] {
        let output = self
            .output_since
            .and_then(|since| Alarm::new(Timeout::Output, since, output_span(timeouts)?));
        match (snapshot.phase, self.state) {
            (Phase::Open, PhaseState::Open { ping, last_data, .. }) => {
                let pong = self.unanswered(ping).zip(timeouts.pong);
                let pong =
                    pong.and_then(|(sent_at, span)| Alarm::new(Timeout::Pong, sent_at, span));
                let since = last_data.unwrap_or(now);
                let idle = timeouts.idle.and_then(|span| Alarm::new(Timeout::Idle, since, span));
                [pong, output, idle]
            }
            (Phase::Open | Phase::Closing, PhaseState::Closing { since, .. }) => {
                let alarm = |(since, span)| Alarm::new(Timeout::Closing, since, span);
                [output, since.zip(timeouts.closing).and_then(alarm), None]
            }
            // The closing alarm starts at the next report.
            (Phase::Closing, PhaseState::Open { .. }) => [output, None, None],
            (Phase::Over, PhaseState::Open { .. } | PhaseState::Closing { .. }) => [None; 3],
        }
    }

    /// Returns the time at which the next Ping is due.
    pub(super) fn ping_alarm(
        &self,
        now: Time,
        snapshot: &Snapshot,
        timeouts: &Timeouts,
    ) -> Option<Time> {
        let (Phase::Open, PhaseState::Open { ping, .. }) = (snapshot.phase, self.state) else {
            return None;
        };
        let span = timeouts.ping?;
        if matches!(ping, Keepalive::Due { .. } | Keepalive::Queued { .. }) {
            return None;
        }
        match (self.unanswered(ping), timeouts.pong) {
            (None, _) => self.last_heard.unwrap_or(now).after(span),
            (Some(_), Some(_)) => None,
            // Without a pong timeout, a silent peer does not fail the connection: the Pings repeat.
            (Some(sent_at), None) => sent_at.after(span),
        }
    }

    /// Returns when `ping` was written, if no sign of life has followed.
    ///
    /// A sign of life in the interval between reports in which the Ping was written counts as
    /// following it: their order is unknown.
    fn unanswered(&self, ping: Keepalive) -> Option<Time> {
        let (Keepalive::Sent { sent_at, .. }, Some(heard)) = (ping, self.last_heard) else {
            return None;
        };
        (heard < sent_at).then_some(sent_at)
    }

    /// Returns whether the peer sent more control frames than `rate` permits in one span.
    pub(super) fn exceeds_one_span(&self, rate: ControlRate) -> bool {
        self.control_frames > i32::from(rate.frames)
    }

    /// Returns whether the received control frames exceed `rate`, and begins to count for the current
    /// span.
    ///
    /// Spans of the rate are consecutive from the clock's origin. Frames that are read after
    /// several spans may have been sent in any of them, whether the driver reports the time before
    /// or after it reads. Spans without a report therefore add credit.
    pub(super) fn judge_rate(
        &mut self,
        rate: ControlRate,
        before: Option<Time>,
        now: Time,
    ) -> bool {
        let span = u64::try_from(rate.per.as_nanos()).unwrap_or(u64::MAX).max(1);
        let index = |time: Time| time.nanos() / span;
        let spans = before.map_or(0, |before| index(now) - index(before));
        let spans = i32::try_from(spans).unwrap_or(i32::MAX);
        let frames = i32::from(rate.frames);
        let exceeds = self.control_frames > frames.saturating_mul(spans.saturating_add(1));
        if exceeds || before.is_none() {
            self.control_frames = 0;
        } else if spans > 0 {
            self.control_frames = -frames.saturating_mul(spans - 1);
        }
        exceeds
    }
}

/// Returns how long requested output may make no progress.
fn output_span(timeouts: &Timeouts) -> Option<Duration> {
    Some(timeouts.ping?.saturating_add(timeouts.pong?))
}
