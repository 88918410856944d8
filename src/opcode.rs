//! The four bits that say what a frame is.

use crate::MessageType;

/// What a frame carries (RFC 6455, section 5.2).
///
/// Only the six defined opcodes exist as values: a reserved one is refused where a header is
/// decoded and can't be encoded.
///
/// ```
/// use websocket_proto::Opcode;
///
/// assert_eq!(Opcode::from_bits(0x9), Some(Opcode::Ping));
/// assert_eq!(Opcode::from_bits(0x3), None);
/// assert!(Opcode::Ping.is_control());
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Opcode {
    /// A further fragment of the message that is under way.
    Continuation = 0x0,
    /// The first or only frame of a text message.
    Text = 0x1,
    /// The first or only frame of a binary message.
    Binary = 0x2,
    /// The closing handshake (section 5.5.1).
    Close = 0x8,
    /// Asks for a Pong (section 5.5.2).
    Ping = 0x9,
    /// Answers a Ping, or is sent unasked (section 5.5.3).
    Pong = 0xA,
}

impl Opcode {
    /// The opcode with these four bits, `None` for a reserved one.
    #[inline]
    pub const fn from_bits(bits: u8) -> Option<Self> {
        match bits {
            0x0 => Some(Self::Continuation),
            0x1 => Some(Self::Text),
            0x2 => Some(Self::Binary),
            0x8 => Some(Self::Close),
            0x9 => Some(Self::Ping),
            0xA => Some(Self::Pong),
            _ => None,
        }
    }

    /// The four bits on the wire.
    #[inline]
    pub const fn bits(self) -> u8 {
        self as u8
    }

    /// Whether this is Close, Ping or Pong: at most 125 bytes of payload, never fragmented
    /// (RFC 6455, section 5.5).
    #[inline]
    pub const fn is_control(self) -> bool {
        self as u8 & 0x8 != 0
    }

    /// The type of the message that a frame with this opcode begins, if it begins one.
    #[inline]
    #[must_use]
    pub const fn message_type(self) -> Option<MessageType> {
        match self {
            Self::Text => Some(MessageType::Text),
            Self::Binary => Some(MessageType::Binary),
            Self::Continuation | Self::Close | Self::Ping | Self::Pong => None,
        }
    }
}
