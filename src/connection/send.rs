//! From messages to bytes.

use bytes::{Buf, Bytes};

use super::{Connection, PreparedMessage};
use crate::payload::OwnBytes;
use crate::{
    Chunk, CloseFrame, Fragment, Message, MessageType, Opcode, Role, SendError, SendReason, Session,
};

/// Payloads with memory of their own are queued as they are from this size on; copying smaller
/// ones is cheaper.
pub(super) const COUNTED: usize = 2048;

/// Bytes of payload whose number the second byte of a header has room for (RFC 6455, section 5.2).
const SHORT: usize = 125;

impl Connection {
    // --- Messages ------------------------------------------------------------------------------

    /// Queues a message (RFC 6455, section 6.1).
    ///
    /// It is accepted, whatever its size, if less than the
    /// [high-water mark](crate::Config::high_water_mark) waits; otherwise the error gives it back
    /// with [`Full`](SendReason::Full). Then stop receiving, and offer it again when
    /// [`can_send`](Self::can_send). After [`close`](Self::close) and after a failure the reason
    /// is [`Closed`](SendReason::Closed).
    ///
    /// What is handed over with memory of its own (`Vec`, `String`, `Bytes`), or as `&Bytes`, is queued
    /// without a copy by a server, from 2 KiB on; a client masks it as it copies.
    #[inline(always)]
    pub fn send<'m>(
        &mut self,
        message: impl Into<Message<'m>>,
    ) -> Result<(), SendError<Message<'m>>> {
        let message = message.into();
        if message.as_bytes().len() < COUNTED || self.session.role() == Role::Client {
            // Copied: a look at the message is enough, and to move it would take as long.
            return match self.send_copy(message.message_type(), message.as_bytes()) {
                Ok(()) => Ok(()),
                Err(reason) => Err(SendError { unsent: message, reason }),
            };
        }
        self.send_part(message, true, true)
    }

    /// Queues a copy of a whole message.
    #[inline(never)]
    pub(super) fn send_copy(
        &mut self,
        message_type: MessageType,
        payload: &[u8],
    ) -> Result<(), SendReason> {
        self.check(message_type, true)?;
        // Most are short. What only others need is apart, or it would take registers from these.
        if payload.len() <= SHORT
            && payload.len() <= self.config.fragment_size
            && self.timers.is_none()
            && self.has_keys()
        {
            return self.queue_frame_keyed(Fragment::Whole(message_type), payload);
        }
        self.send_copy_apart(message_type, payload)
    }

    /// What is long, is to be cut or counted, or has no masking key yet.
    #[inline(never)]
    fn send_copy_apart(
        &mut self,
        message_type: MessageType,
        payload: &[u8],
    ) -> Result<(), SendReason> {
        if payload.len() <= self.config.fragment_size {
            self.queue_frame(Fragment::Whole(message_type), payload)?;
        } else {
            self.queue_copy(message_type, true, true, payload)?;
        }
        self.count_sent(payload.len(), true);
        Ok(())
    }

    /// Queues a piece of a message: the mirror of what [`Delivery::Chunks`](crate::Delivery::Chunks)
    /// delivers.
    ///
    /// Each piece is a fragment (section 5.4), so that Pings, Pongs and a Close pass between two,
    /// but no other message: until the last piece, [`send`](Self::send) answers
    /// [`Unfinished`](SendReason::Unfinished). A message that is begun and can't be finished
    /// leaves nothing but [`close`](Self::close). Otherwise as `send`.
    ///
    /// ```
    /// use bytes::Buf;
    /// use websocket_proto::{Chunk, Config, Connection, Negotiated};
    ///
    /// static CONFIG: Config = Config::new();
    /// let mut connection = Connection::server(&CONFIG, &Negotiated::default());
    /// connection.send_chunk(Chunk { payload: "Hel".into(), first: true, last: false })?;
    /// connection.ping(b"")?;
    /// connection.send_chunk(Chunk { payload: "lo".into(), first: false, last: true })?;
    /// assert_eq!(connection.output().chunk(), b"\x01\x03Hel\x89\x00\x80\x02lo");
    /// # Ok::<(), websocket_proto::SendReason>(())
    /// ```
    pub fn send_chunk<'m>(&mut self, chunk: Chunk<'m>) -> Result<(), SendError<Chunk<'m>>> {
        let Chunk { payload, first, last } = chunk;
        self.send_part(payload, first, last).map_err(|SendError { unsent: payload, reason }| {
            SendError { unsent: Chunk { payload, first, last }, reason }
        })
    }

    /// Queues a message that was encoded before, sharing its memory where it can. Otherwise as
    /// [`send`](Self::send).
    pub fn send_prepared(&mut self, message: &PreparedMessage) -> Result<(), SendReason> {
        let payload = message.payload();
        match self.session.role() {
            Role::Server if payload.len() >= COUNTED => {
                self.check(message.message_type(), true)?;
                let fragment = Fragment::Whole(message.message_type());
                self.session.header(fragment, payload.len() as u64, || self.keys.take())?;
                self.output.splice(OwnBytes::Counted(message.frame().clone()), 0);
            }
            Role::Server | Role::Client => {
                self.check(message.message_type(), true)?;
                self.queue_frame(Fragment::Whole(message.message_type()), payload)?;
            }
        }
        self.count_sent(payload.len(), true);
        Ok(())
    }

    #[inline(never)]
    fn send_part<'m>(
        &mut self,
        part: Message<'m>,
        first: bool,
        last: bool,
    ) -> Result<(), SendError<Message<'m>>> {
        let message_type = part.message_type();
        let len = part.as_bytes().len();
        if let Err(reason) = self.check(message_type, first) {
            return Err(SendError { unsent: part, reason });
        }
        let part = match self.session.role() {
            Role::Server if len >= COUNTED => match part.into_own() {
                Ok(bytes) => {
                    self.queue_own(message_type, first, last, bytes);
                    self.count_sent(len, last);
                    return Ok(());
                }
                Err(part) => part,
            },
            Role::Server | Role::Client => part,
        };
        match self.queue_copy(message_type, first, last, part.as_bytes()) {
            Ok(()) => {
                self.count_sent(len, last);
                Ok(())
            }
            Err(reason) => Err(SendError { unsent: part, reason }),
        }
    }

    /// Whether a message of this type may begin, or go on, and there is room.
    #[inline]
    pub(super) fn check(&self, message_type: MessageType, first: bool) -> Result<(), SendReason> {
        let fragment = if first { Fragment::Whole(message_type) } else { Fragment::Middle };
        self.session.check_send(fragment)?;
        if !first && self.session.sending() != Some(message_type) {
            return Err(SendReason::OtherType);
        }
        self.check_room()
    }

    #[inline]
    fn check_room(&self) -> Result<(), SendReason> {
        if self.output.remaining() < self.config.high_water_mark {
            Ok(())
        } else {
            Err(SendReason::Full)
        }
    }

    /// Queues a copy of the payload, in one frame or in several.
    fn queue_copy(
        &mut self,
        message_type: MessageType,
        first: bool,
        last: bool,
        payload: &[u8],
    ) -> Result<(), SendReason> {
        let size = self.config.fragment_size;
        if payload.len() <= size {
            let fragment = fragment(message_type, first, last);
            if fragment == Fragment::Middle && payload.is_empty() {
                return Ok(());
            }
            return self.queue_frame(fragment, payload);
        }
        let mut rest = payload;
        while !rest.is_empty() {
            let (piece, after) = rest.split_at(rest.len().min(size));
            let first = first && rest.len() == payload.len();
            let last = last && after.is_empty();
            self.queue_frame(fragment(message_type, first, last), piece)?;
            rest = after;
        }
        Ok(())
    }

    /// Queues a frame that may be sent: header and payload side by side, so that they leave in one
    /// write.
    #[inline(always)]
    fn queue_frame(&mut self, fragment: Fragment, payload: &[u8]) -> Result<(), SendReason> {
        self.top_up_keys()?;
        self.queue_frame_keyed(fragment, payload)
    }

    /// The same for a server, and for a client that has masking keys.
    #[inline(always)]
    fn queue_frame_keyed(&mut self, fragment: Fragment, payload: &[u8]) -> Result<(), SendReason> {
        let header = self.session.header(fragment, payload.len() as u64, || self.keys.take())?;
        self.output.push_frame(&header, payload);
        Ok(())
    }

    /// Queues a server's payload without a copy, in one frame or in several.
    fn queue_own(&mut self, message_type: MessageType, first: bool, last: bool, payload: OwnBytes) {
        let size = self.config.fragment_size;
        if payload.len() <= size {
            return self.queue_spliced(fragment(message_type, first, last), payload);
        }
        let mut rest = Bytes::from(payload);
        let mut first = first;
        while !rest.is_empty() {
            let piece = rest.split_to(rest.len().min(size));
            let fragment = fragment(message_type, first, last && rest.is_empty());
            first = false;
            self.queue_spliced(fragment, OwnBytes::Counted(piece));
        }
    }

    /// Queues a server's frame, its payload without a copy unless it is small.
    fn queue_spliced(&mut self, fragment: Fragment, payload: OwnBytes) {
        // Nothing stands against it any more: a server needs no key.
        let Ok(header) = self.session.header(fragment, payload.len() as u64, || self.keys.take())
        else {
            return;
        };
        if payload.len() < COUNTED {
            self.output.push_frame(&header, &payload);
        } else {
            self.output.push_frame(&header, &[]);
            self.output.splice(payload, 0);
        }
    }

    #[inline]
    pub(super) fn count_sent(&mut self, payload_len: usize, last: bool) {
        if let Some(timers) = &mut self.timers {
            timers.sent(payload_len, last);
        }
    }

    // --- Control frames ------------------------------------------------------------------------

    /// Queues a Ping with at most 125 bytes of payload (RFC 6455, section 5.5.2).
    pub fn ping(&mut self, payload: &[u8]) -> Result<(), SendReason> {
        self.queue_control(Opcode::Ping, payload)?;
        if let Some(timers) = &mut self.timers {
            timers.sent_ping();
        }
        Ok(())
    }

    /// Queues a Pong with at most 125 bytes of payload (RFC 6455, section 5.5.3). Those that
    /// answer a Ping are queued by [`receive`](Self::receive), unless
    /// [`manual_pong`](crate::Config::manual_pong) is configured.
    pub fn pong(&mut self, payload: &[u8]) -> Result<(), SendReason> {
        self.queue_control(Opcode::Pong, payload)
    }

    fn queue_control(&mut self, opcode: Opcode, payload: &[u8]) -> Result<(), SendReason> {
        if !self.session.may_send() {
            return Err(SendReason::Closed);
        }
        self.check_room()?;
        self.top_up_keys()?;
        let header = self.session.control_header(opcode, payload.len(), || self.keys.take())?;
        self.output.push_frame(&header, payload);
        Ok(())
    }

    /// Queues a Close frame, empty for `None` (RFC 6455, section 7.1.2).
    ///
    /// Nothing can be sent after it; the peer's messages still arrive until its own Close. It is
    /// never refused for want of room. The error is [`Closed`](SendReason::Closed) if a Close
    /// frame was sent before or the connection has failed.
    pub fn close<'m>(
        &mut self,
        frame: impl Into<Option<CloseFrame<'m>>>,
    ) -> Result<(), SendReason> {
        if !self.session.may_close() {
            return Err(SendReason::Closed);
        }
        self.top_up_keys()?;
        let mut close = [0; Session::MAX_REPLY];
        let frame = frame.into();
        let len = self.session.close(frame.as_ref(), || self.keys.take(), &mut close)?;
        self.output.release_newest_pong();
        self.output.push(close.get(..len).unwrap_or_default());
        Ok(())
    }
}

/// What a piece is to its message.
#[inline]
const fn fragment(message_type: MessageType, first: bool, last: bool) -> Fragment {
    match (first, last) {
        (true, true) => Fragment::Whole(message_type),
        (true, false) => Fragment::First(message_type),
        (false, false) => Fragment::Middle,
        (false, true) => Fragment::Last,
    }
}
