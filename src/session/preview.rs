//! A preview of the next step of the receive path, which consumes nothing.

use super::{Incoming, Machine};
use crate::limits::ReceiveLimits;
use crate::{Delivery, MessageType};

/// The effect of the next call of [`Machine::receive`].
pub(crate) enum Preview {
    /// The call returns a piece of a message, or the connection has failed or fails in it.
    Message,
    /// The call returns a control frame, or the connection fails in it.
    Control,
    /// The next bytes, this many, cause no event except possibly a failure.
    NoEvent(usize),
    /// The next bytes, this many, are compressed payload, with its frame header. Whether they cause
    /// an event shows only when they are uncompressed.
    #[cfg(feature = "deflate")]
    Compressed(usize),
}

impl Machine {
    /// Returns whether the next frame in `input`, as far as it has arrived, causes an event with
    /// this `delivery`. Leaves `input` unchanged.
    pub(crate) fn preview(
        &self,
        input: &mut [u8],
        limits: &ReceiveLimits,
        delivery: Delivery,
    ) -> Preview {
        // Fast path: a whole message is an event, even if its text is invalid.
        if self.take_whole_message(&mut &mut *input, limits).is_some() || self.failure_pending() {
            return Preview::Message;
        }
        if !self.closing.may_receive() {
            return Preview::NoEvent(input.len());
        }
        let mut frames = self.frames.clone();
        let Ok(header_len) = frames.decode_header(input, &self.rules(limits)) else {
            return Preview::Message;
        };
        let Some(header) = frames.header() else { return Preview::NoEvent(input.len()) };
        let Some(payload) = input.get(header_len..) else {
            debug_assert!(false, "the header is in the input");
            return Preview::Message;
        };
        let missing = usize::try_from(frames.missing_payload()).unwrap_or(usize::MAX);
        let available = missing.min(payload.len());
        let complete = available == missing;
        let is_event = if header.opcode().is_control() {
            if complete {
                return Preview::Control;
            }
            false
        } else {
            let incoming = Incoming::begin(header).or(self.incoming);
            #[cfg(feature = "deflate")]
            if delivery == Delivery::Chunks && incoming.is_some_and(Incoming::is_compressed) {
                return Preview::Compressed(header_len + available);
            }
            match (delivery, incoming.map(Incoming::message_type)) {
                _ if complete && header.fin() => true,
                (Delivery::Messages, _) | (Delivery::Chunks, None) => false,
                (Delivery::Chunks, Some(MessageType::Binary)) => available > 0,
                (Delivery::Chunks, Some(MessageType::Text)) => {
                    let mut first = [0; 4];
                    let first = frames.peek_payload(payload, &mut first);
                    self.text.yields_text(first)
                }
            }
        };
        if is_event { Preview::Message } else { Preview::NoEvent(header_len + available) }
    }
}
