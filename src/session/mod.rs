//! The protocol state machine without an allocator.
//!
//! [`Session`] is a complete endpoint after the opening handshake, for firmware and for stacks with
//! buffers of their own. It has at most 256 bytes.
//!
//! # The driving loop
//!
//! 1. **Receive** an event. `None` means that the input is used up: continue with step 4.
//! 2. **Answer** it, if the program does. The event borrows the session and the input: copy the payload
//!    out of it first, then ask for the header of the reply.
//! 3. **Write the reply of the protocol**, if one is pending after the event: a Pong or a Close. Then
//!    receive the next event. Until then, [`receive`](Session::receive) returns [`ReplyPending`].
//! 4. **Follow** [`transport()`](Session::transport). It holds when all frames are written.
//!    [`Drain`](crate::Transport::Drain) means: end the writing direction, then read and receive until
//!    the end of the stream, for a bounded time. Where the transport cannot end one direction, read until
//!    then all the same, and close it afterwards.
//! 5. **Read** into [`Input::space`](crate::Input::space), report the number of bytes to
//!    [`Input::filled`](crate::Input::filled), and repeat. 0 bytes are the end of the stream.
//!
//! This function is a complete server for one client. The request is gathered at the beginning of a buffer;
//! a request that fills it is an error, because the limit on the head is smaller.
//! [`Input::with_unread`](crate::Input::with_unread) then continues with the bytes after the head, if there
//! are any, and after them with the whole buffer.
//!
//! ```
//! use std::error::Error;
//! use std::io::{Read, Write};
//! use std::net::{Shutdown, TcpStream};
//!
//! use websocket_proto::handshake::{Acceptance, HeadLimits, OriginPolicy, RequestParser};
//! use websocket_proto::session::{Session, SessionEvent};
//! use websocket_proto::{EntropyError, Input, MessageType, Role, Transport};
//!
//! fn echo(mut socket: TcpStream) -> Result<(), Box<dyn Error>> {
//!     let (mut buffer, mut out) = ([0; 512], [0; 512]);
//!     let mut parser = RequestParser::new(HeadLimits::DEFAULT.with_max_head(buffer.len() - 1));
//!     let mut end = 0;
//!     let unread = loop {
//!         let len = socket.read(&mut buffer[end..])?;
//!         if len == 0 {
//!             return Err("the stream ended inside the request".into());
//!         }
//!         end += len;
//!         if let Some(request) = parser.parse(&buffer[..end])? {
//!             let upgrade = request.upgrade(&OriginPolicy::same())?.ok_or("plain HTTP")?;
//!             let len = upgrade.accept(&Acceptance::new(), &mut out[..])?;
//!             socket.write_all(&out[..len])?;
//!             break request.as_bytes().len()..end;
//!         }
//!     };
//!
//!     let no_key = || Err(EntropyError); // a server masks nothing
//!     let mut session = Session::new(Role::Server);
//!     let mut input = Input::with_unread(&mut buffer, unread);
//!     loop {
//!         while let Some(event) = session.receive(&mut input)? {
//!             let piece = match event {
//!                 SessionEvent::Text(text, at) => Some((MessageType::Text, text.as_bytes(), at)),
//!                 SessionEvent::Binary(bytes, at) => Some((MessageType::Binary, bytes, at)),
//!                 _ => None,
//!             };
//!             if let Some((message_type, payload, fragment)) = piece {
//!                 let len = payload.len();
//!                 out[..len].copy_from_slice(payload);
//!                 if session.may_send_data() {
//!                     let header =
//!                         session.data_header(message_type, fragment, len as u64, no_key)?;
//!                     socket.write_all(&header.encode())?;
//!                     socket.write_all(&out[..len])?;
//!                 }
//!             }
//!             let len = session.write_reply(no_key, &mut out)?;
//!             socket.write_all(&out[..len])?;
//!         }
//!         match session.transport() {
//!             Transport::Open => {}
//!             Transport::Drain => drop(socket.shutdown(Shutdown::Write)),
//!             Transport::Close | Transport::Abort => return Ok(()),
//!         }
//!         let len = socket.read(input.space())?;
//!         input.filled(len);
//!     }
//! }
//! # fn main() -> Result<(), Box<dyn Error>> {
//! # let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
//! # let mut client = TcpStream::connect(listener.local_addr()?)?;
//! # client.write_all(b"GET / HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
//! #     Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n\
//! #     \x81\x85\0\0\0\0Hello\x89\x80\0\0\0\0\x88\x80\0\0\0\0")?;
//! # client.shutdown(Shutdown::Write)?;
//! # echo(listener.accept()?.0)?;
//! # let mut answer = Vec::new();
//! # client.read_to_end(&mut answer)?;
//! # assert!(answer.ends_with(b"\r\n\r\n\x81\x05Hello\x8a\0\x88\0"));
//! # Ok(())
//! # }
//! ```
//!
//! It has no limits on time: set timeouts on the socket. The example `embedded` is this server over the
//! traits of `embedded-io-async`, and rejects a request with a response.

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
