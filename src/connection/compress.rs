//! Sent compressed messages (RFC 7692): their payload through a compressor to the frame encoder.
//!
//! A compressor with context refers to the messages that the peer received. The connection therefore
//! returns the compressor to the pool when a message from this compressor is not sent, or when a compressed
//! message from another one is sent. The next message then refers to none before it, which is valid in any
//! context.

use alloc::borrow::Cow;
use alloc::boxed::Box;

use super::Connection;
use super::deflate::OutgoingCodec;
use super::segment::Payload;
use crate::extension::deflate::{Broken, Compressor, EMPTY, Setting, pool};
use crate::frame::ReservedBits;
use crate::{Chunk, Fragment, MessageType, Outgoing, PreparedMessage, SendError, Unsent};

/// The number of bytes by which the first message of a context may grow, so that the next ones can
/// refer to it. A short text without repetitions grows by 2 bytes.
const FIRST_GROWTH: usize = 2;

/// RFC 7692, section 6: the first frame of a compressed message has RSV1.
const COMPRESSED: ReservedBits = ReservedBits::RSV1;

/// # Compression
impl Connection {
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
        let mut message = message.into();
        let (message_type, len) = (message.message_type(), message.as_bytes().len());
        let sent = self.send_with(message_type, Fragment::Whole, len, |connection| {
            connection.queue_outgoing(&mut message)
        });
        sent.map_err(|error| Unsent { message, error })
    }

    /// Queues one piece of a message as [`send_chunk`](Self::send_chunk) does. If it is the first piece
    /// of its message, the message is not compressed; the other pieces are sent as the first one was.
    ///
    /// # Errors
    ///
    /// Returns the errors of [`send_chunk`](Self::send_chunk).
    pub fn send_chunk_uncompressed<'m>(
        &mut self,
        mut chunk: Chunk<'m>,
    ) -> Result<(), Unsent<Chunk<'m>>> {
        if self.is_compressing_message() {
            return self.send_chunk(chunk);
        }
        let (message_type, len) = (chunk.payload.message_type(), chunk.payload.len());
        let sent = self.send_with(message_type, chunk.fragment, len, |connection| {
            connection.queue_chunk(&mut chunk)
        });
        sent.map_err(|error| Unsent { message: chunk, error })
    }

    /// Queues a message compressed, if it is long enough and becomes smaller. Returns whether it was
    /// queued.
    pub(super) fn queue_compressed(&mut self, message: &Outgoing<'_>) -> Result<bool, SendError> {
        match message {
            Outgoing::Prepared(prepared) => self.queue_compressed_prepared(prepared),
            Outgoing::Message(_) | Outgoing::Shared(_) => {
                self.queue_compressed_payload(message.message_type(), message.as_bytes())
            }
        }
    }

    fn queue_compressed_payload(
        &mut self,
        message_type: MessageType,
        payload: &[u8],
    ) -> Result<bool, SendError> {
        let Some(window_bits) = self.window_bits_for(payload.len()) else { return Ok(false) };
        let mut compressor = self.take_compressor(window_bits, payload.len());
        let mut scratch = pool::take_scratch();
        let max = if self.outgoing_context_takeover() && compressor.is_empty() {
            payload.len() + FIRST_GROWTH
        } else {
            payload.len() - 1
        };
        let sent = match compressor.compress(payload, true, &mut scratch, max) {
            Ok(Some(compressed)) => {
                let payload = Payload::Copied(&compressed);
                let whole = Fragment::Whole;
                self.queue_payload(message_type, whole, COMPRESSED, payload).map(|()| true)
            }
            Ok(None) => Ok(false),
            Err(broken) => return Err(self.fail_compressor(broken)),
        };
        pool::give_scratch(scratch);
        if sent == Ok(true) {
            self.give_compressor(compressor);
        } else {
            pool::give_compressor(compressor);
            self.release_deflate();
        }
        sent
    }

    /// Queues a prepared message in a compressed encoding that all connections with the same setting
    /// share.
    fn queue_compressed_prepared(&mut self, prepared: &PreparedMessage) -> Result<bool, SendError> {
        let len = prepared.payload().len();
        let Some(window_bits) = self.window_bits_for(len) else { return Ok(false) };
        let setting = Setting::new(&self.deflate_config(), window_bits, len);
        let encoded = match prepared.compressed(setting) {
            Ok(Some(encoded)) => encoded,
            Ok(None) => return Ok(false),
            Err(broken) => return Err(self.fail_compressor(broken)),
        };
        self.queue_prepared(prepared.message_type(), COMPRESSED, encoded)?;
        // The peer's context now has a message that the compressor did not make.
        self.discard_compressor();
        Ok(true)
    }

    /// Queues a piece of a compressed message, so that the peer can inflate it at once. Returns `false`,
    /// and queues nothing, if the message is not compressed. The first piece decides.
    pub(super) fn queue_compressed_chunk(&mut self, chunk: &Chunk<'_>) -> Result<bool, SendError> {
        let (message_type, fragment) = (chunk.payload.message_type(), chunk.fragment);
        let payload = chunk.payload.as_bytes();
        match fragment {
            Fragment::Whole => return self.queue_compressed_payload(message_type, payload),
            Fragment::First => {
                let Some(window_bits) = self.outgoing_window_bits() else { return Ok(false) };
                let compressor = self.take_compressor(window_bits, usize::MAX);
                self.deflate_state().outgoing = OutgoingCodec::Message(compressor);
            }
            Fragment::Middle | Fragment::Last => {}
        }
        let Some(OutgoingCodec::Message(compressor)) =
            self.deflate.as_mut().map(|deflate| &mut deflate.outgoing)
        else {
            return Ok(false);
        };
        let mut scratch = pool::take_scratch();
        let compressed = match (payload, fragment.ends()) {
            // A second flush without new input has no output.
            ([], true) => Ok(Some(Cow::Borrowed(&EMPTY[..]))),
            ([], false) => Ok(Some(Cow::Borrowed(&[][..]))),
            (payload, ends) => compressor.compress(payload, ends, &mut scratch, usize::MAX),
        };
        let sent = match compressed {
            Ok(Some(compressed)) => {
                let payload = Payload::Copied(&compressed);
                self.queue_payload(message_type, fragment, COMPRESSED, payload)
            }
            Ok(None) => return Err(self.fail_compressor(Broken("no result exceeds `usize::MAX`"))),
            Err(broken) => return Err(self.fail_compressor(broken)),
        };
        pool::give_scratch(scratch);
        if sent.is_ok()
            && fragment.ends()
            && let Some(compressor) =
                self.deflate.as_mut().and_then(|state| state.take_compressor())
        {
            self.give_compressor(compressor);
        }
        sent.map(|()| true)
    }

    /// Fails the connection, and drops its compressor: no other connection may use it.
    #[cold]
    fn fail_compressor(&mut self, Broken(invariant): Broken) -> SendError {
        if let Some(deflate) = &mut self.deflate {
            drop(deflate.take_compressor());
        }
        self.fail_internally(invariant);
        SendError::Closed
    }

    /// Returns whether a message of `len` bytes is compressed, if that makes it smaller.
    #[inline]
    pub(super) fn should_compress(&self, len: usize) -> bool {
        self.window_bits_for(len).is_some()
    }

    /// Returns the window of a message of `len` bytes, or `None` if it is not compressed.
    fn window_bits_for(&self, len: usize) -> Option<u8> {
        self.outgoing_window_bits().filter(|_| len >= self.deflate_config().min_len())
    }

    /// Returns the window of outgoing messages in bits, or `None` if they are not compressed.
    fn outgoing_window_bits(&self) -> Option<u8> {
        let agreed = self.deflate_parameters?.window_bits(self.machine.role());
        let bits = agreed.min(self.deflate_config().outgoing_window_bits());
        // The codec cannot produce a window of 8 bits.
        (bits > 8).then_some(bits)
    }

    fn is_compressing_message(&self) -> bool {
        let deflate = self.deflate.as_ref();
        deflate.is_some_and(|deflate| matches!(deflate.outgoing, OutgoingCodec::Message(_)))
    }

    /// Returns whether the compressor is kept between messages.
    fn outgoing_context_takeover(&self) -> bool {
        self.deflate_config().outgoing_context_takeover()
            && self
                .deflate_parameters
                .is_some_and(|agreed| agreed.has_context_takeover(self.machine.role()))
    }

    /// Takes the compressor with context, or one without for a message of `len` bytes; `usize::MAX` if the
    /// length is unknown.
    fn take_compressor(&mut self, window_bits: u8, len: usize) -> Box<Compressor> {
        if let Some(compressor) = self.deflate.as_mut().and_then(|state| state.take_compressor()) {
            return compressor;
        }
        // The context does not end with the message.
        let len = if self.outgoing_context_takeover() { usize::MAX } else { len };
        pool::take_compressor(Setting::new(&self.deflate_config(), window_bits, len))
    }

    /// Keeps the compressor of a message that was sent if the next message may refer to it.
    fn give_compressor(&mut self, compressor: Box<Compressor>) {
        if self.outgoing_context_takeover() {
            self.deflate_state().outgoing = OutgoingCodec::Context(compressor);
        } else {
            pool::give_compressor(compressor);
            self.release_deflate();
        }
    }
}
