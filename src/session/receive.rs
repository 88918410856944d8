//! From bytes to pieces: frame and fragment order, text, limits.

use super::Session;
use crate::close::check_payload;
use crate::extension::Extension;
#[cfg(feature = "alloc")]
use crate::frame::Rest;
use crate::frame::{FrameHeader, FrameRules, MaskedPiece};
use crate::{
    Chunk, CloseCode, CloseFrame, Event, Limits, MessageType, Opcode, ProtocolError, Text,
};

/// The frame that is next in the input, by what it belongs to.
#[repr(u8)] // as `Event` has it
pub(crate) enum NextFrame {
    /// To be taken with [`control_piece`](Session::control_piece).
    Control(Opcode),
    /// To be taken with [`text_piece`](Session::text_piece).
    Text,
    /// To be taken with [`binary_piece`](Session::binary_piece).
    Binary,
    /// None: the connection failed. To be told, once.
    Failed(ProtocolError),
}

/// A [`Chunk`] of a binary message, still masked if its frame is.
pub(crate) struct BinaryPiece<'a> {
    pub(crate) payload: MaskedPiece<'a>,
    pub(crate) first: bool,
    pub(crate) last: bool,
}

impl<'a> BinaryPiece<'a> {
    pub(crate) fn unmask(self) -> Chunk<'a> {
        let payload = &*self.payload.unmask();
        Chunk { payload: payload.into(), first: self.first, last: self.last }
    }
}

impl Session {
    /// Takes what it can from `input`, moves it past what it took, and reports the next event.
    /// `None` means that the input is used up.
    ///
    /// Payloads are unmasked in place; bytes that were not taken are not modified. A control
    /// frame's payload is put together in `control` if the input cuts it: hand in the same array
    /// each time. After the peer's Close and after a failure all input is dropped.
    pub fn receive<'a, 'b: 'a>(
        &mut self,
        input: &mut &'b mut [u8],
        control: &'a mut [u8; 125],
        limits: &Limits,
    ) -> Option<Event<'a>> {
        loop {
            match self.next_frame(input, limits)? {
                NextFrame::Text => {
                    if let Some(chunk) = self.text_piece(input) {
                        return Some(Event::Chunk(chunk));
                    }
                }
                NextFrame::Binary => {
                    if let Some(piece) = self.binary_piece(input) {
                        return Some(Event::Chunk(piece.unmask()));
                    }
                }
                NextFrame::Control(opcode) => {
                    let piece = self.control_piece(input)?;
                    if piece.is_whole() {
                        return Some(self.control(opcode, piece.unmask()));
                    }
                    if let Some(len) = self.collect_control(opcode, piece, control) {
                        return Some(self.control(opcode, control.get(..len).unwrap_or_default()));
                    }
                }
                NextFrame::Failed(error) => return Some(Event::Failed(error)),
            }
        }
    }

    /// The frame that is next in `input`: takes what is missing of its header. `None` means that the
    /// input is used up, or dropped.
    #[inline]
    pub(crate) fn next_frame(
        &mut self,
        input: &mut &mut [u8],
        limits: &Limits,
    ) -> Option<NextFrame> {
        if self.closing.may_receive() {
            if let Some(header) = self.frames.under_way() {
                return if input.is_empty() { None } else { self.next_of(header.opcode()) };
            }
            let rules = self.rules(limits);
            match self.frames.decode_header(input, &rules) {
                Ok(None) => return None,
                Ok(Some(&header)) => {
                    self.count(header);
                    return self.next_of(header.opcode());
                }
                Err(error) => self.closing.violate(error),
            }
        }
        *input = &mut [];
        self.closing.tell().map(NextFrame::Failed)
    }

    /// Counts a frame whose header was just accepted.
    #[inline]
    fn count(&mut self, header: FrameHeader) {
        if header.opcode().is_control() {
            return;
        }
        if let Some(message_type) = header.opcode().message_type() {
            self.message = Some(message_type);
            self.first = true;
        }
        self.message_len += header.payload_len();
        self.empty_fragments += u32::from(header.is_empty_fragment());
    }

    /// What a frame with this opcode belongs to.
    #[inline]
    fn next_of(&self, opcode: Opcode) -> Option<NextFrame> {
        if opcode.is_control() {
            return Some(NextFrame::Control(opcode));
        }
        match (self.message?, self.extension) {
            (MessageType::Text, Extension::None) => Some(NextFrame::Text),
            (MessageType::Binary, Extension::None) => Some(NextFrame::Binary),
        }
    }

    /// What is there of a control frame.
    #[inline]
    pub(crate) fn control_piece<'a>(
        &mut self,
        input: &mut &'a mut [u8],
    ) -> Option<MaskedPiece<'a>> {
        self.frames.decode_payload(input, usize::MAX)
    }

    /// What is there of a binary message, if there is a reason to deliver it.
    #[inline]
    pub(crate) fn binary_piece<'a>(&mut self, input: &mut &'a mut [u8]) -> Option<BinaryPiece<'a>> {
        let payload = self.frames.decode_payload(input, usize::MAX)?;
        let last = payload.ends_message();
        let first = self.deliver(payload.len(), last)?;
        Some(BinaryPiece { payload, first, last })
    }

    /// What is there of a text message, if there is a reason to deliver it.
    #[inline]
    pub(crate) fn text_piece<'a>(&mut self, input: &mut &'a mut [u8]) -> Option<Chunk<'a>> {
        // A character that waits is completed first, on its own.
        let waiting = self.text.is_waiting();
        let max = if waiting { self.text.missing() } else { usize::MAX };
        let piece = self.frames.decode_payload(input, max)?;
        let last = piece.ends_message();
        let payload = piece.unmask();
        let text = if waiting {
            self.complete_character(payload)
        } else {
            self.characters(payload).into()
        };
        if last && self.text.is_waiting() {
            self.closing.violate(ProtocolError::InvalidUtf8);
        }
        let last = last && self.closing.error().is_none();
        let first = self.deliver(text.byte_len(), last)?;
        Some(Chunk { payload: text.into(), first, last })
    }

    /// The next message, if it is one plain frame that is all in `input`: most are. Its text is
    /// not checked yet. In any other case nothing happens, and [`next_frame`](Self::next_frame)
    /// decides.
    #[cfg(feature = "alloc")]
    #[inline]
    pub(crate) fn whole_message<'a>(
        &self,
        input: &mut &'a mut [u8],
        limits: &Limits,
    ) -> Option<(MessageType, &'a mut [u8])> {
        if !self.closing.may_receive() || self.message.is_some() {
            return None;
        }
        let rules = FrameRules {
            max_frame: limits.max_frame,
            max_message_rest: limits.max_message,
            reserved_bits: self.extension.received_bits(),
            ..FrameRules::new(self.role)
        };
        self.frames.decode_whole(input, &rules)
    }

    /// The text that [`whole_message`](Self::whole_message) gave is not UTF-8: the session fails.
    #[cfg(feature = "alloc")]
    #[cold]
    pub(crate) fn fail_text(&mut self) {
        self.closing.violate(ProtocolError::InvalidUtf8);
    }

    /// What has not come of the data frame under way; if none is, whether a message is.
    #[cfg(feature = "alloc")]
    pub(crate) fn rest(&self) -> Rest {
        self.frames.data_rest().unwrap_or(Rest { bytes: 0, fin: self.message.is_none() })
    }

    /// What has not come of the binary frame under way, if one is.
    #[cfg(feature = "alloc")]
    pub(crate) fn binary_rest(&self) -> Option<Rest> {
        match self.message {
            Some(MessageType::Binary) if self.closing.may_receive() => self.frames.data_rest(),
            Some(MessageType::Binary | MessageType::Text) | None => None,
        }
    }

    /// Takes `payload` of that frame, which was read to where it belongs. Whether the message ends
    /// with it.
    #[cfg(feature = "alloc")]
    pub(crate) fn continue_binary(&mut self, payload: &mut [u8]) -> bool {
        self.first &= payload.is_empty();
        let Some(piece) = self.frames.take_payload(payload) else { return false };
        let last = piece.ends_message();
        piece.unmask();
        if last {
            self.end_message();
        }
        last
    }

    fn end_message(&mut self) {
        self.message = None;
        self.message_len = 0;
        self.empty_fragments = 0;
    }

    /// What the next header must obey.
    #[inline]
    fn rules(&self, limits: &Limits) -> FrameRules {
        FrameRules {
            // RFC 6455, section 5.1: the masking direction follows from the role.
            receiver: self.role,
            reserved_bits: self.extension.received_bits(),
            in_message: self.message.is_some(),
            max_frame: limits.max_frame,
            max_message_rest: limits.max_message.saturating_sub(self.message_len),
            max_empty_fragments_rest: limits
                .max_empty_fragments
                .saturating_sub(self.empty_fragments),
        }
    }

    /// So many bytes are delivered, if there is a reason to. Whether they are the message's first.
    #[inline]
    fn deliver(&mut self, len: usize, last: bool) -> Option<bool> {
        if len == 0 && !last {
            return None;
        }
        if last {
            self.end_message();
        }
        Some(core::mem::take(&mut self.first))
    }

    /// The whole characters of `payload`. What is not UTF-8 fails the connection behind them (RFC 6455,
    /// section 8.1).
    #[inline]
    fn characters<'a>(&mut self, payload: &'a [u8]) -> &'a str {
        self.text.validate(payload).unwrap_or_else(|error| {
            self.closing.violate(ProtocolError::InvalidUtf8);
            error.valid
        })
    }

    /// The character that waits, if `payload` completes it. If it can't, the connection fails too.
    #[inline]
    fn complete_character(&mut self, payload: &[u8]) -> Text<'static> {
        let character = self.text.complete(payload).unwrap_or_else(|_| {
            self.closing.violate(ProtocolError::InvalidUtf8);
            None
        });
        character.unwrap_or_else(|| "".into())
    }

    /// Adds a piece of a control frame that the input cuts to what is in `control`, and checks it
    /// before the rest is there. Returns the payload's length if this was the last.
    #[cold]
    pub(crate) fn collect_control(
        &mut self,
        opcode: Opcode,
        piece: MaskedPiece<'_>,
        control: &mut [u8; 125],
    ) -> Option<usize> {
        // At most 125, by the header's rules.
        let start = piece.offset as usize;
        let end = start + piece.len();
        let last = piece.last();
        if let Some(to) = control.get_mut(start..end) {
            to.copy_from_slice(piece.unmask());
        }
        if last {
            return Some(end);
        }
        let start = control.get(..end).unwrap_or_default();
        if let (Opcode::Close, Err(error)) = (opcode, check_payload(start)) {
            self.closing.violate(error);
        }
        None
    }

    /// A control frame is complete.
    #[inline]
    pub(crate) fn control<'a>(&mut self, opcode: Opcode, payload: &'a [u8]) -> Event<'a> {
        match opcode {
            Opcode::Ping => Event::Ping(payload.into()),
            Opcode::Pong => Event::Pong(payload.into()),
            Opcode::Close | Opcode::Continuation | Opcode::Text | Opcode::Binary => {
                match CloseFrame::decode(payload) {
                    Ok(frame) => {
                        let code = frame.as_ref().map_or(CloseCode::NO_STATUS, CloseFrame::code);
                        self.closing.receive_close(code);
                        Event::Close(frame)
                    }
                    Err(error) => {
                        self.closing.violate(error);
                        self.closing.tell();
                        Event::Failed(error)
                    }
                }
            }
        }
    }
}
