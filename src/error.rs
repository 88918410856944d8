//! What the peer did wrong, one variant per rule; and why something can't be sent.

use core::fmt;

use crate::{CloseCode, Opcode};

/// Why a connection failed after its opening handshake.
///
/// Each variant is one rule. [`close_code`](Self::close_code) is the code of the Close frame that
/// the failure sends, or 1006 where none can be sent any more.
///
/// ```
/// use websocket_proto::{CloseCode, ProtocolError};
///
/// let error = ProtocolError::ReservedOpcode(0x3);
/// assert_eq!(error.close_code(), CloseCode::PROTOCOL_ERROR);
/// assert_eq!(error.to_string(), "opcode 0x3 is reserved");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ProtocolError {
    /// A reserved bit is set that no extension gave a meaning (section 5.2).
    ReservedBits,
    /// The opcode is one of those kept for the future (section 5.2).
    ReservedOpcode(u8),
    /// A control frame without FIN (section 5.5).
    FragmentedControl(Opcode),
    /// A control frame that announces more than 125 bytes (section 5.5).
    ControlTooLong(Opcode),
    /// A continuation where no message is under way (section 5.4).
    UnexpectedContinuation,
    /// A new text or binary frame inside an unfinished message (section 5.4).
    UnfinishedMessage(Opcode),
    /// A client's frame without a masking key (section 5.1).
    MissingMask,
    /// A server's frame with a masking key (section 5.1).
    UnexpectedMask,
    /// A payload length in more bytes than it needs (section 5.2).
    NonMinimalLength,
    /// A payload length with its topmost bit set (section 5.2).
    LengthTooLarge,
    /// A frame longer than [`Limits::max_frame`](crate::Limits::max_frame).
    FrameTooLong,
    /// A message longer than [`Limits::max_message`](crate::Limits::max_message).
    MessageTooLong,
    /// More empty fragments in one message than
    /// [`Limits::max_empty_fragments`](crate::Limits::max_empty_fragments).
    TooManyEmptyFragments,
    /// A text message that is not UTF-8 (section 8.1).
    InvalidUtf8,
    /// A Close frame with a payload of one byte (section 5.5.1).
    CloseTooShort,
    /// A Close frame with a code that may not be sent (section 7.4).
    InvalidCloseCode(u16),
    /// A Close frame whose reason is not UTF-8 (section 5.5.1).
    InvalidCloseReason,
    /// The peer's stream ended before its Close frame (section 7.1.5).
    UnexpectedEof,
    /// The driver reported that the transport broke.
    Aborted,
    /// The source of entropy failed, so that no frame can be masked (section 5.3).
    Entropy,
    /// More control frames in a while than [`ControlRate`](crate::ControlRate) allows.
    TooManyControlFrames,
    /// Nothing of a message passed, either way, for [`Timeouts::idle`](crate::Timeouts::idle).
    IdleTimeout,
    /// No sign of life after a Ping for [`Timeouts::pong`](crate::Timeouts::pong).
    PongTimeout,
    /// The closing handshake, or the end of the peer's stream after it, took longer than
    /// [`Timeouts::closing`](crate::Timeouts::closing).
    ClosingTimeout,
}

impl ProtocolError {
    /// The code that goes with this failure: what the Close frame says that it sends, or
    /// [`CloseCode::ABNORMAL`] (1006) for the failures that send none.
    pub const fn close_code(self) -> CloseCode {
        match self {
            Self::ReservedBits
            | Self::ReservedOpcode(_)
            | Self::FragmentedControl(_)
            | Self::ControlTooLong(_)
            | Self::UnexpectedContinuation
            | Self::UnfinishedMessage(_)
            | Self::MissingMask
            | Self::UnexpectedMask
            | Self::NonMinimalLength
            | Self::LengthTooLarge
            | Self::CloseTooShort
            | Self::InvalidCloseCode(_) => CloseCode::PROTOCOL_ERROR,
            Self::InvalidUtf8 | Self::InvalidCloseReason => CloseCode::INVALID_PAYLOAD,
            Self::TooManyEmptyFragments | Self::TooManyControlFrames => CloseCode::POLICY_VIOLATION,
            Self::FrameTooLong | Self::MessageTooLong => CloseCode::MESSAGE_TOO_BIG,
            Self::IdleTimeout => CloseCode::TIMEOUT,
            Self::UnexpectedEof
            | Self::Aborted
            | Self::Entropy
            | Self::PongTimeout
            | Self::ClosingTimeout => CloseCode::ABNORMAL,
        }
    }
}

impl fmt::Display for ProtocolError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ReservedBits => f.write_str("a reserved bit is set without an extension"),
            Self::ReservedOpcode(bits) => write!(f, "opcode {bits:#x} is reserved"),
            Self::FragmentedControl(opcode) => write!(f, "a {opcode:?} frame is fragmented"),
            Self::ControlTooLong(opcode) => {
                write!(f, "a {opcode:?} frame is longer than 125 bytes")
            }
            Self::UnexpectedContinuation => f.write_str("a continuation without a message"),
            Self::UnfinishedMessage(opcode) => {
                write!(f, "a {opcode:?} frame inside an unfinished message")
            }
            Self::MissingMask => f.write_str("a client's frame is not masked"),
            Self::UnexpectedMask => f.write_str("a server's frame is masked"),
            Self::NonMinimalLength => f.write_str("a payload length is not minimally encoded"),
            Self::LengthTooLarge => f.write_str("a payload length exceeds 63 bits"),
            Self::FrameTooLong => f.write_str("a frame exceeds the limit"),
            Self::MessageTooLong => f.write_str("a message exceeds the limit"),
            Self::TooManyEmptyFragments => f.write_str("too many empty fragments in a message"),
            Self::InvalidUtf8 => f.write_str("a text message is not UTF-8"),
            Self::CloseTooShort => f.write_str("a Close frame has a payload of one byte"),
            Self::InvalidCloseCode(code) => write!(f, "close code {code} may not be sent"),
            Self::InvalidCloseReason => f.write_str("a close reason is not UTF-8"),
            Self::UnexpectedEof => f.write_str("the stream ended without a Close frame"),
            Self::Aborted => f.write_str("the transport broke"),
            Self::Entropy => f.write_str("the source of entropy failed"),
            Self::TooManyControlFrames => f.write_str("too many control frames in a while"),
            Self::IdleTimeout => f.write_str("no message passed for too long"),
            Self::PongTimeout => f.write_str("a Ping was not answered in time"),
            Self::ClosingTimeout => f.write_str("closing took too long"),
        }
    }
}

impl core::error::Error for ProtocolError {}

/// Why something can't be sent. The connection stays usable, except after
/// [`Entropy`](Self::Entropy).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum SendReason {
    /// The high-water mark is reached: try again when
    /// [`can_send`](crate::Connection::can_send) says so.
    Full,
    /// A Close frame was sent, or the connection failed (section 5.5.1).
    Closed,
    /// The message that was begun is not finished (section 5.4).
    Unfinished,
    /// No message was begun that could go on (section 5.4).
    NotBegun,
    /// A piece of text for a binary message, or the reverse (section 5.4).
    OtherType,
    /// A control frame's payload of more than 125 bytes (section 5.5), or a frame of more than 63
    /// bits of length.
    TooLong,
    /// The slice to write to is too short.
    NoRoom,
    /// The source of entropy failed; so has the connection.
    Entropy,
}

impl fmt::Display for SendReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Full => "too much output waits",
            Self::Closed => "the connection is closing",
            Self::Unfinished => "the message begun before is not finished",
            Self::NotBegun => "no message is begun",
            Self::OtherType => "the message begun is of the other type",
            Self::TooLong => "the payload is too long",
            Self::NoRoom => "the slice is too short",
            Self::Entropy => "the source of entropy failed",
        })
    }
}

impl core::error::Error for SendReason {}

/// What was not sent, a message or a piece of one, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SendError<T> {
    /// What was to be sent, unchanged.
    pub unsent: T,
    /// Why it was not.
    pub reason: SendReason,
}

impl<T> fmt::Display for SendError<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.reason.fmt(f)
    }
}

impl<T: fmt::Debug> core::error::Error for SendError<T> {}

impl<T> From<SendError<T>> for SendReason {
    fn from(error: SendError<T>) -> Self {
        error.reason
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::string::ToString;

    #[test]
    fn each_rule_has_its_close_code_and_its_wording() {
        use ProtocolError::*;
        for (error, code, wording) in [
            (ReservedBits, 1002, "a reserved bit is set without an extension"),
            (ReservedOpcode(11), 1002, "opcode 0xb is reserved"),
            (FragmentedControl(Opcode::Ping), 1002, "a Ping frame is fragmented"),
            (ControlTooLong(Opcode::Pong), 1002, "a Pong frame is longer than 125 bytes"),
            (UnexpectedContinuation, 1002, "a continuation without a message"),
            (UnfinishedMessage(Opcode::Text), 1002, "a Text frame inside an unfinished message"),
            (MissingMask, 1002, "a client's frame is not masked"),
            (UnexpectedMask, 1002, "a server's frame is masked"),
            (NonMinimalLength, 1002, "a payload length is not minimally encoded"),
            (LengthTooLarge, 1002, "a payload length exceeds 63 bits"),
            (FrameTooLong, 1009, "a frame exceeds the limit"),
            (MessageTooLong, 1009, "a message exceeds the limit"),
            (TooManyEmptyFragments, 1008, "too many empty fragments in a message"),
            (InvalidUtf8, 1007, "a text message is not UTF-8"),
            (CloseTooShort, 1002, "a Close frame has a payload of one byte"),
            (InvalidCloseCode(1005), 1002, "close code 1005 may not be sent"),
            (InvalidCloseReason, 1007, "a close reason is not UTF-8"),
            (UnexpectedEof, 1006, "the stream ended without a Close frame"),
            (Aborted, 1006, "the transport broke"),
            (Entropy, 1006, "the source of entropy failed"),
            (TooManyControlFrames, 1008, "too many control frames in a while"),
            (IdleTimeout, 3008, "no message passed for too long"),
            (PongTimeout, 1006, "a Ping was not answered in time"),
            (ClosingTimeout, 1006, "closing took too long"),
        ] {
            assert_eq!(error.close_code(), CloseCode(code), "{error:?}");
            assert_eq!(error.to_string(), wording);
        }
        assert!(size_of::<ProtocolError>() <= 16);
    }

    #[test]
    fn each_reason_has_its_wording() {
        for (reason, wording) in [
            (SendReason::Full, "too much output waits"),
            (SendReason::Closed, "the connection is closing"),
            (SendReason::Unfinished, "the message begun before is not finished"),
            (SendReason::NotBegun, "no message is begun"),
            (SendReason::OtherType, "the message begun is of the other type"),
            (SendReason::TooLong, "the payload is too long"),
            (SendReason::NoRoom, "the slice is too short"),
            (SendReason::Entropy, "the source of entropy failed"),
        ] {
            assert_eq!(reason.to_string(), wording);
        }
    }
}
