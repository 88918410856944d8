//! Compressed messages (RFC 7692): the payload of received frames through an inflater to the state
//! machine, and sent messages through a compressor to the frame encoder.
//!
//! # Receiving
//!
//! The inflater writes into an output buffer of the thread, piece by piece. Each piece continues like
//! the payload of an uncompressed frame: the machine counts and validates it, and it becomes a chunk
//! or a part of the message. If the output buffer is full, more output may be pending, although all
//! input was consumed. The last byte then stays unread in the input until the output is complete, so
//! that a driver calls again before it reads more.
//!
//! # Sending
//!
//! The peer's inflater refers to the messages that it received. If a compressor with context makes a
//! message that is not sent, or if a compressed message is sent that it did not make, it is reset: it
//! then refers to nothing before the next message, which is valid in any context.

use alloc::boxed::Box;
use core::mem;

use super::Connection;
use crate::extension::deflate::{
    Compressor, EMPTY, FLUSH_END, Inflater, Progress, Setting, Window, pool, without_flush_end,
};
use crate::frame::ReservedBits;
use crate::session::Piece;
use crate::{
    Chunk, ConnectionError, Deflate, DeflateParameters, Event, Fragment, Limit, MessageType,
    Outgoing, PreparedMessage, Role, SendError, Unsent, Violation,
};

/// The compressed payload bytes that are unmasked at once. Those that do not fit into one chunk are
/// masked again.
const MAX_INPUT: usize = 64 << 10;

/// The bytes by which the first message of a context may grow, so that the next ones can refer to it:
/// those of a short text that repeats nothing.
const FIRST_GROWTH: usize = 2;

/// RFC 7692, section 6: the first frame of a compressed message has RSV1.
const COMPRESSED: ReservedBits = ReservedBits::RSV1;

/// The parts of permessage-deflate that a connection owns within a message, and with context takeover
/// between messages.
#[derive(Default)]
pub(super) struct Codecs {
    /// The inflater of the incoming message in progress.
    inflater: Option<Box<Inflater>>,
    /// The context of the peer between its messages.
    window: Window,
    /// The compressor with context, or that of the outgoing message in progress.
    compressor: Option<Box<Compressor>>,
    /// Whether the outgoing message in progress is compressed.
    is_compressing: bool,
    /// An event that `next` has found and `receive` has not returned.
    ready: Option<Event<'static>>,
}

impl Drop for Codecs {
    fn drop(&mut self) {
        self.discard_inflater();
        self.discard_compressor();
    }
}

impl Codecs {
    fn is_needed(&self) -> bool {
        self.inflater.is_some()
            || self.compressor.is_some()
            || self.ready.is_some()
            || !self.window.is_empty()
    }

    fn discard_inflater(&mut self) {
        if let Some(inflater) = self.inflater.take() {
            pool::give_inflater(inflater);
        }
    }

    fn discard_compressor(&mut self) {
        self.is_compressing = false;
        if let Some(compressor) = self.compressor.take() {
            pool::give_compressor(compressor);
        }
    }
}

/// # Receiving
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

    /// Inflates one piece of the message in progress: up to the end of `scratch` or of the payload.
    fn receive_inflated(
        &mut self,
        unread: &mut &mut [u8],
        inflater: &mut Inflater,
        scratch: &mut [u8],
    ) -> Option<Event<'static>> {
        let partial = self.machine.take_partial_char(scratch);
        let remaining = self.machine.uncompressed_remaining(&self.config.receive_limits);
        // One byte more than allowed shows that the message is too long.
        let room = usize::try_from(remaining).unwrap_or(usize::MAX).saturating_add(1);
        let end = partial.saturating_add(room).min(scratch.len());
        let Some(output) = scratch.get_mut(partial..end) else {
            self.fail_internally("a partial character has at most 3 bytes");
            return None;
        };
        let (mut produced, mut ends, mut is_corrupt) = (0, false, false);
        while let Some(output) = output.get_mut(produced..)
            && !output.is_empty()
            && !is_corrupt
            && self.machine.is_compressed_next(unread)
        {
            let mut progress = Progress::default();
            ends = self.machine.consume_compressed(unread, MAX_INPUT, |payload| {
                progress = inflater.inflate_ahead(payload, output);
                progress.consumed
            });
            let needed = if ends { self.incoming_context() } else { Some(Window::MAX) };
            if let Some(max) = needed {
                let Some(new) = output.get(progress.remembered..progress.produced) else {
                    self.fail_internally("remembered <= produced <= output.len()");
                    return None;
                };
                inflater.remember(new, max);
            }
            produced += progress.produced;
            is_corrupt = progress.corrupt || (ends && inflater.finish().is_err());
        }
        let mut failure = is_corrupt.then_some(Violation::InvalidCompression.into());
        if produced as u64 > remaining {
            produced -= 1;
            failure = Some(ConnectionError::from(Limit::Message));
        }
        ends &= failure.is_none();
        let Some(payload) = scratch.get_mut(..partial + produced) else {
            self.fail_internally("partial + produced <= end");
            return None;
        };
        let piece = self.machine.receive_uncompressed(payload, partial, ends);
        if let Some(error) = failure {
            // The valid bytes before the error are a piece of their own.
            self.machine.fail(error);
        }
        match piece? {
            Piece::Data { data, fragment } => {
                self.receive_data(data, fragment).map(Event::into_owned)
            }
            Piece::Compressed | Piece::Ping(_) | Piece::Pong(_) | Piece::Close(_) => {
                self.fail_internally("uncompressed payload is a piece of a message");
                None
            }
        }
    }

    /// Returns the number of bytes of its previous messages to which the peer may refer; `None` without
    /// context takeover.
    fn incoming_context(&self) -> Option<usize> {
        let agreed = self.deflate.filter(|agreed| agreed.has_context_takeover(self.peer()))?;
        Some(1 << agreed.window_bits(self.peer()))
    }

    fn take_inflater(&mut self) -> Box<Inflater> {
        if let Some(inflater) = self.codecs.as_mut().and_then(|codecs| codecs.inflater.take()) {
            return inflater;
        }
        let mut inflater = pool::take_inflater();
        inflater.begin(self.incoming_context().map(|_| match &mut self.codecs {
            Some(codecs) => mem::take(&mut codecs.window),
            None => Window::default(),
        }));
        inflater
    }

    /// Keeps the inflater within a message. After a message, keeps the context if the peer may refer to
    /// it.
    fn give_inflater(&mut self, mut inflater: Box<Inflater>) {
        if self.machine.error().is_some() {
            pool::give_inflater(inflater);
        } else if self.machine.is_receiving_compressed() {
            self.codecs().inflater = Some(inflater);
            return;
        } else {
            if let Some(max) = self.incoming_context() {
                self.codecs().window = inflater.take_window(max);
            }
            pool::give_inflater(inflater);
        }
        self.release_codecs();
    }

    /// Drops the incomplete message, the context of the peer, the compressor if no message can follow,
    /// and the event that `next` has found: without compression, `receive` would not have returned it
    /// either.
    pub(super) fn discard_codecs(&mut self) {
        if let Some(codecs) = &mut self.codecs {
            codecs.discard_inflater();
            codecs.window = Window::default();
            codecs.ready = None;
            if !self.machine.may_send_data() {
                codecs.discard_compressor();
            }
            self.release_codecs();
        }
    }

    /// Drops the compressor, because no message follows.
    pub(super) fn discard_compressor(&mut self) {
        if let Some(codecs) = &mut self.codecs {
            codecs.discard_compressor();
            self.release_codecs();
        }
    }

    /// Returns the event that `next` has found and `receive` has not returned.
    #[inline(always)]
    pub(super) fn ready_event(&self) -> Option<&Event<'static>> {
        self.codecs.as_ref()?.ready.as_ref()
    }

    /// Returns the event that `next` has found.
    #[cold]
    pub(super) fn take_ready(&mut self) -> Option<Event<'static>> {
        let event = self.codecs.as_mut()?.ready.take();
        self.release_codecs();
        event
    }

    /// Keeps an event for the next call of `receive`.
    pub(super) fn keep_ready(&mut self, event: Event<'static>) {
        self.codecs().ready = Some(event);
    }
}

/// # Compression
impl Connection {
    /// Returns the parameters of permessage-deflate (RFC 7692), or `None` if it was not agreed.
    #[must_use]
    pub const fn deflate_parameters(&self) -> Option<DeflateParameters> {
        self.deflate
    }

    /// Queues a message as [`send`](Self::send) does, but never compresses it: for payloads that are
    /// compressed already, and for secrets beside text that an attacker chose
    /// ([`manual::deflate`](crate::manual::deflate#secrets)).
    ///
    /// # Errors
    ///
    /// Returns the errors of [`send`](Self::send).
    pub fn send_uncompressed<'m>(
        &mut self,
        message: impl Into<Outgoing<'m>>,
    ) -> Result<(), Unsent<Outgoing<'m>>> {
        self.send_as_is(message.into())
    }

    /// Queues one piece of a message as [`send_chunk`](Self::send_chunk) does. If it is the first piece
    /// of its message, the message is not compressed; all other pieces follow the first.
    ///
    /// # Errors
    ///
    /// Returns the errors of [`send_chunk`](Self::send_chunk).
    pub fn send_chunk_uncompressed<'m>(
        &mut self,
        chunk: Chunk<'m>,
    ) -> Result<(), Unsent<Chunk<'m>>> {
        if self.is_compressing_message() {
            self.send_chunk(chunk)
        } else {
            self.send_chunk_as_is(chunk)
        }
    }

    /// Queues a message compressed, if it is long enough and becomes smaller. Returns whether it was
    /// queued.
    pub(super) fn try_send_compressed(
        &mut self,
        message: &Outgoing<'_>,
    ) -> Result<bool, SendError> {
        match message {
            Outgoing::Prepared(prepared) => self.try_send_prepared(prepared),
            Outgoing::Message(_) | Outgoing::Shared(_) => {
                self.try_send_payload(message.message_type(), message.as_bytes())
            }
        }
    }

    fn try_send_payload(
        &mut self,
        message_type: MessageType,
        payload: &[u8],
    ) -> Result<bool, SendError> {
        if !self.should_compress(payload.len()) {
            return Ok(false);
        }
        self.check_send(message_type, Fragment::Whole)?;
        let mut compressor = self.take_compressor(Some(payload.len()));
        let mut scratch = pool::take_scratch();
        let max = if self.outgoing_context_takeover() && compressor.is_empty() {
            payload.len() + FIRST_GROWTH
        } else {
            payload.len() - 1
        };
        let max = max + FLUSH_END.len();
        let compressed = compressor.compress(payload, &mut scratch, max).map(without_flush_end);
        let sent = match compressed {
            Some(compressed) => self
                .queue_payload(message_type, Fragment::Whole, COMPRESSED, &compressed)
                .map(|()| true),
            None => Ok(false),
        };
        pool::give_scratch(scratch);
        if sent != Ok(true) && self.outgoing_context_takeover() {
            compressor.reset();
        }
        self.give_compressor(compressor);
        if sent == Ok(true) {
            self.count_sent(payload.len(), Fragment::Whole);
        }
        sent
    }

    /// Queues a prepared message in a compressed encoding that all connections with the same window
    /// share.
    fn try_send_prepared(&mut self, prepared: &PreparedMessage) -> Result<bool, SendError> {
        let len = prepared.payload().len();
        if !self.should_compress(len) {
            return Ok(false);
        }
        self.check_send(prepared.message_type(), Fragment::Whole)?;
        let setting = Setting::new(&self.deflate_config(), self.outgoing_window_bits(), len);
        let Some(encoded) = prepared.compressed(setting) else { return Ok(false) };
        match self.machine.role() {
            Role::Server => self.output.push_prepared(encoded.frame().clone()),
            Role::Client => {
                let message_type = prepared.message_type();
                let payload = encoded.payload();
                self.queue_copy(message_type, Fragment::Whole, COMPRESSED, payload)?;
            }
        }
        // The peer's context now has a message that the compressor did not make.
        if let Some(compressor) = self.codecs.as_mut().and_then(|codecs| codecs.compressor.as_mut())
        {
            compressor.reset();
        }
        self.count_sent(len, Fragment::Whole);
        Ok(true)
    }

    /// Queues a piece of a compressed message, if its first piece is or can be compressed. Returns
    /// whether it was queued.
    pub(super) fn try_send_compressed_chunk(
        &mut self,
        chunk: &Chunk<'_>,
    ) -> Result<bool, SendError> {
        let Chunk { payload, fragment } = chunk;
        let (message_type, fragment) = (payload.message_type(), *fragment);
        let payload = payload.as_bytes();
        match fragment {
            Fragment::Whole => return self.try_send_payload(message_type, payload),
            Fragment::First if !self.compression_is_on() => return Ok(false),
            Fragment::First => {
                self.check_send(message_type, fragment)?;
                let compressor = self.take_compressor(None);
                let codecs = self.codecs();
                codecs.compressor = Some(compressor);
                codecs.is_compressing = true;
            }
            Fragment::Middle | Fragment::Last if !self.is_compressing_message() => {
                return Ok(false);
            }
            Fragment::Middle | Fragment::Last => self.check_send(message_type, fragment)?,
        }
        let sent = self.queue_compressed_chunk(message_type, fragment, payload);
        if fragment.ends()
            && let Some(codecs) = &mut self.codecs
        {
            codecs.is_compressing = false;
            if let Some(compressor) = codecs.compressor.take() {
                self.give_compressor(compressor);
            }
        }
        sent?;
        self.count_sent(payload.len(), fragment);
        Ok(true)
    }

    fn queue_compressed_chunk(
        &mut self,
        message_type: MessageType,
        fragment: Fragment,
        payload: &[u8],
    ) -> Result<(), SendError> {
        if payload.is_empty() {
            // A second flush without new input has no output.
            let payload: &[u8] = if fragment.ends() { &EMPTY } else { &[] };
            return self.queue_payload(message_type, fragment, COMPRESSED, payload);
        }
        let compressor = self.codecs.as_mut().and_then(|codecs| codecs.compressor.take());
        let Some(mut compressor) = compressor else {
            self.fail_internally("a message in progress has its compressor");
            return Err(SendError::Closed);
        };
        let mut scratch = pool::take_scratch();
        let sent = match compressor.compress(payload, &mut scratch, usize::MAX) {
            Some(compressed) => {
                let compressed =
                    if fragment.ends() { without_flush_end(compressed) } else { compressed };
                self.queue_payload(message_type, fragment, COMPRESSED, &compressed)
            }
            None => {
                self.fail_internally("without a maximum length, the codec compresses any payload");
                Err(SendError::Closed)
            }
        };
        pool::give_scratch(scratch);
        self.codecs().compressor = Some(compressor);
        sent
    }

    /// Returns whether a message of `len` bytes is compressed, if that makes it smaller.
    #[inline]
    pub(super) fn should_compress(&self, len: usize) -> bool {
        self.compression_is_on() && len >= self.deflate_config().min_len()
    }

    /// Returns whether messages are compressed.
    #[inline]
    fn compression_is_on(&self) -> bool {
        // The codec cannot produce a window of 8 bits.
        self.deflate.is_some() && self.outgoing_window_bits() > 8
    }

    fn is_compressing_message(&self) -> bool {
        self.codecs.as_ref().is_some_and(|codecs| codecs.is_compressing)
    }

    /// Returns whether the compressor is kept between messages.
    fn outgoing_context_takeover(&self) -> bool {
        self.deflate_config().outgoing_context_takeover()
            && self.deflate.is_some_and(|agreed| agreed.has_context_takeover(self.machine.role()))
    }

    /// Returns the compressor with context, or one without for a message of `len` bytes; `None` if the
    /// length is unknown.
    fn take_compressor(&mut self, len: Option<usize>) -> Box<Compressor> {
        if let Some(compressor) = self.codecs.as_mut().and_then(|codecs| codecs.compressor.take()) {
            return compressor;
        }
        let len = len.filter(|_| !self.outgoing_context_takeover()).unwrap_or(usize::MAX);
        let window_bits = self.outgoing_window_bits();
        pool::take_compressor(Setting::new(&self.deflate_config(), window_bits, len))
    }

    fn give_compressor(&mut self, compressor: Box<Compressor>) {
        if self.outgoing_context_takeover() {
            self.codecs().compressor = Some(compressor);
        } else {
            pool::give_compressor(compressor);
            self.release_codecs();
        }
    }
}

impl Connection {
    fn deflate_config(&self) -> Deflate {
        self.config.deflate.unwrap_or_default()
    }

    fn outgoing_window_bits(&self) -> u8 {
        let agreed = self.deflate.map_or(15, |agreed| agreed.window_bits(self.machine.role()));
        agreed.min(self.deflate_config().outgoing_window_bits())
    }

    const fn peer(&self) -> Role {
        match self.machine.role() {
            Role::Client => Role::Server,
            Role::Server => Role::Client,
        }
    }

    fn codecs(&mut self) -> &mut Codecs {
        self.codecs.get_or_insert_default()
    }

    fn release_codecs(&mut self) {
        if self.codecs.as_ref().is_some_and(|codecs| !codecs.is_needed()) {
            self.codecs = None;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Config, Negotiated};

    #[test]
    #[cfg_attr(debug_assertions, should_panic(expected = "has its compressor"))]
    fn lost_compressor_fails_the_connection() {
        static CONFIG: Config = Config::new().with_deflate(Deflate::new());
        let negotiated = Negotiated::new().with_deflate_parameters(DeflateParameters::new());
        let mut connection = Connection::server(&CONFIG, &negotiated);
        connection.send_chunk(Chunk::new("a", Fragment::First)).unwrap();
        connection.codecs().compressor = None;
        let unsent = connection.send_chunk(Chunk::new("b", Fragment::Last)).unwrap_err();
        assert_eq!(unsent.error, SendError::Closed);
        assert_eq!(connection.error(), Some(ConnectionError::Internal));
    }
}
