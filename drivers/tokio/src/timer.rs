//! The clock of a connection, and the one tokio timer that wakes it.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::time::{Instant, Sleep, sleep_until};

/// Reports the time since its origin. Its timer is armed when a deadline is earlier than the armed
/// one, and not when a deadline moves back, which each received byte does: the timer then fires early
/// and is armed again.
pub(crate) struct Timer {
    origin: Instant,
    /// The time of the current wake-up.
    now: Duration,
    sleep: Option<Pin<Box<Sleep>>>,
    /// The time at which `sleep` fires, or `None` if it has fired.
    armed: Option<Duration>,
}

impl Timer {
    pub(crate) fn new(origin: Instant) -> Self {
        Self { origin, now: Duration::ZERO, sleep: None, armed: None }
    }

    /// Reads the clock. Called once for each wake-up.
    pub(crate) fn tick(&mut self) {
        self.now = self.origin.elapsed();
    }

    /// Returns the time of the current wake-up.
    pub(crate) fn now(&self) -> Duration {
        self.now
    }

    /// Returns whether the timer fires at `due` or earlier.
    pub(crate) fn fires_by(&self, due: Duration) -> bool {
        self.armed.is_some_and(|armed| armed <= due)
    }

    /// Completes at `due`, or earlier: the caller then asks for the deadline again.
    pub(crate) fn poll(&mut self, due: Duration, cx: &mut Context<'_>) -> Poll<()> {
        let origin = self.origin;
        let sleep = match &mut self.sleep {
            Some(sleep) => {
                if self.armed.is_none_or(|armed| armed > due) {
                    sleep.as_mut().reset(origin + due);
                    self.armed = Some(due);
                }
                sleep
            }
            None => {
                self.armed = Some(due);
                self.sleep.insert(Box::pin(sleep_until(origin + due)))
            }
        };
        let fired = sleep.as_mut().poll(cx);
        if fired.is_ready() {
            self.armed = None;
            self.tick();
        }
        fired
    }
}
