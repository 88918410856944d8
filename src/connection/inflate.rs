//! Received compressed messages (RFC 7692): their payload through an inflater to the state machine.
//!
//! The inflater writes into an output buffer of the thread, piece by piece. Each piece continues like
//! the payload of an uncompressed frame: the machine counts and validates it, and it becomes a chunk
//! or a part of the message. If the output buffer is full, more output may be pending, although all
//! input was consumed. The last byte then stays unread in the input until the output is complete, so
//! that a driver calls again before it reads more.

use alloc::boxed::Box;
use core::mem;

use super::Connection;
use crate::extension::deflate::{Broken, Inflater, Progress, Window, pool};
use crate::session::Piece;
use crate::{ConnectionError, Event, Limit, Violation};

/// The compressed payload bytes that are unmasked at once. Those that the inflater does not consume are
/// masked again.
const MAX_INPUT: usize = 64 << 10;

/// A piece of the message in progress.
struct Inflated {
    /// The length in bytes.
    len: usize,
    /// Whether the message ends with the piece.
    ends: bool,
    /// The failure that follows.
    failure: Option<ConnectionError>,
}

impl Connection {
    /// Inflates payload from `unread` until an event or a failure occurs, or all payload of the frame
    /// is consumed.
    #[inline(never)]
    pub(super) fn receive_compressed(&mut self, unread: &mut &mut [u8]) -> Option<Event<'static>> {
        let mut inflater = self.take_inflater();
        let mut scratch = pool::take_scratch();
        let event = loop {
            let event = self.receive_inflated(unread, &mut inflater, &mut scratch);
            if event.is_some() || !self.machine.is_compressed_next(unread) {
                break event;
            }
        };
        pool::give_scratch(scratch);
        self.give_inflater(inflater);
        event
    }

    /// Receives one piece of the message in progress: up to the end of `scratch` or of the payload.
    fn receive_inflated(
        &mut self,
        unread: &mut &mut [u8],
        inflater: &mut Inflater,
        scratch: &mut [u8],
    ) -> Option<Event<'static>> {
        let partial = self.machine.take_partial_char(scratch);
        let inflated = match scratch.get_mut(partial..) {
            Some(output) => self.inflate(unread, inflater, output),
            None => Err(Broken("a partial character has at most 3 bytes")),
        };
        let Inflated { len, ends, failure } = match inflated {
            Ok(inflated) => inflated,
            Err(Broken(invariant)) => {
                self.fail_internally(invariant);
                return None;
            }
        };
        let Some(payload) = scratch.get_mut(..partial + len) else {
            self.fail_internally("a piece ends within its buffer");
            return None;
        };
        let piece = self.machine.receive_uncompressed(payload, partial, ends);
        if let Some(error) = failure {
            self.machine.fail(error);
        }
        match piece? {
            Piece::Data { data, fragment } if failure.is_none() => {
                self.receive_data(data, fragment, unread.len()).map(Event::into_owned)
            }
            Piece::Data { data, fragment } | Piece::LastValid { data, fragment } => {
                self.receive_last_valid(data, fragment).map(Event::into_owned)
            }
            Piece::Compressed | Piece::Ping(_) | Piece::Pong(_) | Piece::Close(_) => {
                self.fail_internally("uncompressed payload is a piece of a message");
                None
            }
        }
    }

    /// Inflates payload into `output`, up to the end of either or to a limit.
    fn inflate(
        &mut self,
        unread: &mut &mut [u8],
        inflater: &mut Inflater,
        output: &mut [u8],
    ) -> Result<Inflated, Broken> {
        let max_compressed = self.config.receive_limits.max_compressed();
        let remaining = self.machine.uncompressed_remaining(&self.config.receive_limits);
        // One byte more than allowed shows that the message is too long.
        let room = usize::try_from(remaining).unwrap_or(usize::MAX).saturating_add(1);
        let room = room.min(output.len());
        let mut inflated = Inflated { len: 0, ends: false, failure: None };
        while let Some(output) = output.get_mut(inflated.len..room)
            && !output.is_empty()
            && inflated.failure.is_none()
            && self.machine.is_compressed_next(unread)
        {
            let allowed = max_compressed.saturating_sub(inflater.consumed());
            let max_input = usize::try_from(allowed).unwrap_or(usize::MAX).min(MAX_INPUT);
            let mut progress = Ok(Progress::default());
            let ends = self.machine.consume_compressed(unread, max_input, |payload| {
                progress = inflater.inflate_ahead(payload, output);
                progress.map_or(0, |progress| progress.consumed)
            });
            let progress = progress?;
            // Within a message, a stream after a block with BFINAL set may refer to the whole window.
            // After the message, only the context is needed.
            let needed = if ends { self.incoming_context() } else { Some(Window::MAX) };
            if let Some(max) = needed {
                let new = output.get(progress.remembered..progress.produced);
                inflater.remember(new.ok_or(Broken::OUT_OF_BOUNDS)?, max);
            }
            inflated.len += progress.produced;
            if progress.corrupt || (ends && inflater.finish().is_err()) {
                inflated.failure = Some(Violation::InvalidCompression.into());
            } else if allowed == 0 && self.machine.is_compressed_next(unread) {
                inflated.failure = Some(Limit::CompressedPayload.into());
            }
            inflated.ends = ends && inflated.failure.is_none();
        }
        if inflated.len as u64 > remaining {
            let failure = Some(Limit::Message.into());
            inflated = Inflated { len: inflated.len - 1, ends: false, failure };
        }
        Ok(inflated)
    }

    /// Returns the number of bytes of its previous messages to which the peer may refer, or `None`
    /// without context takeover.
    fn incoming_context(&self) -> Option<usize> {
        let agreed = self.deflate_parameters?;
        agreed.has_context_takeover(self.peer()).then(|| 1 << agreed.window_bits(self.peer()))
    }

    fn take_inflater(&mut self) -> Box<Inflater> {
        if let Some(inflater) = self.deflate.as_mut().and_then(|deflate| deflate.inflater.take()) {
            return inflater;
        }
        let mut inflater = pool::take_inflater();
        inflater.begin(self.incoming_context().map(|_| match &mut self.deflate {
            Some(deflate) => mem::take(&mut deflate.window),
            None => Window::default(),
        }));
        inflater
    }

    /// Keeps the inflater within a message. After a message, keeps the context if the peer may refer to
    /// it.
    fn give_inflater(&mut self, mut inflater: Box<Inflater>) {
        if self.machine.error() == Some(ConnectionError::Internal) {
            // No other connection may use it.
            drop(inflater);
        } else if self.machine.error().is_some() {
            pool::give_inflater(inflater);
        } else if self.machine.is_receiving_compressed() {
            self.deflate_state().inflater = Some(inflater);
            return;
        } else {
            if let Some(max) = self.incoming_context() {
                self.deflate_state().window = inflater.take_window(max);
            }
            pool::give_inflater(inflater);
        }
        self.release_deflate();
    }
}
