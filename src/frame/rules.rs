//! What the header of a frame must obey where it stands, beyond its own grammar.

use super::ReservedBits;
use super::header::{FIN, OPCODE, RESERVED_BITS};
use crate::{Opcode, ProtocolError, Role};

/// What a header must obey where it stands, beyond its own grammar.
///
/// A [`Session`](crate::Session) derives it from its state for every frame; who uses a
/// [`FrameDecoder`](crate::FrameDecoder) alone states it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FrameRules {
    /// Who receives the frame: a server demands a masking key, a client refuses it.
    pub receiver: Role,
    /// The bits that an extension may have set on the first frame of a message.
    pub reserved_bits: ReservedBits,
    /// Whether a message is under way: then only a continuation may go on, otherwise none may.
    pub in_message: bool,
    /// Bytes of payload that a data frame may have.
    pub max_frame: u64,
    /// Bytes of payload that the message may still get.
    pub max_message_rest: u64,
    /// Empty fragments, the last one not counted, that the message may still get.
    pub max_empty_fragments_rest: u32,
}

impl FrameRules {
    /// For the first frame of a stream, without extensions and without limits.
    #[must_use]
    pub const fn new(receiver: Role) -> Self {
        Self {
            receiver,
            reserved_bits: ReservedBits::NONE,
            in_message: false,
            max_frame: u64::MAX,
            max_message_rest: u64::MAX,
            max_empty_fragments_rest: u32::MAX,
        }
    }

    /// The opcode of a frame with this first byte, if it may stand here.
    #[inline]
    pub(super) fn opcode(&self, first: u8) -> Result<Opcode, ProtocolError> {
        // What begins a message is most frequent, and seen at once.
        match first & !(FIN | self.reserved_bits.0) {
            0x1 if !self.in_message => Ok(Opcode::Text),
            0x2 if !self.in_message => Ok(Opcode::Binary),
            _ => self.any_opcode(first),
        }
    }

    fn any_opcode(&self, first: u8) -> Result<Opcode, ProtocolError> {
        // RFC 6455, section 5.2: an unknown opcode fails the connection.
        let Some(opcode) = Opcode::from_bits(first & OPCODE) else {
            return Err(ProtocolError::ReservedOpcode(first & OPCODE));
        };
        // RFC 6455, section 5.2: reserved bits are 0 unless an extension defines them. Those of
        // per-message extensions stand on a message's first frame only (RFC 7692, section 6).
        let allowed = match opcode {
            Opcode::Text | Opcode::Binary => self.reserved_bits,
            Opcode::Continuation | Opcode::Close | Opcode::Ping | Opcode::Pong => {
                ReservedBits::NONE
            }
        };
        if !allowed.contains(ReservedBits(first & RESERVED_BITS)) {
            return Err(ProtocolError::ReservedBits);
        }
        if opcode.is_control() {
            // RFC 6455, section 5.5: control frames are never fragmented.
            if first & FIN == 0 {
                return Err(ProtocolError::FragmentedControl(opcode));
            }
        } else if self.in_message != (opcode == Opcode::Continuation) {
            // RFC 6455, section 5.4: the fragments of one message stand together.
            return Err(if self.in_message {
                ProtocolError::UnfinishedMessage(opcode)
            } else {
                ProtocolError::UnexpectedContinuation
            });
        }
        Ok(opcode)
    }
}
