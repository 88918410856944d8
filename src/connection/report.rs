//! Connects the timers to the connection: reports events to them, and executes what they demand.

use core::time::Duration;

use super::timers::{Action, Phase, Snapshot};
use super::{Connection, Statistics};
use crate::session::AbortCause;
use crate::{ConnectionError, Fragment, Limit, Timeout, Transport};

/// The maximum number of steps of one report: a Ping, a failure, the expiry of the timer that the
/// failure starts, and the step that finds nothing to do.
const MAX_ACTIONS: usize = 4;

/// # Time
impl Connection {
    /// Reports the time `now`: the span since an origin of the caller's choice, the same for all
    /// reports.
    ///
    /// Call it at each wake-up, before or after [`receive`](Self::receive), or only when
    /// [`poll_timeout`](Self::poll_timeout) is due. Events since the previous report count as
    /// happening now. The call may queue a Ping or a Close frame in the [`output`](Self::output).
    /// It may also fail the connection: [`error`](Self::error) returns the failure at once, and the
    /// next `receive` returns it, even with an empty input.
    ///
    /// It does nothing unless [`Timeouts`](crate::Timeouts) or a
    /// [`ControlRate`](crate::ControlRate) are configured.
    pub fn handle_timeout(&mut self, now: Duration) {
        for _ in 0..MAX_ACTIONS {
            let snapshot = self.snapshot();
            let Some(timers) = &mut self.timers else { return };
            match timers.handle_timeout(now, &snapshot, &self.config) {
                None => return,
                Some(Action::SendPing(payload)) => self.queue_keepalive(&payload),
                Some(Action::FailControlRate) => self.fail(Limit::ControlFrames),
                Some(Action::Expire(timeout)) => self.expire(timeout),
            }
        }
        self.fail_internally("a report has at most `MAX_ACTIONS` steps");
    }

    /// Returns the time at which the next [`handle_timeout`](Self::handle_timeout) is due, on the
    /// caller's clock, or `None` if no report is needed.
    ///
    /// Returns a time that is already due when a timer has to start, or zero before the first
    /// report; check it after each write. Directly after `handle_timeout` it is later than the
    /// reported time.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Duration> {
        self.timers.as_ref()?.poll_timeout(&self.snapshot(), &self.config)
    }

    /// Returns the round-trip time of the last keepalive Ping that was answered, or `None` before the
    /// first one.
    ///
    /// It runs from the report after the Ping was written to the report after its Pong was
    /// received, so its precision is that of the reports.
    ///
    /// A keepalive Ping is sent only after [`Timeouts::ping`](crate::Timeouts::ping) without a sign of
    /// life: while a peer keeps sending, this value grows old. [`ping`](Self::ping) has an example that
    /// measures at any time.
    #[must_use]
    pub fn rtt(&self) -> Option<Duration> {
        self.timers.as_ref()?.rtt()
    }

    /// Returns the traffic so far, or `None` unless [statistics](crate::Config::with_statistics)
    /// are enabled.
    #[must_use]
    pub fn statistics(&self) -> Option<Statistics> {
        self.timers.as_ref()?.statistics(&self.snapshot())
    }

    /// Returns the state of the connection that the timers need.
    fn snapshot(&self) -> Snapshot {
        let phase = match self.transport() {
            Transport::Close | Transport::Abort => Phase::Over,
            Transport::Open | Transport::Drain if self.machine.is_open() => Phase::Open,
            Transport::Open | Transport::Drain => Phase::Closing,
        };
        Snapshot { written: self.output.written(), end: self.output.end(), phase }
    }

    /// Reports to the timers that the driver requested the output.
    pub(super) fn observe_output(&mut self) {
        let snapshot = self.snapshot();
        if let Some(timers) = &mut self.timers {
            timers.output_requested(&snapshot);
        }
    }

    /// Reports received bytes to the timers.
    pub(super) fn observe_input(&mut self, bytes: usize) {
        let data_arrived = self.machine.take_data_arrived();
        if let Some(timers) = &mut self.timers {
            timers.received(bytes);
            if data_arrived {
                timers.received_data();
            }
        }
    }

    /// Reports a data frame of `bytes` bytes to the timers. The first `payload_len` bytes of its payload
    /// are valid; `fragment` is their position within the message.
    pub(super) fn observe_frame(&mut self, bytes: usize, payload_len: usize, fragment: Fragment) {
        if let Some(timers) = &mut self.timers {
            timers.received_payload(payload_len, fragment);
            timers.received(bytes);
            timers.received_data();
        }
    }

    fn expire(&mut self, timeout: Timeout) {
        let error = ConnectionError::Timeout(timeout);
        match timeout {
            Timeout::Idle => self.fail(error),
            Timeout::Pong | Timeout::Output => self.abort_with(error),
            // Output is still queued, so the peer does not read.
            Timeout::Closing if self.has_output() => self.abort_with(error),
            Timeout::Closing => {
                self.machine.abort(error, AbortCause::Silence);
                self.settle();
            }
        }
    }
}
