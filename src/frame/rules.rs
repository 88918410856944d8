//! The rules for frame headers that depend on their context: role, extension, message in progress and
//! limits.

use core::ops::BitOr;

use super::Opcode;
use crate::{Limit, Role, Violation};

/// Bits of the first byte of a header (RFC 6455, section 5.2).
pub(crate) const FIN: u8 = 0x80;
pub(super) const RESERVED_BITS: u8 = 0x70;
const OPCODE: u8 = 0x0f;
/// Bit of the second byte of a header.
pub(super) const MASK: u8 = 0x80;

/// The three reserved bits of a frame header, which only extensions use (RFC 6455, section 9).
///
/// ```
/// use websocket_proto::frame::ReservedBits;
///
/// let bits = ReservedBits::RSV1 | ReservedBits::RSV3;
/// assert!(bits.contains(ReservedBits::RSV1));
/// assert!(!bits.contains(ReservedBits::RSV2));
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct ReservedBits(pub(super) u8);

impl ReservedBits {
    /// No reserved bit.
    pub const NONE: Self = Self(0);
    /// The first reserved bit, which permessage-deflate uses (RFC 7692, section 6).
    pub const RSV1: Self = Self(0x40);
    /// The second reserved bit.
    pub const RSV2: Self = Self(0x20);
    /// The third reserved bit.
    pub const RSV3: Self = Self(0x10);

    /// Returns whether these bits include all bits of `other`.
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

/// The context-dependent rules for the next frame header.
///
/// A [`Session`](crate::session::Session) derives them from its state. A program that uses a
/// [`FrameDecoder`](super::FrameDecoder) alone provides them: after each data frame it sets
/// `message_in_progress`, and the two remaining limits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct FrameRules {
    /// The role of the receiver: a server requires a masking key, a client rejects one.
    pub receiver: Role,
    /// The bits that an extension may set on the first frame of a message.
    pub reserved_bits: ReservedBits,
    /// Whether a message is in progress. If so, the next data frame must be a continuation, else it
    /// must not. Set it to the negated FIN of each data frame.
    pub message_in_progress: bool,
    /// The maximum payload length of a data frame in bytes.
    pub max_frame: u64,
    /// The maximum number of further payload bytes of the message: a limit, minus the payload lengths
    /// of the message's frames so far. Set it to the limit again after a data frame with FIN.
    ///
    /// It does not apply to a frame with a reserved bit, whose payload an extension transforms; set it
    /// to `u64::MAX` for the further frames of such a message.
    pub message_remaining: u64,
    /// The maximum number of further empty fragments of the message: a limit, minus the number of its
    /// empty frames without FIN so far. Set it to the limit again after a data frame with FIN.
    pub empty_fragments_remaining: u32,
}

impl FrameRules {
    /// Creates the rules for the first frame of a stream, without extensions and limits.
    #[must_use]
    pub const fn new(receiver: Role) -> Self {
        Self {
            receiver,
            reserved_bits: ReservedBits::NONE,
            message_in_progress: false,
            max_frame: u64::MAX,
            message_remaining: u64::MAX,
            empty_fragments_remaining: u32::MAX,
        }
    }

    /// Checks the first byte of a header and returns its opcode.
    #[inline]
    pub(super) fn check_first_byte(&self, first: u8) -> Result<Opcode, Violation> {
        // Fast path: the first or only frame of a message.
        match first & !(FIN | self.reserved_bits.0) {
            0x1 if !self.message_in_progress => return Ok(Opcode::Text),
            0x2 if !self.message_in_progress => return Ok(Opcode::Binary),
            _ => {}
        }
        // RFC 6455, section 5.2: an unknown opcode fails the connection.
        let Some(opcode) = Opcode::from_bits(first & OPCODE) else {
            return Err(Violation::ReservedOpcode(first & OPCODE));
        };
        // RFC 6455, section 5.2: reserved bits are 0 unless an extension defines them. Those of
        // per-message extensions are set on the first frame of a message only (RFC 7692, section 6).
        let allowed = match opcode {
            Opcode::Text | Opcode::Binary => self.reserved_bits,
            Opcode::Continuation | Opcode::Close | Opcode::Ping | Opcode::Pong => {
                ReservedBits::NONE
            }
        };
        if !allowed.contains(ReservedBits(first & RESERVED_BITS)) {
            return Err(Violation::ReservedBits);
        }
        if opcode.is_control() {
            // RFC 6455, section 5.5: control frames must not be fragmented.
            if first & FIN == 0 {
                return Err(Violation::FragmentedControl(opcode));
            }
        } else if self.message_in_progress != (opcode == Opcode::Continuation) {
            // RFC 6455, section 5.4: fragments of one message must not be interleaved with another.
            return Err(if self.message_in_progress {
                Violation::UnfinishedMessage(opcode)
            } else {
                Violation::UnexpectedContinuation
            });
        }
        Ok(opcode)
    }

    /// Checks the second byte of a header.
    #[inline]
    pub(super) fn check_second_byte(&self, opcode: Opcode, second: u8) -> Result<(), Violation> {
        // RFC 6455, section 5.1: a client must mask every frame, a server must not mask any.
        let masked = second & MASK != 0;
        match self.receiver {
            Role::Server if !masked => return Err(Violation::MissingMask),
            Role::Client if masked => return Err(Violation::UnexpectedMask),
            Role::Server | Role::Client => {}
        }
        if opcode.is_control() {
            // RFC 6455, section 5.5: control frames have at most 125 bytes of payload.
            if second & !MASK > 125 {
                return Err(Violation::ControlTooLong(opcode));
            }
            // RFC 6455, section 5.5.1: a Close payload begins with a code of two bytes.
            if second & !MASK == 1 && matches!(opcode, Opcode::Close) {
                return Err(Violation::CloseTooShort);
            }
        }
        Ok(())
    }

    /// Checks the limits of a data frame.
    pub(super) fn check_limits(
        &self,
        fin: bool,
        reserved_bits: ReservedBits,
        payload_len: u64,
    ) -> Result<(), Limit> {
        // RFC 6455, section 10.4: limits apply before anything is buffered.
        if payload_len > self.max_frame {
            return Err(Limit::Frame);
        }
        // The payload of a message has another length after an extension has transformed it.
        if payload_len > self.message_remaining && reserved_bits == ReservedBits::NONE {
            return Err(Limit::Message);
        }
        if !fin && payload_len == 0 && self.empty_fragments_remaining == 0 {
            return Err(Limit::EmptyFragments);
        }
        Ok(())
    }
}
