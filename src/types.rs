//! Basic terms of RFC 6455: role, opcode, message type, fragment.

/// The role of an endpoint: client or server.
///
/// A client masks every frame and a server masks none; each fails the connection if the peer does
/// otherwise (RFC 6455, section 5.1). After the closing handshake the server closes the transport
/// first (section 7.1.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Role {
    /// The endpoint that sends the request of the opening handshake.
    Client,
    /// The endpoint that responds to that request.
    Server,
}

/// The type of a frame (RFC 6455, section 5.2).
///
/// Only the six defined opcodes can be represented. A header with a reserved opcode fails to
/// decode.
///
/// ```
/// use websocket_proto::frame::Opcode;
///
/// assert_eq!(Opcode::from_bits(0x9), Some(Opcode::Ping));
/// assert_eq!(Opcode::from_bits(0x3), None);
/// assert!(Opcode::Ping.is_control());
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Opcode {
    /// A further fragment of the current message.
    Continuation = 0x0,
    /// The first or only frame of a text message.
    Text = 0x1,
    /// The first or only frame of a binary message.
    Binary = 0x2,
    /// Begins or answers the closing handshake (section 5.5.1).
    Close = 0x8,
    /// Asks for a Pong (section 5.5.2).
    Ping = 0x9,
    /// Answers a Ping, or is sent unsolicited (section 5.5.3).
    Pong = 0xA,
}

impl Opcode {
    /// Returns the opcode with these four bits, or `None` if it is reserved.
    #[must_use]
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

    /// Returns the opcode as its four bits on the wire.
    #[must_use]
    pub const fn bits(self) -> u8 {
        self as u8
    }

    /// Returns whether this is the opcode of a control frame: Close, Ping or Pong.
    ///
    /// A control frame has at most 125 bytes of payload and is never fragmented (RFC 6455, section
    /// 5.5).
    #[must_use]
    pub const fn is_control(self) -> bool {
        self as u8 & 0x8 != 0
    }

    /// Returns the type of the message that a frame with this opcode begins, or `None` if it begins
    /// none.
    #[must_use]
    pub const fn message_type(self) -> Option<MessageType> {
        match self {
            Self::Text => Some(MessageType::Text),
            Self::Binary => Some(MessageType::Binary),
            Self::Continuation | Self::Close | Self::Ping | Self::Pong => None,
        }
    }
}

/// The type of a message (RFC 6455, section 5.6).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum MessageType {
    /// A payload in UTF-8.
    Text,
    /// A payload of arbitrary bytes.
    Binary,
}

impl MessageType {
    /// Returns the opcode of the first or only frame of a message of this type.
    #[must_use]
    pub const fn opcode(self) -> Opcode {
        match self {
            Self::Text => Opcode::Text,
            Self::Binary => Opcode::Binary,
        }
    }
}

/// The position of a piece, such as a frame or a chunk, within its message (RFC 6455, section 5.4).
///
/// The position of a received piece is independent of the peer's frames: a piece may be a part of a
/// frame or several frames.
///
/// ```
/// use websocket_proto::Fragment;
///
/// assert!(Fragment::First.begins() && !Fragment::First.ends());
/// assert!(Fragment::Whole.begins() && Fragment::Whole.ends());
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Fragment {
    /// The whole message.
    Whole,
    /// The first of several pieces.
    First,
    /// Neither the first nor the last piece.
    Middle,
    /// The last of several pieces.
    Last,
}

impl Fragment {
    /// Returns whether the message begins with this piece.
    #[must_use]
    pub const fn begins(self) -> bool {
        matches!(self, Self::Whole | Self::First)
    }

    /// Returns whether the message ends with this piece.
    #[must_use]
    pub const fn ends(self) -> bool {
        matches!(self, Self::Whole | Self::Last)
    }

    /// Returns the position of the last part of a piece that is split into several parts.
    #[cfg(feature = "alloc")]
    pub(crate) const fn last_part(self) -> Self {
        match self {
            Self::Whole | Self::Last => Self::Last,
            Self::First | Self::Middle => Self::Middle,
        }
    }

    /// Returns the position of the first part of a piece that is split into several parts.
    #[cfg(feature = "alloc")]
    pub(crate) const fn first_part(self) -> Self {
        match self {
            Self::Whole | Self::First => Self::First,
            Self::Middle | Self::Last => Self::Middle,
        }
    }
}
