//! An endpoint without an allocator: its state, and its receiving half.

use super::{
    AbortCause, ControlPayload, ControlStorage, Data, Machine, Piece, ReplyPending, SessionEvent,
};
use crate::frame::ReservedBits;
use crate::limits::ReceiveLimits;
use crate::utf8::Character;
use crate::{CloseCode, ConnectionError, Input, Limits, MessageType, Outcome, Role, Transport};

/// A complete endpoint without an allocator: the order of frames and fragments, UTF-8 across
/// frames, limits, replies, and the closing handshake.
///
/// A session returns pieces of messages as they arrive, borrowed from the input, and writes frames
/// into slices of the caller. [`Connection`](crate::Connection) has the same state machine and adds
/// heap memory. The page [`session`](crate::session) has the driving loop.
///
/// The caller provides what needs a clock or the content of messages:
///
/// - Limits on time: a session has no timers. Bound the opening handshake, the silence of the peer, each
///   write, and the closing handshake.
/// - The validity of sent text: the payloads after [`data_header`](Self::data_header) are not checked. Those
///   of one text message must be UTF-8 as a whole.
/// - A Ping that is to stay unanswered: write the reply into a buffer of
///   [`MAX_CONTROL_FRAME_LEN`](Self::MAX_CONTROL_FRAME_LEN) bytes, and do not send it.
///
/// ```
/// use websocket_proto::session::{ReplyPending, Session, SessionEvent};
/// use websocket_proto::{EntropyError, Fragment, Input, Role, Transport};
///
/// let mut session = Session::new(Role::Server);
/// let mut out = [0; Session::MAX_CONTROL_FRAME_LEN];
/// let no_key = || Err(EntropyError); // a server masks nothing
///
/// // RFC 6455, section 5.7: a masked "Hello", here followed by an empty Ping and a Close.
/// let mut bytes = [
///     0x81, 0x85, 0x37, 0xfa, 0x21, 0x3d, 0x7f, 0x9f, 0x4d, 0x51, 0x58, //
///     0x89, 0x80, 0, 0, 0, 0, //
///     0x88, 0x82, 0, 0, 0, 0, 0x03, 0xe8,
/// ];
/// let mut input = Input::with_bytes(&mut bytes);
///
/// let event = session.receive(&mut input)?;
/// assert_eq!(event, Some(SessionEvent::Text("Hello", Fragment::Whole)));
///
/// assert_eq!(session.receive(&mut input)?, Some(SessionEvent::Ping(b"")));
/// assert_eq!(session.receive(&mut input), Err(ReplyPending)); // the Pong must be sent first
/// let len = session.write_reply(no_key, &mut out)?;
/// assert_eq!(out[..len], [0x8a, 0]);
///
/// assert!(matches!(session.receive(&mut input)?, Some(SessionEvent::Close(Some(_)))));
/// let len = session.write_reply(no_key, &mut out)?;
/// assert_eq!(out[..len], [0x88, 2, 0x03, 0xe8]);
/// assert_eq!(session.transport(), Transport::Drain);
/// # Ok::<(), Box<dyn core::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct Session {
    pub(super) machine: Machine,
    limits: ReceiveLimits,
    pub(super) reply: Option<Reply>,
    pub(super) control: Control,
    /// The character of the last event, if its bytes were split across reads.
    character: Character,
}

/// A frame that must be sent before anything else is received.
#[derive(Clone, Copy, Debug)]
pub(super) enum Reply {
    /// A Pong with the payload of the Ping (RFC 6455, section 5.5.2).
    Pong,
    /// A Close with this code and no reason: the reply to the peer's Close (section 5.5.1), or that of
    /// a failure (section 7.1.7). 1005 stands for an empty payload.
    Close(CloseCode),
}

/// Storage for the payload of a control frame.
#[derive(Clone, Debug)]
pub(super) struct Control {
    bytes: [u8; 125],
    /// The length of the payload of the last complete frame; `len <= bytes.len()`.
    len: usize,
}

impl Control {
    pub(super) fn payload(&self) -> &[u8] {
        let payload = self.bytes.get(..self.len);
        debug_assert!(payload.is_some(), "a control frame has at most 125 bytes");
        payload.unwrap_or_default()
    }

    /// Stores the payload of a complete frame, because the reply needs it.
    fn store(&mut self, payload: ControlPayload<'_>) -> &[u8] {
        self.len = match payload {
            ControlPayload::Whole(payload) => {
                if let Some(to) = self.bytes.get_mut(..payload.len()) {
                    to.copy_from_slice(payload);
                }
                payload.len()
            }
            ControlPayload::Stored(len) => len,
        };
        self.payload()
    }
}

impl ControlStorage for Control {
    fn bytes(&mut self) -> &mut [u8; 125] {
        &mut self.bytes
    }
}

/// # Construction
impl Session {
    /// The maximum number of bytes that [`write_reply`](Self::write_reply), [`ping`](Self::ping),
    /// [`pong`](Self::pong) and [`close`](Self::close) write: 131, of which 2 are the header, 4 the masking
    /// key of a client, and 125 the payload.
    pub const MAX_CONTROL_FRAME_LEN: usize = 2 + 4 + 125;

    /// Creates a session after its opening handshake, without limits on the length of frames and
    /// messages: the session does not store them.
    #[must_use]
    pub const fn new(role: Role) -> Self {
        Self::with_limits(role, Limits::DEFAULT)
    }

    /// Creates a session with these limits on the peer's frames and messages.
    #[must_use]
    pub const fn with_limits(role: Role, limits: Limits) -> Self {
        Self {
            machine: Machine::new(role, ReservedBits::NONE),
            limits: limits.for_pieces(),
            reply: None,
            control: Control { bytes: [0; 125], len: 0 },
            character: Character::NONE,
        }
    }
}

/// # Receiving
impl Session {
    /// Consumes bytes of `input` until an event occurs. Returns `None` when the input is used up.
    ///
    /// After each event, ask [`reply_pending`](Self::reply_pending) and send the reply: there may be one after
    /// a Ping, a Close, a failure, and text whose next character is invalid.
    ///
    /// Payloads are unmasked in place; bytes that are not consumed stay unchanged. After the peer's
    /// Close and after a failure, all further input is dropped. When `input` is finished and used up, the
    /// end of the stream is handled: unless a Close was received, the result is
    /// [`Failed`](SessionEvent::Failed) with [`UnexpectedEof`](ConnectionError::UnexpectedEof).
    ///
    /// # Errors
    ///
    /// Returns [`ReplyPending`] if the reply to the previous event was not written. No bytes are
    /// consumed.
    pub fn receive<'a>(
        &'a mut self,
        input: &'a mut Input<'_>,
    ) -> Result<Option<SessionEvent<'a>>, ReplyPending> {
        if self.reply.is_some() {
            return Err(ReplyPending);
        }
        let (mut unread, position) = input.unread_mut();
        let piece = self.machine.receive(&mut unread, &self.limits, &mut self.control);
        position.leave_unread(unread.len());
        let event = match piece {
            Some(Piece::Data { data, fragment } | Piece::LastValid { data, fragment }) => {
                Some(match data {
                    Data::Text(text) => SessionEvent::Text(text, fragment),
                    Data::Char(character) => {
                        self.character = character;
                        SessionEvent::Text(self.character.text(), fragment)
                    }
                    Data::Binary(payload) => SessionEvent::Binary(payload.unmask(), fragment),
                })
            }
            Some(Piece::Ping(payload)) => {
                self.reply = Some(Reply::Pong);
                return Ok(Some(SessionEvent::Ping(self.control.store(payload))));
            }
            Some(Piece::Pong(payload)) => Some(SessionEvent::Pong(self.control.store(payload))),
            Some(Piece::Close(payload)) => {
                match self.machine.receive_close(self.control.store(payload)) {
                    Ok(frame) => Some(SessionEvent::Close(frame)),
                    Err(_) => {
                        // The connection has failed: all further input is dropped.
                        position.discard_unread();
                        self.machine.take_failure().map(SessionEvent::Failed)
                    }
                }
            }
            #[cfg(feature = "deflate")]
            Some(Piece::Compressed) => {
                self.machine.fail_internally("a session negotiates no extension");
                self.machine.take_failure().map(SessionEvent::Failed)
            }
            None => {
                if position.is_finished() && !self.machine.failure_pending() {
                    self.machine.receive_eof();
                }
                self.machine.take_failure().map(SessionEvent::Failed)
            }
        };
        // A pending Close is the reply to whatever event this is: a failure may come with the valid
        // text before it.
        self.reply = self.machine.pending_close().map(Reply::Close);
        Ok(event)
    }

    /// Reports that the transport failed. If the connection has not ended before, the next
    /// [`receive`](Self::receive) returns the failure, even with an empty input.
    ///
    /// A Close frame that the session returned counts as written, also if its write failed: the
    /// [`outcome`](Self::outcome) is clean if the peer's Close was received.
    pub fn abort(&mut self) {
        self.reply = None;
        self.machine.abort(ConnectionError::Aborted, AbortCause::Transport);
    }
}

/// # Questions
impl Session {
    /// Returns the role of this endpoint.
    #[must_use]
    pub const fn role(&self) -> Role {
        self.machine.role()
    }

    /// Returns the instruction about the transport. It applies after all frames that the session
    /// returned were written.
    #[must_use]
    pub const fn transport(&self) -> Transport {
        self.machine.transport()
    }

    /// Returns how the connection ended, or `None` while [`transport`](Self::transport) is
    /// [`Open`](Transport::Open).
    #[must_use]
    pub fn outcome(&self) -> Option<Outcome> {
        self.machine.outcome(self.transport())
    }

    /// Returns the failure of the connection, or `None` if it has not failed.
    #[must_use]
    pub const fn error(&self) -> Option<ConnectionError> {
        self.machine.error()
    }

    /// Returns whether the protocol allows a data frame. It does not after this endpoint has sent a
    /// Close frame or the connection has failed. Whether the next frame begins a message follows from
    /// [`outgoing_message`](Self::outgoing_message).
    #[must_use]
    pub const fn may_send_data(&self) -> bool {
        self.machine.may_send_data()
    }

    /// Returns the type of the outgoing message in progress, or `None` between messages.
    #[must_use]
    pub const fn outgoing_message(&self) -> Option<MessageType> {
        self.machine.outgoing()
    }
}
