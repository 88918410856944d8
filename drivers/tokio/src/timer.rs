//! The clock of a connection, and the one tokio timer that wakes it.

use std::pin::Pin;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use tokio::task::coop::has_budget_remaining;
use tokio::time::{Instant, Sleep, sleep_until};

/// Longer than any connection. Each system can represent a time that is so much later.
const MAX_SPAN: Duration = Duration::from_secs(1 << 32);

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
    pub(crate) fn tick_after(&mut self, span: Duration) -> Duration {
        self.tick();
        self.now + span.min(MAX_SPAN)
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
