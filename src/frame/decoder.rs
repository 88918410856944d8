//! Cuts a stream into frames, wherever its buffers are cut.

use super::{FrameHeader, FrameRules};
#[cfg(feature = "alloc")]
use crate::MessageType;
use crate::mask::mask_by;
#[cfg(feature = "alloc")]
use crate::mask::{copy_masked, mask};
use crate::{ProtocolError, QUICK};

/// A push tokenizer: bytes in, pieces of frames out, unmasked in place.
///
/// It checks each header against the [`FrameRules`] it is given; what a header can't show (text,
/// the closing handshake) is the [`Session`](crate::Session)'s.
///
/// ```
/// use websocket_proto::{FrameDecoder, FrameRules, Role};
///
/// let mut decoder = FrameDecoder::new();
/// let rules = FrameRules::new(Role::Server);
///
/// // RFC 6455, section 5.7: a masked "Hello", cut inside the payload.
/// let mut first = [0x81, 0x85, 0x37, 0xfa, 0x21, 0x3d, 0x7f, 0x9f];
/// let mut input = &mut first[..];
/// let piece = decoder.decode(&mut input, &rules)?.unwrap();
/// assert_eq!(piece.payload, b"He");
/// assert!(piece.first && !piece.last());
/// assert_eq!(decoder.decode(&mut input, &rules)?, None);
///
/// let mut second = [0x4d, 0x51, 0x58];
/// let piece = decoder.decode(&mut &mut second[..], &rules)?.unwrap();
/// assert_eq!(piece.payload, b"llo");
/// assert!(!piece.first && piece.last());
/// # Ok::<(), websocket_proto::ProtocolError>(())
/// ```
#[derive(Clone, Debug)]
pub struct FrameDecoder {
    state: State,
}

#[derive(Clone, Debug)]
enum State {
    /// The first bytes of a header.
    Header { bytes: [u8; FrameHeader::MAX_LEN], len: u8 },
    /// The header is read, and payload up to `offset`.
    Payload { header: FrameHeader, offset: u64 },
}

/// Payload of a frame, as much as is there.
#[derive(Debug, PartialEq, Eq)]
pub struct FramePiece<'a> {
    /// The frame's header.
    pub header: FrameHeader,
    /// Where in the frame's payload the piece begins.
    pub offset: u64,
    /// The unmasked bytes: none if the header came alone.
    pub payload: &'a mut [u8],
    /// Whether the header was completed just now: the first piece of its frame.
    pub first: bool,
}

/// What has not come of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Rest {
    pub(crate) bytes: u64,
    /// Whether the message ends with it.
    pub(crate) fin: bool,
}

impl Rest {
    /// What follows the first `offset` bytes of a payload.
    #[inline]
    const fn of(header: &FrameHeader, offset: u64) -> Self {
        Self { bytes: header.payload_len() - offset, fin: header.fin() }
    }
}

/// Payload of a frame, as much as is there, to be unmasked where it is or on its way elsewhere.
#[derive(Debug)]
pub(crate) struct MaskedPiece<'a> {
    payload: &'a mut [u8],
    /// Zeros, which change nothing, if the frame is not masked.
    masking_key: [u8; 4],
    /// Where in the frame's payload it begins.
    pub(crate) offset: u64,
    /// What follows it.
    pub(crate) rest: Rest,
}

impl<'a> MaskedPiece<'a> {
    #[inline]
    pub(crate) fn len(&self) -> usize {
        self.payload.len()
    }

    /// Whether the frame ends here.
    #[inline]
    pub(crate) fn last(&self) -> bool {
        self.rest.bytes == 0
    }

    /// Whether it is the payload of all the frame.
    #[inline]
    pub(crate) fn is_whole(&self) -> bool {
        self.offset == 0 && self.last()
    }

    /// Whether the message ends here.
    #[inline]
    pub(crate) fn ends_message(&self) -> bool {
        self.last() && self.rest.fin
    }

    /// Unmasks in place.
    #[inline]
    pub(crate) fn unmask(self) -> &'a mut [u8] {
        mask_by(self.payload, self.masking_key, self.offset);
        self.payload
    }

    /// Unmasks into `out`, which is as long.
    #[cfg(feature = "alloc")]
    pub(crate) fn unmask_into(&self, out: &mut [u8]) {
        if self.masking_key == [0; 4] {
            out.copy_from_slice(self.payload);
        } else {
            copy_masked(out, self.payload, self.masking_key, self.offset);
        }
    }
}

impl FramePiece<'_> {
    /// Whether the frame ends here.
    #[inline]
    #[must_use]
    pub const fn last(&self) -> bool {
        self.offset + self.payload.len() as u64 == self.header.payload_len()
    }
}

impl FrameDecoder {
    /// At the start of a frame.
    #[must_use]
    pub const fn new() -> Self {
        Self { state: State::Header { bytes: [0; FrameHeader::MAX_LEN], len: 0 } }
    }

    /// Takes the next piece of a frame from `input` and moves it past what it took. `None` means
    /// that the input is used up.
    ///
    /// `rules` may change from frame to frame, not within one. After an error the stream can't be
    /// read any further.
    #[inline]
    pub fn decode<'a>(
        &mut self,
        input: &mut &'a mut [u8],
        rules: &FrameRules,
    ) -> Result<Option<FramePiece<'a>>, ProtocolError> {
        let (header, first) = match self.under_way() {
            Some(_) if input.is_empty() => return Ok(None),
            Some(header) => (*header, false),
            None => match self.decode_header(input, rules)? {
                Some(header) => (*header, true),
                None => return Ok(None),
            },
        };
        Ok(self.decode_payload(input, usize::MAX).map(|piece| {
            let offset = piece.offset;
            FramePiece { header, offset, payload: piece.unmask(), first }
        }))
    }

    /// Takes the next frame if it is a message in itself, without reserved bits, and all of it is in
    /// `input`; otherwise nothing.
    #[cfg(feature = "alloc")]
    #[inline]
    pub(crate) fn decode_whole<'a>(
        &self,
        input: &mut &'a mut [u8],
        rules: &FrameRules,
    ) -> Option<(MessageType, &'a mut [u8])> {
        let State::Header { len: 0, .. } = self.state else { return None };
        // FIN, no reserved bits, text or binary.
        let [0x81 | 0x82, _, ..] = **input else { return None };
        let (header, start) = FrameHeader::decode_with_len(input, rules).ok()??;
        let message_type = header.opcode().message_type()?;
        let end = usize::try_from(header.payload_len()).ok()?.checked_add(start)?;
        if input.len() < end {
            return None;
        }
        take(input, start);
        let payload = take(input, end - start);
        if let Some(key) = header.masking_key() {
            mask(payload, key, 0);
        }
        Some((message_type, payload))
    }

    /// The header of the frame of which that was taken, and not all of the payload.
    #[inline]
    pub(crate) const fn under_way(&self) -> Option<&FrameHeader> {
        match &self.state {
            State::Payload { header, .. } => Some(header),
            State::Header { .. } => None,
        }
    }

    /// Takes what is missing of the header of the next frame, and nothing of the payload, which is to be
    /// taken by [`decode_payload`](Self::decode_payload) before the next. `None` means that the input is
    /// used up.
    #[inline]
    pub(crate) fn decode_header(
        &mut self,
        input: &mut &mut [u8],
        rules: &FrameRules,
    ) -> Result<Option<&FrameHeader>, ProtocolError> {
        if QUICK
            && let State::Header { len: 0, .. } = self.state
            && let Some((header, len)) = FrameHeader::decode_with_len(input, rules)?
        {
            take(input, len);
            self.state = State::Payload { header, offset: 0 };
        } else {
            self.resume_header(input, rules)?;
        }
        Ok(self.under_way())
    }

    /// Takes at most `max` bytes of the payload of the frame whose header
    /// [`decode_header`](Self::decode_header) just returned.
    #[cfg_attr(feature = "alloc", inline)]
    pub(crate) fn decode_payload<'a>(
        &mut self,
        input: &mut &'a mut [u8],
        max: usize,
    ) -> Option<MaskedPiece<'a>> {
        let State::Payload { header, offset } = &self.state else { return None };
        let rest = Rest::of(header, *offset);
        let len = usize::try_from(rest.bytes).unwrap_or(usize::MAX).min(max);
        self.take_payload(take(input, len))
    }

    /// Goes on with the frame under way by `payload`, no more of it than is missing.
    #[inline]
    pub(crate) fn take_payload<'a>(&mut self, payload: &'a mut [u8]) -> Option<MaskedPiece<'a>> {
        let State::Payload { header, offset } = &mut self.state else { return None };
        let start = *offset;
        *offset += payload.len() as u64;
        let rest = Rest::of(header, *offset);
        let masking_key = header.masking_key().unwrap_or_default();
        let piece = MaskedPiece { payload, masking_key, offset: start, rest };
        if piece.last() {
            *self = Self::new();
        }
        Some(piece)
    }

    /// What has not come of the data frame under way, `None` between frames and in a control frame.
    #[cfg(feature = "alloc")]
    pub(crate) const fn data_rest(&self) -> Option<Rest> {
        match &self.state {
            State::Payload { header, offset } if !header.opcode().is_control() => {
                Some(Rest::of(header, *offset))
            }
            State::Payload { .. } | State::Header { .. } => None,
        }
    }

    /// Puts a header together of what there is of it in several buffers.
    #[cold]
    fn resume_header(
        &mut self,
        input: &mut &mut [u8],
        rules: &FrameRules,
    ) -> Result<(), ProtocolError> {
        let State::Header { bytes, len } = &mut self.state else { return Ok(()) };
        let before = usize::from(*len);
        let mut end = before;
        for (to, from) in bytes.iter_mut().skip(before).zip(&**input) {
            *to = *from;
            end += 1;
        }
        match FrameHeader::decode_with_len(bytes.get(..end).unwrap_or_default(), rules)? {
            Some((header, len)) => {
                take(input, len - before);
                self.state = State::Payload { header, offset: 0 };
            }
            None => {
                take(input, end - before);
                *len = end as u8;
            }
        }
        Ok(())
    }
}

impl Default for FrameDecoder {
    fn default() -> Self {
        Self::new()
    }
}

/// Splits the first `len` bytes off `input`; all of them, if there are not so many.
#[inline]
pub(crate) fn take<'a>(input: &mut &'a mut [u8], len: usize) -> &'a mut [u8] {
    let whole = core::mem::take(input);
    let len = len.min(whole.len());
    let (taken, rest) = whole.split_at_mut(len);
    *input = rest;
    taken
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Opcode, Role, mask};
    use std::vec::Vec;

    /// A frame with its payload.
    type Frame = (FrameHeader, Vec<u8>);

    fn stream() -> (Vec<u8>, Vec<Frame>) {
        let (mut bytes, mut frames) = (Vec::new(), Vec::new());
        for len in [0_u8, 1, 7, 125, 126, 255] {
            let payload: Vec<u8> = (0..len).collect();
            let key = [len, 0xfa, 0x21, 0x3d];
            let header = FrameHeader::new(Opcode::Binary, len.into()).unwrap().masked(key);
            bytes.extend_from_slice(&header.encode());
            let start = bytes.len();
            bytes.extend_from_slice(&payload);
            mask(&mut bytes[start..], key, 0);
            frames.push((header, payload));
        }
        (bytes, frames)
    }

    #[test]
    fn frames_are_the_same_at_every_size_of_buffer() {
        let (bytes, expected) = stream();
        for size in 1..=bytes.len() {
            let mut bytes = bytes.clone();
            let mut decoder = FrameDecoder::new();
            let mut frames: Vec<Frame> = Vec::new();
            let mut complete = true;
            for mut input in bytes.chunks_mut(size) {
                while let Some(piece) =
                    decoder.decode(&mut input, &FrameRules::new(Role::Server)).unwrap()
                {
                    assert_eq!(piece.first, complete);
                    if complete {
                        frames.push((piece.header, Vec::new()));
                    }
                    complete = piece.last();
                    let (header, payload) = frames.last_mut().unwrap();
                    assert_eq!(*header, piece.header);
                    assert_eq!(piece.offset, payload.len() as u64);
                    payload.extend_from_slice(piece.payload);
                }
                assert!(input.is_empty());
            }
            assert!(complete);
            assert_eq!(frames, expected, "buffers of {size}");
        }
    }

    #[test]
    fn what_is_not_taken_is_not_touched() {
        let (bytes, _) = stream();
        let mut copy = bytes.clone();
        let mut input = &mut copy[..];
        let mut decoder = FrameDecoder::new();
        while decoder.decode(&mut input, &FrameRules::new(Role::Server)).unwrap().is_some() {
            assert_eq!(*input, bytes[bytes.len() - input.len()..]);
        }
    }
}
