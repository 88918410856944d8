//! Time, told by the caller: keepalive, deadlines, counters. There is none of it unless configured.

use core::num::NonZeroU64;
use core::time::Duration;

use bytes::Buf;

use super::Connection;
use crate::{ControlRate, ProtocolError, Transport};

/// A time since the caller's origin, in nanoseconds and one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Time(NonZeroU64);

impl Time {
    fn new(since_origin: Duration) -> Self {
        let nanos = u64::try_from(since_origin.as_nanos()).unwrap_or(u64::MAX);
        Self(NonZeroU64::MIN.saturating_add(nanos))
    }

    fn since_origin(self) -> Duration {
        Duration::from_nanos(self.0.get() - 1)
    }

    /// Later, also by a span of nothing.
    fn plus(self, span: Duration) -> Self {
        Self::new(self.since_origin().saturating_add(span.max(Duration::from_nanos(1))))
    }

    fn minus(self, earlier: Self) -> Duration {
        self.since_origin().saturating_sub(earlier.since_origin())
    }
}

/// What passed one way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Traffic {
    /// Whole messages.
    pub messages: u64,
    /// Bytes of payload in messages.
    pub payload_bytes: u64,
    /// Bytes taken from the input or the output, all in all; on the way out, what was still to be
    /// written of the opening handshake is among them.
    pub wire_bytes: u64,
    /// Pings.
    pub pings: u64,
}

/// What passed both ways.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// From here to the peer.
    pub sent: Traffic,
    /// From the peer to here.
    pub received: Traffic,
}

/// The clocks of a connection.
#[derive(Default)]
pub(super) struct Timers {
    /// The time last told.
    now: Option<Time>,
    /// The peer's last sign of life: a message's bytes, a Ping, the Pong that was asked for, or
    /// that output which had to wait was taken.
    alive_at: Option<Time>,
    /// When a message, or bytes of one, last passed.
    active_at: Option<Time>,
    closing_since: Option<Time>,
    /// When the Ping that waits for its Pong was sent, or was due.
    ping: Option<Time>,
    rtt: Option<NonZeroU64>,
    /// When counting control frames began.
    control_since: Option<Time>,
    control_frames: u16,
    /// Whether that Ping could not be sent, because too much output waits.
    ping_blocked: bool,
    /// Whether output waited when the time was last told.
    output_waited: bool,
    /// Output taken when it was last looked at.
    taken: u32,
    counters: Counters,
}

/// What is due.
enum Deadline {
    /// No time was told yet.
    Start,
    Ping,
    Pong,
    Idle,
    Closing,
}

impl Timers {
    pub(super) fn sent(&mut self, payload_len: usize, last: bool) {
        self.active_at = self.now;
        self.counters.sent.payload_bytes += payload_len as u64;
        self.counters.sent.messages += u64::from(last);
    }

    pub(super) fn sent_ping(&mut self) {
        self.counters.sent.pings += 1;
    }

    pub(super) fn received(&mut self, wire_bytes: usize) {
        self.counters.received.wire_bytes += wire_bytes as u64;
    }

    /// A sign of life.
    fn alive(&mut self) {
        self.alive_at = self.now;
        // No Ping left, so none is unanswered.
        if self.ping_blocked {
            self.ping_blocked = false;
            self.ping = None;
        }
    }

    pub(super) fn received_chunk(&mut self, payload_len: usize, last: bool) {
        self.alive();
        self.active_at = self.now;
        self.counters.received.payload_bytes += payload_len as u64;
        self.counters.received.messages += u64::from(last);
    }

    pub(super) fn received_ping(&mut self) {
        self.alive();
        self.counters.received.pings += 1;
    }

    /// A Pong that answers our Ping gives the round trip; any other changes nothing.
    pub(super) fn received_pong(&mut self, payload: &[u8]) {
        if let (Some(ping), Some(now), false) = (self.ping, self.now, self.ping_blocked)
            && *payload == ping_payload(ping)
        {
            let nanos = u64::try_from(now.minus(ping).as_nanos()).unwrap_or(u64::MAX);
            self.rtt = Some(NonZeroU64::MIN.saturating_add(nanos));
            self.ping = None;
            self.alive_at = self.now;
        }
    }

    /// Counts a control frame of the peer's. Whether it is one too many.
    pub(super) fn exceeds(&mut self, rate: ControlRate) -> bool {
        let Some(now) = self.now else { return false };
        if self.control_since.is_none_or(|since| now.minus(since) >= rate.per) {
            self.control_since = Some(now);
            self.control_frames = 0;
        }
        self.control_frames = self.control_frames.saturating_add(1);
        self.control_frames > rate.frames
    }
}

/// The payload of a Ping sent at this time. Only one waits at a time, so no other has the same.
fn ping_payload(sent: Time) -> [u8; 8] {
    sent.0.get().to_be_bytes()
}

impl Connection {
    /// Tells the time: since an origin of the caller's choice, the same each time, never running
    /// back.
    ///
    /// With [`Timeouts`](crate::Timeouts), a [`ControlRate`] or counters configured, call it once
    /// for each wake-up, before [`receive`](Self::receive), [`send`](Self::send) or
    /// [`close`](Self::close), which count from it; without them it does nothing. What it leads to
    /// is in the [`output`](Self::output), and told by `receive`, also without input.
    pub fn handle_timeout(&mut self, now: Duration) {
        let Some(timers) = &mut self.timers else { return };
        let now = Time::new(now).max(timers.now.unwrap_or(Time::new(now)));
        let taken = self.output.taken();
        let newly_taken = taken.wrapping_sub(timers.taken);
        timers.counters.sent.wire_bytes += u64::from(newly_taken);
        timers.taken = taken;
        if timers.now.is_none() {
            timers.alive_at = Some(now);
            timers.active_at = Some(now);
        } else if newly_taken > 0 && timers.output_waited {
            // What the transport takes at once tells nothing of the peer; that it takes what had
            // to wait does. It did at the wake-up before.
            timers.alive();
        }
        if timers.closing_since.is_none() && !self.session.is_open() {
            timers.closing_since = timers.now.or(Some(now));
        }
        timers.output_waited = self.output.has_remaining();
        timers.now = Some(now);
        // At most a Ping, the idle limit, and what that leads to: also at the end of time.
        for _ in 0..3 {
            match self.next_deadline() {
                Some((at, deadline)) if at <= now => self.expire(deadline, now),
                Some(_) | None => break,
            }
        }
    }

    /// When [`handle_timeout`](Self::handle_timeout) is to be called at the latest, on the same
    /// clock; `None` if time changes nothing. Before the first call that is at once.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Duration> {
        self.next_deadline().map(|(at, _)| at.since_origin())
    }

    /// The round-trip time that the last Ping of [`Timeouts::ping`](crate::Timeouts::ping) and its
    /// Pong took, exact to a wake-up.
    #[must_use]
    pub fn rtt(&self) -> Option<Duration> {
        let rtt = self.timers.as_ref()?.rtt?;
        Some(Duration::from_nanos(rtt.get() - 1))
    }

    /// What has passed, `None` if [counters](crate::Config::counters) are not configured.
    #[must_use]
    pub fn counters(&self) -> Option<Counters> {
        let timers = self.timers.as_ref().filter(|_| self.config.counters)?;
        let mut counters = timers.counters;
        counters.sent.wire_bytes += u64::from(self.output.taken().wrapping_sub(timers.taken));
        Some(counters)
    }

    fn next_deadline(&self) -> Option<(Time, Deadline)> {
        let timers = self.timers.as_ref()?;
        let timeouts = &self.config.timeouts;
        let Some(now) = timers.now else {
            let start = (Time::new(Duration::ZERO), Deadline::Start);
            let concerned = timeouts.ping.or(timeouts.idle).or(timeouts.closing);
            return concerned.map(|_| start);
        };
        if !self.session.is_open() {
            let since = timers.closing_since.unwrap_or(now);
            return match self.transport() {
                Transport::Open | Transport::Drain => {
                    timeouts.closing.map(|span| (since.plus(span), Deadline::Closing))
                }
                Transport::Close | Transport::Abort => None,
            };
        }
        let alive_at = timers.alive_at.unwrap_or(now);
        let ping = timeouts.ping.map(|span| match (timers.ping, timeouts.pong) {
            (None, _) => (alive_at.plus(span), Deadline::Ping),
            (Some(sent), Some(span)) => (sent.max(alive_at).plus(span), Deadline::Pong),
            (Some(sent), None) => (sent.max(alive_at).plus(span), Deadline::Ping),
        });
        let active_at = timers.active_at.unwrap_or(now);
        let idle = timeouts.idle.map(|span| (active_at.plus(span), Deadline::Idle));
        [ping, idle].into_iter().flatten().min_by_key(|(at, _)| *at)
    }

    #[cold]
    fn expire(&mut self, deadline: Deadline, now: Time) {
        match deadline {
            Deadline::Start => {}
            Deadline::Ping => {
                // With too much output waiting, a Ping behind it would tell nothing: whether the
                // peer takes any does.
                let blocked = self.ping(&ping_payload(now)).is_err();
                if let Some(timers) = &mut self.timers {
                    timers.ping = Some(now);
                    timers.ping_blocked = blocked;
                }
            }
            Deadline::Pong => self.fail(ProtocolError::PongTimeout),
            Deadline::Idle => {
                self.session.violate(ProtocolError::IdleTimeout);
                // Without a key the connection fails all the same.
                let _ = self.top_up_keys();
                self.reply_close();
            }
            Deadline::Closing if self.output.has_remaining() => {
                self.fail(ProtocolError::ClosingTimeout);
            }
            Deadline::Closing => {
                self.session.expire();
                self.assembly.clear();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_block_of_timers_and_counters_is_at_most_128_bytes() {
        assert!(size_of::<Timers>() <= 128, "{}", size_of::<Timers>());
    }
}
