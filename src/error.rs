//! The reasons why a connection fails.

use core::fmt;

use crate::CloseCode;
use crate::frame::Opcode;

/// The reason why a connection failed after its opening handshake (RFC 6455, section 7.1.7).
///
/// ```
/// use websocket_proto::{CloseCode, ConnectionError, Violation};
///
/// let error = ConnectionError::Protocol(Violation::ReservedOpcode(0x3));
/// assert_eq!(error.close_code(), CloseCode::PROTOCOL_ERROR);
/// assert_eq!(error.to_string(), "the peer sent a frame with the reserved opcode 0x3");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ConnectionError {
    /// The peer broke a rule of RFC 6455 or RFC 7692. The fault is the peer's.
    Protocol(Violation),
    /// The peer exceeded a configured limit. If its traffic is legitimate, raise the limit.
    Limit(Limit),
    /// A configured timeout expired. The peer or the path to it is dead or too slow.
    Timeout(Timeout),
    /// The peer's stream ended before its Close frame (section 7.1.5). Often the peer's process or
    /// the path to it ended.
    UnexpectedEof,
    /// The driver reported with `abort` that reading from or writing to the transport failed.
    Aborted,
    /// The source of entropy failed, so that no frame can be masked (section 5.3). Configure a
    /// working [`Entropy`](crate::Entropy).
    Entropy,
    /// The driver passed another [`Input`](crate::Input) than the one in which the previous call left
    /// unread bytes: bytes would be lost, or belong to another connection. Create one `Input` for each
    /// connection, outside the loop, and pass that of the handshake on.
    UnreadInput,
    /// An invariant of this crate does not hold. The fault is the crate's; please report it.
    Internal,
}

/// A rule of RFC 6455, or of RFC 7692, that the peer broke.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Violation {
    /// The peer set a reserved bit that no negotiated extension defines (section 5.2).
    ReservedBits,
    /// The peer sent a frame with this reserved opcode (section 5.2).
    ReservedOpcode(u8),
    /// The peer sent a control frame of this opcode without FIN (section 5.5).
    FragmentedControl(Opcode),
    /// The peer announced a control frame of this opcode with more than 125 bytes of payload
    /// (section 5.5).
    ControlTooLong(Opcode),
    /// The peer sent a continuation frame without a message in progress (section 5.4).
    UnexpectedContinuation,
    /// The peer sent the first frame of a message, with this opcode, before the end of the previous
    /// message (section 5.4).
    UnfinishedMessage(Opcode),
    /// The peer is a client and sent a frame that is not masked (section 5.1).
    MissingMask,
    /// The peer is a server and sent a masked frame (section 5.1).
    UnexpectedMask,
    /// The peer encoded a payload length in more bytes than it needs (section 5.2).
    NonMinimalLength,
    /// The peer announced a payload length of more than 63 bits (section 5.2).
    LengthTooLarge,
    /// The peer sent a text message that is not UTF-8 (section 8.1).
    InvalidUtf8,
    /// The peer sent a compressed message that is not a complete DEFLATE stream (RFC 7692, section
    /// 7.2.2). The Close frame has the reason "invalid compressed data".
    InvalidCompression,
    /// The peer sent a Close frame with a payload of one byte (section 5.5.1).
    CloseTooShort,
    /// The peer sent a Close frame with this code, which must not be sent (section 7.4).
    InvalidCloseCode(u16),
    /// The peer sent a Close frame whose reason is not UTF-8 (section 5.5.1).
    InvalidCloseReason,
}

/// The limit that the peer exceeded (RFC 6455, section 10.4).
///
/// The text of each one names the setting. Its value is in
/// [`Connection::config`](crate::Connection::config), and for frames and messages also in the reason of the
/// Close frame that a `Connection` sends, such as "message exceeds 65536 bytes".
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Limit {
    /// The payload of a data frame is longer than [`Limits::max_frame`](crate::Limits::max_frame).
    Frame,
    /// A message is longer than [`Limits::max_message`](crate::Limits::max_message).
    Message,
    /// The compressed payload of a message is longer than 16 times
    /// [`Limits::max_message`](crate::Limits::max_message) plus 64 KiB.
    CompressedPayload,
    /// A message has more empty fragments than
    /// [`Limits::max_empty_fragments`](crate::Limits::max_empty_fragments).
    EmptyFragments,
    /// The peer sent more Pings and Pongs than the configured `ControlRate` allows.
    ControlFrames,
}

/// The timeout that expired. Each variant names the fields of `Timeouts` that configure it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Timeout {
    /// The peer gave no sign of life for `Timeouts::pong` after a Ping was written: no byte was
    /// received, and no refused output made progress.
    Pong,
    /// No part of a data frame was received or written for `Timeouts::idle`.
    Idle,
    /// The closing handshake was not complete, or the peer's stream did not end, within
    /// `Timeouts::closing`.
    Closing,
    /// The transport accepted no output for the sum of `Timeouts::ping` and `Timeouts::pong`, or for longer,
    /// as the driver measures it.
    Output,
}

impl ConnectionError {
    /// Returns the code of the Close frame that this failure sends, or [`CloseCode::ABNORMAL`]
    /// (1006) if it sends none (RFC 6455, section 7.4.1).
    #[must_use]
    pub const fn close_code(self) -> CloseCode {
        match self {
            Self::Protocol(
                Violation::InvalidUtf8
                | Violation::InvalidCloseReason
                | Violation::InvalidCompression,
            ) => CloseCode::INVALID_PAYLOAD,
            Self::Protocol(_) => CloseCode::PROTOCOL_ERROR,
            Self::Limit(Limit::Frame | Limit::Message | Limit::CompressedPayload) => {
                CloseCode::MESSAGE_TOO_BIG
            }
            Self::Limit(Limit::EmptyFragments | Limit::ControlFrames) => {
                CloseCode::POLICY_VIOLATION
            }
            Self::Timeout(Timeout::Idle) => CloseCode::TIMEOUT,
            Self::UnreadInput | Self::Internal => CloseCode::INTERNAL_ERROR,
            Self::Timeout(Timeout::Pong | Timeout::Closing | Timeout::Output)
            | Self::UnexpectedEof
            | Self::Aborted
            | Self::Entropy => CloseCode::ABNORMAL,
        }
    }

    /// Returns whether a client may connect again later: the transport broke, the stream ended without
    /// a Close frame, or the peer was too slow ([`Pong`](Timeout::Pong), [`Closing`](Timeout::Closing)
    /// and [`Output`](Timeout::Output)).
    ///
    /// After an idle timeout a client connects again when it has something to send. After any other
    /// failure a new connection would end in the same way.
    ///
    /// If the peer's Close frame arrived before the failure, its code decides:
    /// [`CloseCode::is_temporary`], which also has the delays.
    ///
    /// ```
    /// use websocket_proto::{ConnectionError, Timeout, Violation};
    ///
    /// assert!(ConnectionError::UnexpectedEof.is_temporary());
    /// assert!(!ConnectionError::Timeout(Timeout::Idle).is_temporary());
    /// assert!(!ConnectionError::Protocol(Violation::MissingMask).is_temporary());
    /// ```
    #[must_use]
    pub const fn is_temporary(self) -> bool {
        match self {
            Self::UnexpectedEof
            | Self::Aborted
            | Self::Timeout(Timeout::Pong | Timeout::Closing | Timeout::Output) => true,
            Self::Timeout(Timeout::Idle)
            | Self::Protocol(_)
            | Self::Limit(_)
            | Self::Entropy
            | Self::UnreadInput
            | Self::Internal => false,
        }
    }
}

impl From<Violation> for ConnectionError {
    fn from(violation: Violation) -> Self {
        Self::Protocol(violation)
    }
}

impl From<Limit> for ConnectionError {
    fn from(limit: Limit) -> Self {
        Self::Limit(limit)
    }
}

impl fmt::Display for ConnectionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Protocol(violation) => return violation.fmt(f),
            Self::Limit(limit) => return limit.fmt(f),
            Self::Timeout(timeout) => return timeout.fmt(f),
            Self::UnexpectedEof => "the stream ended without a Close frame",
            Self::Aborted => "the transport broke",
            Self::Entropy => "the source of entropy failed",
            Self::UnreadInput => "another input was passed than the one with unread bytes",
            Self::Internal => "an invariant of the crate does not hold",
        })
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::ReservedBits => "the peer set a reserved bit without a negotiated extension",
            Self::ReservedOpcode(bits) => {
                return write!(f, "the peer sent a frame with the reserved opcode {bits:#x}");
            }
            Self::FragmentedControl(opcode) => {
                return write!(f, "the peer fragmented a {opcode:?} frame");
            }
            Self::ControlTooLong(opcode) => {
                return write!(f, "the peer sent a {opcode:?} frame of more than 125 bytes");
            }
            Self::UnexpectedContinuation => {
                "the peer sent a continuation frame without a message in progress"
            }
            Self::UnfinishedMessage(opcode) => {
                return write!(f, "the peer sent a {opcode:?} frame inside an unfinished message");
            }
            Self::MissingMask => "the client sent a frame that is not masked",
            Self::UnexpectedMask => "the server sent a masked frame",
            Self::NonMinimalLength => "the peer did not encode a payload length minimally",
            Self::LengthTooLarge => "the peer announced a payload length of more than 63 bits",
            Self::InvalidCompression => {
                "the peer sent a compressed message that is not valid DEFLATE"
            }
            Self::InvalidUtf8 => "the peer sent a text message that is not UTF-8",
            Self::CloseTooShort => "the peer sent a Close frame with a payload of one byte",
            Self::InvalidCloseCode(code) => {
                return write!(f, "the peer sent the close code {code}, which must not be sent");
            }
            Self::InvalidCloseReason => "the peer sent a close reason that is not UTF-8",
        })
    }
}

impl fmt::Display for Limit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Frame => "the peer sent a longer frame than Limits::with_max_frame allows",
            Self::Message => "the peer sent a longer message than Limits::with_max_message allows",
            Self::CompressedPayload => {
                "the peer sent more compressed payload in one message than \
                 Limits::with_max_message allows"
            }
            Self::EmptyFragments => {
                "the peer sent more empty fragments in one message than \
                 Limits::with_max_empty_fragments allows"
            }
            Self::ControlFrames => {
                "the peer sent more control frames than Config::with_control_rate allows"
            }
        })
    }
}

impl fmt::Display for Timeout {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Pong => "the peer did not respond to a Ping",
            Self::Idle => "no message was received or sent for too long",
            Self::Closing => "the closing handshake took too long",
            Self::Output => "the transport accepted no output for too long",
        })
    }
}

impl core::error::Error for ConnectionError {}
impl core::error::Error for Violation {}
impl core::error::Error for Limit {}
impl core::error::Error for Timeout {}

#[cfg(test)]
mod tests {
    use super::*;
    use std::string::ToString;

    #[test]
    fn each_connection_error_has_its_close_code_and_wording() {
        use Violation::*;
        let table: [(ConnectionError, u16, &str); 29] = [
            (
                ReservedBits.into(),
                1002,
                "the peer set a reserved bit without a negotiated extension",
            ),
            (ReservedOpcode(11).into(), 1002, "the peer sent a frame with the reserved opcode 0xb"),
            (FragmentedControl(Opcode::Ping).into(), 1002, "the peer fragmented a Ping frame"),
            (
                ControlTooLong(Opcode::Pong).into(),
                1002,
                "the peer sent a Pong frame of more than 125 bytes",
            ),
            (
                UnexpectedContinuation.into(),
                1002,
                "the peer sent a continuation frame without a message in progress",
            ),
            (
                UnfinishedMessage(Opcode::Text).into(),
                1002,
                "the peer sent a Text frame inside an unfinished message",
            ),
            (MissingMask.into(), 1002, "the client sent a frame that is not masked"),
            (UnexpectedMask.into(), 1002, "the server sent a masked frame"),
            (NonMinimalLength.into(), 1002, "the peer did not encode a payload length minimally"),
            (
                LengthTooLarge.into(),
                1002,
                "the peer announced a payload length of more than 63 bits",
            ),
            (InvalidUtf8.into(), 1007, "the peer sent a text message that is not UTF-8"),
            (
                InvalidCompression.into(),
                1007,
                "the peer sent a compressed message that is not valid DEFLATE",
            ),
            (CloseTooShort.into(), 1002, "the peer sent a Close frame with a payload of one byte"),
            (
                InvalidCloseCode(1005).into(),
                1002,
                "the peer sent the close code 1005, which must not be sent",
            ),
            (InvalidCloseReason.into(), 1007, "the peer sent a close reason that is not UTF-8"),
            (
                Limit::Frame.into(),
                1009,
                "the peer sent a longer frame than Limits::with_max_frame allows",
            ),
            (
                Limit::Message.into(),
                1009,
                "the peer sent a longer message than Limits::with_max_message allows",
            ),
            (
                Limit::CompressedPayload.into(),
                1009,
                "the peer sent more compressed payload in one message than \
                 Limits::with_max_message allows",
            ),
            (
                Limit::EmptyFragments.into(),
                1008,
                "the peer sent more empty fragments in one message than \
                 Limits::with_max_empty_fragments allows",
            ),
            (
                Limit::ControlFrames.into(),
                1008,
                "the peer sent more control frames than Config::with_control_rate allows",
            ),
            (ConnectionError::Timeout(Timeout::Pong), 1006, "the peer did not respond to a Ping"),
            (
                ConnectionError::Timeout(Timeout::Idle),
                3008,
                "no message was received or sent for too long",
            ),
            (
                ConnectionError::Timeout(Timeout::Closing),
                1006,
                "the closing handshake took too long",
            ),
            (
                ConnectionError::Timeout(Timeout::Output),
                1006,
                "the transport accepted no output for too long",
            ),
            (ConnectionError::UnexpectedEof, 1006, "the stream ended without a Close frame"),
            (ConnectionError::Aborted, 1006, "the transport broke"),
            (ConnectionError::Entropy, 1006, "the source of entropy failed"),
            (
                ConnectionError::UnreadInput,
                1011,
                "another input was passed than the one with unread bytes",
            ),
            (ConnectionError::Internal, 1011, "an invariant of the crate does not hold"),
        ];
        for (error, code, wording) in table {
            assert_eq!(error.close_code(), CloseCode(code), "{error:?}");
            assert_eq!(error.to_string(), wording);
        }
        assert!(size_of::<ConnectionError>() <= 8, "{}", size_of::<ConnectionError>());
    }

    #[test]
    fn failures_of_the_transport_are_temporary() {
        use ConnectionError::{Aborted, Entropy, Internal, UnexpectedEof, UnreadInput};
        let timeouts = [Timeout::Pong, Timeout::Closing, Timeout::Output];
        for error in
            timeouts.map(ConnectionError::Timeout).into_iter().chain([UnexpectedEof, Aborted])
        {
            assert!(error.is_temporary(), "{error:?}");
        }
        for error in [
            ConnectionError::Timeout(Timeout::Idle),
            Violation::InvalidUtf8.into(),
            Limit::Message.into(),
            Entropy,
            UnreadInput,
            Internal,
        ] {
            assert!(!error.is_temporary(), "{error:?}");
        }
    }
}
