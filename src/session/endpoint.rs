//! An endpoint without an allocator: it returns pieces of messages, and writes frames into slices.

use super::{ControlPayload, ControlStorage, Data, Machine, Piece, Received, Reply};
use crate::close::ClosePayload;
use crate::frame::{FrameHeader, Opcode};
use crate::limits::ReceiveLimits;
use crate::mask::unmask;
use crate::{
    CloseCode, CloseFrame, ConnectionError, EntropyError, Fragment, Input, Limits, MessageType,
    Outcome, Role, SendError, Transport,
};

use core::fmt;

/// A complete endpoint without an allocator: the order of frames and fragments, UTF-8 across
/// frames, limits, replies, and the closing handshake.
///
/// A session returns pieces of messages as they arrive, borrowed from the input, and writes frames
/// into slices of the caller. [`Connection`](crate::Connection) has the same state machine and adds
/// heap memory.
///
/// ```
/// use websocket_proto::session::{ReplyPending, Session, SessionEvent};
/// use websocket_proto::{Fragment, Input, Role, Transport};
///
/// let mut session = Session::new(Role::Server);
/// let mut out = [0; Session::MAX_CONTROL_FRAME_LEN];
/// let no_key = || unreachable!("a server masks nothing");
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
/// let len = session.take_reply(no_key, &mut out)?;
/// assert_eq!(out[..len], [0x8a, 0]);
///
/// assert!(matches!(session.receive(&mut input)?, Some(SessionEvent::Close(Some(_)))));
/// let len = session.take_reply(no_key, &mut out)?;
/// assert_eq!(out[..len], [0x88, 2, 0x03, 0xe8]);
/// assert_eq!(session.transport(), Transport::Drain);
/// # Ok::<(), Box<dyn core::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct Session {
    machine: Machine,
    limits: ReceiveLimits,
    reply: Option<PendingReply>,
    control: Control,
    /// The character of the last event, if its bytes were split across reads.
    character: [u8; 4],
}

/// A reply that was not written yet.
#[derive(Clone, Copy, Debug)]
enum PendingReply {
    /// A Pong with the first bytes of the session's storage, this many, as its payload.
    Pong(usize),
    Close(CloseCode),
}

/// Storage for the payload of a control frame.
#[derive(Clone, Debug)]
struct Control([u8; 125]);

impl ControlStorage for Control {
    fn bytes(&mut self) -> &mut [u8; 125] {
        &mut self.0
    }
}

/// An event of a [`Session`]. It borrows from the input or from the session.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SessionEvent<'a> {
    /// Whole characters of a text message arrived. Only the last piece of a message may be empty.
    Text(&'a str, Fragment),
    /// Bytes of a binary message arrived. Only the last piece of a message may be empty.
    Binary(&'a [u8], Fragment),
    /// The peer sent a Ping (RFC 6455, section 5.5.2). Send the reply.
    Ping(&'a [u8]),
    /// The peer sent a Pong (section 5.5.3).
    Pong(&'a [u8]),
    /// The peer sent a Close frame (section 5.5.1); `None` if its payload is empty. Send the reply.
    /// None is pending if this Close is itself the reply to ours.
    Close(Option<CloseFrame<'a>>),
    /// The connection failed (section 7.1.7). Send the Close frame, if one is pending.
    Failed(ConnectionError),
}

/// The error of [`Session::receive`] while a reply is pending: send it with [`Session::take_reply`]
/// first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReplyPending;

impl fmt::Display for ReplyPending {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a reply to the peer is pending")
    }
}

impl core::error::Error for ReplyPending {}

/// # Construction
impl Session {
    /// The maximum number of bytes that [`take_reply`](Self::take_reply), [`ping`](Self::ping),
    /// [`pong`](Self::pong) and [`close`](Self::close) write.
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
            machine: Machine::new(role),
            limits: limits.for_pieces(),
            reply: None,
            control: Control([0; 125]),
            character: [0; 4],
        }
    }
}

/// # Receiving
impl Session {
    /// Consumes bytes of `input` until an event occurs. Returns `None` when the input is used up.
    ///
    /// Payloads are unmasked in place; bytes that are not consumed stay unchanged. After the peer's
    /// Close and after a failure, all further input is dropped.
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
        let (mut unread, position) = input.consume();
        let finished = position.is_finished();
        let mut received = self.machine.receive(&mut unread, &self.limits, &mut self.control);
        position.leave_unread(unread.len());
        if received.is_none() && finished {
            let reply = self.machine.receive_eof();
            received = self.machine.report_failure();
            if received.is_none() {
                self.hold_reply(reply, 0);
            }
        }
        let Some(Received { piece, reply }) = received else { return Ok(None) };
        let control_len = match &piece {
            Piece::Ping(payload) | Piece::Pong(payload) | Piece::Close(payload) => {
                self.store(payload)
            }
            Piece::Data { .. } | Piece::Failed(_) => 0,
        };
        self.hold_reply(reply, control_len);
        let event = match piece {
            Piece::Data { data, fragment } => match data {
                Data::Text(text) => SessionEvent::Text(text, fragment),
                Data::Char(character) => {
                    SessionEvent::Text(character.encode_utf8(&mut self.character), fragment)
                }
                Data::Binary(payload) => SessionEvent::Binary(payload.unmask(), fragment),
            },
            Piece::Ping(_) => SessionEvent::Ping(self.stored(control_len)),
            Piece::Pong(_) => SessionEvent::Pong(self.stored(control_len)),
            Piece::Close(_) => {
                let frame = CloseFrame::decode(self.stored(control_len));
                debug_assert!(frame.is_ok(), "the machine reports valid Close frames only");
                SessionEvent::Close(frame.unwrap_or_default())
            }
            Piece::Failed(error) => SessionEvent::Failed(error),
        };
        Ok(Some(event))
    }

    /// Stores the payload of a control frame, because the reply needs it. Returns its length.
    fn store(&mut self, payload: &ControlPayload<'_>) -> usize {
        match payload {
            ControlPayload::Whole(payload) => {
                if let Some(to) = self.control.0.get_mut(..payload.len()) {
                    to.copy_from_slice(payload);
                }
                payload.len()
            }
            ControlPayload::Stored(len) => *len,
        }
    }

    fn stored(&self, len: usize) -> &[u8] {
        let stored = self.control.0.get(..len);
        debug_assert!(stored.is_some(), "a control frame has at most 125 bytes");
        stored.unwrap_or_default()
    }

    fn hold_reply(&mut self, reply: Option<Reply>, payload_len: usize) {
        self.reply = reply.map(|reply| match reply {
            Reply::Pong => PendingReply::Pong(payload_len),
            Reply::Close(code) => PendingReply::Close(code),
        });
    }

    /// Reports that the transport failed. The next [`receive`](Self::receive) returns the failure,
    /// even with an empty input.
    pub fn abort(&mut self) {
        self.reply = None;
        self.machine.abort(ConnectionError::Aborted);
    }
}

/// # Sending
///
/// The parameter `masking_key` returns four fresh unpredictable bytes (RFC 6455, section 5.3). A client
/// calls it once for each frame; a server never calls it. If it fails, the connection fails.
impl Session {
    /// Returns whether a reply must be written before anything else is received.
    #[must_use]
    pub const fn reply_pending(&self) -> bool {
        self.reply.is_some()
    }

    /// Writes the pending reply to the start of `out` and returns its length, or 0 if none is
    /// pending.
    ///
    /// The reply is a Pong (section 5.5.2), or a Close with the code of the peer's Close or of the
    /// failure (sections 5.5.1 and 7.1.7).
    ///
    /// # Errors
    ///
    /// - [`SendError::BufferTooSmall`] if `out` is too short. The reply remains pending.
    /// - [`SendError::Closed`] if the connection failed in the meantime.
    ///   [`MAX_CONTROL_FRAME_LEN`](Self::MAX_CONTROL_FRAME_LEN) bytes are always enough.
    /// - [`SendError::Entropy`] if no masking key can be drawn. The connection has failed.
    pub fn take_reply(
        &mut self,
        masking_key: impl FnOnce() -> Result<[u8; 4], EntropyError>,
        out: &mut [u8],
    ) -> Result<usize, SendError> {
        let Some(reply) = self.reply else { return Ok(0) };
        let written = match reply {
            PendingReply::Pong(len) => {
                let payload = self.control.clone();
                let payload = payload.0.get(..len).unwrap_or_default();
                self.write_ping_pong(Opcode::Pong, payload, masking_key, out)
            }
            PendingReply::Close(code) => self.write_close(code, "", masking_key, out),
        };
        if written != Err(SendError::BufferTooSmall) {
            self.reply = None;
        }
        written
    }

    /// Returns the header of the next data frame.
    ///
    /// Write the encoded header, and then `payload_len` bytes of payload. A client masks the
    /// payload with [`mask`](crate::frame::mask()) and the key of the header.
    ///
    /// # Errors
    ///
    /// Returns [`Closed`](SendError::Closed), [`MessageInProgress`](SendError::MessageInProgress),
    /// [`NoMessageInProgress`](SendError::NoMessageInProgress),
    /// [`TypeMismatch`](SendError::TypeMismatch), [`TooLong`](SendError::TooLong) or
    /// [`Entropy`](SendError::Entropy).
    pub fn send(
        &mut self,
        message_type: MessageType,
        fragment: Fragment,
        payload_len: u64,
        masking_key: impl FnOnce() -> Result<[u8; 4], EntropyError>,
    ) -> Result<FrameHeader, SendError> {
        self.machine.check_data(message_type, fragment)?;
        self.machine.data_header(message_type, fragment, payload_len, masking_key)
    }

    /// Writes a Ping (section 5.5.2) with at most 125 bytes of payload to the start of `out` and
    /// returns its length.
    ///
    /// # Errors
    ///
    /// Returns [`Closed`](SendError::Closed), [`TooLong`](SendError::TooLong),
    /// [`BufferTooSmall`](SendError::BufferTooSmall) or [`Entropy`](SendError::Entropy).
    pub fn ping(
        &mut self,
        payload: &[u8],
        masking_key: impl FnOnce() -> Result<[u8; 4], EntropyError>,
        out: &mut [u8],
    ) -> Result<usize, SendError> {
        self.write_ping_pong(Opcode::Ping, payload, masking_key, out)
    }

    /// Writes an unsolicited Pong (section 5.5.3) with at most 125 bytes of payload to the start of
    /// `out` and returns its length.
    ///
    /// # Errors
    ///
    /// Returns the errors of [`ping`](Self::ping).
    pub fn pong(
        &mut self,
        payload: &[u8],
        masking_key: impl FnOnce() -> Result<[u8; 4], EntropyError>,
        out: &mut [u8],
    ) -> Result<usize, SendError> {
        self.write_ping_pong(Opcode::Pong, payload, masking_key, out)
    }

    /// Writes a Close frame (section 5.5.1) to the start of `out` and returns its length. `None`
    /// means an empty payload.
    ///
    /// No data can be sent after it. The peer's messages continue to arrive until its own Close.
    ///
    /// # Errors
    ///
    /// Returns the errors of [`ping`](Self::ping). The error is [`Closed`](SendError::Closed) if a
    /// Close was sent before or the connection has failed.
    pub fn close(
        &mut self,
        frame: Option<&CloseFrame<'_>>,
        masking_key: impl FnOnce() -> Result<[u8; 4], EntropyError>,
        out: &mut [u8],
    ) -> Result<usize, SendError> {
        let (code, reason) =
            frame.map_or((CloseCode::NO_STATUS, ""), |frame| (frame.code(), frame.reason()));
        let written = self.write_close(code, reason, masking_key, out)?;
        if let Some(PendingReply::Close(_)) = self.reply {
            self.reply = None;
        }
        Ok(written)
    }

    fn write_ping_pong(
        &mut self,
        opcode: Opcode,
        payload: &[u8],
        masking_key: impl FnOnce() -> Result<[u8; 4], EntropyError>,
        out: &mut [u8],
    ) -> Result<usize, SendError> {
        self.check_space(payload.len(), out)?;
        let header = self.machine.ping_pong_header(opcode, payload.len(), masking_key)?;
        write_frame(&header, payload, out)
    }

    fn write_close(
        &mut self,
        code: CloseCode,
        reason: &str,
        masking_key: impl FnOnce() -> Result<[u8; 4], EntropyError>,
        out: &mut [u8],
    ) -> Result<usize, SendError> {
        let payload = ClosePayload::new(code, reason);
        self.check_space(payload.bytes().len(), out)?;
        let header = self.machine.close_header(payload.bytes().len(), masking_key)?;
        write_frame(&header, payload.bytes(), out)
    }

    /// Returns an error unless a control frame fits in `out`. Called before a masking key is drawn,
    /// so that none is lost.
    fn check_space(&self, payload_len: usize, out: &[u8]) -> Result<(), SendError> {
        let header_len = match self.machine.role() {
            Role::Client => 2 + 4,
            Role::Server => 2,
        };
        if payload_len <= 125 && header_len + payload_len > out.len() {
            return Err(SendError::BufferTooSmall);
        }
        Ok(())
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
        match self.transport() {
            Transport::Open => None,
            Transport::Drain | Transport::Close | Transport::Abort => self.machine.outcome(),
        }
    }

    /// Returns the failure of the connection, or `None` if it has not failed.
    #[must_use]
    pub const fn error(&self) -> Option<ConnectionError> {
        self.machine.error()
    }

    /// Returns whether the protocol allows a data frame. It does not after this endpoint has sent a
    /// Close frame or the connection has failed.
    #[must_use]
    pub const fn may_send(&self) -> bool {
        self.machine.may_send()
    }

    /// Returns the type of the outgoing message in progress, or `None` between messages.
    #[must_use]
    pub const fn message_in_progress(&self) -> Option<MessageType> {
        self.machine.outgoing()
    }
}

/// Writes a frame to the start of `out`, and masks its payload there.
fn write_frame(header: &FrameHeader, payload: &[u8], out: &mut [u8]) -> Result<usize, SendError> {
    let encoded = header.encode();
    let (Some((to_header, remaining)), key) =
        (out.split_at_mut_checked(encoded.len()), header.masking_key().unwrap_or_default())
    else {
        return Err(SendError::BufferTooSmall);
    };
    let Some(to_payload) = remaining.get_mut(..payload.len()) else {
        return Err(SendError::BufferTooSmall);
    };
    to_header.copy_from_slice(&encoded);
    to_payload.copy_from_slice(payload);
    unmask(to_payload, key, 0);
    Ok(encoded.len() + payload.len())
}
