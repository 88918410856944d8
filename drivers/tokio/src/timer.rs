//! The clock of a connection, and the one tokio timer that wakes it.

use std::pin::Pin;
use std::task::{Context, Poll, Waker, ready};
use std::time::Duration;

use tokio::task::coop::has_budget_remaining;
use tokio::time::{Instant, Sleep, sleep_until};

/// Longer than any connection. Each system can represent a time that is so much later.
const MAX_SPAN: Duration = Duration::from_secs(1 << 32);

/// The longest time without bytes before nothing remains to be read after a failed write. A transport with bytes
/// is pending, too, until the runtime has processed its events or without cooperative budget, however often
/// it is polled. One turn of the runtime ends that.
pub(crate) const READ_TIMEOUT: Duration = Duration::from_millis(10);

/// The end of a wait, after it has begun.
pub(crate) struct Deadline {
    due: Duration,
    /// Whether the deadline has passed before, and `due` is the end of the grace after it.
    is_suspect: bool,
}

/// Reports the time since its origin. Its timer is armed again only when the deadline becomes earlier
/// than the armed one. When the deadline becomes later, as with each received byte, the timer fires
/// early and is then armed for the new deadline.
pub(crate) struct Timer {
    origin: Instant,
    /// The time that was read last.
    now: Duration,
    sleep: Option<Pin<Box<Sleep>>>,
    /// The time at which `sleep` fires, or `None` if it has fired.
    armed: Option<Duration>,
    /// The waker that is registered with `sleep`, or one that does nothing.
    waker: Waker,
}

impl Timer {
    pub(crate) fn new(origin: Instant) -> Self {
        Self { origin, now: Duration::ZERO, sleep: None, armed: None, waker: Waker::noop().clone() }
    }

    /// Reads the clock.
    pub(crate) fn tick(&mut self) {
        self.now = self.origin.elapsed();
    }

    /// Returns the time that was read last.
    pub(crate) fn now(&self) -> Duration {
        self.now
    }

    /// Reads the clock. Returns the time `span` later, at most 136 years.
    fn tick_after(&mut self, span: Duration) -> Duration {
        self.tick();
        self.now + span.min(MAX_SPAN)
    }

    /// Completes when `span` and a grace have passed since the first call with this `deadline`. The caller
    /// tries what it waits for before each call: a process that was suspended then cuts nobody.
    ///
    /// The grace is that of the state machine: an eighth of `span`, from 1 ms to 1 s.
    pub(crate) fn poll_deadline(
        &mut self,
        deadline: &mut Option<Deadline>,
        span: Duration,
        cx: &mut Context<'_>,
    ) -> Poll<()> {
        let deadline = deadline
            .get_or_insert_with(|| Deadline { due: self.tick_after(span), is_suspect: false });
        loop {
            while self.now < deadline.due {
                ready!(self.poll(deadline.due, cx));
            }
            if deadline.is_suspect {
                return Poll::Ready(());
            }
            let grace = (span / 8).clamp(Duration::from_millis(1), Duration::from_secs(1));
            *deadline = Deadline { due: self.tick_after(grace), is_suspect: true };
        }
    }

    /// Returns whether the timer fires at `due` or earlier.
    pub(crate) fn fires_by(&self, due: Duration) -> bool {
        self.armed.is_some_and(|armed| armed <= due)
    }

    /// Completes at `due`, or earlier: the caller then asks for the deadline again. Reads the clock when
    /// it completes.
    pub(crate) fn poll(&mut self, due: Duration, cx: &mut Context<'_>) -> Poll<()> {
        let must_arm = !self.fires_by(due);
        let origin = self.origin;
        let sleep = self.sleep.get_or_insert_with(|| Box::pin(sleep_until(origin + due)));
        if must_arm {
            sleep.as_mut().reset(origin + due);
            self.armed = Some(due);
        } else if !sleep.is_elapsed() && self.waker.will_wake(cx.waker()) {
            return Poll::Pending;
        }
        // Without cooperative budget, tokio wakes the task at once and registers nothing.
        if has_budget_remaining() {
            self.waker.clone_from(cx.waker());
        } else {
            self.waker.clone_from(Waker::noop());
        }
        let fired = sleep.as_mut().poll(cx);
        if fired.is_ready() {
            self.armed = None;
            self.tick();
        }
        fired
    }
}
