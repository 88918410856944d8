//! The receive path of compressed messages.

use super::{Data, Incoming, Machine, Piece};
use crate::MessageType;
use crate::frame::{FrameHeader, Masked, Opcode};
use crate::limits::ReceiveLimits;

impl Machine {
    /// Returns whether compressed payload, possibly empty, is next in `input`.
    pub(crate) fn is_compressed_next(&self, input: &[u8]) -> bool {
        let header = self.frames.header();
        self.is_receiving_compressed()
            && self.closing.may_receive()
            && header.is_some_and(|header| !header.opcode().is_control())
            && (!input.is_empty() || self.frames.missing_payload() == 0)
    }

    /// Passes the next compressed payload bytes, at most `max`, unmasked to `consume`, which returns
    /// the number of bytes that it consumed. The others remain in `input`, as they came. Returns
    /// whether the message has no further bytes.
    pub(crate) fn consume_compressed(
        &mut self,
        input: &mut &mut [u8],
        max: usize,
        consume: impl FnOnce(&[u8]) -> usize,
    ) -> bool {
        let fin = self.frames.header().is_some_and(FrameHeader::fin);
        self.frames.consume_payload(input, max, consume);
        fin && self.frames.is_between_frames()
    }

    /// Returns the number of further bytes that the uncompressed payload of the message may have.
    pub(crate) fn uncompressed_remaining(&self, limits: &ReceiveLimits) -> u64 {
        limits.max_message.saturating_sub(self.message_len)
    }

    /// Estimates the length to which the next payload bytes of the current frame inflate, at most `max`
    /// of them: in the ratio of the frame's beginning, plus an eighth, so that one allocation suffices.
    /// Returns 0 in further frames, whose beginning is not that of the message.
    pub(crate) fn estimate_uncompressed(&self, max: u64) -> u64 {
        let first = |header: &&FrameHeader| header.opcode() != Opcode::Continuation;
        let Some(header) = self.frames.header().filter(first) else { return 0 };
        let missing = self.frames.missing_payload();
        let consumed = header.payload_len() - missing;
        let estimate = missing.min(max).saturating_mul(self.message_len) / consumed.max(1);
        estimate.saturating_add(estimate / 8)
    }

    /// Moves the bytes of a partial character to the start of `out`, and returns their number.
    pub(crate) fn take_partial_char(&mut self, out: &mut [u8]) -> usize {
        self.text.take_partial(out)
    }

    /// Receives uncompressed payload of the message in progress: `partial` bytes from
    /// [`take_partial_char`](Self::take_partial_char), and the bytes after them, with which the message ends
    /// if `ends` is set.
    pub(crate) fn receive_uncompressed<'s>(
        &mut self,
        payload: &'s mut [u8],
        partial: usize,
        ends: bool,
    ) -> Option<Piece<'s>> {
        self.message_len += (payload.len() - partial) as u64;
        match self.incoming.map(Incoming::message_type) {
            Some(MessageType::Text) => self.receive_text(payload, ends),
            Some(MessageType::Binary) => {
                self.finish_piece(Data::Binary(Masked::unmasked(payload)), ends)
            }
            None => {
                self.fail_internally("compressed payload belongs to a message");
                None
            }
        }
    }

    /// Returns whether the incoming message in progress is compressed.
    pub(crate) fn is_receiving_compressed(&self) -> bool {
        self.incoming.is_some_and(Incoming::is_compressed)
    }
}
