//! Simulates a connection, its driver, its transport and its peer in virtual time, in steps of 10
//! ms.

use std::collections::{BTreeMap, VecDeque};
use std::vec::Vec;

use super::super::*;
use crate::Timeouts;

/// The duration of a step in milliseconds.
pub(super) const TICK: u64 = 10;
/// The first reported time in milliseconds: no timer depends on the caller's origin.
pub(super) const START: u64 = 1_000_000;
pub(super) const HEADER: u64 = 4;

pub(super) const fn millis(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

pub(super) const fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

pub(super) const KEEPALIVE: Timeouts = Timeouts {
    opening: None,
    ping: Some(seconds(20)),
    pong: Some(seconds(20)),
    idle: None,
    closing: Some(seconds(10)),
};

/// When a driver reports the time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Style {
    /// At each wake-up, before it reads.
    BeforeReceive,
    /// At each wake-up, after it has read.
    AfterReceive,
    /// Only when `poll_timeout` is due, before it reads.
    WhenDue,
}

pub(super) const STYLES: [Style; 3] = [Style::BeforeReceive, Style::AfterReceive, Style::WhenDue];

#[derive(Clone, Copy, Debug)]
pub(super) enum Frame {
    Data(usize),
    Ping,
    Pong([u8; 4]),
    Close,
}

pub(super) struct Peer {
    /// The number of bytes that the peer reads per second.
    pub(super) rate: u64,
    /// The time in milliseconds from reading a Ping until its Pong is in our socket.
    pub(super) latency: u64,
    pub(super) answers: bool,
    /// Whether the peer answers only the newest of the Pings that it has read.
    pub(super) only_newest: bool,
    /// Whether the peer answers our Close.
    pub(super) closes: bool,
    pub(super) credit: u64,
}

pub(super) struct Sim {
    pub(super) style: Style,
    pub(super) config: Config,
    pub(super) timers: Box<Timers>,
    /// The current time in milliseconds.
    pub(super) now: u64,
    // The connection.
    pub(super) snapshot: Snapshot,
    pub(super) pings: VecDeque<(u64, [u8; 4])>,
    pub(super) close_end: Option<u64>,
    pub(super) close_received: bool,
    pub(super) failed: Option<Action>,
    pub(super) over_at: Option<u64>,
    // The transport, which accepts up to `kernel` bytes that the peer has not read.
    pub(super) kernel: u64,
    pub(super) inbox: VecDeque<Frame>,
    pub(super) arrivals: BTreeMap<u64, Vec<Frame>>,
    pub(super) peer: Peer,
    pub(super) peer_read: u64,
    // The process.
    pub(super) suspended: Vec<(u64, u64)>,
    /// The number of wake-ups at which the driver reports the time although it could read.
    pub(super) timer_branches: u32,
    /// `(from, until)`: the next write that starts at or after `from` completes at `until`.
    pub(super) slow_write: Option<(u64, u64)>,
    pub(super) woken: bool,
    pub(super) wake_ups: u32,
    /// Whether the process reads the bytes that had arrived at the last report before it is
    /// suspended.
    pub(super) reads_in_grace: bool,
    /// Whether the time was reported since the driver last read.
    pub(super) has_reported: bool,
}

impl Sim {
    pub(super) fn new(style: Style, timeouts: Timeouts) -> Self {
        Self::with_config(style, Config::new().with_timeouts(timeouts))
    }

    pub(super) fn with_config(style: Style, config: Config) -> Self {
        let snapshot = Snapshot { written: 0, end: 0, phase: Phase::Open };
        let mut sim = Self {
            style,
            timers: Timers::new(&config).unwrap(),
            config,
            now: START,
            snapshot,
            pings: VecDeque::new(),
            close_end: None,
            close_received: false,
            failed: None,
            over_at: None,
            kernel: 64 * 1024,
            inbox: VecDeque::new(),
            arrivals: BTreeMap::new(),
            peer: Peer {
                rate: 1 << 30,
                latency: 50,
                answers: true,
                only_newest: false,
                closes: true,
                credit: 0,
            },
            peer_read: 0,
            suspended: Vec::new(),
            timer_branches: 0,
            slow_write: None,
            woken: false,
            wake_ups: 0,
            reads_in_grace: false,
            has_reported: false,
        };
        sim.before_wait();
        sim
    }

    // --- Time of the simulation, in milliseconds since its start ---------------------------------

    pub(super) fn elapsed(&self) -> u64 {
        self.now - START
    }

    pub(super) fn arrive(&mut self, at: u64, frame: Frame) {
        self.arrivals.entry(START + at).or_default().push(frame);
    }

    pub(super) fn suspend(&mut self, from: u64, until: u64) {
        self.suspended.push((START + from, START + until));
    }

    pub(super) fn run(&mut self, until: u64) {
        while self.elapsed() < until {
            self.skip_quiet_time(START + until);
            self.step_world();
            let is_suspended =
                self.suspended.iter().any(|&(from, until)| (from..until).contains(&self.now));
            let has_to_read = self.reads_in_grace && self.has_reported && !self.inbox.is_empty();
            if (!is_suspended || has_to_read) && self.snapshot.phase != Phase::Over {
                self.step_driver();
            }
        }
    }

    /// Advances the time to the tick before the next event if neither the peer nor the driver has
    /// work.
    pub(super) fn skip_quiet_time(&mut self, until: u64) {
        let is_over = self.snapshot.phase == Phase::Over;
        let is_idle = self.peer_read == self.snapshot.written || self.peer.rate == 0;
        if !is_idle || (!is_over && (!self.inbox.is_empty() || self.writable() > 0 || self.woken)) {
            return;
        }
        let arrival = self.arrivals.first_key_value().map(|(at, _)| *at);
        let timeout = self.timers.poll_timeout(&self.snapshot, &self.config);
        let timeout = timeout.map(|at| at.as_millis() as u64);
        let next = arrival.into_iter().chain(timeout).fold(until, u64::min);
        let ticks = next.saturating_sub(self.now) / TICK;
        self.now += ticks.saturating_sub(1) * TICK;
    }

    // --- The application -------------------------------------------------------------------------

    pub(super) fn queue(&mut self, len: u64) -> u64 {
        self.snapshot.end += len;
        self.snapshot.end
    }

    pub(super) fn send(&mut self, len: u64) {
        if self.snapshot.phase == Phase::Open {
            let end = self.queue(HEADER + len);
            self.timers.sent_data(len as usize, Fragment::Whole, end);
            self.woken = true;
        }
    }

    pub(super) fn send_ping(&mut self, payload: [u8; 4]) {
        let end = self.queue(6);
        self.pings.push_back((end, payload));
        self.timers.sent_ping();
        self.woken = true;
    }

    /// Closes the connection, or fails it with a Close frame.
    pub(super) fn close(&mut self) {
        if self.close_end.is_none() {
            let end = self.queue(4);
            self.close_end = Some(end);
            self.timers.sent_close(end);
            self.snapshot.phase = Phase::Closing;
            self.woken = true;
        }
    }

    // --- The connection --------------------------------------------------------------------------

    pub(super) fn due(&self) -> bool {
        let next = self.timers.poll_timeout(&self.snapshot, &self.config);
        next.is_some_and(|at| at <= millis(self.now))
    }

    #[track_caller]
    pub(super) fn report(&mut self) {
        let now = millis(self.now);
        self.has_reported = true;
        for round in 0.. {
            assert!(round < 4, "handle_timeout does not come to an end");
            let Some(due) = self.timers.handle_timeout(now, &self.snapshot, &self.config) else {
                break;
            };
            match due {
                Action::SendPing(payload) => self.send_ping(payload),
                Action::Expire(Timeout::Idle) | Action::FailControlRate => {
                    self.failed.get_or_insert(due);
                    self.close();
                }
                Action::Expire(Timeout::Pong | Timeout::Output | Timeout::Closing) => {
                    self.failed.get_or_insert(due);
                    self.end();
                }
            }
        }
        let next = self.timers.poll_timeout(&self.snapshot, &self.config);
        assert!(next.is_none_or(|at| at > now), "{next:?} is not after {now:?}");
    }

    pub(super) fn end(&mut self) {
        self.snapshot.phase = Phase::Over;
        self.over_at.get_or_insert(self.elapsed());
    }

    pub(super) fn receive(&mut self) {
        self.has_reported = false;
        while let Some(frame) = self.inbox.pop_front() {
            match frame {
                Frame::Data(len) => {
                    self.timers.received(len + 6);
                    self.timers.received_data();
                    self.timers.received_payload(len, Fragment::Whole);
                }
                Frame::Ping => {
                    self.timers.received(6);
                    self.timers.received_ping();
                    if !self.close_received {
                        self.queue(2);
                    }
                }
                Frame::Pong(payload) => {
                    self.timers.received(10);
                    self.timers.received_pong(&payload);
                }
                Frame::Close => {
                    self.timers.received(8);
                    self.close_received = true;
                    self.close();
                }
            }
        }
        self.check_over();
    }

    pub(super) fn check_over(&mut self) {
        if self.close_received && self.close_end.is_some_and(|end| end <= self.snapshot.written) {
            self.end();
        }
    }

    // --- The driver ------------------------------------------------------------------------------

    pub(super) fn writable(&self) -> u64 {
        let room = self.kernel - (self.snapshot.written - self.peer_read);
        room.min(self.snapshot.end - self.snapshot.written)
    }

    pub(super) fn write(&mut self) {
        loop {
            self.timers.output_requested(&self.snapshot);
            if self.snapshot.end > self.snapshot.written
                && let Some((_, until)) = self.slow_write.take_if(|(from, _)| *from <= self.now)
            {
                while self.now < until {
                    self.step_world();
                }
            }
            let len = self.writable();
            if len == 0 || self.snapshot.phase == Phase::Over {
                break;
            }
            self.snapshot.written += len;
        }
        self.check_over();
    }

    /// Writes, and then reports the time while a report is due, as a driver does before it waits.
    #[track_caller]
    pub(super) fn before_wait(&mut self) {
        self.write();
        for round in 0.. {
            assert!(round < 3, "the driver spins");
            if !self.due() {
                break;
            }
            self.report();
            self.write();
        }
        self.woken = false;
    }

    pub(super) fn step_driver(&mut self) {
        let is_due = self.due();
        if !is_due && self.inbox.is_empty() && self.writable() == 0 && !self.woken {
            return;
        }
        self.wake_ups += 1;
        if is_due && self.timer_branches > 0 {
            self.timer_branches -= 1;
            self.report();
            return;
        }
        match self.style {
            Style::BeforeReceive => {
                self.report();
                self.receive();
            }
            Style::AfterReceive => {
                self.receive();
                self.report();
            }
            Style::WhenDue => {
                if is_due {
                    self.report();
                }
                self.receive();
            }
        }
        self.before_wait();
    }

    // --- The world -------------------------------------------------------------------------------

    pub(super) fn step_world(&mut self) {
        self.now += TICK;
        let peer = &mut self.peer;
        peer.credit += peer.rate * TICK;
        let read = (peer.credit / 1_000).min(self.snapshot.written - self.peer_read);
        // At most one byte of unused credit accumulates.
        peer.credit = (peer.credit - read * 1_000).min(1_000);
        let before = self.peer_read;
        self.peer_read += read;
        let mut pongs = Vec::new();
        while let Some(&(end, payload)) = self.pings.front()
            && end <= self.peer_read
        {
            self.pings.pop_front();
            if self.peer.only_newest {
                pongs.clear();
            }
            pongs.push(payload);
        }
        let at = self.now + self.peer.latency;
        if self.peer.answers {
            let frames = pongs.into_iter().map(Frame::Pong);
            self.arrivals.entry(at).or_default().extend(frames);
        }
        let closed = self.close_end.is_some_and(|end| before < end && end <= self.peer_read);
        if closed && self.peer.closes {
            self.arrivals.entry(at).or_default().push(Frame::Close);
        }
        while let Some(arrival) = self.arrivals.first_entry()
            && *arrival.key() <= self.now
        {
            self.inbox.extend(arrival.remove());
        }
    }

    pub(super) fn die(&mut self) {
        self.peer = Peer { rate: 0, answers: false, closes: false, credit: 0, ..self.peer };
        self.arrivals.clear();
    }

    #[track_caller]
    pub(super) fn assert_alive(&self) {
        assert_eq!(self.failed, None, "{:?} after {} ms", self.style, self.elapsed());
    }

    #[track_caller]
    pub(super) fn assert_ended(&self, timeout: Timeout, after: core::ops::RangeInclusive<u64>) {
        assert_eq!(self.failed, Some(Action::Expire(timeout)), "{:?}", self.style);
        let at = self.over_at.unwrap();
        assert!(after.contains(&at), "{:?} after {at} ms", self.style);
    }
}

pub(super) fn each_style(timeouts: Timeouts, test: impl Fn(&mut Sim)) {
    for style in STYLES {
        test(&mut Sim::new(style, timeouts));
    }
}
