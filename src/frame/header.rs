//! The header of a frame (RFC 6455, section 5.2).

use core::ops::{BitOr, Deref};

use super::FrameRules;
#[cfg(feature = "alloc")]
use crate::MessageType;
use crate::{Opcode, ProtocolError, Role};

// The fields of the first two bytes.
pub(super) const FIN: u8 = 0x80;
pub(super) const RESERVED_BITS: u8 = 0x70;
pub(super) const OPCODE: u8 = 0x0f;
const MASK: u8 = 0x80;

/// The three reserved bits, which only an extension gives a meaning (RFC 6455, section 9).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct ReservedBits(pub(super) u8);

impl ReservedBits {
    /// None of them.
    pub const NONE: Self = Self(0);
    /// The first, as permessage-deflate uses it.
    pub const RSV1: Self = Self(0x40);
    /// The second.
    pub const RSV2: Self = Self(0x20);
    /// The third.
    pub const RSV3: Self = Self(0x10);

    /// Whether all of `other` are among these.
    #[inline]
    #[must_use]
    pub const fn contains(self, other: Self) -> bool {
        other.0 & !self.0 == 0
    }
}

impl BitOr for ReservedBits {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

/// The header of a frame. An illegal one can't be built.
///
/// ```
/// use websocket_proto::{FrameHeader, FrameRules, Opcode, Role};
///
/// let header = FrameHeader::new(Opcode::Text, 5)?.masked([0x37, 0xfa, 0x21, 0x3d]);
/// assert_eq!(*header.encode(), [0x81, 0x85, 0x37, 0xfa, 0x21, 0x3d]);
///
/// let rules = FrameRules::new(Role::Server);
/// assert_eq!(FrameHeader::decode(&header.encode(), &rules), Ok(Some(header)));
/// assert_eq!(FrameHeader::decode(&header.encode()[..5], &rules), Ok(None));
/// # Ok::<(), websocket_proto::ProtocolError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct FrameHeader {
    fin: bool,
    reserved_bits: ReservedBits,
    opcode: Opcode,
    masking_key: Option<[u8; 4]>,
    payload_len: u64,
}

impl FrameHeader {
    /// Bytes of the longest header.
    pub const MAX_LEN: usize = 14;

    /// The header of a frame with FIN set, without reserved bits and masking key.
    ///
    /// Fails where the frame would be illegal: a control frame of more than 125 bytes, a Close of
    /// one, a length of more than 63 bits.
    #[inline]
    pub const fn new(opcode: Opcode, payload_len: u64) -> Result<Self, ProtocolError> {
        if opcode.is_control() && payload_len > 125 {
            return Err(ProtocolError::ControlTooLong(opcode));
        }
        if matches!(opcode, Opcode::Close) && payload_len == 1 {
            return Err(ProtocolError::CloseTooShort);
        }
        if payload_len >> 63 != 0 {
            return Err(ProtocolError::LengthTooLarge);
        }
        let reserved_bits = ReservedBits::NONE;
        Ok(Self { fin: true, reserved_bits, opcode, masking_key: None, payload_len })
    }

    /// The header of a whole message in one frame. Nothing in memory is longer than 63 bits.
    #[cfg(feature = "alloc")]
    pub(crate) const fn whole(message_type: MessageType, payload_len: usize) -> Self {
        Self {
            fin: true,
            reserved_bits: ReservedBits::NONE,
            opcode: message_type.opcode(),
            masking_key: None,
            payload_len: payload_len as u64 & (u64::MAX >> 1),
        }
    }

    /// The same without FIN: further fragments follow (section 5.4). Fails for a control frame.
    #[inline]
    pub const fn unfinished(self) -> Result<Self, ProtocolError> {
        if self.opcode.is_control() {
            return Err(ProtocolError::FragmentedControl(self.opcode));
        }
        Ok(Self { fin: false, ..self })
    }

    /// The same with a masking key, as a client must send it (section 5.3).
    #[inline]
    #[must_use]
    pub const fn masked(self, key: [u8; 4]) -> Self {
        Self { masking_key: Some(key), ..self }
    }

    /// The same without a masking key.
    #[cfg(feature = "alloc")]
    #[inline]
    pub(crate) const fn unmasked(self) -> Self {
        Self { masking_key: None, ..self }
    }

    /// The same with these reserved bits, as an extension defines them (section 5.8).
    #[inline]
    #[must_use]
    pub const fn with_reserved_bits(self, reserved_bits: ReservedBits) -> Self {
        Self { reserved_bits, ..self }
    }

    /// Whether this is the last frame of its message.
    #[inline]
    #[must_use]
    pub const fn fin(&self) -> bool {
        self.fin
    }

    /// The reserved bits that are set.
    #[inline]
    #[must_use]
    pub const fn reserved_bits(&self) -> ReservedBits {
        self.reserved_bits
    }

    /// What the frame carries.
    #[inline]
    #[must_use]
    pub const fn opcode(&self) -> Opcode {
        self.opcode
    }

    /// The masking key, if the payload is masked.
    #[inline]
    #[must_use]
    pub const fn masking_key(&self) -> Option<[u8; 4]> {
        self.masking_key
    }

    /// Bytes of payload behind this header, below 2⁶³.
    #[inline]
    #[must_use]
    pub const fn payload_len(&self) -> u64 {
        self.payload_len
    }

    /// Whether further fragments follow, and nothing is in this one.
    #[inline]
    pub(crate) const fn is_empty_fragment(&self) -> bool {
        !self.fin && self.payload_len == 0
    }

    /// Bytes of this header: 2 to 14. Only the minimal length encoding is legal, so that every
    /// header has one.
    #[inline]
    #[must_use]
    pub const fn encoded_len(&self) -> usize {
        let length = match self.payload_len {
            0..=125 => 2,
            126..=0xffff => 4,
            _ => 10,
        };
        if self.masking_key.is_some() { length + 4 } else { length }
    }

    /// Reads the header at the start of `input`, `None` if it is not complete.
    ///
    /// Each rule is applied as soon as the bytes it needs are there, also where the header is not
    /// complete: the first byte's at the first byte, and those of the length without waiting for
    /// the masking key. So the same stream fails in the same way however it is cut.
    // Called, so that the code is there once; what receives most frames has it inlined.
    #[inline(never)]
    pub fn decode(input: &[u8], rules: &FrameRules) -> Result<Option<Self>, ProtocolError> {
        Ok(Self::decode_with_len(input, rules)?.map(|(header, _)| header))
    }

    /// The header and its [`encoded_len`](Self::encoded_len).
    #[cfg_attr(feature = "alloc", inline(always))]
    pub(crate) fn decode_with_len(
        input: &[u8],
        rules: &FrameRules,
    ) -> Result<Option<(Self, usize)>, ProtocolError> {
        let Some(&first) = input.first() else { return Ok(None) };
        let opcode = rules.opcode(first)?;
        let fin = first & FIN != 0;
        let reserved_bits = ReservedBits(first & RESERVED_BITS);

        let Some(&second) = input.get(1) else { return Ok(None) };
        // RFC 6455, section 5.1: a client masks every frame, a server none.
        let masked = second & MASK != 0;
        match rules.receiver {
            Role::Server if !masked => return Err(ProtocolError::MissingMask),
            Role::Client if masked => return Err(ProtocolError::UnexpectedMask),
            Role::Server | Role::Client => {}
        }
        let short = second & !MASK;
        if opcode.is_control() {
            // RFC 6455, section 5.5: at most 125 bytes.
            if short > 125 {
                return Err(ProtocolError::ControlTooLong(opcode));
            }
            // RFC 6455, section 5.5.1: a Close payload begins with two bytes of code.
            if short == 1 && matches!(opcode, Opcode::Close) {
                return Err(ProtocolError::CloseTooShort);
            }
        }

        // RFC 6455, section 5.2: the minimal number of bytes, and 63 bits.
        let (payload_len, end) = match short {
            0..126 => (u64::from(short), 2),
            126 => {
                let Some(length) = chunk::<2>(input, 2) else { return Ok(None) };
                let length = u64::from(u16::from_be_bytes(length));
                if length < 126 {
                    return Err(ProtocolError::NonMinimalLength);
                }
                (length, 4)
            }
            _ => {
                let Some(length) = chunk::<8>(input, 2) else { return Ok(None) };
                let length = u64::from_be_bytes(length);
                if length >> 63 != 0 {
                    return Err(ProtocolError::LengthTooLarge);
                }
                if length <= 0xffff {
                    return Err(ProtocolError::NonMinimalLength);
                }
                (length, 10)
            }
        };
        if !opcode.is_control() {
            // RFC 6455, section 10.4: limits hold before anything is buffered.
            if payload_len > rules.max_frame {
                return Err(ProtocolError::FrameTooLong);
            }
            if payload_len > rules.max_message_rest {
                return Err(ProtocolError::MessageTooLong);
            }
            if !fin && payload_len == 0 && rules.max_empty_fragments_rest == 0 {
                return Err(ProtocolError::TooManyEmptyFragments);
            }
        }

        let (masking_key, end) = if masked {
            let Some(key) = chunk::<4>(input, end) else { return Ok(None) };
            (Some(key), end + 4)
        } else {
            (None, end)
        };
        Ok(Some((Self { fin, reserved_bits, opcode, masking_key, payload_len }, end)))
    }

    /// The bytes of this header.
    #[inline]
    #[must_use]
    pub const fn encode(&self) -> EncodedHeader {
        // Put together in two registers, the first byte lowest.
        let first = if self.fin { FIN } else { 0 } | self.reserved_bits.0 | self.opcode.bits();
        let (mask, key, key_len) = match self.masking_key {
            Some(key) => (MASK, u32::from_le_bytes(key) as u64, 4),
            None => (0, 0, 0),
        };
        let (short, low, high, end) = match self.payload_len {
            length @ 0..=125 => (length as u8, key, 0, 2),
            length @ 126..=0xffff => (126, (length as u16).swap_bytes() as u64 | key << 16, 0, 4),
            length => (127, length.swap_bytes(), length.swap_bytes() >> 48 | key << 16, 10),
        };
        let low = u16::from_le_bytes([first, mask | short]) as u64 | low << 16;
        let bytes = low as u128 | (high as u128) << 64;
        EncodedHeader { bytes: bytes.to_le_bytes(), len: end + key_len }
    }
}

#[inline]
fn chunk<const N: usize>(input: &[u8], at: usize) -> Option<[u8; N]> {
    input.get(at..at + N)?.first_chunk().copied()
}

/// The bytes of a [`FrameHeader`].
#[derive(Clone, Copy, Debug)]
pub struct EncodedHeader {
    bytes: [u8; 16],
    len: u8,
}

impl EncodedHeader {
    /// None.
    #[cfg(feature = "alloc")]
    pub(crate) const EMPTY: Self = Self { bytes: [0; 16], len: 0 };

    /// The bytes, and zeros behind them.
    #[cfg(feature = "alloc")]
    #[inline]
    pub(crate) const fn padded(&self) -> &[u8; 16] {
        &self.bytes
    }
}

impl Deref for EncodedHeader {
    type Target = [u8];

    #[inline]
    fn deref(&self) -> &[u8] {
        self.bytes.get(..usize::from(self.len)).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LENGTHS: [u64; 9] = [0, 1, 125, 126, 127, 65535, 65536, 1 << 32, (1 << 63) - 1];

    #[test]
    fn what_is_encoded_decodes_to_the_same_and_every_prefix_is_incomplete() {
        for opcode in [Opcode::Continuation, Opcode::Text, Opcode::Binary, Opcode::Ping] {
            for length in LENGTHS {
                let Ok(header) = FrameHeader::new(opcode, length) else {
                    assert!(opcode.is_control() && length > 125);
                    continue;
                };
                for (receiver, header) in
                    [(Role::Client, header), (Role::Server, header.masked([1, 2, 3, 4]))]
                {
                    for header in [Ok(header), header.unfinished()].into_iter().flatten() {
                        let mut rules = FrameRules::new(receiver);
                        rules.in_message = opcode == Opcode::Continuation;
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
    fn illegal_headers_can_not_be_built() {
        assert_eq!(
            FrameHeader::new(Opcode::Ping, 126),
            Err(ProtocolError::ControlTooLong(Opcode::Ping))
        );
        assert_eq!(FrameHeader::new(Opcode::Close, 1), Err(ProtocolError::CloseTooShort));
        assert_eq!(FrameHeader::new(Opcode::Text, 1 << 63), Err(ProtocolError::LengthTooLarge));
        assert_eq!(
            FrameHeader::new(Opcode::Close, 0).and_then(FrameHeader::unfinished),
            Err(ProtocolError::FragmentedControl(Opcode::Close))
        );
    }

    #[track_caller]
    fn refused(bytes: &[u8], rules: &FrameRules, error: ProtocolError) {
        assert_eq!(FrameHeader::decode(bytes, rules), Err(error), "{bytes:x?}");
        let before = &bytes[..bytes.len() - 1];
        assert_eq!(FrameHeader::decode(before, rules), Ok(None), "{before:x?}");
    }

    #[test]
    fn each_rule_applies_at_the_byte_that_breaks_it() {
        use ProtocolError::*;
        let server = FrameRules::new(Role::Server);
        let client = FrameRules::new(Role::Client);
        let inside = FrameRules { in_message: true, ..client };
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
    fn limits_are_inclusive_and_hold_at_the_last_byte_of_the_length() {
        use ProtocolError::*;
        let client = FrameRules::new(Role::Client);
        let frame = FrameRules { max_frame: 300, ..client };
        assert_eq!(FrameHeader::decode(&[0x82, 126, 1, 44], &frame).map(|h| h.is_some()), Ok(true));
        refused(&[0x82, 126, 1, 45], &frame, FrameTooLong);
        refused(
            &[0x82, 0xfe, 1, 45],
            &FrameRules { receiver: Role::Server, ..frame },
            FrameTooLong,
        );
        let message = FrameRules { max_message_rest: 0, ..client };
        assert_eq!(FrameHeader::decode(&[0x82, 0], &message).map(|h| h.is_some()), Ok(true));
        refused(&[0x82, 1], &message, MessageTooLong);
        // Control frames are not the message's.
        assert_eq!(FrameHeader::decode(&[0x89, 125], &message).map(|h| h.is_some()), Ok(true));
        let empty = FrameRules { in_message: true, max_empty_fragments_rest: 0, ..client };
        refused(&[0x00, 0], &empty, TooManyEmptyFragments);
        assert_eq!(FrameHeader::decode(&[0x80, 0], &empty).map(|h| h.is_some()), Ok(true));
    }

    #[test]
    fn reserved_bits_are_for_the_first_frame_of_a_message() {
        let rules =
            FrameRules { reserved_bits: ReservedBits::RSV1, ..FrameRules::new(Role::Client) };
        let header = FrameHeader::decode(&[0xc1, 0], &rules).unwrap().unwrap();
        assert_eq!(header.reserved_bits(), ReservedBits::RSV1);
        refused(&[0xe1], &rules, ProtocolError::ReservedBits);
        refused(&[0xc9], &rules, ProtocolError::ReservedBits);
        refused(&[0xc0], &FrameRules { in_message: true, ..rules }, ProtocolError::ReservedBits);
    }
}
