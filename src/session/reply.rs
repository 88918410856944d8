//! Control frames into a slice of the caller's.

use super::Session;
use crate::frame::FrameHeader;
use crate::mask::mask_by;
use crate::{CloseCode, CloseFrame, EntropyError, Event, Opcode, Role, SendReason};

impl Session {
    /// Writes what the protocol demands in answer to `event` to the start of `out`, and returns
    /// its length: a Pong to a Ping (RFC 6455, section 5.5.2), a Close to a Close (section 5.5.1)
    /// or after a violation (section 7.1.7), nothing to all else.
    ///
    /// The reply to a Close repeats its code without its reason. [`MAX_REPLY`](Self::MAX_REPLY)
    /// bytes of room are always enough; `masking_key` as in [`send`](Self::send).
    pub fn reply(
        &mut self,
        event: &Event<'_>,
        masking_key: impl FnOnce() -> Result<[u8; 4], EntropyError>,
        out: &mut [u8],
    ) -> Result<usize, SendReason> {
        match event {
            Event::Ping(payload) if self.may_send() => self.pong(payload, masking_key, out),
            Event::Close(_) | Event::Failed(_) => self.reply_close(masking_key, out),
            Event::Ping(_) | Event::Pong(_) | Event::Chunk(_) => Ok(0),
            #[cfg(feature = "alloc")]
            Event::Message(_) => Ok(0),
        }
    }

    /// Writes the Close frame that is due, if one is, and returns its length.
    pub(crate) fn reply_close(
        &mut self,
        masking_key: impl FnOnce() -> Result<[u8; 4], EntropyError>,
        out: &mut [u8],
    ) -> Result<usize, SendReason> {
        match self.closing.due() {
            // RFC 6455, section 5.5.1: the reply typically echoes the code.
            Some(code) => self.write_close(code, "", masking_key, out),
            None => Ok(0),
        }
    }

    /// Writes a Ping (RFC 6455, section 5.5.2) with at most 125 bytes of payload to the start of
    /// `out`, and returns its length.
    pub fn ping(
        &mut self,
        payload: &[u8],
        masking_key: impl FnOnce() -> Result<[u8; 4], EntropyError>,
        out: &mut [u8],
    ) -> Result<usize, SendReason> {
        self.control_frame(Opcode::Ping, payload, masking_key, out)
    }

    /// Writes a Pong (RFC 6455, section 5.5.3) with at most 125 bytes of payload to the start of
    /// `out`, and returns its length.
    pub fn pong(
        &mut self,
        payload: &[u8],
        masking_key: impl FnOnce() -> Result<[u8; 4], EntropyError>,
        out: &mut [u8],
    ) -> Result<usize, SendReason> {
        self.control_frame(Opcode::Pong, payload, masking_key, out)
    }

    /// Writes a Close (RFC 6455, section 5.5.1), empty for `None`, to the start of `out`, and
    /// returns its length. Nothing can be sent after it; the peer's messages still arrive until
    /// its own Close.
    pub fn close(
        &mut self,
        frame: Option<&CloseFrame<'_>>,
        masking_key: impl FnOnce() -> Result<[u8; 4], EntropyError>,
        out: &mut [u8],
    ) -> Result<usize, SendReason> {
        let (code, reason) =
            frame.map_or((CloseCode::NO_STATUS, ""), |frame| (frame.code(), frame.reason()));
        self.write_close(code, reason, masking_key, out)
    }

    fn write_close(
        &mut self,
        code: CloseCode,
        reason: &str,
        masking_key: impl FnOnce() -> Result<[u8; 4], EntropyError>,
        out: &mut [u8],
    ) -> Result<usize, SendReason> {
        if !self.closing.may_close() {
            return Err(SendReason::Closed);
        }
        let bytes = code.0.to_be_bytes();
        let code = if code == CloseCode::NO_STATUS { &[][..] } else { &bytes };
        let payload = [code, reason.as_bytes()];
        let written = self.write_frame(Opcode::Close, payload, masking_key, out)?;
        self.closing.send_close();
        Ok(written)
    }

    /// Writes a Ping or a Pong.
    fn control_frame(
        &mut self,
        opcode: Opcode,
        payload: &[u8],
        masking_key: impl FnOnce() -> Result<[u8; 4], EntropyError>,
        out: &mut [u8],
    ) -> Result<usize, SendReason> {
        if !self.may_send() {
            return Err(SendReason::Closed);
        }
        self.write_frame(opcode, [payload, &[]], masking_key, out)
    }

    /// Writes a frame whole or not at all. Its payload is in two parts.
    fn write_frame(
        &mut self,
        opcode: Opcode,
        payload: [&[u8]; 2],
        masking_key: impl FnOnce() -> Result<[u8; 4], EntropyError>,
        out: &mut [u8],
    ) -> Result<usize, SendReason> {
        let payload_len = payload[0].len() + payload[1].len();
        let header = FrameHeader::new(opcode, payload_len as u64);
        let header = header.map_err(|_| SendReason::TooLong)?;
        let key = match self.role {
            Role::Client => 4,
            Role::Server => 0,
        };
        let len = header.encoded_len() + key + payload_len;
        if len > out.len() {
            return Err(SendReason::NoRoom);
        }
        let header = self.masked(header, masking_key)?;
        let body = put(out, &header.encode());
        let rest = put(body, payload[0]);
        put(rest, payload[1]);
        let key = header.masking_key().unwrap_or_default();
        mask_by(body.get_mut(..payload_len).unwrap_or_default(), key, 0);
        Ok(len)
    }
}

/// Copies `bytes` to the start of `out`, where there is room for them, and returns what is behind.
fn put<'a>(out: &'a mut [u8], bytes: &[u8]) -> &'a mut [u8] {
    let Some((start, rest)) = out.split_at_mut_checked(bytes.len()) else { return &mut [] };
    start.copy_from_slice(bytes);
    rest
}
