//! Control frames in the receive path.

use super::{ControlPayload, ControlStorage, Machine, Piece};
use crate::close::check_payload;
use crate::frame::{Masked, Opcode};
use crate::{CloseCode, CloseFrame};

impl Machine {
    /// Receives payload of a control frame. Returns the frame when it is complete.
    pub(super) fn receive_control<'i>(
        &mut self,
        opcode: Opcode,
        payload: Masked<'i>,
        control: &mut impl ControlStorage,
    ) -> Option<Piece<'i>> {
        let (payload, place) = if payload.offset() == 0 && self.frames.is_between_frames() {
            let payload = &*payload.unmask();
            (payload, ControlPayload::Whole(payload))
        } else {
            let stored = self.store_control(opcode, payload, control)?;
            (stored, ControlPayload::Stored(stored.len()))
        };
        match opcode {
            Opcode::Ping => Some(Piece::Ping(place)),
            Opcode::Pong => Some(Piece::Pong(place)),
            // Data frames have another path.
            Opcode::Close | Opcode::Continuation | Opcode::Text | Opcode::Binary => {
                match CloseFrame::decode(payload) {
                    Ok(frame) => {
                        let code = frame.as_ref().map_or(CloseCode::NO_STATUS, CloseFrame::code);
                        self.closing.receive_close(code);
                        Some(Piece::Close(place))
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
            self.fail_internally("the rules for headers limit a control frame to 125 bytes");
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
