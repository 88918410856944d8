//! The client side of one HTTP request and its response, shared by `ClientHandshake` and
//! `ProxyHandshake`.
//!
//! ```text
//!                  ┌──▶ Accepted
//!   Head ── head ──┤
//!     │            └──▶ Body ── end of the body, limit, deadline, EOF ──▶ Closed
//!     └── failure ──▶ Closed, or Aborted if the transport must be closed at once
//! ```

use alloc::vec::Vec;
use core::time::Duration;

use super::body::Body;
use super::gather::Gathered;
use super::head::Parser;
use super::{BodyEnd, ClientEvent, HandshakeError, ResponseHead};
use crate::clock::Deadline;
use crate::{Input, Output, SharedConfig, Transport};

#[derive(Debug)]
pub(super) struct Exchange {
    pub(super) config: SharedConfig,
    head: Gathered,
    output: Output,
    state: State,
    /// The body of a refusal.
    body: Body,
    /// An event that was not caused by input and that `receive` has not returned yet.
    unreported: Option<ClientEvent>,
    deadline: Deadline,
}

#[derive(Clone, Copy, Debug)]
enum State {
    /// Reading a head, after `interim_len` bytes of interim responses.
    Head {
        interim_len: usize,
    },
    Accepted,
    Body,
    Closed,
    Aborted,
}

impl Exchange {
    pub(super) fn new(config: SharedConfig, request: Vec<u8>) -> Self {
        Self {
            head: Gathered::new(Parser::response(config.head_limits)),
            output: Output::from_bytes(request),
            state: State::Head { interim_len: 0 },
            body: Body::empty(),
            unreported: None,
            deadline: Deadline::new(config.timeouts.opening),
            config,
        }
    }

    /// Reads the response from `input`, and its body if `is_accepted` returns `false`.
    pub(super) fn receive(
        &mut self,
        input: &mut Input<'_>,
        is_accepted: impl Fn(&ResponseHead<'_>) -> Result<bool, HandshakeError>,
    ) -> Option<ClientEvent> {
        if let Some(event) = self.unreported.take() {
            return Some(event);
        }
        match self.state {
            State::Head { .. } => self.read_heads(input, is_accepted).unwrap_or_else(|error| {
                input.consume().1.leave_unread(0);
                self.fail(error);
                Some(ClientEvent::Failed(error))
            }),
            State::Body => {
                let end = self.body.receive(input)?;
                self.state = State::Closed;
                Some(ClientEvent::BodyEnded(end))
            }
            State::Accepted => None,
            State::Closed | State::Aborted => {
                input.consume().1.leave_unread(0);
                None
            }
        }
    }

    pub(super) fn abort(&mut self) {
        match self.state {
            State::Head { .. } | State::Accepted => self.fail_later(HandshakeError::Aborted),
            State::Body => self.truncate_body(State::Aborted),
            State::Closed | State::Aborted => self.state = State::Aborted,
        }
        self.output = Output::empty();
    }

    pub(super) fn handle_timeout(&mut self, now: Duration) {
        match self.state {
            State::Head { .. } if self.deadline.handle_timeout(now) => {
                self.fail_later(HandshakeError::Timeout);
            }
            State::Body if self.deadline.handle_timeout(now) => self.truncate_body(State::Closed),
            State::Head { .. } | State::Body => {}
            State::Accepted | State::Closed | State::Aborted => {}
        }
    }

    pub(super) fn poll_timeout(&self) -> Option<Duration> {
        match self.state {
            State::Head { .. } | State::Body => self.deadline.poll_timeout(),
            State::Accepted | State::Closed | State::Aborted => None,
        }
    }

    pub(super) fn response(&self) -> Option<ResponseHead<'_>> {
        self.head.head().map(ResponseHead)
    }

    pub(super) fn body(&self) -> &[u8] {
        self.body.bytes()
    }

    pub(super) const fn output(&mut self) -> &mut Output {
        &mut self.output
    }

    /// Returns the number of bytes after the response that were left unread.
    pub(super) const fn unread_left(&self) -> usize {
        self.head.unread_left
    }

    pub(super) const fn is_accepted(&self) -> bool {
        matches!(self.state, State::Accepted)
    }

    pub(super) fn transport(&self) -> Transport {
        match self.state {
            State::Head { .. } | State::Accepted => Transport::Open,
            // Only the end of the server's stream ends this body; the server may wait for the end of
            // ours.
            State::Body if self.output.is_empty() && self.body.is_until_eof() => Transport::Drain,
            State::Body => Transport::Open,
            State::Closed => Transport::Close,
            State::Aborted => Transport::Abort,
        }
    }

    /// Reads heads until one that is not an interim response is complete.
    fn read_heads(
        &mut self,
        input: &mut Input<'_>,
        is_accepted: impl Fn(&ResponseHead<'_>) -> Result<bool, HandshakeError>,
    ) -> Result<Option<ClientEvent>, HandshakeError> {
        while let State::Head { interim_len } = self.state {
            let max_head = self.config.head_limits.max_head.saturating_sub(interim_len);
            if !self.head.receive(input, max_head, 0)? {
                return Ok(None);
            }
            let Some(response) = self.head.head().map(ResponseHead) else {
                debug_assert!(false, "the head is complete");
                return Err(HandshakeError::InvalidStatusLine);
            };
            let status = response.status();
            // RFC 9110, section 15.2: a client must be able to parse interim responses. All of them
            // and the final head together must stay within the limit for one head.
            if matches!(status, 100 | 102..=199) {
                let interim_len = interim_len + self.head.bytes.len();
                let max_head = self.config.head_limits.max_head.saturating_sub(interim_len);
                let limits = self.config.head_limits.with_max_head(max_head);
                self.head.restart(Parser::response(limits));
                self.state = State::Head { interim_len };
            } else if is_accepted(&response)? {
                self.state = State::Accepted;
                return Ok(Some(ClientEvent::Accepted));
            } else {
                self.body = Body::new(&response, self.config.head_limits.max_body);
                self.state = State::Body;
                return Ok(Some(ClientEvent::Refused { status }));
            }
        }
        Ok(None)
    }

    /// Fails the handshake. The caller reports `error`.
    fn fail(&mut self, error: HandshakeError) {
        self.output = Output::empty();
        let is_unusable = matches!(
            error,
            HandshakeError::Aborted | HandshakeError::Entropy | HandshakeError::Timeout
        );
        self.state = if is_unusable { State::Aborted } else { State::Closed };
    }

    /// Fails the handshake. The next `receive` reports `error`.
    pub(super) fn fail_later(&mut self, error: HandshakeError) {
        self.fail(error);
        self.unreported = Some(ClientEvent::Failed(error));
    }

    fn truncate_body(&mut self, state: State) {
        self.output = Output::empty();
        self.state = state;
        self.unreported = Some(ClientEvent::BodyEnded(BodyEnd::Truncated));
    }
}
