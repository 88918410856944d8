//! Control frames in the receive path.

use super::{ControlPayload, ControlStorage, Machine, Piece, Received, Reply};
use crate::close::check_payload;
use crate::frame::{Masked, Opcode};
use crate::{CloseCode, CloseFrame, Violation};

impl Machine {
    /// Receives payload of a control frame. Returns the frame and the reply to it when it is
    /// complete.
    pub(super) fn receive_control<'i>(
        &mut self,
        opcode: Opcode,
        payload: Masked<'i>,
        control: &mut impl ControlStorage,
    ) -> Option<Received<'i>> {
        let (payload, place) = if payload.offset() == 0 && self.frames.is_between_frames() {
            let payload = &*payload.unmask();
            (payload, ControlPayload::Whole(payload))
        } else {
            let stored = self.store_control(opcode, payload, control)?;
            (stored, ControlPayload::Stored(stored.len()))
        };
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

    /// Stores payload of a control frame that is split across reads. Returns all of its payload
    /// when the frame is complete.
    fn store_control<'c>(
        &mut self,
        opcode: Opcode,
        payload: Masked<'_>,
        control: &'c mut impl ControlStorage,
    ) -> Option<&'c [u8]> {
        if payload.len() == 0 {
            return None;
        }
        let start = payload.offset() as usize;
        let Some(stored) = control.bytes().get_mut(..start + payload.len()) else {
            debug_assert!(false, "the rules for headers limit a control frame to 125 bytes");
            self.closing.fail(Violation::ControlTooLong(opcode).into());
            return None;
        };
        if let Some((_, to)) = stored.split_at_mut_checked(start) {
            to.copy_from_slice(payload.unmask());
        }
        if self.frames.is_between_frames() {
            return Some(stored);
        }
        if let (Opcode::Close, Err(violation)) = (opcode, check_payload(stored)) {
            self.closing.fail(violation.into());
        }
        None
    }
}
