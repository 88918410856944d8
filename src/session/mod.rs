//! The one state machine of the protocol, without an allocator.

mod receive;
mod reply;
mod state;

#[cfg(feature = "alloc")]
pub(crate) use receive::{BinaryPiece, NextFrame};
use state::Closing;

use crate::extension::Extension;
use crate::frame::{FrameDecoder, FrameHeader};
use crate::{
    EntropyError, MessageType, Opcode, Outcome, ProtocolError, Role, SendReason, Transport,
    Utf8Validator,
};

/// A complete endpoint that owns no heap: frame and fragment order, text across frames, limits,
/// replies, and the closing handshake.
///
/// Payloads come out in pieces as they arrive, borrowed from the input. What a control frame's
/// payload needs when the input cuts it is 125 bytes of the caller's; replies go into a slice of
/// the caller's. [`Connection`](crate::Connection) is this with memory.
///
/// ```
/// use websocket_proto::{Event, Limits, Role, Session, Transport};
///
/// let mut session = Session::new(Role::Server);
/// let mut control = [0; 125];
/// let mut reply = [0; Session::MAX_REPLY];
/// let no_key = || unreachable!("a server masks nothing");
///
/// // RFC 6455, section 5.7: a masked "Hello", here followed by an empty Ping and a Close.
/// let mut buffer = [
///     0x81, 0x85, 0x37, 0xfa, 0x21, 0x3d, 0x7f, 0x9f, 0x4d, 0x51, 0x58, //
///     0x89, 0x80, 0, 0, 0, 0, //
///     0x88, 0x82, 0, 0, 0, 0, 0x03, 0xe8,
/// ];
/// let mut input = &mut buffer[..];
///
/// let Some(Event::Chunk(chunk)) = session.receive(&mut input, &mut control, &Limits::DEFAULT) else { panic!() };
/// assert_eq!(chunk.payload, "Hello".into());
/// assert!(chunk.first && chunk.last);
///
/// let ping = session.receive(&mut input, &mut control, &Limits::DEFAULT).unwrap();
/// let len = session.reply(&ping, no_key, &mut reply)?;
/// assert_eq!(reply[..len], [0x8a, 0]);
///
/// let close = session.receive(&mut input, &mut control, &Limits::DEFAULT).unwrap();
/// let len = session.reply(&close, no_key, &mut reply)?;
/// assert_eq!(reply[..len], [0x88, 2, 0x03, 0xe8]);
/// assert_eq!(session.transport(), Transport::Drain);
/// # Ok::<(), websocket_proto::SendReason>(())
/// ```
#[derive(Clone, Debug)]
pub struct Session {
    role: Role,
    extension: Extension,
    closing: Closing,
    frames: FrameDecoder,
    text: Utf8Validator,
    /// The type of the message that the peer is sending, `None` between two.
    message: Option<MessageType>,
    /// Whether nothing of it was delivered.
    first: bool,
    /// Bytes that its frames announced so far.
    message_len: u64,
    empty_fragments: u32,
    /// The type of the message of ours that is begun and not finished.
    sending: Option<MessageType>,
}

/// What a frame of ours is to its message (RFC 6455, section 5.4).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fragment {
    /// The whole message.
    Whole(MessageType),
    /// The first of several.
    First(MessageType),
    /// Neither the first nor the last.
    Middle,
    /// The last of several.
    Last,
}

impl Session {
    /// Bytes of the longest frame that [`reply`](Self::reply), [`ping`](Self::ping),
    /// [`pong`](Self::pong) and [`close`](Self::close) write.
    pub const MAX_REPLY: usize = 2 + 4 + 125;

    /// A session right after the opening handshake.
    #[must_use]
    pub const fn new(role: Role) -> Self {
        Self {
            role,
            extension: Extension::None,
            closing: Closing::new(),
            frames: FrameDecoder::new(),
            text: Utf8Validator::new(),
            message: None,
            first: false,
            message_len: 0,
            empty_fragments: 0,
            sending: None,
        }
    }

    // --- What the transport reports ------------------------------------------------------------

    /// The peer's stream ended. Before its Close frame this is a failure, which
    /// [`receive`](Self::receive) tells even without input.
    pub fn receive_eof(&mut self) {
        self.closing.receive_eof();
    }

    /// The transport broke.
    pub fn abort(&mut self) {
        self.closing.abort(ProtocolError::Aborted);
    }

    // --- Sending -------------------------------------------------------------------------------

    /// The header of the next data frame, to be written before its `payload_len` bytes of payload,
    /// which a client masks with [`mask`](crate::mask()) and the header's key.
    ///
    /// `masking_key` is asked once by a client for four fresh unpredictable bytes, by a server
    /// never. If it fails, nothing can be sent any more and the connection has failed.
    pub fn send(
        &mut self,
        fragment: Fragment,
        payload_len: u64,
        masking_key: impl FnOnce() -> Result<[u8; 4], EntropyError>,
    ) -> Result<FrameHeader, SendReason> {
        self.check_send(fragment)?;
        self.header(fragment, payload_len, masking_key)
    }

    /// The same after [`check_send`](Self::check_send).
    #[inline]
    pub(crate) fn header(
        &mut self,
        fragment: Fragment,
        payload_len: u64,
        masking_key: impl FnOnce() -> Result<[u8; 4], EntropyError>,
    ) -> Result<FrameHeader, SendReason> {
        let (opcode, fin, sending) = match fragment {
            Fragment::Whole(message_type) => (message_type.opcode(), true, None),
            Fragment::First(message_type) => (message_type.opcode(), false, Some(message_type)),
            Fragment::Middle => (Opcode::Continuation, false, self.sending),
            Fragment::Last => (Opcode::Continuation, true, None),
        };
        let header = FrameHeader::new(opcode, payload_len).map_err(|_| SendReason::TooLong)?;
        let header = if fin { Ok(header) } else { header.unfinished() };
        let header = header.map_err(|_| SendReason::TooLong)?;
        let header = header.with_reserved_bits(self.extension.sent_bits(fragment));
        let header = self.masked(header, masking_key)?;
        self.sending = sending;
        Ok(header)
    }

    /// The header of a Ping or a Pong.
    #[cfg(feature = "alloc")]
    pub(crate) fn control_header(
        &mut self,
        opcode: Opcode,
        payload_len: usize,
        masking_key: impl FnOnce() -> Result<[u8; 4], EntropyError>,
    ) -> Result<FrameHeader, SendReason> {
        if !self.may_send() {
            return Err(SendReason::Closed);
        }
        let header = FrameHeader::new(opcode, payload_len as u64);
        self.masked(header.map_err(|_| SendReason::TooLong)?, masking_key)
    }

    /// Whether a frame that is this to its message may be sent now.
    #[inline]
    pub(crate) const fn check_send(&self, fragment: Fragment) -> Result<(), SendReason> {
        if !self.closing.may_send() {
            return Err(SendReason::Closed);
        }
        match (fragment, self.sending) {
            (Fragment::Whole(_) | Fragment::First(_), Some(_)) => Err(SendReason::Unfinished),
            (Fragment::Middle | Fragment::Last, None) => Err(SendReason::NotBegun),
            (Fragment::Whole(_) | Fragment::First(_), None)
            | (Fragment::Middle | Fragment::Last, Some(_)) => Ok(()),
        }
    }

    /// The type of the message of ours that is begun and not finished.
    #[must_use]
    pub const fn sending(&self) -> Option<MessageType> {
        self.sending
    }

    /// The header with a fresh masking key if this is a client.
    #[inline]
    fn masked(
        &mut self,
        header: FrameHeader,
        masking_key: impl FnOnce() -> Result<[u8; 4], EntropyError>,
    ) -> Result<FrameHeader, SendReason> {
        match self.role {
            Role::Server => Ok(header),
            // RFC 6455, section 5.3: a fresh key for every frame.
            Role::Client => match masking_key() {
                Ok(key) => Ok(header.masked(key)),
                Err(EntropyError) => {
                    self.closing.abort(ProtocolError::Entropy);
                    Err(SendReason::Entropy)
                }
            },
        }
    }

    // --- Questions -----------------------------------------------------------------------------

    /// Which end this is.
    #[must_use]
    pub const fn role(&self) -> Role {
        self.role
    }

    /// What to do with the transport, once all that the session gave out is written.
    #[must_use]
    pub const fn transport(&self) -> Transport {
        self.closing.transport(self.role)
    }

    /// How the connection ended, `None` until the transport is to be closed.
    #[must_use]
    pub const fn outcome(&self) -> Option<Outcome> {
        match self.transport() {
            Transport::Open => None,
            Transport::Drain | Transport::Close | Transport::Abort => self.closing.outcome(),
        }
    }

    /// Why the connection failed, `None` if it did not.
    #[must_use]
    pub const fn error(&self) -> Option<ProtocolError> {
        self.closing.error()
    }

    /// Whether messages may be sent.
    #[must_use]
    pub const fn may_send(&self) -> bool {
        self.closing.may_send()
    }

    /// Whether a Close frame may be sent: once.
    #[must_use]
    pub const fn may_close(&self) -> bool {
        self.closing.may_close()
    }

    /// Whether bytes, or their end, are still awaited from the transport.
    #[must_use]
    pub fn wants_read(&self) -> bool {
        self.closing.wants_read()
    }

    /// Whether [`receive`](Self::receive) has a failure to tell, also without input.
    #[inline]
    #[must_use]
    pub const fn has_news(&self) -> bool {
        self.closing.has_news()
    }

    /// Whether a Close frame must be sent: in reply to the peer's, or for a failure.
    #[inline]
    #[must_use]
    pub const fn owes_close(&self) -> bool {
        self.closing.due().is_some()
    }

    /// Whether it has failed and the Close frame for that is due.
    #[cfg(feature = "alloc")]
    #[inline]
    pub(crate) const fn is_failing(&self) -> bool {
        self.closing.is_failing()
    }

    /// Fails without a Close frame, for what makes sending impossible or pointless.
    #[cfg(feature = "alloc")]
    pub(crate) fn fail(&mut self, error: ProtocolError) {
        self.closing.abort(error);
    }

    /// The same while output, and so our Close frame, waits to be written.
    #[cfg(feature = "alloc")]
    pub(crate) fn fail_unwritten(&mut self, error: ProtocolError) {
        self.closing.abort_unwritten(error);
    }

    /// Fails with the Close frame that the error calls for.
    #[cfg(feature = "alloc")]
    pub(crate) fn violate(&mut self, error: ProtocolError) {
        self.closing.violate(error);
    }

    /// The closing handshake's time is over, and so is waiting for the peer.
    #[cfg(feature = "alloc")]
    pub(crate) fn expire(&mut self) {
        self.closing.expire();
    }

    /// Whether no Close frame was sent or received and nothing failed.
    #[cfg(feature = "alloc")]
    pub(crate) const fn is_open(&self) -> bool {
        self.closing.is_open()
    }
}
