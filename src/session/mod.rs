//! The protocol state machine without an allocator.
//!
//! [`Session`] is a complete endpoint after the opening handshake, for firmware and for stacks with
//! buffers of their own.

// `Machine` is the state machine of both `Session` and `Connection`. `Session` adds storage for one
// control frame, `Connection` adds heap memory.
//
// receive.rs     the receive path of the machine: bytes into pieces of messages and control frames
// control.rs     its part for control frames
// compressed.rs  its part for compressed messages
// received.rs    its results
// whole.rs       the fast path for whole messages
// preview.rs     the next step of the receive path, without consuming anything
// send.rs        the frame encoder of the machine
// closing.rs     the closing handshake of the machine
// endpoint.rs    `Session`: construction, questions, receiving
// write.rs       `Session`: sending
// event.rs       the events of `Session`

mod closing;
#[cfg(feature = "deflate")]
mod compressed;
mod control;
mod endpoint;
mod event;
#[cfg(feature = "alloc")]
mod preview;
mod receive;
mod received;
mod send;
#[cfg(feature = "alloc")]
mod whole;
mod write;

pub use endpoint::Session;
pub use event::{ReplyPending, SessionEvent};
#[cfg(feature = "alloc")]
pub(crate) use preview::Preview;
#[cfg(feature = "alloc")]
pub(crate) use received::Announced;
pub(crate) use received::{ControlPayload, ControlStorage, Data, Piece};
pub(crate) use send::PingPong;

pub(crate) use closing::AbortCause;
use closing::Closing;

use crate::frame::{FrameDecoder, FrameHeader, ReservedBits};
use crate::utf8::Utf8Validator;
use crate::{ConnectionError, MessageType, Outcome, Role, Transport};

/// The protocol state of one endpoint: the order of frames and fragments, UTF-8 across frames,
/// limits, pending replies, and the closing handshake. It stores no payload except a partial
/// character.
#[derive(Clone, Debug)]
pub(crate) struct Machine {
    role: Role,
    /// The bits that the extension may set on the first frame of an incoming message.
    reserved_bits: ReservedBits,
    closing: Closing,
    frames: FrameDecoder,
    text: Utf8Validator,
    /// The incoming message in progress.
    incoming: Option<Incoming>,
    /// Whether a piece of the incoming message was delivered.
    piece_delivered: bool,
    /// The payload length of the incoming message so far: announced by its frame headers, or, if
    /// the message is compressed, received and uncompressed.
    message_len: u64,
    /// The number of empty fragments of the incoming message so far, without the last fragment.
    empty_fragments: u32,
    /// Whether a part of a data frame arrived since the last call of `take_data_arrived`.
    data_arrived: bool,
    /// The type of the outgoing message in progress.
    outgoing: Option<MessageType>,
}

/// The type of an incoming message, and whether it is compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Incoming {
    Text,
    Binary,
    #[cfg(feature = "deflate")]
    CompressedText,
    #[cfg(feature = "deflate")]
    CompressedBinary,
}

impl Incoming {
    /// Returns the message that begins with this header, or `None` if none does.
    fn begin(header: &FrameHeader) -> Option<Self> {
        let message_type = header.opcode().message_type()?;
        #[cfg(feature = "deflate")]
        if header.reserved_bits() != ReservedBits::NONE {
            return Some(match message_type {
                MessageType::Text => Self::CompressedText,
                MessageType::Binary => Self::CompressedBinary,
            });
        }
        Some(match message_type {
            MessageType::Text => Self::Text,
            MessageType::Binary => Self::Binary,
        })
    }

    const fn message_type(self) -> MessageType {
        match self {
            Self::Text => MessageType::Text,
            Self::Binary => MessageType::Binary,
            #[cfg(feature = "deflate")]
            Self::CompressedText => MessageType::Text,
            #[cfg(feature = "deflate")]
            Self::CompressedBinary => MessageType::Binary,
        }
    }

    const fn is_compressed(self) -> bool {
        match self {
            Self::Text | Self::Binary => false,
            #[cfg(feature = "deflate")]
            Self::CompressedText | Self::CompressedBinary => true,
        }
    }
}

impl Machine {
    pub(crate) const fn new(role: Role, reserved_bits: ReservedBits) -> Self {
        Self {
            role,
            reserved_bits,
            closing: Closing::new(),
            frames: FrameDecoder::new(),
            text: Utf8Validator::new(),
            incoming: None,
            piece_delivered: false,
            message_len: 0,
            empty_fragments: 0,
            data_arrived: false,
            outgoing: None,
        }
    }

    /// Fails the connection with a Close frame (RFC 6455, section 7.1.7).
    #[cfg(feature = "alloc")]
    #[cold]
    pub(crate) fn fail(&mut self, error: impl Into<ConnectionError>) {
        self.closing.fail(error.into());
    }

    /// Fails the connection without a Close frame.
    pub(crate) fn abort(&mut self, error: ConnectionError, cause: AbortCause) {
        self.closing.abort(error, cause);
    }

    pub(crate) const fn role(&self) -> Role {
        self.role
    }

    pub(crate) const fn transport(&self) -> Transport {
        self.closing.transport(self.role)
    }

    /// Returns how the connection ended, or `None` while the instruction about the transport is to
    /// keep it open.
    pub(crate) const fn outcome(&self, transport: Transport) -> Option<Outcome> {
        match transport {
            Transport::Open => None,
            Transport::Drain | Transport::Close | Transport::Abort => self.closing.outcome(),
        }
    }

    pub(crate) const fn error(&self) -> Option<ConnectionError> {
        self.closing.error()
    }

    #[cfg(feature = "alloc")]
    pub(crate) const fn is_open(&self) -> bool {
        self.closing.is_open()
    }

    pub(crate) const fn may_send_data(&self) -> bool {
        self.closing.may_send_data()
    }

    /// Returns whether [`take_failure`](Self::take_failure) will return a failure.
    pub(crate) const fn failure_pending(&self) -> bool {
        self.closing.failure_pending()
    }

    /// Returns the type of the outgoing message in progress.
    pub(crate) const fn outgoing(&self) -> Option<MessageType> {
        self.outgoing
    }
}
