//! Converts messages into queued frames.

use alloc::borrow::Cow;

use bytes::Bytes;

use super::Connection;
use super::output::ZERO_COPY_MIN;
use super::segment::OwnedPayload;
use crate::frame::ReservedBits;
use crate::{
    Chunk, Fragment, Message, MessageType, Outgoing, PreparedMessage, Role, SendError, Unsent,
};

/// The reserved bits of a message that is not compressed.
const UNCOMPRESSED: ReservedBits = ReservedBits::NONE;

/// # Messages
impl Connection {
    /// Queues a message (RFC 6455, section 6.1): `&str`, `String`, `&[u8]`, `Vec<u8>`, `Bytes`,
    /// [`Message`], or `&`[`PreparedMessage`].
    ///
    /// While [`has_room`](Self::has_room) returns `true`, a message of any size is accepted. A
    /// server queues an owned payload (`Vec`, `String`, `Bytes`) of at least 2 KiB without a copy.
    /// A client copies every payload, and masks it in the same pass. If permessage-deflate was agreed,
    /// a message of the configured minimum length is compressed if that makes it smaller; the first message
    /// of a context may grow by 2 bytes. A prepared message is compressed once for all
    /// connections with the same window.
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
        // Fast path: copies the payload without moving the message.
        if self.is_copied(payload.len())
            && payload.len() <= self.config.max_fragment
            && !self.should_compress(payload.len())
        {
            return match self.send_copy(message_type, Fragment::Whole, payload) {
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
    /// agreed, each piece is compressed and flushed, so that the peer can inflate it at once.
    ///
    /// # Errors
    ///
    /// Returns the piece with the error: one of [`send`](Self::send),
    /// [`NoMessageInProgress`](SendError::NoMessageInProgress) or
    /// [`TypeMismatch`](SendError::TypeMismatch).
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
    pub fn send_chunk<'m>(&mut self, chunk: Chunk<'m>) -> Result<(), Unsent<Chunk<'m>>> {
        #[cfg(feature = "deflate")]
        match self.try_send_compressed_chunk(&chunk) {
            Ok(true) => return Ok(()),
            Ok(false) => {}
            Err(error) => return Err(Unsent { message: chunk, error }),
        }
        self.send_chunk_as_is(chunk)
    }

    /// Queues one piece of a message without compressing it.
    pub(super) fn send_chunk_as_is<'m>(
        &mut self,
        chunk: Chunk<'m>,
    ) -> Result<(), Unsent<Chunk<'m>>> {
        let Chunk { payload, fragment } = chunk;
        let sent = if self.is_copied(payload.len()) {
            self.send_copy(payload.message_type(), fragment, payload.as_bytes())
                .map_err(|error| (payload, error))
        } else {
            self.send_owned(payload, fragment)
        };
        sent.map_err(|(payload, error)| Unsent { message: Chunk { payload, fragment }, error })
    }

    fn send_large<'m>(&mut self, message: Outgoing<'m>) -> Result<(), Unsent<Outgoing<'m>>> {
        #[cfg(feature = "deflate")]
        match self.try_send_compressed(&message) {
            Ok(true) => return Ok(()),
            Ok(false) => {}
            Err(error) => return Err(Unsent { message, error }),
        }
        self.send_as_is(message)
    }

    /// Queues a message without compressing it.
    pub(super) fn send_as_is<'m>(
        &mut self,
        message: Outgoing<'m>,
    ) -> Result<(), Unsent<Outgoing<'m>>> {
        match message {
            Outgoing::Prepared(prepared) => self
                .send_prepared(prepared)
                .map_err(|error| Unsent { message: prepared.into(), error }),
            message if self.is_copied(message.as_bytes().len()) => self
                .send_copy(message.message_type(), Fragment::Whole, message.as_bytes())
                .map_err(|error| Unsent { message, error }),
            Outgoing::Message(message) => self
                .send_owned(message, Fragment::Whole)
                .map_err(|(message, error)| Unsent { message: message.into(), error }),
            Outgoing::Shared(bytes) => {
                let (message_type, fragment) = (MessageType::Binary, Fragment::Whole);
                if let Err(error) = self.check_send(message_type, fragment) {
                    return Err(Unsent { message: bytes.into(), error });
                }
                self.queue_owned(message_type, fragment, OwnedPayload::Shared(bytes));
                Ok(())
            }
        }
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

    /// Queues a prepared message in one frame, never in fragments. A server queues the encoded
    /// frame, a long one without a copy; a client masks a copy.
    fn send_prepared(&mut self, prepared: &PreparedMessage) -> Result<(), SendError> {
        let (message_type, len) = (prepared.message_type(), prepared.payload().len());
        self.check_send(message_type, Fragment::Whole)?;
        match self.machine.role() {
            Role::Client => {
                self.queue_copy(message_type, Fragment::Whole, UNCOMPRESSED, prepared.payload())?;
            }
            // The frame already has the header that the machine would create, and a whole message
            // leaves the state of the machine unchanged.
            Role::Server => self.output.push_prepared(prepared.encoded().frame().clone()),
        }
        self.count_sent(len, Fragment::Whole);
        Ok(())
    }

    /// Queues a large payload of a server, without a copy if it is owned.
    fn send_owned<'m>(
        &mut self,
        payload: Message<'m>,
        fragment: Fragment,
    ) -> Result<(), (Message<'m>, SendError)> {
        let message_type = payload.message_type();
        if let Err(error) = self.check_send(message_type, fragment) {
            return Err((payload, error));
        }
        let owned = match payload {
            Message::Text(Cow::Owned(text)) => text.into_bytes(),
            Message::Binary(Cow::Owned(bytes)) => bytes,
            Message::Text(Cow::Borrowed(_)) | Message::Binary(Cow::Borrowed(_)) => {
                return self
                    .send_copy(message_type, fragment, payload.as_bytes())
                    .map_err(|error| (payload, error));
            }
        };
        self.queue_owned(message_type, fragment, OwnedPayload::Vec(owned));
        Ok(())
    }

    /// Sends a copy of a payload.
    #[inline(never)]
    fn send_copy(
        &mut self,
        message_type: MessageType,
        fragment: Fragment,
        payload: &[u8],
    ) -> Result<(), SendError> {
        self.check_send(message_type, fragment)?;
        self.queue_payload(message_type, fragment, UNCOMPRESSED, payload)?;
        self.count_sent(payload.len(), fragment);
        Ok(())
    }

    /// Queues a copy of a payload, in one frame or in several.
    pub(super) fn queue_payload(
        &mut self,
        message_type: MessageType,
        fragment: Fragment,
        reserved_bits: ReservedBits,
        payload: &[u8],
    ) -> Result<(), SendError> {
        if payload.len() <= self.config.max_fragment {
            self.queue_copy(message_type, fragment, reserved_bits, payload)
        } else {
            self.queue_fragments(message_type, fragment, reserved_bits, payload)
        }
    }

    #[cold]
    fn queue_fragments(
        &mut self,
        message_type: MessageType,
        fragment: Fragment,
        reserved_bits: ReservedBits,
        payload: &[u8],
    ) -> Result<(), SendError> {
        let (mut position, mut remaining) = (fragment.first_part(), payload);
        while let Some((piece, after)) = remaining.split_at_checked(self.config.max_fragment)
            && !after.is_empty()
        {
            self.queue_copy(message_type, position, reserved_bits, piece)?;
            (position, remaining) = (Fragment::Middle, after);
        }
        self.queue_copy(message_type, fragment.last_part(), reserved_bits, remaining)
    }

    /// Queues one frame with a copy of its payload, which a client masks.
    #[inline(always)]
    pub(super) fn queue_copy(
        &mut self,
        message_type: MessageType,
        fragment: Fragment,
        reserved_bits: ReservedBits,
        payload: &[u8],
    ) -> Result<(), SendError> {
        if payload.is_empty() && fragment == Fragment::Middle {
            return Ok(());
        }
        let len = payload.len() as u64;
        let header =
            self.machine.data_header(message_type, fragment, reserved_bits, len, || {
                self.keys.next(&self.config)
            })?;
        self.output.push_frame(&header, payload);
        Ok(())
    }

    /// Queues a large payload of a server without a copy, in one frame or in several.
    fn queue_owned(
        &mut self,
        message_type: MessageType,
        fragment: Fragment,
        payload: OwnedPayload,
    ) {
        let len = payload.len();
        let size = self.config.max_fragment;
        if len <= size {
            self.queue_owned_frame(message_type, fragment, payload);
        } else {
            let mut remaining = match payload {
                OwnedPayload::Vec(mut bytes) => {
                    // `Bytes` count as their length, so they must not keep more capacity.
                    bytes.shrink_to_fit();
                    Bytes::from(bytes)
                }
                OwnedPayload::Shared(bytes) => bytes,
            };
            let mut position = fragment.first_part();
            while remaining.len() > size {
                let piece = OwnedPayload::Shared(remaining.split_to(size));
                self.queue_owned_frame(message_type, position, piece);
                position = Fragment::Middle;
            }
            let last = OwnedPayload::Shared(remaining);
            self.queue_owned_frame(message_type, fragment.last_part(), last);
        }
        self.count_sent(len, fragment);
    }

    fn queue_owned_frame(
        &mut self,
        message_type: MessageType,
        fragment: Fragment,
        payload: OwnedPayload,
    ) {
        let len = payload.len() as u64;
        let header = self.machine.data_header(message_type, fragment, UNCOMPRESSED, len, || {
            self.keys.next(&self.config)
        });
        match header {
            Ok(header) => self.output.push_owned(&header, payload),
            Err(_) => {
                self.fail_internally("the frame was checked, and a server needs no key");
            }
        }
    }

    /// Returns an error unless this piece may be sent now and there is room for it.
    pub(super) fn check_send(
        &self,
        message_type: MessageType,
        fragment: Fragment,
    ) -> Result<(), SendError> {
        self.machine.check_data(message_type, fragment)?;
        if self.has_room() { Ok(()) } else { Err(SendError::Full) }
    }

    pub(super) fn count_sent(&mut self, payload_len: usize, fragment: Fragment) {
        if let Some(timers) = &mut self.timers {
            timers.sent_data(payload_len, fragment, self.output.end());
        }
    }
}
