//! The clock of the caller, and alarms that expire only after the caller had time to read.
//!
//! An *alarm* starts at a time and is due a span later.
//!
//! The crate reads no clock: the caller reports the time, as often as it likes. A report may come
//! long after an alarm was due, because the process was suspended or served other sockets. The awaited
//! bytes may then be in the socket, still unread. Therefore an alarm never expires at the first report
//! after it was due. That report makes the alarm *suspect* for a period of grace, in which the caller
//! reads its socket:
//!
//! ```text
//! started          due      report: suspect       until
//! ├───── span ──────┤───────────┤────── grace ──────┤────── grace ──────┤──────▶ time
//!                                                   │  report: expired  │  report: suspect again
//!                                                   │                   │  (at most three times)
//! ```
//!
//! - The grace is an eighth of the span, at least 1 ms and at most 1 s.
//! - The alarm expires at the first report in the grace after `until`.
//! - A report after that second grace shows that the caller did not run in time. It makes the alarm
//!   suspect again, but at most three times: a dead connection must end even if its caller is always
//!   late.
//! - A suspicion ends when its alarm moves or disappears.
//!
//! After each report, `until` and the due time of every alarm that is not suspect are later than the
//! reported time. A caller that sleeps until the earliest of them therefore never busy-loops.

use core::num::NonZeroU64;
use core::time::Duration;

/// An instant of a [`Clock`]: nanoseconds since the origin of the clock, plus one so that
/// `Option<Time>` has 8 bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Time(NonZeroU64);

impl Time {
    fn from_origin(elapsed: Duration) -> Self {
        let nanos = u64::try_from(elapsed.as_nanos()).unwrap_or(u64::MAX);
        Self(NonZeroU64::MIN.saturating_add(nanos))
    }

    /// Returns the nanoseconds since the origin of the clock.
    pub(crate) const fn nanos(self) -> u64 {
        self.0.get() - 1
    }

    /// Returns the instant after `span`, but at least 1 ns later, so that an alarm is always due
    /// later than the report that starts it, and a driver that sleeps until it never busy-loops. Returns
    /// `None` if the instant exceeds the range of the clock (584 years): such an alarm never expires.
    pub(crate) fn after(self, span: Duration) -> Option<Self> {
        let nanos = u64::try_from(span.as_nanos()).ok()?.max(1);
        self.0.checked_add(nanos).map(Self)
    }

    /// Returns the duration since an `earlier` instant, or zero if that instant is later.
    pub(crate) const fn since(self, earlier: Self) -> Duration {
        Duration::from_nanos(self.0.get().saturating_sub(earlier.0.get()))
    }
}

/// The clock of the caller, as far as it was reported.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clock {
    /// The first reported time in whole seconds, which is the origin of [`Time`]. The origin of the
    /// caller's clock may be too early for the range of `Time`.
    origin: u64,
    /// The latest reported time.
    now: Option<Time>,
}

impl Clock {
    pub(crate) const fn new() -> Self {
        Self { origin: 0, now: None }
    }

    /// Records a reported time and returns it. A time before the latest one counts as the latest.
    pub(crate) fn report(&mut self, now: Duration) -> Time {
        if self.now.is_none() {
            self.origin = now.as_secs();
        }
        let now = Time::from_origin(now.saturating_sub(Duration::from_secs(self.origin)));
        let now = self.now.map_or(now, |latest| latest.max(now));
        self.now = Some(now);
        now
    }

    /// Returns the latest reported time, or `None` before the first report.
    pub(crate) const fn now(&self) -> Option<Time> {
        self.now
    }

    /// Returns a time that is already due, to request a report at once: the latest reported time,
    /// or zero before the first report.
    pub(crate) fn overdue_time(&self) -> Duration {
        self.now.and_then(|now| self.duration(now)).unwrap_or(Duration::ZERO)
    }

    /// Converts `time` to the caller's clock. Returns `None` if a `Duration` cannot represent it.
    pub(crate) fn duration(&self, time: Time) -> Option<Duration> {
        Duration::from_secs(self.origin).checked_add(Duration::from_nanos(time.nanos()))
    }
}

/// A running alarm.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Alarm<K> {
    /// Identifies it among the alarms that one [`Suspicion`] judges.
    kind: K,
    due: Time,
    /// The time from its start until it is due.
    span: Duration,
}

impl<K> Alarm<K> {
    /// Creates an alarm that is due `span` after `started`. Returns `None` beyond the range of the
    /// clock.
    pub(crate) fn new(kind: K, started: Time, span: Duration) -> Option<Self> {
        started.after(span).map(|due| Self { kind, due, span })
    }

    fn grace(&self) -> Duration {
        (self.span / 8).clamp(Duration::from_millis(1), Duration::from_secs(1))
    }
}

/// The suspect alarm among several, if any. At most one alarm is suspect: when it is resolved,
/// another overdue alarm becomes suspect.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Suspicion<K>(Option<Suspect<K>>);

#[derive(Clone, Copy, Debug)]
struct Suspect<K> {
    until: Time,
    kind: K,
    /// The number of renewals of the suspicion: `renewals <= MAX_RENEWALS`.
    renewals: u8,
    /// Whether the last report that set `until` came more than one grace after the alarm was due, or
    /// after the previous `until`.
    after_late_report: bool,
}

const MAX_RENEWALS: u8 = 3;

impl<K: Copy + PartialEq> Suspicion<K> {
    pub(crate) const NONE: Self = Self(None);

    /// Judges the running `alarms` at a reported time. Returns the kind of the alarm that has
    /// expired.
    pub(crate) fn judge(&mut self, alarms: &[Option<Alarm<K>>], now: Time) -> Option<K> {
        let overdue = || alarms.iter().flatten().filter(|alarm| alarm.due <= now);
        let suspected = self.0.and_then(|suspect| {
            let alarm = overdue().find(|alarm| alarm.kind == suspect.kind)?;
            Some((suspect, alarm))
        });
        let Some((suspect, alarm)) = suspected else {
            // No alarm was suspect, or the suspect one has moved or disappeared.
            self.0 = overdue().min_by_key(|alarm| alarm.due).and_then(|alarm| {
                let until = now.after(alarm.grace())?;
                let after_late_report = now.since(alarm.due) > alarm.grace();
                Some(Suspect { until, kind: alarm.kind, renewals: 0, after_late_report })
            });
            return None;
        };
        if now < suspect.until {
            return None;
        }
        let is_late = now.since(suspect.until) > alarm.grace();
        if is_late && suspect.renewals < MAX_RENEWALS {
            self.0 = now.after(alarm.grace()).map(|until| Suspect {
                until,
                renewals: suspect.renewals + 1,
                after_late_report: true,
                ..suspect
            });
            return None;
        }
        self.0 = None;
        Some(alarm.kind)
    }

    /// Returns whether the report that made an alarm suspect, or renewed its suspicion, was late by more
    /// than a grace: the peer may have had less than the full span.
    pub(crate) fn follows_late_report(&self) -> bool {
        self.0.is_some_and(|suspect| suspect.after_late_report)
    }

    /// Returns the next time to judge `alarms`. It is later than `now` if they were judged at
    /// `now`.
    pub(crate) fn next_judgement(&self, alarms: &[Option<Alarm<K>>], now: Time) -> Option<Time> {
        let pending = alarms.iter().flatten().map(|alarm| alarm.due).filter(|due| *due > now);
        pending.chain(self.0.map(|suspect| suspect.until)).min()
    }
}

/// Bounds the current step of the opening handshake: one alarm, with its own clock and suspicion. The
/// alarm starts at the first report.
#[derive(Clone, Copy, Debug)]
pub(crate) struct StepTimer {
    clock: Clock,
    span: Option<Duration>,
    started: Option<Time>,
    suspicion: Suspicion<()>,
}

impl StepTimer {
    /// Creates a timer that is due `span` after the first report. With `None` it never expires.
    pub(crate) const fn new(span: Option<Duration>) -> Self {
        Self { clock: Clock::new(), span, started: None, suspicion: Suspicion::NONE }
    }

    /// Starts the timer of the next step, due `span` after the next report. With `None` it never expires.
    pub(crate) const fn restart(&mut self, span: Option<Duration>) {
        *self = Self { clock: self.clock, ..Self::new(span) };
    }

    /// Reports the time. Returns whether the timer expired.
    #[must_use]
    pub(crate) fn handle_timeout(&mut self, now: Duration) -> bool {
        let now = self.clock.report(now);
        self.started.get_or_insert(now);
        let alarm = self.alarm();
        self.suspicion.judge(&[alarm], now).is_some()
    }

    /// Returns the time at which the next report is due, or `None` if no report is needed. Until
    /// the alarm starts, the result is a time that is already due.
    #[must_use]
    pub(crate) fn poll_timeout(&self) -> Option<Duration> {
        self.span?;
        match (self.started, self.clock.now()) {
            (Some(_), Some(now)) => {
                self.clock.duration(self.suspicion.next_judgement(&[self.alarm()], now)?)
            }
            (None, _) | (_, None) => Some(self.clock.overdue_time()),
        }
    }

    fn alarm(&self) -> Option<Alarm<()>> {
        Alarm::new((), self.started?, self.span?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn millis(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    #[test]
    fn time_never_decreases() {
        let mut clock = Clock::new();
        let first = clock.report(millis(1_500));
        assert_eq!(clock.report(millis(3)), first);
        assert_eq!(clock.overdue_time(), millis(1_500));
        assert!(clock.report(millis(1_501)) > first);
    }

    #[test]
    fn counts_from_the_first_reported_time() {
        // Beyond 2^64 ns since the caller's origin.
        let start = Duration::new(1 << 60, 999_999_999);
        let mut timer = StepTimer::new(Some(millis(8_000)));
        assert!(!timer.handle_timeout(start));
        assert_eq!(timer.poll_timeout(), Some(start + millis(8_000)));
        assert!(!timer.handle_timeout(start + millis(8_000)));
        assert_eq!(timer.poll_timeout(), Some(start + millis(9_000)));
        assert!(timer.handle_timeout(start + millis(9_000)));
    }

    #[test]
    fn next_report_is_due_later_than_the_last_one() {
        for start in [Duration::ZERO, Duration::MAX - millis(1), Duration::MAX] {
            for span in [Duration::ZERO, millis(5), Duration::MAX] {
                let mut timer = StepTimer::new(Some(span));
                for now in [start, Duration::MAX, start, Duration::MAX] {
                    let _ = timer.handle_timeout(now);
                    assert!(timer.poll_timeout().is_none_or(|next| next > now));
                }
            }
        }
    }

    #[test]
    fn grace_is_an_eighth_between_1_ms_and_1_s() {
        for (span, grace) in
            [(0, 1), (8, 1), (16, 2), (4_000, 500), (8_000, 1_000), (60_000, 1_000)]
        {
            let mut clock = Clock::new();
            let alarm = Alarm::new((), clock.report(Duration::ZERO), millis(span)).unwrap();
            assert_eq!(alarm.grace(), millis(grace), "{span}");
        }
    }

    #[test]
    fn late_report_renews_the_suspicion_at_most_three_times() {
        let mut timer = StepTimer::new(Some(millis(8_000)));
        assert!(!timer.handle_timeout(Duration::ZERO));
        // Each report is later than the end of the previous suspicion by more than a grace.
        for now in [10_000, 13_001, 16_002, 19_003] {
            assert!(!timer.handle_timeout(millis(now)));
            assert_eq!(timer.poll_timeout(), Some(millis(now + 1_000)));
        }
        assert!(timer.handle_timeout(millis(30_000)));
    }

    #[test]
    fn expires_at_a_report_within_the_second_grace() {
        let mut timer = StepTimer::new(Some(millis(8_000)));
        assert!(!timer.handle_timeout(Duration::ZERO));
        assert!(!timer.handle_timeout(millis(8_000)));
        assert!(!timer.handle_timeout(millis(8_999)));
        assert!(timer.handle_timeout(millis(10_000)));
    }

    #[test]
    fn next_alarm_gets_its_own_grace_after_the_suspect_one_is_resolved() {
        let mut clock = Clock::new();
        let start = clock.report(Duration::ZERO);
        let alarm = |kind, span| Alarm::new(kind, start, millis(span));
        let mut suspicion = Suspicion::NONE;
        let now = clock.report(millis(8_000));
        assert_eq!(suspicion.judge(&[alarm('a', 8_000), alarm('b', 8_990)], now), None);
        let now = clock.report(millis(8_990));
        assert_eq!(suspicion.judge(&[None, alarm('b', 8_990)], now), None);
        let now = clock.report(millis(9_100));
        assert_eq!(suspicion.judge(&[None, alarm('b', 8_990)], now), None);
        let now = clock.report(millis(9_990));
        assert_eq!(suspicion.judge(&[None, alarm('b', 8_990)], now), Some('b'));
    }

    /// The complete request is in the socket while the process is suspended.
    #[test]
    fn opening_survives_if_the_request_is_read_within_the_grace() {
        let mut opening = StepTimer::new(Some(millis(10_000)));
        assert_eq!(opening.poll_timeout(), Some(Duration::ZERO));
        assert!(!opening.handle_timeout(Duration::ZERO));
        // The process is suspended. Afterwards it reports the time twice before it reads.
        assert!(!opening.handle_timeout(millis(41_000)));
        assert!(!opening.handle_timeout(millis(44_000)));
        // The request is read. The timer of the next step starts at the next report.
        opening.restart(Some(millis(5_000)));
        assert_eq!(opening.poll_timeout(), Some(millis(44_000)));
        assert!(!opening.handle_timeout(millis(44_500)));
        assert_eq!(opening.poll_timeout(), Some(millis(49_500)));
    }

    #[test]
    fn without_a_span_no_clock_is_needed() {
        let mut timer = StepTimer::new(None);
        assert_eq!(timer.poll_timeout(), None);
        assert!(!timer.handle_timeout(millis(1)));
        assert_eq!(timer.poll_timeout(), None);
    }
}
