//! From messages to bytes.

use bytes::Buf;

use super::Connection;
use crate::frame::FrameHeader;
use crate::{CloseFrame, Fragment, Message, Opcode, SendError, SendReason, Session, mask};

/// Payloads with memory of their own are queued as they are from this size on; copying smaller
/// ones is cheaper.
const COUNTED: usize = 2048;

impl Connection {
    /// Queues a message (RFC 6455, section 6.1).
    ///
    /// It is accepted, whatever its size, if less than the
    /// [high-water mark](crate::Config::high_water_mark) waits; otherwise the error gives it back
    /// with [`Full`](SendReason::Full). Then stop receiving, and offer it again when
    /// [`can_send`](Self::can_send). After [`close`](Self::close) and after a failure the reason
    /// is [`Closed`](SendReason::Closed).
    ///
    /// What is handed over with memory of its own (`Vec`, `String`, `Bytes`) is queued without a
    /// copy by a server, from 2 KiB on; a client masks it as it copies.
    #[inline]
    pub fn send<'m>(&mut self, message: impl Into<Message<'m>>) -> Result<(), SendError<'m>> {
        let message = message.into();
        match self.begin(&message) {
            Ok(header) => {
                self.queue(&header, message);
                Ok(())
            }
            Err(reason) => Err(SendError { message, reason }),
        }
    }

    fn begin(&mut self, message: &Message<'_>) -> Result<FrameHeader, SendReason> {
        let fragment = Fragment::Whole(message.message_type());
        self.session.check_send(fragment)?;
        self.check_room()?;
        self.top_up_keys()?;
        self.session.send(fragment, message.as_bytes().len() as u64, || self.keys.take())
    }

    /// Queues a frame: header and payload side by side, so that they leave in one write.
    fn queue(&mut self, header: &FrameHeader, message: Message<'_>) {
        let encoded = header.encode();
        let payload = message.as_bytes();
        match header.masking_key() {
            Some(key) => {
                let out = self.output.append(encoded.len() + payload.len());
                let (head, body) = out.split_at_mut(encoded.len());
                head.copy_from_slice(&encoded);
                mask::copy_masked(body, payload, key);
            }
            None if payload.len() < COUNTED => self.queue_copy(&encoded, payload),
            None => match message.into_counted() {
                Ok(payload) => {
                    self.output.push(&encoded);
                    self.output.push_counted(payload);
                }
                Err(message) => self.queue_copy(&encoded, message.as_bytes()),
            },
        }
    }

    fn queue_copy(&mut self, header: &[u8], payload: &[u8]) {
        let out = self.output.append(header.len() + payload.len());
        let (head, body) = out.split_at_mut(header.len());
        head.copy_from_slice(header);
        body.copy_from_slice(payload);
    }

    /// Queues a Ping with at most 125 bytes of payload (RFC 6455, section 5.5.2).
    pub fn ping(&mut self, payload: &[u8]) -> Result<(), SendReason> {
        self.queue_control(Opcode::Ping, payload)
    }

    /// Queues a Pong with at most 125 bytes of payload that answers no Ping (RFC 6455, section
    /// 5.5.3). Those that do are queued by [`receive`](Self::receive).
    pub fn pong(&mut self, payload: &[u8]) -> Result<(), SendReason> {
        self.queue_control(Opcode::Pong, payload)
    }

    fn queue_control(&mut self, opcode: Opcode, payload: &[u8]) -> Result<(), SendReason> {
        if !self.session.may_send() {
            return Err(SendReason::Closed);
        }
        self.check_room()?;
        self.top_up_keys()?;
        let mut frame = [0; Session::MAX_REPLY];
        let len = self.session.control_frame(opcode, payload, || self.keys.take(), &mut frame)?;
        self.output.push(frame.get(..len).unwrap_or_default());
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

    fn check_room(&self) -> Result<(), SendReason> {
        if self.output.remaining() < self.config.high_water_mark {
            Ok(())
        } else {
            Err(SendReason::Full)
        }
    }
}
