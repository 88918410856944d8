//! Converts messages into queued frames.

use alloc::borrow::Cow;
use core::mem;

use super::Connection;
use super::output::ZERO_COPY_MIN;
use super::prepared::Encoded;
use super::segment::{OwnedPayload, Payload};
use crate::frame::ReservedBits;
use crate::{Chunk, Fragment, Message, MessageType, Outgoing, Role, SendError, Unsent};

/// The reserved bits of a message that is not compressed.
const UNCOMPRESSED: ReservedBits = ReservedBits::NONE;

/// # Messages
impl Connection {
    /// Queues a message (RFC 6455, section 6.1): `&str`, `String`, `&[u8]`, `Vec<u8>`, `Bytes`,
    /// [`Message`], or `&`[`PreparedMessage`](crate::PreparedMessage).
    ///
    /// While [`has_room`](Self::has_room) returns `true`, a message of any size is accepted. A
    /// server queues an owned payload (`Vec`, `String`, `Bytes`) of at least 2 KiB without a copy.
    /// A client copies every payload, and masks it in the same pass. If permessage-deflate was agreed,
    /// a message of the configured minimum length is compressed if that makes it smaller; the first message
    /// of a context may grow by 2 bytes. A prepared message is compressed once for all
    /// connections with the same window, level and memory level.
    ///
    /// # Errors
    ///
    /// Returns the message with the error: [`Full`](SendError::Full), [`Closed`](SendError::Closed),
    /// [`MessageInProgress`](SendError::MessageInProgress) or [`Entropy`](SendError::Entropy).
    ///
    /// If the message is borrowed, the returned error borrows it too. In a function that returns
    /// `Box<dyn Error>`, `connection.send(json.as_str())?` therefore fails to compile (E0515). Write
    /// `connection.send(json.as_str()).map_err(Unsent::into_error)?`.
    #[inline(always)]
    pub fn send<'m>(
        &mut self,
        message: impl Into<Outgoing<'m>>,
    ) -> Result<(), Unsent<Outgoing<'m>>> {
        let message = message.into();
        let (message_type, payload) = (message.message_type(), message.as_bytes());
        // Fast path: copies the payload to one frame without moving the message.
        if self.is_copied(payload.len())
            && payload.len() <= self.config.max_fragment
            && !self.should_compress(payload.len())
        {
            return match self.send_copy(message_type, payload) {
                Ok(()) => Ok(()),
                Err(error) => Err(Unsent { message, error }),
            };
        }
        self.send_large(message)
    }

    /// Queues one piece of a message that is sent piece by piece.
    ///
    /// Each piece becomes at least one fragment (section 5.4); an empty middle piece is skipped.
    /// Between two pieces, Pings, Pongs and a Close may be sent, but no other message. An
    /// application that cannot finish a message can only [`close`](Self::close) the connection. The
    /// receiving counterpart is [`Delivery::Chunks`](crate::Delivery::Chunks). If permessage-deflate was
    /// agreed, each piece is compressed and flushed, so that the peer can inflate it at once, except a single
    /// piece that is the whole message: it is compressed like one that `send` sends. The manual has a
    /// [loop](crate::manual::pieces) that sends a long message.
    ///
    /// # Errors
    ///
    /// Returns the piece with the error: one of [`send`](Self::send),
    /// [`NoMessageInProgress`](SendError::NoMessageInProgress) or
    /// [`TypeMismatch`](SendError::TypeMismatch). For a borrowed piece, [`send`](Self::send) shows how to
    /// use `?` in a function that returns `Box<dyn Error>`.
    ///
    /// ```
    /// use websocket_proto::{Chunk, Config, Connection, Fragment, Negotiated};
    ///
    /// static CONFIG: Config = Config::new();
    /// let mut connection = Connection::server(&CONFIG, &Negotiated::default());
    /// connection.send_chunk(Chunk::new("Hel", Fragment::First))?;
    /// connection.ping(b"")?;
    /// connection.send_chunk(Chunk::new("lo", Fragment::Last))?;
    /// assert_eq!(connection.output().chunk(), b"\x01\x03Hel\x89\x00\x80\x02lo");
    /// # Ok::<(), websocket_proto::SendError>(())
    /// ```
    pub fn send_chunk<'m>(&mut self, mut chunk: Chunk<'m>) -> Result<(), Unsent<Chunk<'m>>> {
        let (message_type, len) = (chunk.payload.message_type(), chunk.payload.len());
        let sent = self.send_with(message_type, chunk.fragment, len, |connection| {
            #[cfg(feature = "deflate")]
            if connection.queue_compressed_chunk(&chunk)? {
                return Ok(());
            }
            connection.queue_chunk(&mut chunk)
        });
        sent.map_err(|error| Unsent { message: chunk, error })
    }

    fn send_large<'m>(&mut self, mut message: Outgoing<'m>) -> Result<(), Unsent<Outgoing<'m>>> {
        let (message_type, len) = (message.message_type(), message.as_bytes().len());
        let sent = self.send_with(message_type, Fragment::Whole, len, |connection| {
            #[cfg(feature = "deflate")]
            if connection.queue_compressed(&message)? {
                return Ok(());
            }
            connection.queue_outgoing(&mut message)
        });
        sent.map_err(|error| Unsent { message, error })
    }

    /// Sends a copy of a payload in one frame.
    #[inline(never)]
    fn send_copy(&mut self, message_type: MessageType, payload: &[u8]) -> Result<(), SendError> {
        let fragment = Fragment::Whole;
        self.send_with(message_type, fragment, payload.len(), |connection| {
            connection.queue_frame(message_type, fragment, UNCOMPRESSED, Payload::Copied(payload))
        })
    }

    /// Sends a payload of `len` bytes, which `queue` queues. Returns an error, and does not call `queue`,
    /// if it may not be sent now or there is no room for it.
    #[inline(always)]
    pub(super) fn send_with(
        &mut self,
        message_type: MessageType,
        fragment: Fragment,
        len: usize,
        queue: impl FnOnce(&mut Self) -> Result<(), SendError>,
    ) -> Result<(), SendError> {
        self.machine.check_data(message_type, fragment)?;
        if !self.has_room() {
            return Err(SendError::Full);
        }
        // An empty middle piece needs no frame.
        if len == 0 && fragment == Fragment::Middle {
            return Ok(());
        }
        queue(self)?;
        if let Some(timers) = &mut self.timers {
            timers.sent_data(len, fragment, self.output.end());
        }
        Ok(())
    }

    /// Returns whether a payload of `len` bytes is copied to the output, even if it is owned: a
    /// client masks it, and a short one is cheaper to copy than to keep (benchmark `connection`).
    fn is_copied(&self, len: usize) -> bool {
        len < ZERO_COPY_MIN || self.machine.role() == Role::Client
    }

    /// Returns whether a message of `len` bytes is compressed, if that makes it smaller.
    #[cfg(not(feature = "deflate"))]
    #[expect(clippy::unused_self, reason = "the feature `deflate` has a method of the same name")]
    const fn should_compress(&self, _len: usize) -> bool {
        false
    }

    /// Queues a message without compressing it.
    pub(super) fn queue_outgoing(&mut self, message: &mut Outgoing<'_>) -> Result<(), SendError> {
        let (message_type, fragment) = (message.message_type(), Fragment::Whole);
        let payload = match message {
            Outgoing::Message(message) => self.take_payload(message),
            Outgoing::Prepared(prepared) => {
                return self.queue_prepared(message_type, UNCOMPRESSED, prepared.encoded());
            }
            Outgoing::Shared(bytes) if self.is_copied(bytes.len()) => Payload::Copied(bytes),
            Outgoing::Shared(bytes) => Payload::Owned(OwnedPayload::Shared(mem::take(bytes))),
        };
        self.queue_payload(message_type, fragment, UNCOMPRESSED, payload)
    }

    /// Queues a piece of a message without compressing it.
    pub(super) fn queue_chunk(&mut self, chunk: &mut Chunk<'_>) -> Result<(), SendError> {
        let message_type = chunk.payload.message_type();
        let payload = self.take_payload(&mut chunk.payload);
        self.queue_payload(message_type, chunk.fragment, UNCOMPRESSED, payload)
    }

    /// Takes the payload out of a message if it is queued without a copy, and otherwise borrows it.
    fn take_payload<'p>(&self, message: &'p mut Message<'_>) -> Payload<'p> {
        let is_copied = self.is_copied(message.len());
        match message {
            Message::Text(Cow::Owned(text)) if !is_copied => {
                Payload::Owned(OwnedPayload::Vec(mem::take(text).into_bytes()))
            }
            Message::Binary(Cow::Owned(bytes)) if !is_copied => {
                Payload::Owned(OwnedPayload::Vec(mem::take(bytes)))
            }
            Message::Text(_) | Message::Binary(_) => Payload::Copied(message.as_bytes()),
        }
    }

    /// Queues a prepared message in one frame, never in fragments. A server queues the encoded
    /// frame, a long one without a copy; a client masks a copy.
    pub(super) fn queue_prepared(
        &mut self,
        message_type: MessageType,
        reserved_bits: ReservedBits,
        encoded: &Encoded,
    ) -> Result<(), SendError> {
        match self.machine.role() {
            Role::Client => {
                let payload = Payload::Copied(encoded.payload());
                self.queue_frame(message_type, Fragment::Whole, reserved_bits, payload)
            }
            // The frame already has the header that the machine would create, and a whole message
            // leaves the state of the machine unchanged.
            Role::Server => {
                self.output.push_prepared(encoded.frame().clone());
                Ok(())
            }
        }
    }

    /// Queues a payload in one frame or in several.
    #[inline]
    pub(super) fn queue_payload(
        &mut self,
        message_type: MessageType,
        fragment: Fragment,
        reserved_bits: ReservedBits,
        payload: Payload<'_>,
    ) -> Result<(), SendError> {
        let max = self.config.max_fragment;
        if payload.len() <= max {
            return self.queue_frame(message_type, fragment, reserved_bits, payload);
        }
        self.queue_fragments(message_type, fragment, reserved_bits, payload)
    }

    #[cold]
    fn queue_fragments(
        &mut self,
        message_type: MessageType,
        fragment: Fragment,
        reserved_bits: ReservedBits,
        mut payload: Payload<'_>,
    ) -> Result<(), SendError> {
        let max = self.config.max_fragment;
        let mut position = fragment.first_part();
        while payload.len() > max {
            let piece = payload.split_to(max);
            self.queue_frame(message_type, position, reserved_bits, piece)?;
            position = Fragment::Middle;
        }
        self.queue_frame(message_type, fragment.last_part(), reserved_bits, payload)
    }

    /// Queues one frame, which a client masks.
    #[inline(always)]
    fn queue_frame(
        &mut self,
        message_type: MessageType,
        fragment: Fragment,
        reserved_bits: ReservedBits,
        payload: Payload<'_>,
    ) -> Result<(), SendError> {
        let len = payload.len() as u64;
        let header = self.machine.data_header(message_type, fragment, reserved_bits, len, || {
            self.keys.next(&self.config)
        });
        let header = match header {
            Ok(header) => header,
            Err(error) => {
                // A copied payload is returned to the caller.
                if matches!(payload, Payload::Owned(_)) {
                    self.fail_internally(
                        "a server needs no masking key, so its frames cannot fail",
                    );
                }
                return Err(error);
            }
        };
        match payload {
            Payload::Copied(payload) => self.output.push_frame(&header, payload),
            Payload::Owned(payload) => self.output.push_owned(&header, payload),
        }
        Ok(())
    }
}
