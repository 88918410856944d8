//! Control frames in the receive path.

use super::{ControlPayload, ControlStorage, Machine, Piece, Received, Reply};
use crate::close::check_payload;
use crate::frame::{Masked, Opcode};
use crate::{CloseCode, CloseFrame};

impl Machine {
    /// Receives payload of a control frame. Returns `None` if the frame is incomplete.
    pub(super) fn receive_control<'i>(
        &mut self,
        opcode: Opcode,
        payload: Masked<'i>,
        control: &mut impl ControlStorage,
    ) -> Option<Received<'i>> {
        let complete = self.frames.is_between_frames();
        if payload.offset() == 0 && complete {
            let payload = &*payload.unmask();
            return self.finish_control(opcode, payload, ControlPayload::Whole(payload));
        }
        if payload.len() == 0 {
            return None;
        }
        // Slow path: the frame is split across reads. The rules for headers limit its payload to
        // 125 bytes.
        let start = payload.offset() as usize;
        let end = start + payload.len();
        let stored = control.bytes();
        if let Some(to) = stored.get_mut(start..end) {
            to.copy_from_slice(payload.unmask());
        }
        let stored = stored.get(..end);
        debug_assert!(stored.is_some(), "a control frame has at most 125 bytes");
        let stored = stored.unwrap_or_default();
        if complete {
            return self.finish_control(opcode, stored, ControlPayload::Stored(end));
        }
        if let (Opcode::Close, Err(violation)) = (opcode, check_payload(stored)) {
            self.closing.fail(violation.into());
        }
        None
    }

    /// Returns a complete control frame and the reply to it.
    fn finish_control<'i>(
        &mut self,
        opcode: Opcode,
        payload: &[u8],
        place: ControlPayload<'i>,
    ) -> Option<Received<'i>> {
        match opcode {
            Opcode::Ping => Some(Received { piece: Piece::Ping(place), reply: Some(Reply::Pong) }),
            Opcode::Pong => Some(Received { piece: Piece::Pong(place), reply: None }),
            Opcode::Close | Opcode::Continuation | Opcode::Text | Opcode::Binary => {
                match CloseFrame::decode(payload) {
                    Ok(frame) => {
                        let code = frame.as_ref().map_or(CloseCode::NO_STATUS, CloseFrame::code);
                        self.closing.receive_close(code);
                        let reply = self.pending_close();
                        Some(Received { piece: Piece::Close(place), reply })
                    }
                    Err(violation) => {
                        self.closing.fail(violation.into());
                        None
                    }
                }
            }
        }
    }
}
