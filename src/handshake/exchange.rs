//! A client's exchange of a request for a response: what a handshake with a server and one with a
//! proxy share.

use alloc::vec::Vec;
use core::str;
use core::time::Duration;

use bytes::Buf;

use super::deadline::Deadline;
use super::{ClientEvent, HandshakeError, HeadLimits, ResponseHead, ResponseParser};
use crate::{Output, Transport};

/// A request that was queued, and its response as it arrives.
#[derive(Debug)]
pub(super) struct Exchange {
    limits: HeadLimits,
    parser: ResponseParser,
    /// What has arrived of the response's head.
    head: Vec<u8>,
    /// And of its body, if it refuses.
    body: Vec<u8>,
    output: Output,
    state: State,
    /// Whether the peer's direction of the stream has ended.
    eof: bool,
    deadline: Deadline,
}

#[derive(Clone, Copy, Debug)]
enum State {
    /// Reading the head, after so many bytes of interim responses.
    Head {
        interim: usize,
    },
    /// Reading at most `left` bytes more of the body of a refusal.
    Body {
        left: usize,
        end: BodyEnd,
    },
    Accepted,
    Refused {
        told: bool,
    },
    Failed {
        error: HandshakeError,
        told: bool,
    },
    /// What comes next is in other hands.
    Spent,
}

/// What ends a body (RFC 9112, section 6.3).
#[derive(Clone, Copy, Debug)]
enum BodyEnd {
    Length,
    /// The end of the stream, or the last chunk: nothing is decoded here.
    Stream,
}

/// What goes on behind an accepted request.
pub(super) struct Accepted {
    /// What of the request is still to be written.
    pub(super) output: Output,
    pub(super) eof: bool,
}

impl Exchange {
    pub(super) fn new(limits: HeadLimits, opening: Option<Duration>, request: Vec<u8>) -> Self {
        Self {
            limits,
            parser: ResponseParser::new(limits),
            head: Vec::new(),
            body: Vec::new(),
            output: Output::keeping(request),
            state: State::Head { interim: 0 },
            eof: false,
            deadline: Deadline::new(opening),
        }
    }

    /// Takes the response from `input` and nothing behind it; a body only if `is_accepted` says no.
    pub(super) fn receive(
        &mut self,
        input: &mut &mut [u8],
        is_accepted: impl Fn(&ResponseHead<'_>) -> Result<bool, HandshakeError>,
    ) -> Option<ClientEvent> {
        loop {
            match &mut self.state {
                State::Head { interim } => {
                    let interim = *interim;
                    match self.read_head(input, interim, &is_accepted) {
                        Ok(true) if matches!(self.state, State::Accepted) => {
                            return Some(ClientEvent::Accepted);
                        }
                        Ok(true) => {}
                        Ok(false) => return None,
                        Err(error) => self.fail(error),
                    }
                }
                State::Body { left, .. } => {
                    let part = input.get(..*left).unwrap_or(input);
                    *left -= part.len();
                    let done = *left == 0;
                    self.body.extend_from_slice(part);
                    *input = &mut [];
                    if !done {
                        return None;
                    }
                    self.state = State::Refused { told: false };
                }
                State::Accepted | State::Spent => return None,
                State::Refused { told } => {
                    *input = &mut [];
                    if core::mem::replace(told, true) {
                        return None;
                    }
                    let status = self.response().map_or(0, |response| response.status());
                    return Some(ClientEvent::Refused { status });
                }
                State::Failed { error, told } => {
                    *input = &mut [];
                    let first = !core::mem::replace(told, true);
                    return first.then_some(ClientEvent::Failed(*error));
                }
            }
        }
    }

    pub(super) fn receive_eof(&mut self) {
        self.eof = true;
        match self.state {
            State::Head { .. } => self.fail(HandshakeError::UnexpectedEof),
            State::Body { .. } => self.state = State::Refused { told: false },
            State::Accepted | State::Refused { .. } | State::Failed { .. } | State::Spent => {}
        }
    }

    pub(super) fn abort(&mut self) {
        match self.state {
            State::Head { .. } | State::Accepted => self.fail(HandshakeError::Aborted),
            // The answer is known, and tells more.
            State::Body { .. } => self.state = State::Refused { told: false },
            State::Refused { .. } | State::Failed { .. } | State::Spent => {}
        }
        self.output = Output::default();
    }

    pub(super) fn handle_timeout(&mut self, now: Duration) {
        if self.deadline.has_passed(now) {
            match self.state {
                State::Head { .. } => self.fail(HandshakeError::Timeout),
                // The answer is known; more of its body is not waited for.
                State::Body { .. } => {
                    self.output = Output::default();
                    self.state = State::Refused { told: false };
                }
                State::Accepted | State::Refused { .. } | State::Failed { .. } | State::Spent => {}
            }
        }
    }

    pub(super) fn poll_timeout(&self) -> Option<Duration> {
        match self.state {
            State::Head { .. } | State::Body { .. } => self.deadline.poll(),
            State::Accepted | State::Refused { .. } | State::Failed { .. } | State::Spent => None,
        }
    }

    pub(super) fn fail(&mut self, error: HandshakeError) {
        self.output = Output::default();
        self.state = State::Failed { error, told: false };
    }

    pub(super) fn response(&self) -> Option<ResponseHead<'_>> {
        self.parser.head(&self.head)
    }

    pub(super) fn body(&self) -> &[u8] {
        &self.body
    }

    pub(super) fn output(&mut self) -> &mut Output {
        &mut self.output
    }

    pub(super) fn is_accepted(&self) -> bool {
        matches!(self.state, State::Accepted)
    }

    /// What goes on, once and if the request was accepted.
    pub(super) fn take(&mut self) -> Option<Accepted> {
        if !self.is_accepted() {
            return None;
        }
        self.state = State::Spent;
        Some(Accepted { output: core::mem::take(&mut self.output), eof: self.eof })
    }

    pub(super) fn transport(&self) -> Transport {
        match self.state {
            State::Head { .. } | State::Accepted => Transport::Open,
            // The peer may wait for us, where only the end of the stream ends its answer.
            State::Body { end: BodyEnd::Stream, .. } if !self.output.has_remaining() => {
                Transport::Drain
            }
            State::Body { .. } => Transport::Open,
            State::Failed {
                error: HandshakeError::Aborted | HandshakeError::Entropy | HandshakeError::Timeout,
                ..
            } => Transport::Abort,
            State::Refused { .. } | State::Failed { .. } | State::Spent => Transport::Close,
        }
    }

    pub(super) fn wants_read(&self) -> bool {
        !self.eof && matches!(self.state, State::Head { .. } | State::Body { .. })
    }

    pub(super) fn wants_write(&self) -> bool {
        self.output.has_remaining()
    }

    /// Takes a head, or all of `input` if that does not complete it; `false` then.
    fn read_head(
        &mut self,
        input: &mut &mut [u8],
        interim: usize,
        is_accepted: impl Fn(&ResponseHead<'_>) -> Result<bool, HandshakeError>,
    ) -> Result<bool, HandshakeError> {
        let before = self.head.len();
        let response = if before == 0 {
            if self.head.capacity() == 0 {
                self.head = self.output.reclaim();
            }
            // Most responses arrive in one piece, and what follows them is not copied.
            self.parser.parse(input)?
        } else {
            let room = self.limits.max_head.saturating_sub(interim).saturating_sub(before);
            self.head.extend_from_slice(input.get(..room).unwrap_or(input));
            self.parser.parse(&self.head)?
        };
        let length = response.map(|response| response.as_bytes().len());
        if before == 0 {
            self.head.extend_from_slice(input.get(..length.unwrap_or(usize::MAX)).unwrap_or(input));
        }
        let (Some(length), Some(response)) = (length, self.parser.head(&self.head)) else {
            *input = &mut [];
            return Ok(false);
        };
        self.state = match response.status() {
            // RFC 9110, section 15.2: a client must be able to skip interim responses. All of
            // them together stay below the limit of one head.
            100 | 102..=199 => State::Head { interim: interim + length },
            _ if is_accepted(&response)? => State::Accepted,
            _ => body_of(&response, self.limits),
        };
        self.head.truncate(length);
        *input = core::mem::take(input).get_mut(length - before..).unwrap_or_default();
        if let State::Head { interim } = self.state {
            self.head.clear();
            let max_head = self.limits.max_head.saturating_sub(interim);
            self.parser = ResponseParser::new(HeadLimits { max_head, ..self.limits });
        }
        Ok(true)
    }
}

/// How the body of a refusal is read (RFC 9112, section 6.3).
fn body_of(response: &ResponseHead<'_>, limits: HeadLimits) -> State {
    let mut lengths = response.values("content-length");
    let chunked = response.field("transfer-encoding").is_some();
    let length = match (lengths.next(), lengths.next()) {
        _ if matches!(response.status(), 204 | 304) => Some(0),
        (Some(length), None) if !chunked => parse_length(length),
        _ => None,
    };
    let left = length.unwrap_or(usize::MAX).min(limits.max_body);
    let end = if length.is_some() { BodyEnd::Length } else { BodyEnd::Stream };
    if left == 0 { State::Refused { told: false } } else { State::Body { left, end } }
}

fn parse_length(digits: &[u8]) -> Option<usize> {
    if !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    str::from_utf8(digits).ok()?.parse().ok()
}
