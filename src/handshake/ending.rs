//! The states of a server's handshake that ends without a connection.
//!
//! ```text
//!   Responding ── peer's end ──▶ RespondingAfterEof
//!    │   │                        │
//!    │   └── timeout, not written, or the transport broke ──▶ Aborted
//!    └── timeout, written ──▶ Closed
//! ```
//!
//! Whether the response is written is not a state: it is written once the output is empty. After that,
//! `Responding` waits for the peer's end, and `RespondingAfterEof` is over. `Closed` is also the first
//! state if there is no response.

use core::time::Duration;

use crate::clock::StepTimer;
use crate::{Input, Output, Transport};

#[derive(Clone, Copy, Debug)]
pub(super) enum Ending {
    /// The response is being written; then the peer's bytes are read and dropped.
    Responding(Steps),
    /// The response is being written. The peer's stream has ended.
    RespondingAfterEof(Steps),
    Closed,
    Aborted,
}

/// Bounds each step: the time to write the next `PROGRESS` bytes of the response, then the time until the
/// peer's stream ends.
#[derive(Clone, Copy, Debug)]
pub(super) struct Steps {
    timer: StepTimer,
    closing: Option<Duration>,
    /// The length of the output when the timer was last restarted.
    marked: usize,
}

/// The number of bytes of the response that must be written to restart the timer.
const PROGRESS: usize = 16 << 10;

impl Ending {
    /// Creates the state in which a response of `len` bytes is queued. `closing` bounds each step.
    pub(super) const fn responding(len: usize, closing: Option<Duration>) -> Self {
        Self::Responding(Steps { timer: StepTimer::new(closing), closing, marked: len })
    }

    /// Consumes and drops the input, and records the end of the stream.
    pub(super) fn receive(&mut self, input: &mut Input<'_>) {
        input.discard_unread();
        if input.is_finished()
            && let Self::Responding(steps) = *self
        {
            *self = Self::RespondingAfterEof(steps);
        }
    }

    pub(super) fn transport(&self, output: &Output) -> Transport {
        match self {
            Self::Responding(_) | Self::RespondingAfterEof(_) if !output.is_empty() => {
                Transport::Open
            }
            Self::Responding(_) => Transport::Drain,
            Self::RespondingAfterEof(_) | Self::Closed => Transport::Close,
            Self::Aborted => Transport::Abort,
        }
    }

    pub(super) fn handle_timeout(&mut self, now: Duration, output: &mut Output) {
        let is_written = output.is_empty();
        let expired = match self {
            Self::Responding(steps) => steps.handle_timeout(now, output.len()),
            Self::RespondingAfterEof(steps) if !is_written => {
                steps.handle_timeout(now, output.len())
            }
            Self::RespondingAfterEof(_) | Self::Closed | Self::Aborted => false,
        };
        if expired {
            *self = if is_written { Self::Closed } else { Self::Aborted };
            *output = Output::empty();
        }
    }

    pub(super) fn poll_timeout(&self, output: &Output) -> Option<Duration> {
        match self {
            Self::Responding(steps) => steps.poll_timeout(output.len()),
            Self::RespondingAfterEof(steps) if !output.is_empty() => {
                steps.poll_timeout(output.len())
            }
            Self::RespondingAfterEof(_) | Self::Closed | Self::Aborted => None,
        }
    }
}

impl Steps {
    /// Begins the next step if an output of `len` bytes ends the current one.
    fn advance(&mut self, len: usize) {
        if len + PROGRESS <= self.marked || (len == 0 && self.marked > 0) {
            self.timer.restart(self.closing);
            self.marked = len;
        }
    }

    /// Reports the time. Returns whether the step took too long.
    fn handle_timeout(&mut self, now: Duration, len: usize) -> bool {
        self.advance(len);
        self.timer.handle_timeout(now)
    }

    /// Returns the time at which the next report is due: at once if a step begins with it.
    fn poll_timeout(mut self, len: usize) -> Option<Duration> {
        self.advance(len);
        self.timer.poll_timeout()
    }
}
