//! The decoder that splits a stream into frames.

#[cfg(feature = "alloc")]
use alloc::vec::Vec;

use super::{FrameHeader, FrameRules};
#[cfg(feature = "alloc")]
use crate::mask::extend_masked;
use crate::mask::unmask;
use crate::{ConnectionError, Input};

/// An incremental decoder: consumes bytes, and returns slices of the frames' payloads, unmasked in
/// place.
///
/// It checks each header against the [`FrameRules`] of its context. A
/// [`Session`](crate::session::Session) also enforces the rules that do not depend on headers:
/// UTF-8, and the closing handshake.
///
/// ```
/// use websocket_proto::frame::{FrameDecoder, FrameRules};
/// use websocket_proto::{Input, Role};
///
/// let mut decoder = FrameDecoder::new();
/// let mut rules = FrameRules::new(Role::Server);
///
/// // RFC 6455, section 5.7: a masked "Hello", split inside the payload.
/// let mut first = [0x81, 0x85, 0x37, 0xfa, 0x21, 0x3d, 0x7f, 0x9f];
/// let mut input = Input::with_bytes(&mut first);
/// let slice = decoder.decode(&mut input, &rules)?.unwrap();
/// assert_eq!(slice.payload, b"He");
/// assert!(slice.begins_frame && !slice.ends_frame());
/// assert_eq!(decoder.decode(&mut input, &rules)?, None);
///
/// let mut second = [0x4d, 0x51, 0x58];
/// let mut input = Input::with_bytes(&mut second);
/// let slice = decoder.decode(&mut input, &rules)?.unwrap();
/// assert_eq!(slice.payload, b"llo");
/// assert!(!slice.begins_frame && slice.ends_frame());
///
/// // The rules for the next frame follow from the last data frame.
/// if slice.ends_frame() && !slice.header.opcode().is_control() {
///     rules.message_in_progress = !slice.header.fin();
/// }
/// # Ok::<(), websocket_proto::ConnectionError>(())
/// ```
#[derive(Clone, Debug)]
pub struct FrameDecoder {
    state: State,
}

#[derive(Clone, Debug)]
enum State {
    /// The first `len` bytes of a header arrived.
    Header { bytes: [u8; FrameHeader::MAX_LEN], len: u8 },
    /// The header and the first `offset` bytes of the payload arrived.
    Payload { header: FrameHeader, offset: u64 },
}

/// A slice of the payload of a frame: the bytes that have arrived.
#[derive(Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct PayloadSlice<'a> {
    /// The header of the frame.
    pub header: FrameHeader,
    /// The offset of this slice in the payload of the frame.
    pub offset: u64,
    /// The unmasked bytes; empty if only the header arrived.
    pub payload: &'a mut [u8],
    /// Whether this is the first slice of the frame.
    pub begins_frame: bool,
}

impl PayloadSlice<'_> {
    /// Returns whether this is the last slice of the frame.
    #[must_use]
    pub const fn ends_frame(&self) -> bool {
        self.offset + self.payload.len() as u64 == self.header.payload_len()
    }
}

impl FrameDecoder {
    /// Creates a decoder at the start of a frame.
    #[must_use]
    pub const fn new() -> Self {
        Self { state: State::Header { bytes: [0; FrameHeader::MAX_LEN], len: 0 } }
    }

    /// Consumes the next slice of a frame from `input`. Returns `None` when the input is used up.
    ///
    /// `rules` may change between frames, but not within one.
    ///
    /// # Errors
    ///
    /// Returns the errors of [`FrameHeader::decode`]. After an error, the stream cannot be decoded
    /// further.
    pub fn decode<'i>(
        &mut self,
        input: &'i mut Input<'_>,
        rules: &FrameRules,
    ) -> Result<Option<PayloadSlice<'i>>, ConnectionError> {
        let (mut unread, position) = input.unread_mut();
        let begins_frame = self.header().is_none();
        let slice = if !begins_frame && unread.is_empty() {
            None
        } else {
            let len = self.decode_header(unread, rules)?;
            take(&mut unread, len);
            let header = self.header().copied();
            header.zip(self.decode_payload(&mut unread, usize::MAX))
        };
        position.leave_unread(unread.len());
        Ok(slice.map(|(header, masked)| PayloadSlice {
            header,
            offset: masked.offset,
            payload: masked.unmask(),
            begins_frame,
        }))
    }

    /// Returns the header of the current frame, or `None` between frames and inside a header.
    pub(crate) const fn header(&self) -> Option<&FrameHeader> {
        match &self.state {
            State::Payload { header, .. } => Some(header),
            State::Header { .. } => None,
        }
    }

    /// Returns whether the next byte is the first byte of a frame. If not, the end of the stream would
    /// cut a header or a payload.
    #[must_use]
    pub const fn is_between_frames(&self) -> bool {
        matches!(self.state, State::Header { len: 0, .. })
    }

    /// Decodes the remaining bytes of the next header at the start of `input`, unless a frame is in
    /// progress. Returns the number of header bytes in `input`.
    #[inline]
    pub(crate) fn decode_header(
        &mut self,
        input: &[u8],
        rules: &FrameRules,
    ) -> Result<usize, ConnectionError> {
        let State::Header { len, .. } = &self.state else { return Ok(0) };
        if *len == 0
            && let Some((header, len)) = FrameHeader::decode_with_len(input, rules)?
        {
            self.state = State::Payload { header, offset: 0 };
            return Ok(len);
        }
        self.decode_split_header(input, rules)
    }

    /// Slow path: the header is split across reads.
    #[cold]
    fn decode_split_header(
        &mut self,
        input: &[u8],
        rules: &FrameRules,
    ) -> Result<usize, ConnectionError> {
        let State::Header { bytes, len } = &mut self.state else { return Ok(0) };
        let before = usize::from(*len);
        let mut end = before;
        for (to, byte) in bytes.iter_mut().skip(before).zip(input) {
            *to = *byte;
            end += 1;
        }
        let header = FrameHeader::decode(bytes.get(..end).unwrap_or_default(), rules)?;
        if let Some(header) = header {
            self.state = State::Payload { header, offset: 0 };
            return Ok(header.encoded_len() - before);
        }
        *len = end as u8;
        Ok(end - before)
    }

    /// Consumes at most `max` bytes of the payload of the current frame, possibly none. Returns
    /// `None` between frames.
    #[inline]
    pub(crate) fn decode_payload<'i>(
        &mut self,
        input: &mut &'i mut [u8],
        max: usize,
    ) -> Option<Masked<'i>> {
        let State::Payload { header, offset } = &mut self.state else { return None };
        let missing = usize::try_from(header.payload_len() - *offset).unwrap_or(usize::MAX);
        let payload = take(input, missing.min(max));
        let masked = Masked { payload, masking_key: header.key_or_zero(), offset: *offset };
        *offset += masked.len() as u64;
        if *offset == header.payload_len() {
            *self = Self::new();
        }
        Some(masked)
    }

    /// Passes the next payload bytes of the current frame, at most `max`, unmasked to `consume`, which
    /// returns the number of bytes that it consumed. The others remain in `input`, masked. Consumes
    /// nothing between frames.
    #[cfg(feature = "deflate")]
    pub(crate) fn consume_payload(
        &mut self,
        input: &mut &mut [u8],
        max: usize,
        consume: impl FnOnce(&[u8]) -> usize,
    ) {
        let State::Payload { header, offset } = &mut self.state else { return };
        let missing = usize::try_from(header.payload_len() - *offset).unwrap_or(usize::MAX);
        let len = input.len().min(missing).min(max);
        let (payload, _) = input.split_at_mut(len);
        let masking_key = header.key_or_zero();
        unmask(payload, masking_key, *offset);
        let consumed = consume(payload).min(len);
        *offset += consumed as u64;
        let (_, remaining) = payload.split_at_mut(consumed);
        unmask(remaining, masking_key, *offset);
        let complete = *offset == header.payload_len();
        take(input, consumed);
        if complete {
            *self = Self::new();
        }
    }

    /// Copies the next payload bytes of the current frame to `out`, as many as fit, and unmasks
    /// them there.
    #[cfg(feature = "alloc")]
    pub(crate) fn peek_payload<'o>(&self, input: &[u8], out: &'o mut [u8; 4]) -> &'o [u8] {
        let State::Payload { header, offset } = &self.state else { return &[] };
        let missing = usize::try_from(header.payload_len() - offset).unwrap_or(usize::MAX);
        let mut len = 0;
        for (to, byte) in out.iter_mut().zip(input.iter().take(missing)) {
            *to = *byte;
            len += 1;
        }
        unmask(out, header.key_or_zero(), *offset);
        out.get(..len).unwrap_or_default()
    }

    /// Returns the number of payload bytes that the current frame still needs, or 0 between frames.
    pub(crate) const fn missing_payload(&self) -> u64 {
        match &self.state {
            State::Payload { header, offset } => header.payload_len() - *offset,
            State::Header { .. } => 0,
        }
    }
}

impl Default for FrameDecoder {
    fn default() -> Self {
        Self::new()
    }
}

/// A masked slice of a payload, to be unmasked in place or in the same pass as a copy.
#[derive(Debug)]
pub(crate) struct Masked<'i> {
    payload: &'i mut [u8],
    /// Zero if the frame is not masked: a zero key changes nothing.
    masking_key: [u8; 4],
    /// The offset of this slice in the payload of the frame.
    offset: u64,
}

impl<'i> Masked<'i> {
    /// Creates the whole payload of a frame with this header.
    #[cfg(feature = "alloc")]
    #[inline]
    pub(crate) fn whole(header: &FrameHeader, payload: &'i mut [u8]) -> Self {
        Self { payload, masking_key: header.key_or_zero(), offset: 0 }
    }

    /// Creates a payload that is not masked.
    #[cfg(any(feature = "deflate", all(test, feature = "alloc")))]
    pub(crate) const fn unmasked(payload: &'i mut [u8]) -> Self {
        Self { payload, masking_key: [0; 4], offset: 0 }
    }

    pub(crate) const fn len(&self) -> usize {
        self.payload.len()
    }

    pub(crate) const fn offset(&self) -> u64 {
        self.offset
    }

    /// Unmasks the payload in place and returns it.
    #[inline]
    pub(crate) fn unmask(self) -> &'i mut [u8] {
        unmask(self.payload, self.masking_key, self.offset);
        self.payload
    }

    /// Appends the unmasked payload to `out` in one pass.
    #[cfg(feature = "alloc")]
    pub(crate) fn append_to(&self, out: &mut Vec<u8>) {
        extend_masked(out, self.payload, self.masking_key, self.offset);
    }
}

/// Removes the first `len` bytes from `input`, or all bytes if there are fewer, and returns them.
// Not inlined without an allocator, to keep a single copy.
#[cfg_attr(feature = "alloc", inline)]
#[cfg_attr(not(feature = "alloc"), inline(never))]
pub(crate) fn take<'i>(input: &mut &'i mut [u8], len: usize) -> &'i mut [u8] {
    let all = core::mem::take(input);
    let len = len.min(all.len());
    let (first, rest) = all.split_at_mut(len);
    *input = rest;
    first
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Role;
    use crate::frame::{Opcode, mask};
    use std::vec::Vec;

    /// A frame with its payload.
    type Frame = (FrameHeader, Vec<u8>);

    fn stream() -> (Vec<u8>, Vec<Frame>) {
        let (mut bytes, mut frames) = (Vec::new(), Vec::new());
        for len in [0_u8, 1, 7, 125, 126, 255] {
            let payload: Vec<u8> = (0..len).collect();
            let key = [len, 0xfa, 0x21, 0x3d];
            let header =
                FrameHeader::new(Opcode::Binary, len.into()).unwrap().with_masking_key(key);
            bytes.extend_from_slice(&header.encode());
            let start = bytes.len();
            bytes.extend_from_slice(&payload);
            mask(&mut bytes[start..], key, 0);
            frames.push((header, payload));
        }
        (bytes, frames)
    }

    #[test]
    fn decodes_equal_frames_at_every_buffer_size() {
        let (bytes, expected) = stream();
        for size in 1..=bytes.len() {
            let mut bytes = bytes.clone();
            let mut decoder = FrameDecoder::new();
            let mut frames: Vec<Frame> = Vec::new();
            let mut complete = true;
            for buffer in bytes.chunks_mut(size) {
                let mut input = Input::with_bytes(buffer);
                while let Some(slice) =
                    decoder.decode(&mut input, &FrameRules::new(Role::Server)).unwrap()
                {
                    assert_eq!(slice.begins_frame, complete);
                    if complete {
                        frames.push((slice.header, Vec::new()));
                    }
                    complete = slice.ends_frame();
                    let (header, payload) = frames.last_mut().unwrap();
                    assert_eq!(*header, slice.header);
                    assert_eq!(slice.offset, payload.len() as u64);
                    payload.extend_from_slice(slice.payload);
                }
                assert!(!input.has_unread());
            }
            assert!(complete);
            assert_eq!(frames, expected, "buffers of {size}");
        }
    }

    #[test]
    fn leaves_unread_bytes_unchanged() {
        let (bytes, _) = stream();
        let mut copy = bytes.clone();
        let mut input = Input::with_bytes(&mut copy);
        let mut decoder = FrameDecoder::new();
        while decoder.decode(&mut input, &FrameRules::new(Role::Server)).unwrap().is_some() {
            assert_eq!(*input.unread(), bytes[bytes.len() - input.unread().len()..]);
        }
    }
}
