//! The frame encoder, which creates every header that is sent, except that of a prepared message.

use super::{AbortCause, Machine};
use crate::frame::{FrameHeader, Opcode, ReservedBits};
use crate::{ConnectionError, EntropyError, Fragment, MessageType, Role, SendError};

/// The two kinds of control frames that may be sent at any time before a Close.
#[derive(Clone, Copy)]
pub(crate) enum PingPong {
    Ping,
    Pong,
}

impl Machine {
    /// Returns an error unless a data frame may be sent now.
    #[inline]
    pub(crate) const fn check_data(
        &self,
        message_type: MessageType,
        fragment: Fragment,
    ) -> Result<(), SendError> {
        if !self.closing.may_send_data() {
            return Err(SendError::Closed);
        }
        // RFC 6455, section 5.4: fragments of one message must not be interleaved with another.
        match (fragment, self.outgoing) {
            (Fragment::Whole | Fragment::First, None) => Ok(()),
            (Fragment::Whole | Fragment::First, Some(_)) => Err(SendError::MessageInProgress),
            (Fragment::Middle | Fragment::Last, None) => Err(SendError::NoMessageInProgress),
            (Fragment::Middle | Fragment::Last, Some(outgoing)) => match (message_type, outgoing) {
                (MessageType::Text, MessageType::Text)
                | (MessageType::Binary, MessageType::Binary) => Ok(()),
                (MessageType::Text, MessageType::Binary)
                | (MessageType::Binary, MessageType::Text) => Err(SendError::TypeMismatch),
            },
        }
    }

    /// Returns the header of a data frame. `reserved_bits` are those of the message.
    /// [`check_data`](Self::check_data) must have succeeded.
    #[inline]
    pub(crate) fn data_header(
        &mut self,
        message_type: MessageType,
        fragment: Fragment,
        reserved_bits: ReservedBits,
        payload_len: u64,
        masking_key: impl FnOnce() -> Result<[u8; 4], EntropyError>,
    ) -> Result<FrameHeader, SendError> {
        debug_assert!(self.check_data(message_type, fragment).is_ok());
        let opcode = if fragment.begins() { message_type.opcode() } else { Opcode::Continuation };
        let header = FrameHeader::new(opcode, payload_len);
        let header =
            if fragment.ends() { header } else { header.and_then(FrameHeader::without_fin) };
        // RFC 7692, section 6: only the first frame of a message has the bits of an extension.
        let reserved_bits = if fragment.begins() { reserved_bits } else { ReservedBits::NONE };
        let header = header.ok_or(SendError::TooLong)?.with_reserved_bits(reserved_bits);
        let header = self.mask_header(header, masking_key)?;
        self.outgoing = if fragment.ends() { None } else { Some(message_type) };
        Ok(header)
    }

    /// Returns an error unless a Ping or a Pong may be sent now.
    pub(crate) const fn check_ping_pong(&self, kind: PingPong) -> Result<(), SendError> {
        let allowed = match kind {
            PingPong::Ping => self.closing.may_send_data(),
            PingPong::Pong => self.closing.may_pong(),
        };
        if allowed { Ok(()) } else { Err(SendError::Closed) }
    }

    /// Returns the header of a Ping or a Pong.
    pub(crate) fn ping_pong_header(
        &mut self,
        kind: PingPong,
        payload_len: usize,
        masking_key: impl FnOnce() -> Result<[u8; 4], EntropyError>,
    ) -> Result<FrameHeader, SendError> {
        self.check_ping_pong(kind)?;
        let opcode = match kind {
            PingPong::Ping => Opcode::Ping,
            PingPong::Pong => Opcode::Pong,
        };
        let header = FrameHeader::new(opcode, payload_len as u64).ok_or(SendError::TooLong)?;
        self.mask_header(header, masking_key)
    }

    /// Returns the header of our Close frame. No data is sent after it (RFC 6455, section 5.5.1).
    pub(crate) fn close_header(
        &mut self,
        payload_len: usize,
        masking_key: impl FnOnce() -> Result<[u8; 4], EntropyError>,
    ) -> Result<FrameHeader, SendError> {
        if !self.closing.may_close() {
            return Err(SendError::Closed);
        }
        let header =
            FrameHeader::new(Opcode::Close, payload_len as u64).ok_or(SendError::TooLong)?;
        let header = self.mask_header(header, masking_key)?;
        self.closing.send_close();
        Ok(header)
    }

    /// Adds the masking key of a client. If none can be drawn, the connection fails.
    #[inline]
    fn mask_header(
        &mut self,
        header: FrameHeader,
        masking_key: impl FnOnce() -> Result<[u8; 4], EntropyError>,
    ) -> Result<FrameHeader, SendError> {
        match self.role {
            Role::Server => Ok(header),
            // RFC 6455, section 5.3: a fresh key for every frame.
            Role::Client => match masking_key() {
                Ok(key) => Ok(header.with_masking_key(key)),
                Err(EntropyError) => {
                    self.closing.abort(ConnectionError::Entropy, AbortCause::Transport);
                    Err(SendError::Entropy)
                }
            },
        }
    }
}
