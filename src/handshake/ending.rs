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
    Responding {
        /// Bounds the time to write the next `PROGRESS` bytes of the response, then the time until
        /// the peer's stream ends.
        timer: StepTimer,
        closing: Option<Duration>,
        /// The length of the output when the timer was last restarted.
        marked: usize,
    },
    /// The response is being written. The peer's stream has ended.
    RespondingAfterEof {
        timer: StepTimer,
    },
    Closed,
    Aborted,
}

/// The number of bytes of the response that must be written to restart the timer.
const PROGRESS: usize = 16 << 10;

impl Ending {
    /// Creates the state in which a response of `len` bytes is queued. `closing` bounds each step.
    pub(super) const fn responding(len: usize, closing: Option<Duration>) -> Self {
        Self::Responding { timer: StepTimer::new(closing), closing, marked: len }
    }

    /// Consumes and drops the input, and records the end of the stream.
    pub(super) fn receive(&mut self, input: &mut Input<'_>) {
        input.discard_unread();
        if input.is_finished()
            && let Self::Responding { timer, .. } = *self
        {
            *self = Self::RespondingAfterEof { timer };
        }
    }

    pub(super) fn transport(&self, output: &Output) -> Transport {
        match self {
            Self::Responding { .. } | Self::RespondingAfterEof { .. } if !output.is_empty() => {
                Transport::Open
            }
            Self::Responding { .. } => Transport::Drain,
            Self::RespondingAfterEof { .. } | Self::Closed => Transport::Close,
            Self::Aborted => Transport::Abort,
        }
    }

    pub(super) fn handle_timeout(&mut self, now: Duration, output: &mut Output) {
        let is_written = output.is_empty();
        let expired = match self {
            Self::Responding { timer, closing, marked } => {
                let len = output.len();
                if len + PROGRESS <= *marked || (is_written && *marked > 0) {
                    timer.restart(*closing);
                    *marked = len;
                }
                timer.handle_timeout(now)
            }
            Self::RespondingAfterEof { timer } if !is_written => timer.handle_timeout(now),
            Self::RespondingAfterEof { .. } | Self::Closed | Self::Aborted => false,
        };
        if expired {
            *self = if is_written { Self::Closed } else { Self::Aborted };
            *output = Output::empty();
        }
    }

    pub(super) fn poll_timeout(&self, output: &Output) -> Option<Duration> {
        match self {
            Self::Responding { timer, .. } => timer.poll_timeout(),
            Self::RespondingAfterEof { timer } if !output.is_empty() => timer.poll_timeout(),
            Self::RespondingAfterEof { .. } | Self::Closed | Self::Aborted => None,
        }
    }
}
