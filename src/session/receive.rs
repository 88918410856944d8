//! The receive path, which converts bytes into pieces of messages and complete control frames.

#[cfg(feature = "alloc")]
use super::Announced;
use super::{ControlStorage, Data, Incoming, Machine, Piece};
#[cfg(feature = "alloc")]
use crate::frame::FrameHeader;
use crate::frame::{FrameRules, Masked, Opcode, take};
use crate::limits::ReceiveLimits;
use crate::{CloseCode, ConnectionError, Fragment, MessageType, Violation};

/// The next step of the receive path.
enum Step<'i> {
    /// The payload of a frame was consumed, as far as it arrived.
    // Without the header: a copy of fields that were just stored is slower (`benches/peers`, fragments).
    Payload { opcode: Opcode, fin: bool, payload: Masked<'i> },
    /// Compressed payload, possibly empty, is next in the input.
    #[cfg(feature = "deflate")]
    Compressed,
    /// More bytes are needed.
    Read,
}

impl Machine {
    /// Consumes bytes until a piece is complete. Returns `None` when `input` is used up, and after a
    /// failure, which [`take_failure`](Self::take_failure) returns.
    ///
    /// Payloads are unmasked in place; bytes that are not consumed stay unchanged. After the peer's
    /// Close and after a failure, all input is dropped.
    pub(crate) fn receive<'i>(
        &mut self,
        input: &mut &'i mut [u8],
        limits: &ReceiveLimits,
        control: &mut impl ControlStorage,
    ) -> Option<Piece<'i>> {
        loop {
            if !self.closing.may_receive() {
                take(input, usize::MAX);
                return None;
            }
            let (opcode, fin, payload) = match self.next_step(input, limits) {
                Ok(Step::Payload { opcode, fin, payload }) => (opcode, fin, payload),
                #[cfg(feature = "deflate")]
                Ok(Step::Compressed) => {
                    self.data_arrived = true;
                    return Some(Piece::Compressed);
                }
                Ok(Step::Read) => return None,
                Err(error) => {
                    self.closing.fail(error);
                    continue;
                }
            };
            let piece = match opcode {
                Opcode::Ping => self.receive_control(payload, control).map(Piece::Ping),
                Opcode::Pong => self.receive_control(payload, control).map(Piece::Pong),
                Opcode::Close => self.receive_close_payload(payload, control).map(Piece::Close),
                Opcode::Text | Opcode::Binary | Opcode::Continuation => {
                    self.data_arrived = true;
                    let ends = fin && self.frames.is_between_frames();
                    match self.incoming.map(Incoming::message_type) {
                        Some(MessageType::Text) => self.receive_text(payload.unmask(), ends),
                        Some(MessageType::Binary) => self.finish_piece(Data::Binary(payload), ends),
                        None => {
                            self.fail_internally("a data frame belongs to a message");
                            None
                        }
                    }
                }
            };
            if piece.is_some() {
                return piece;
            }
        }
    }

    /// Consumes the next bytes of one frame: its header, and its payload as far as it arrived, unless
    /// the payload is compressed.
    #[inline]
    fn next_step<'i>(
        &mut self,
        input: &mut &'i mut [u8],
        limits: &ReceiveLimits,
    ) -> Result<Step<'i>, ConnectionError> {
        if self.frames.header().is_none() {
            let len = self.frames.decode_header(input, &self.rules(limits))?;
            take(input, len);
            self.begin_frame();
        }
        let Some(header) = self.frames.header() else { return Ok(Step::Read) };
        if input.is_empty() && self.frames.missing_payload() > 0 {
            return Ok(Step::Read);
        }
        let (opcode, fin) = (header.opcode(), header.fin());
        let is_data = !opcode.is_control();
        #[cfg(feature = "deflate")]
        if is_data && self.is_receiving_compressed() {
            return Ok(Step::Compressed);
        }
        // A partial character is completed first, as a piece of its own.
        let completes = is_data && self.text.has_partial_char();
        let max = if completes { self.text.needed() } else { usize::MAX };
        Ok(match self.frames.decode_payload(input, max) {
            Some(payload) => Step::Payload { opcode, fin, payload },
            None => Step::Read,
        })
    }

    /// Returns the context-dependent rules for the next header.
    pub(super) fn rules(&self, limits: &ReceiveLimits) -> FrameRules {
        FrameRules {
            reserved_bits: self.reserved_bits,
            message_in_progress: self.incoming.is_some(),
            max_frame: limits.max_frame,
            message_remaining: self.announced_remaining(limits),
            empty_fragments_remaining: limits
                .max_empty_fragments
                .saturating_sub(self.empty_fragments),
            // RFC 6455, section 5.1: the masking direction follows from the role.
            ..FrameRules::new(self.role)
        }
    }

    /// Returns the number of further payload bytes that the headers of the message may announce.
    fn announced_remaining(&self, limits: &ReceiveLimits) -> u64 {
        match self.incoming {
            Some(incoming) if incoming.is_compressed() => u64::MAX,
            Some(_) | None => limits.max_message.saturating_sub(self.message_len),
        }
    }

    /// Returns the missing payload of the current message, as announced, or estimated if it is
    /// compressed. `unread` is the number of bytes in the input.
    #[cfg(feature = "alloc")]
    pub(crate) fn announced(&self, limits: &ReceiveLimits, unread: usize) -> Announced {
        #[cfg(feature = "deflate")]
        if self.is_receiving_compressed() {
            // The announced lengths are those of the compressed payload: the uncompressed length is
            // estimated.
            let max = self.uncompressed_remaining(limits);
            let frame = self.estimate_uncompressed(u64::MAX).min(max);
            let arrived = self.estimate_uncompressed(unread as u64).min(max);
            return Announced { frame, arrived, fin: false, max };
        }
        let frame = self.frames.missing_payload();
        Announced {
            frame,
            arrived: frame.min(unread as u64),
            fin: self.frames.header().map_or(self.incoming.is_none(), FrameHeader::fin),
            max: frame.saturating_add(self.announced_remaining(limits)),
        }
    }

    /// Updates the state for a data frame that begins, if its header is complete.
    fn begin_frame(&mut self) {
        let Some(&header) = self.frames.header() else { return };
        if header.opcode().is_control() {
            return;
        }
        if let Some(incoming) = Incoming::begin(&header) {
            self.incoming = Some(incoming);
        }
        if !self.incoming.is_some_and(Incoming::is_compressed) {
            self.message_len += header.payload_len();
        }
        if header.payload_len() == 0 && !header.fin() {
            self.empty_fragments += 1;
        }
    }

    /// Validates payload of a text message, which has at most the missing bytes of a partial character
    /// if there is one. Returns `None` if it contains no complete character and is not the last.
    pub(super) fn receive_text<'i>(&mut self, payload: &'i [u8], ends: bool) -> Option<Piece<'i>> {
        let text = if self.text.has_partial_char() {
            match self.text.complete_partial(payload) {
                Ok(Some(character)) => return self.finish_piece(Data::Char(character), ends),
                Ok(None) => "",
                Err(_) => return self.fail_text(""),
            }
        } else {
            match self.text.validate(payload) {
                Ok(text) => text,
                Err(error) => return self.fail_text(error.valid),
            }
        };
        if ends && self.text.has_partial_char() {
            return self.fail_text(text);
        }
        self.finish_piece(Data::Text(text), ends)
    }

    /// Adds the position within the message. Returns `None` for an empty piece that is not the
    /// last.
    #[cfg_attr(feature = "alloc", inline)]
    pub(super) fn finish_piece<'i>(&mut self, data: Data<'i>, ends: bool) -> Option<Piece<'i>> {
        if !ends && data.is_empty() {
            return None;
        }
        let fragment = match (self.piece_delivered, ends) {
            (false, true) => Fragment::Whole,
            (false, false) => Fragment::First,
            (true, false) => Fragment::Middle,
            (true, true) => Fragment::Last,
        };
        self.piece_delivered = !ends;
        if ends {
            self.incoming = None;
            self.message_len = 0;
            self.empty_fragments = 0;
        }
        Some(Piece::Data { data, fragment })
    }

    /// Fails the connection for text that is not UTF-8 (RFC 6455, section 8.1). Returns the valid
    /// text before the error as a piece, if there is any.
    #[cold]
    #[inline(never)]
    fn fail_text<'i>(&mut self, valid: &'i str) -> Option<Piece<'i>> {
        self.closing.fail(Violation::InvalidUtf8.into());
        if valid.is_empty() {
            return None;
        }
        let fragment = if self.piece_delivered { Fragment::Middle } else { Fragment::First };
        self.piece_delivered = true;
        Some(Piece::LastValid { data: Data::Text(valid), fragment })
    }

    /// Fails the connection because an invariant of this crate does not hold. Panics in debug builds.
    #[cold]
    #[cfg_attr(debug_assertions, track_caller)]
    pub(crate) fn fail_internally(&mut self, invariant: &str) {
        debug_assert!(false, "{invariant}");
        self.closing.fail(ConnectionError::Internal);
    }

    /// Handles the end of the peer's stream. A pending Close frame must then be sent: with manual
    /// Close, the application may not have answered the peer's Close, and no further input follows.
    pub(crate) fn receive_eof(&mut self) {
        self.closing.receive_eof();
    }

    /// Returns the failure of the connection, once.
    #[cold]
    pub(crate) fn take_failure(&mut self) -> Option<ConnectionError> {
        self.closing.take_failure()
    }

    /// Returns the code of the Close frame that must be sent; 1005 stands for an empty payload.
    pub(crate) const fn pending_close(&self) -> Option<CloseCode> {
        self.closing.pending_close_code()
    }

    /// Returns whether a part of a data frame arrived since the last call.
    #[cfg(feature = "alloc")]
    pub(crate) fn take_data_arrived(&mut self) -> bool {
        core::mem::take(&mut self.data_arrived)
    }
}

#[cfg(all(test, feature = "alloc"))]
mod tests {
    use super::*;
    use crate::frame::ReservedBits;
    use crate::{Limits, Role};

    struct Control([u8; 125]);

    impl ControlStorage for Control {
        fn bytes(&mut self) -> &mut [u8; 125] {
            &mut self.0
        }
    }

    #[test]
    fn announced_payload_is_bounded_by_what_the_message_limit_leaves() {
        let limits = Limits::DEFAULT.with_max_message(100).for_messages();
        let mut machine = Machine::new(Role::Client, ReservedBits::NONE);
        // A first frame of 60 bytes, of which 20 arrive.
        let mut bytes = [0; 2 + 20];
        bytes[..2].copy_from_slice(&[0x02, 60]);
        let piece = machine.receive(&mut &mut bytes[..], &limits, &mut Control([0; 125]));
        assert!(piece.is_some());
        let announced = Announced { frame: 40, arrived: 0, fin: false, max: 80 };
        assert_eq!(machine.announced(&limits, 0), announced);
    }
}
