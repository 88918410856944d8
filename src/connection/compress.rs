//! Sent compressed messages (RFC 7692): their payload through a compressor to the frame encoder.
//!
//! The peer's inflater refers to the messages that it received. If a compressor with context makes a
//! message that is not sent, or if a compressed message is sent that it did not make, it is reset: it
//! then refers to nothing before the next message, which is valid in any context.

use alloc::boxed::Box;

use super::Connection;
use crate::extension::deflate::{Compressor, EMPTY, FLUSH_END, Setting, pool, without_flush_end};
use crate::frame::ReservedBits;
use crate::{Chunk, Fragment, MessageType, Outgoing, PreparedMessage, Role, SendError, Unsent};

/// The bytes by which the first message of a context may grow, so that the next ones can refer to it:
/// those of a short text that repeats nothing.
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Config, ConnectionError, Deflate, DeflateParameters, Negotiated};

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
