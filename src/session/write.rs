//! The sending half of a session: writes frames into slices of the caller.

use super::endpoint::Reply;
use super::{Machine, PingPong, Session};
use crate::close::ClosePayload;
use crate::frame::{FrameHeader, ReservedBits, mask};
use crate::{CloseCode, CloseFrame, EntropyError, Fragment, MessageType, Role, SendError};

/// # Sending
///
/// The parameter `masking_key` returns four fresh unpredictable bytes (RFC 6455, section 5.3). A client
/// calls it once for each frame; a server never calls it, and passes `|| Err(EntropyError)`. If it fails,
/// the connection fails.
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
    ///   [`MAX_CONTROL_FRAME_LEN`](Self::MAX_CONTROL_FRAME_LEN) bytes are always enough.
    /// - [`SendError::Closed`] if the connection failed in the meantime.
    /// - [`SendError::Entropy`] if no masking key can be drawn. The connection has failed.
    pub fn write_reply(
        &mut self,
        masking_key: impl FnOnce() -> Result<[u8; 4], EntropyError>,
        out: &mut [u8],
    ) -> Result<usize, SendError> {
        let Some(reply) = self.reply else { return Ok(0) };
        let written = match reply {
            Reply::Pong => {
                let payload = self.control.payload();
                write_ping_pong(&mut self.machine, PingPong::Pong, payload, masking_key, out)
            }
            Reply::Close(code) => write_close(&mut self.machine, code, "", masking_key, out),
        };
        if written != Err(SendError::BufferTooSmall) {
            self.reply = None;
        }
        written
    }

    /// Returns the header of the next data frame, for the caller to write with its payload.
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
    pub fn data_header(
        &mut self,
        message_type: MessageType,
        fragment: Fragment,
        payload_len: u64,
        masking_key: impl FnOnce() -> Result<[u8; 4], EntropyError>,
    ) -> Result<FrameHeader, SendError> {
        self.machine.check_data(message_type, fragment)?;
        self.machine.data_header(
            message_type,
            fragment,
            ReservedBits::NONE,
            payload_len,
            masking_key,
        )
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
        write_ping_pong(&mut self.machine, PingPong::Ping, payload, masking_key, out)
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
        write_ping_pong(&mut self.machine, PingPong::Pong, payload, masking_key, out)
    }

    /// Writes a Close frame (section 5.5.1) to the start of `out` and returns its length. `frame` is a
    /// [`CloseCode`], a [`CloseFrame`], or `None` for an empty payload.
    ///
    /// No data can be sent after it. The peer's messages continue to arrive until its own Close. It
    /// replaces a pending reply to the peer's Close, but not the pending Close of a failure.
    ///
    /// # Errors
    ///
    /// Returns [`Closed`](SendError::Closed) if a Close was sent before or the connection has failed,
    /// [`InvalidClose`](SendError::InvalidClose), [`BufferTooSmall`](SendError::BufferTooSmall) or
    /// [`Entropy`](SendError::Entropy).
    pub fn close<'m, F>(
        &mut self,
        frame: F,
        masking_key: impl FnOnce() -> Result<[u8; 4], EntropyError>,
        out: &mut [u8],
    ) -> Result<usize, SendError>
    where
        F: TryInto<Option<CloseFrame<'m>>>,
        F::Error: Into<SendError>,
    {
        let frame = frame.try_into().map_err(Into::into)?;
        // The Close of a failure has the code of that failure (section 7.1.7).
        if self.machine.error().is_some() {
            return Err(SendError::Closed);
        }
        let (code, reason) = frame
            .as_ref()
            .map_or((CloseCode::NO_STATUS, ""), |frame| (frame.code(), frame.reason()));
        let written = write_close(&mut self.machine, code, reason, masking_key, out)?;
        if let Some(Reply::Close(_)) = self.reply {
            self.reply = None;
        }
        Ok(written)
    }
}

fn write_ping_pong(
    machine: &mut Machine,
    kind: PingPong,
    payload: &[u8],
    masking_key: impl FnOnce() -> Result<[u8; 4], EntropyError>,
    out: &mut [u8],
) -> Result<usize, SendError> {
    check_space(machine.role(), payload.len(), out)?;
    let header = machine.ping_pong_header(kind, payload.len(), masking_key)?;
    write_frame(&header, payload, out)
}

fn write_close(
    machine: &mut Machine,
    code: CloseCode,
    reason: &str,
    masking_key: impl FnOnce() -> Result<[u8; 4], EntropyError>,
    out: &mut [u8],
) -> Result<usize, SendError> {
    let payload = ClosePayload::new(code, reason);
    let payload = payload.bytes();
    check_space(machine.role(), payload.len(), out)?;
    let header = machine.close_header(payload.len(), masking_key)?;
    write_frame(&header, payload, out)
}

/// Returns an error unless a control frame fits in `out`. Called before a masking key is drawn, so that
/// none is lost. The machine refuses a payload of more than 125 bytes.
fn check_space(role: Role, payload_len: usize, out: &[u8]) -> Result<(), SendError> {
    let header_len = match role {
        Role::Client => 2 + 4,
        Role::Server => 2,
    };
    if payload_len <= 125 && header_len + payload_len > out.len() {
        return Err(SendError::BufferTooSmall);
    }
    Ok(())
}

/// Writes a frame to the start of `out`, and masks its payload there.
fn write_frame(header: &FrameHeader, payload: &[u8], out: &mut [u8]) -> Result<usize, SendError> {
    let encoded = header.encode();
    let Some((to_header, remaining)) = out.split_at_mut_checked(encoded.len()) else {
        return Err(SendError::BufferTooSmall);
    };
    let Some(to_payload) = remaining.get_mut(..payload.len()) else {
        return Err(SendError::BufferTooSmall);
    };
    to_header.copy_from_slice(&encoded);
    to_payload.copy_from_slice(payload);
    if let Some(key) = header.masking_key() {
        mask(to_payload, key, 0);
    }
    Ok(encoded.len() + payload.len())
}
