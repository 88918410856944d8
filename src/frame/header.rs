//! The frame header: its encoding and its decoding (RFC 6455, section 5). `rules.rs` has the rules that
//! depend on the context.

use core::ops::Deref;

use super::Opcode;
use super::rules::{FIN, FrameRules, MASK, RESERVED_BITS, ReservedBits};
use crate::{ConnectionError, Violation};

/// The header of a frame (RFC 6455, section 5.2).
///
/// Its length, opcode and FIN are always legal. Reserved bits are legal if a negotiated extension
/// defines them.
///
/// ```
/// use websocket_proto::frame::{FrameHeader, FrameRules, Opcode};
/// use websocket_proto::Role;
///
/// let header = FrameHeader::new(Opcode::Text, 5).unwrap().with_masking_key([0x37, 0xfa, 0x21, 0x3d]);
/// assert_eq!(*header.encode(), [0x81, 0x85, 0x37, 0xfa, 0x21, 0x3d]);
///
/// let rules = FrameRules::new(Role::Server);
/// assert_eq!(FrameHeader::decode(&header.encode(), &rules), Ok(Some(header)));
/// assert_eq!(FrameHeader::decode(&header.encode()[..5], &rules), Ok(None));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct FrameHeader {
    fin: bool,
    reserved_bits: ReservedBits,
    opcode: Opcode,
    masking_key: Option<[u8; 4]>,
    /// `payload_len < 2⁶³`.
    payload_len: u64,
}

impl FrameHeader {
    /// The length of the longest encoded header in bytes.
    pub const MAX_LEN: usize = 14;

    /// Creates a header with FIN set, and without reserved bits and masking key.
    ///
    /// Returns `None` if the frame would be illegal: a control frame with more than 125 bytes of
    /// payload, a Close with 1 byte of payload, or a payload length of more than 63 bits.
    #[must_use]
    pub const fn new(opcode: Opcode, payload_len: u64) -> Option<Self> {
        let control_too_long = opcode.is_control() && payload_len > 125;
        let close_too_short = matches!(opcode, Opcode::Close) && payload_len == 1;
        if control_too_long || close_too_short || payload_len >> 63 != 0 {
            return None;
        }
        let reserved_bits = ReservedBits::NONE;
        Some(Self { fin: true, reserved_bits, opcode, masking_key: None, payload_len })
    }

    /// Clears FIN: further fragments follow (section 5.4). Returns `None` for a control frame.
    #[must_use]
    pub const fn without_fin(self) -> Option<Self> {
        if self.opcode.is_control() { None } else { Some(Self { fin: false, ..self }) }
    }

    /// Sets the masking key, which every frame of a client must have (section 5.3).
    #[must_use]
    pub const fn with_masking_key(self, key: [u8; 4]) -> Self {
        Self { masking_key: Some(key), ..self }
    }

    /// Sets the reserved bits to those that an extension defines (section 5.8).
    #[must_use]
    pub const fn with_reserved_bits(self, reserved_bits: ReservedBits) -> Self {
        Self { reserved_bits, ..self }
    }

    /// Returns whether FIN is set: this is the last frame of its message.
    #[must_use]
    pub const fn fin(&self) -> bool {
        self.fin
    }

    /// Returns the reserved bits that are set.
    #[must_use]
    pub const fn reserved_bits(&self) -> ReservedBits {
        self.reserved_bits
    }

    /// Returns the opcode.
    #[must_use]
    pub const fn opcode(&self) -> Opcode {
        self.opcode
    }

    /// Returns the masking key, or `None` if the payload is not masked.
    #[must_use]
    pub const fn masking_key(&self) -> Option<[u8; 4]> {
        self.masking_key
    }

    /// Returns the masking key, or zero if the payload is not masked: a zero key changes nothing.
    #[inline]
    pub(crate) fn key_or_zero(&self) -> [u8; 4] {
        self.masking_key.unwrap_or_default()
    }

    /// Returns the payload length in bytes, which is less than 2⁶³.
    #[must_use]
    pub const fn payload_len(&self) -> u64 {
        self.payload_len
    }

    /// Returns the length of the encoded header in bytes, 2 to 14. The payload length has its
    /// minimal encoding.
    #[must_use]
    pub const fn encoded_len(&self) -> usize {
        let len = match self.payload_len {
            0..=125 => 2,
            126..=0xffff => 4,
            _ => 10,
        };
        if self.masking_key.is_some() { len + 4 } else { len }
    }

    /// Decodes the header at the start of `input`. Returns `None` if the header is incomplete.
    ///
    /// Each rule is checked as soon as its bytes have arrived, even if the header is incomplete. A
    /// stream therefore fails with the same error however it is split.
    ///
    /// # Errors
    ///
    /// Returns the [`Violation`] of RFC 6455, section 5, or the [`Limit`](crate::Limit) that the header exceeds.
    pub fn decode(input: &[u8], rules: &FrameRules) -> Result<Option<Self>, ConnectionError> {
        Ok(Self::decode_with_len(input, rules)?.map(|(header, _)| header))
    }

    /// Decodes a header. Returns it with its encoded length in bytes.
    // Not inlined without an allocator, to keep a single copy.
    #[cfg_attr(feature = "alloc", inline(always))]
    #[cfg_attr(not(feature = "alloc"), inline(never))]
    pub(crate) fn decode_with_len(
        input: &[u8],
        rules: &FrameRules,
    ) -> Result<Option<(Self, usize)>, ConnectionError> {
        let Some(&first) = input.first() else { return Ok(None) };
        let opcode = rules.check_first_byte(first)?;
        Self::decode_after_first(input, first, opcode, rules)
    }

    /// Decodes a header whose first byte is already checked. Returns it with its encoded length in
    /// bytes.
    #[inline]
    pub(crate) fn decode_after_first(
        input: &[u8],
        first: u8,
        opcode: Opcode,
        rules: &FrameRules,
    ) -> Result<Option<(Self, usize)>, ConnectionError> {
        let fin = first & FIN != 0;
        let reserved_bits = ReservedBits(first & RESERVED_BITS);

        let Some(&second) = input.get(1) else { return Ok(None) };
        rules.check_second_byte(opcode, second)?;

        // RFC 6455, section 5.2: the length has at most 63 bits and must be encoded in as few bytes
        // as possible.
        let (payload_len, key_start) = match second & !MASK {
            126 => {
                let Some(bytes) = bytes_at(input, 2) else { return Ok(None) };
                let len = u64::from(u16::from_be_bytes(bytes));
                if len < 126 {
                    return Err(Violation::NonMinimalLength.into());
                }
                (len, 4)
            }
            127 => {
                let Some(bytes) = bytes_at(input, 2) else { return Ok(None) };
                let len = u64::from_be_bytes(bytes);
                if len >> 63 != 0 {
                    return Err(Violation::LengthTooLarge.into());
                }
                if len <= 0xffff {
                    return Err(Violation::NonMinimalLength.into());
                }
                (len, 10)
            }
            len => (u64::from(len), 2),
        };
        if !opcode.is_control() {
            rules.check_limits(fin, reserved_bits, payload_len)?;
        }

        let (masking_key, len) = if second & MASK != 0 {
            let Some(key) = bytes_at(input, key_start) else { return Ok(None) };
            (Some(key), key_start + 4)
        } else {
            (None, key_start)
        };
        Ok(Some((Self { fin, reserved_bits, opcode, masking_key, payload_len }, len)))
    }

    /// Encodes this header.
    #[must_use]
    pub const fn encode(&self) -> EncodedHeader {
        let fin = if self.fin { FIN } else { 0 };
        let first = (fin | self.reserved_bits.0 | self.opcode.bits()) as u64;
        let (mask, key, key_len) = match self.masking_key {
            Some(key) => (MASK as u64, u32::from_le_bytes(key) as u64, 4),
            None => (0, 0, 0),
        };
        // The bytes are assembled in two little-endian words, because single-byte stores are slower
        // (benchmark `connection`).
        let (low, high, key_start) = match self.payload_len {
            len @ 0..=125 => (first | (mask | len) << 8 | key << 16, 0, 2),
            len @ 126..=0xffff => {
                let len = (len as u16).swap_bytes() as u64;
                (first | (mask | 126) << 8 | len << 16 | key << 32, 0, 4)
            }
            len => {
                let len = len.swap_bytes();
                (first | (mask | 127) << 8 | len << 16, len >> 48 | key << 16, 10)
            }
        };
        let bytes = (low as u128 | (high as u128) << 64).to_le_bytes();
        EncodedHeader { bytes, len: key_start + key_len }
    }
}

#[inline]
fn bytes_at<const N: usize>(input: &[u8], start: usize) -> Option<[u8; N]> {
    input.get(start..start + N)?.first_chunk().copied()
}

/// The encoded bytes of a [`FrameHeader`]. Dereferences to `[u8]`.
#[derive(Clone, Copy, Debug)]
pub struct EncodedHeader {
    /// The header, followed by zeros.
    bytes: [u8; 16],
    /// At most [`FrameHeader::MAX_LEN`].
    len: u8,
}

impl EncodedHeader {
    /// Returns the header followed by zeros: an array of fixed size is copied without a loop.
    #[cfg(feature = "alloc")]
    pub(crate) const fn padded(&self) -> &[u8; 16] {
        &self.bytes
    }
}

impl Deref for EncodedHeader {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        let bytes = self.bytes.get(..usize::from(self.len));
        debug_assert!(bytes.is_some(), "len <= MAX_LEN");
        bytes.unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Limit, Role};

    const LENGTHS: [u64; 9] = [0, 1, 125, 126, 127, 65535, 65536, 1 << 32, (1 << 63) - 1];

    #[test]
    fn encoded_header_decodes_to_itself_and_its_prefixes_are_incomplete() {
        for opcode in [Opcode::Continuation, Opcode::Text, Opcode::Binary, Opcode::Ping] {
            for length in LENGTHS {
                let Some(header) = FrameHeader::new(opcode, length) else {
                    assert!(opcode.is_control() && length > 125);
                    continue;
                };
                for (receiver, header) in
                    [(Role::Client, header), (Role::Server, header.with_masking_key([1, 2, 3, 4]))]
                {
                    for header in [Some(header), header.without_fin()].into_iter().flatten() {
                        let mut rules = FrameRules::new(receiver);
                        rules.message_in_progress = opcode == Opcode::Continuation;
                        let bytes = header.encode();
                        assert_eq!(bytes.len(), header.encoded_len());
                        assert_eq!(FrameHeader::decode(&bytes, &rules), Ok(Some(header)));
                        for cut in 0..bytes.len() {
                            assert_eq!(FrameHeader::decode(&bytes[..cut], &rules), Ok(None));
                        }
                    }
                }
            }
        }
    }

    #[test]
    fn rejects_illegal_headers_at_construction() {
        assert_eq!(FrameHeader::new(Opcode::Ping, 126), None);
        assert_eq!(FrameHeader::new(Opcode::Close, 1), None);
        assert_eq!(FrameHeader::new(Opcode::Text, 1 << 63), None);
        assert_eq!(FrameHeader::new(Opcode::Close, 0).and_then(FrameHeader::without_fin), None);
    }

    #[track_caller]
    fn refused(bytes: &[u8], rules: &FrameRules, error: impl Into<ConnectionError>) {
        assert_eq!(FrameHeader::decode(bytes, rules), Err(error.into()), "{bytes:x?}");
        let before = &bytes[..bytes.len() - 1];
        assert_eq!(FrameHeader::decode(before, rules), Ok(None), "{before:x?}");
    }

    #[test]
    fn reports_each_violation_at_the_byte_that_causes_it() {
        use Violation::*;
        let server = FrameRules::new(Role::Server);
        let client = FrameRules::new(Role::Client);
        let inside = FrameRules { message_in_progress: true, ..client };
        refused(&[0xc1], &server, ReservedBits);
        refused(&[0x83], &server, ReservedOpcode(3));
        refused(&[0x8b], &server, ReservedOpcode(0xb));
        refused(&[0x09], &server, FragmentedControl(Opcode::Ping));
        refused(&[0x80], &server, UnexpectedContinuation);
        refused(&[0x81], &inside, UnfinishedMessage(Opcode::Text));
        refused(&[0x81, 0x05], &server, MissingMask);
        refused(&[0x81, 0x85], &client, UnexpectedMask);
        refused(&[0x89, 126], &client, ControlTooLong(Opcode::Ping));
        refused(&[0x88, 1], &client, CloseTooShort);
        refused(&[0x81, 126, 0, 125], &client, NonMinimalLength);
        refused(&[0x81, 0xfe, 0, 125], &server, NonMinimalLength);
        refused(&[0x81, 127, 0, 0, 0, 0, 0, 0, 255, 255], &client, NonMinimalLength);
        refused(&[0x81, 127, 128, 0, 0, 0, 0, 1, 0, 0], &client, LengthTooLarge);
    }

    #[test]
    fn limits_are_inclusive_and_apply_at_the_last_byte_of_the_length() {
        let client = FrameRules::new(Role::Client);
        let frame = FrameRules { max_frame: 300, ..client };
        assert_eq!(FrameHeader::decode(&[0x82, 126, 1, 44], &frame).map(|h| h.is_some()), Ok(true));
        refused(&[0x82, 126, 1, 45], &frame, Limit::Frame);
        refused(
            &[0x82, 0xfe, 1, 45],
            &FrameRules { receiver: Role::Server, ..frame },
            Limit::Frame,
        );
        let message = FrameRules { message_remaining: 0, ..client };
        assert_eq!(FrameHeader::decode(&[0x82, 0], &message).map(|h| h.is_some()), Ok(true));
        refused(&[0x82, 1], &message, Limit::Message);
        // Control frames do not count.
        assert_eq!(FrameHeader::decode(&[0x89, 125], &message).map(|h| h.is_some()), Ok(true));
        let empty =
            FrameRules { message_in_progress: true, empty_fragments_remaining: 0, ..client };
        refused(&[0x00, 0], &empty, Limit::EmptyFragments);
        assert_eq!(FrameHeader::decode(&[0x80, 0], &empty).map(|h| h.is_some()), Ok(true));
    }

    #[test]
    fn reserved_bits_are_allowed_on_the_first_frame_of_a_message_only() {
        let rules =
            FrameRules { reserved_bits: ReservedBits::RSV1, ..FrameRules::new(Role::Client) };
        let header = FrameHeader::decode(&[0xc1, 0], &rules).unwrap().unwrap();
        assert_eq!(header.reserved_bits(), ReservedBits::RSV1);
        refused(&[0xe1], &rules, Violation::ReservedBits);
        refused(&[0xc9], &rules, Violation::ReservedBits);
        refused(
            &[0xc0],
            &FrameRules { message_in_progress: true, ..rules },
            Violation::ReservedBits,
        );
    }
}
