//! The fast path for messages that are whole in the input.

use alloc::borrow::Cow;

use super::Machine;
use crate::frame::{FrameHeader, FrameRules, Masked, take};
use crate::limits::ReceiveLimits;
use crate::utf8::from_utf8;
use crate::{Message, MessageType};

impl Machine {
    /// Consumes a message that is a single frame and whole in `input`. Returns the length of its valid
    /// beginning if its text is invalid: the caller then fails the connection. Returns `None`, and
    /// consumes nothing, in all other cases: [`receive`](Self::receive) handles them.
    ///
    /// It creates the [`Message`] of an event directly, and leaves the state between messages unchanged.
    // Separate from `receive`, because a result that comes from either of two branches is moved
    // through memory (`benches/instructions`, receive-8: 226 instructions instead of 150).
    #[inline(always)]
    pub(crate) fn receive_whole<'i>(
        &self,
        input: &mut &'i mut [u8],
        limits: &ReceiveLimits,
    ) -> Option<Result<Message<'i>, usize>> {
        let (message_type, payload) = self.take_whole_message(input, limits)?;
        let payload = &*payload.unmask();
        Some(match message_type {
            MessageType::Binary => Ok(Message::Binary(Cow::Borrowed(payload))),
            MessageType::Text => match from_utf8(payload) {
                Ok(text) => Ok(Message::Text(Cow::Borrowed(text))),
                Err(error) => Err(error.valid_up_to()),
            },
        })
    }

    /// Consumes the next frame if it is a whole message and all of it is in `input`; else consumes
    /// nothing. The payload stays masked.
    #[inline(always)]
    pub(super) fn take_whole_message<'i>(
        &self,
        input: &mut &'i mut [u8],
        limits: &ReceiveLimits,
    ) -> Option<(MessageType, Masked<'i>)> {
        // Between frames, the first byte is that of a header: FIN is set, no reserved bit is set, and
        // the opcode is text or binary. It is checked before the state, because it excludes more calls.
        let first = *input.first()?;
        let message_type = match first {
            0x81 => MessageType::Text,
            0x82 => MessageType::Binary,
            _ => return None,
        };
        if self.incoming.is_some()
            || !self.frames.is_between_frames()
            || !self.closing.may_receive()
        {
            return None;
        }
        let rules = FrameRules {
            max_frame: limits.max_frame,
            message_remaining: limits.max_message,
            ..FrameRules::new(self.role)
        };
        let opcode = message_type.opcode();
        let (header, len) =
            FrameHeader::decode_after_first(input, first, opcode, &rules).ok()??;
        let payload_len = usize::try_from(header.payload_len()).ok()?;
        if input.len().checked_sub(len)? < payload_len {
            return None;
        }
        take(input, len);
        Some((message_type, Masked::whole(&header, take(input, payload_len))))
    }
}
