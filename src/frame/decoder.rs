//! Cuts a stream into frames, wherever its buffers are cut.

use super::{FrameHeader, FrameRules};
#[cfg(feature = "alloc")]
use crate::MessageType;
use crate::ProtocolError;
#[cfg(feature = "alloc")]
use crate::mask::{copy_masked, mask};

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

/// A frame whose header is read.
#[derive(Clone, Copy, Debug)]
pub(crate) struct OpenFrame {
    pub(crate) header: FrameHeader,
    /// How much of its payload was taken.
    offset: u64,
    /// Whether the header was completed just now.
    pub(crate) first: bool,
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

/// What has not come of a data frame.
#[cfg(feature = "alloc")]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Rest {
    pub(crate) bytes: u64,
    /// Whether the message ends with it.
    pub(crate) fin: bool,
}

/// Payload of a frame, as much as is there, to be unmasked where it is or on its way elsewhere.
#[derive(Debug)]
pub(crate) struct MaskedPiece<'a>(FramePiece<'a>);

impl<'a> MaskedPiece<'a> {
    #[inline]
    pub(crate) fn len(&self) -> usize {
        self.0.payload.len()
    }

    /// Whether the frame ends here.
    #[inline]
    pub(crate) fn last(&self) -> bool {
        self.0.last()
    }

    /// What follows these bytes.
    #[cfg(feature = "alloc")]
    pub(crate) fn rest(&self) -> Rest {
        let taken = self.0.offset + self.0.payload.len() as u64;
        Rest { bytes: self.0.header.payload_len() - taken, fin: self.0.header.fin() }
    }

    /// Unmasks in place.
    #[inline]
    pub(crate) fn unmask(mut self) -> FramePiece<'a> {
        let FramePiece { header, offset, payload, .. } = &mut self.0;
        header.mask(payload, *offset);
        self.0
    }

    /// Unmasks into `out`, which is as long.
    #[cfg(feature = "alloc")]
    pub(crate) fn unmask_into(&self, out: &mut [u8]) {
        let FramePiece { header, offset, payload, .. } = &self.0;
        match header.masking_key() {
            Some(key) => copy_masked(out, payload, key, *offset),
            None => out.copy_from_slice(payload),
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
        let frame = self.decode_header(input, rules)?;
        Ok(frame.map(|frame| self.decode_payload(frame, input, usize::MAX).unmask()))
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

    /// The frame that is next in `input`: takes what is missing of its header, and nothing of its
    /// payload, which is to be taken by [`decode_payload`](Self::decode_payload) before the next.
    /// `None` means that the input is used up.
    #[inline]
    pub(crate) fn decode_header(
        &mut self,
        input: &mut &mut [u8],
        rules: &FrameRules,
    ) -> Result<Option<OpenFrame>, ProtocolError> {
        let header = match &self.state {
            State::Header { len: 0, .. } => match FrameHeader::decode_with_len(input, rules)? {
                Some((header, len)) => {
                    take(input, len);
                    header
                }
                None => {
                    self.resume_header(input, rules)?;
                    return Ok(None);
                }
            },
            State::Header { .. } => match self.resume_header(input, rules)? {
                Some(header) => header,
                None => return Ok(None),
            },
            State::Payload { .. } if input.is_empty() => return Ok(None),
            State::Payload { header, offset } => {
                return Ok(Some(OpenFrame { header: *header, offset: *offset, first: false }));
            }
        };
        Ok(Some(OpenFrame { header, offset: 0, first: true }))
    }

    /// Takes at most `max` bytes of the payload of `frame`, just returned by
    /// [`decode_header`](Self::decode_header).
    #[cfg_attr(feature = "alloc", inline)]
    pub(crate) fn decode_payload<'a>(
        &mut self,
        frame: OpenFrame,
        input: &mut &'a mut [u8],
        max: usize,
    ) -> MaskedPiece<'a> {
        let OpenFrame { header, offset, first } = frame;
        let rest = header.payload_len() - offset;
        let len = usize::try_from(rest).unwrap_or(usize::MAX).min(max);
        let payload = take(input, len);
        let piece = FramePiece { header, offset, payload, first };
        if !piece.last() {
            let offset = offset + piece.payload.len() as u64;
            self.state = State::Payload { header, offset };
        } else if !first {
            self.state = Self::new().state;
        }
        MaskedPiece(piece)
    }

    /// What has not come of the data frame under way, `None` between frames and in a control frame.
    #[cfg(feature = "alloc")]
    pub(crate) const fn data_rest(&self) -> Option<Rest> {
        match &self.state {
            State::Payload { header, offset } if !header.opcode().is_control() => {
                Some(Rest { bytes: header.payload_len() - *offset, fin: header.fin() })
            }
            State::Payload { .. } | State::Header { .. } => None,
        }
    }

    /// Goes on with the frame under way: `payload`, at most [`data_rest`](Self::data_rest) bytes,
    /// was put where it belongs and is unmasked there. Whether the message ends with it.
    #[cfg(feature = "alloc")]
    pub(crate) fn continue_payload(&mut self, payload: &mut [u8]) -> bool {
        let State::Payload { header, offset } = &mut self.state else { return false };
        header.mask(payload, *offset);
        *offset += payload.len() as u64;
        let (last, fin) = (*offset == header.payload_len(), header.fin());
        if last {
            self.state = Self::new().state;
        }
        last && fin
    }

    /// Goes on with a header that one buffer did not hold, byte by byte, so that it never takes
    /// payload.
    #[cold]
    fn resume_header(
        &mut self,
        input: &mut &mut [u8],
        rules: &FrameRules,
    ) -> Result<Option<FrameHeader>, ProtocolError> {
        let State::Header { bytes, len } = &mut self.state else { return Ok(None) };
        while let Some((next, [byte, ..])) = bytes.get_mut(usize::from(*len)).zip(Some(&**input)) {
            *next = *byte;
            *len += 1;
            take(input, 1);
            let start = bytes.get(..usize::from(*len)).unwrap_or_default();
            if let Some(header) = FrameHeader::decode(start, rules)? {
                *self = Self::new();
                return Ok(Some(header));
            }
        }
        Ok(None)
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
