//! How long a step of a handshake may take, on the caller's clock.

use core::time::Duration;

/// A deadline that starts when the time is first told.
#[derive(Clone, Copy, Debug)]
pub(super) struct Deadline {
    span: Option<Duration>,
    now: Option<Duration>,
    at: Option<Duration>,
}

impl Deadline {
    pub(super) const fn new(span: Option<Duration>) -> Self {
        Self { span, now: None, at: None }
    }

    /// Begins the next step, now.
    pub(super) fn restart(&mut self, span: Option<Duration>) {
        let at = self.now.zip(span).map(|(now, span)| now.saturating_add(span));
        *self = Self { span, now: self.now, at };
    }

    /// Tells the time. Whether the step took too long.
    pub(super) fn has_passed(&mut self, now: Duration) -> bool {
        self.now = Some(now);
        let Some(span) = self.span else { return false };
        now >= *self.at.get_or_insert(now.saturating_add(span))
    }

    /// When the time is to be told at the latest: at once, if it never was.
    pub(super) fn poll(&self) -> Option<Duration> {
        self.span.map(|_| self.at.unwrap_or(Duration::ZERO))
    }
}
