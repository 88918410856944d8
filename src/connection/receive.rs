//! Converts the results of the state machine into events.

use alloc::borrow::Cow;
use alloc::string::String;

use super::Connection;
use super::assembly::WrongType;
use crate::frame::take;
use crate::input::Position;
use crate::session::{Data, Piece};
use crate::{Chunk, ConnectionError, Delivery, Event, Fragment, Input, Message, Violation};

impl Connection {
    /// Consumes bytes of `input` until an event occurs. Returns `None` when the input is used up.
    ///
    /// Payloads are unmasked in place; bytes that are not consumed stay unchanged. An event borrows
    /// from `input` or owns its bytes. The reply to a Ping or a Close is queued before the event is
    /// returned. After the peer's Close and after a failure, all further input is dropped.
    ///
    /// When `input` is finished and used up, the end of the stream is handled: unless a Close was
    /// received, the result is [`Event::Failed`] with
    /// [`UnexpectedEof`](ConnectionError::UnexpectedEof). An `input` that does not contain the unread
    /// bytes of the previous call fails the connection with
    /// [`UnreadInput`](ConnectionError::UnreadInput). A failure that [`abort`](Self::abort) or
    /// [`handle_timeout`](Self::handle_timeout) caused is returned by the next call, even with an empty
    /// input.
    // Inlined, so that an event is not moved through memory: 4.6 ns instead of 6.5 ns for 8 bytes
    // (benchmark `connection`).
    #[inline(always)]
    pub fn receive<'i>(&mut self, input: &'i mut Input<'_>) -> Option<Event<'i>> {
        #[cfg(feature = "deflate")]
        if self.ready_event().is_some() {
            return self.take_ready();
        }
        // Fast path for the last call of nearly every receive loop: no bytes, and nothing to
        // report.
        if !input.has_unread()
            && !input.is_finished()
            && self.expected_unread == 0
            && !self.machine.failure_pending()
        {
            return None;
        }
        self.check_continuity(input);
        let (mut unread, position) = input.unread_mut();
        let before = unread.len();
        // Fast path: a message that is whole in the input becomes an event without further steps.
        if let Delivery::Messages = self.config.delivery {
            match self.machine.receive_whole(&mut unread, &self.config.receive_limits) {
                Some(Ok(message)) => {
                    self.leave_unread(unread.len(), position);
                    if self.timers.is_some() {
                        let bytes = before - unread.len();
                        self.observe_frame(bytes, message.len(), Fragment::Whole);
                    }
                    return Some(Event::Message(message));
                }
                Some(Err(valid)) => {
                    // The valid text before the error is not delivered.
                    self.observe_frame(before - unread.len(), valid, Fragment::First);
                    self.fail(Violation::InvalidUtf8);
                }
                None => {}
            }
        }
        self.receive_slow(unread, position)
    }

    #[inline(never)]
    fn receive_slow<'i>(
        &mut self,
        unread: &'i mut [u8],
        position: &mut Position,
    ) -> Option<Event<'i>> {
        let event = self.receive_parts(unread, position, usize::MAX);
        if event.is_some() {
            return event;
        }
        if position.is_finished() && !self.machine.failure_pending() {
            self.end_of_stream();
        }
        self.machine.take_failure().map(Event::Failed)
    }

    /// Fails the connection if `input` does not continue the one of the previous call: bytes would
    /// be lost, or bytes of another connection received. Only the number of unread bytes is
    /// compared.
    pub(super) fn check_continuity(&mut self, input: &Input<'_>) {
        if self.expected_unread != input.left_by_last_call() as u32 {
            // The failure drops the input, and is reported once.
            self.expected_unread = 0;
            self.fail(ConnectionError::UnreadInput);
        }
    }

    /// Records that the last `len` bytes of the input remain unread.
    pub(super) fn leave_unread(&mut self, len: usize, position: &mut Position) {
        self.expected_unread = len as u32;
        position.leave_unread(len);
    }

    /// Consumes at most the first `max` bytes of `unread` until an event other than a failure occurs.
    /// Completes a failure, which the caller reports.
    pub(super) fn receive_parts<'i>(
        &mut self,
        mut unread: &'i mut [u8],
        position: &mut Position,
        max: usize,
    ) -> Option<Event<'i>> {
        let before = unread.len();
        let mut part = take(&mut unread, max);
        let event = loop {
            let limits = &self.config.receive_limits;
            let event = match self.machine.receive(&mut part, limits, &mut self.control) {
                None => break None,
                Some(Piece::Data { data, fragment }) => {
                    self.receive_data(data, fragment, part.len())
                }
                Some(Piece::LastValid { data, fragment }) => {
                    self.receive_last_valid(data, fragment)
                }
                #[cfg(feature = "deflate")]
                Some(Piece::Compressed) => self.receive_compressed(&mut part),
                Some(Piece::Ping(payload)) => self.receive_ping(payload),
                Some(Piece::Pong(payload)) => self.receive_pong(payload),
                Some(Piece::Close(payload)) => self.receive_close(payload),
            };
            if event.is_some() {
                break event;
            }
        };
        let left = unread.len() + part.len();
        self.leave_unread(left, position);
        self.observe_input(before - left);
        if event.is_none() && self.machine.failure_pending() {
            self.settle();
        }
        event
    }

    /// Receives the valid part of a message before a violation. The message never completes.
    #[cold]
    pub(super) fn receive_last_valid<'i>(
        &mut self,
        data: Data<'i>,
        fragment: Fragment,
    ) -> Option<Event<'i>> {
        self.count_received(data.len(), fragment);
        self.settle();
        match self.config.delivery {
            Delivery::Chunks => Some(Event::Chunk(chunk(data, fragment))),
            Delivery::Messages => None,
        }
    }

    /// Receives a piece of a message, after which `unread` bytes are in the input.
    pub(super) fn receive_data<'i>(
        &mut self,
        data: Data<'i>,
        fragment: Fragment,
        unread: usize,
    ) -> Option<Event<'i>> {
        self.count_received(data.len(), fragment);
        match self.config.delivery {
            Delivery::Chunks => Some(Event::Chunk(chunk(data, fragment))),
            Delivery::Messages => {
                let announced = || self.machine.announced(&self.config.receive_limits, unread);
                match self.assembly.push(data, fragment, announced) {
                    Ok(message) => message.map(Event::Message),
                    Err(WrongType) => {
                        self.fail_internally("a message keeps its type");
                        None
                    }
                }
            }
        }
    }

    /// Drops the incomplete message and the incomplete control frame: they will not be completed.
    pub(super) fn discard_incoming(&mut self) {
        self.assembly.clear();
        self.control.clear();
        #[cfg(feature = "deflate")]
        self.discard_deflate();
    }

    /// Handles the end of the stream after its last byte.
    #[cold]
    pub(super) fn end_of_stream(&mut self) {
        self.machine.receive_eof();
        self.settle();
    }

    /// Fails the connection and queues the Close frame (RFC 6455, section 7.1.7).
    #[cold]
    pub(super) fn fail(&mut self, error: impl Into<ConnectionError>) {
        self.machine.fail(error);
        // After the peer's Close the machine does not fail, and the application may owe the reply.
        if self.machine.error().is_some() {
            self.settle();
        }
    }

    /// Fails the connection because an invariant of this crate does not hold. Panics in debug builds.
    #[cold]
    #[cfg_attr(debug_assertions, track_caller)]
    pub(super) fn fail_internally(&mut self, invariant: &str) {
        debug_assert!(false, "{invariant}");
        self.fail(ConnectionError::Internal);
        if self.machine.error().is_none() {
            // After the peer's Close, `fail` does nothing.
            self.abort_with(ConnectionError::Internal);
        }
    }

    /// Completes the end of the incoming direction: drops what is incomplete, and queues the pending
    /// Close frame.
    #[cold]
    pub(super) fn settle(&mut self) {
        self.discard_incoming();
        self.queue_pending_close();
    }

    fn count_received(&mut self, payload_len: usize, fragment: Fragment) {
        if let Some(timers) = &mut self.timers {
            timers.received_payload(payload_len, fragment);
        }
    }
}

fn chunk(data: Data<'_>, fragment: Fragment) -> Chunk<'_> {
    let payload = match data {
        Data::Text(text) => Message::Text(Cow::Borrowed(text)),
        Data::Char(character) => Message::Text(String::from(character.text()).into()),
        Data::Binary(payload) => Message::Binary(Cow::Borrowed(payload.unmask())),
    };
    Chunk { payload, fragment }
}
