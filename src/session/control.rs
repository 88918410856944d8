//! Control frames in the receive path.

use super::{ControlPayload, ControlStorage, Machine};
use crate::close::check_payload;
use crate::frame::Masked;
use crate::{CloseCode, CloseFrame, Violation};

impl Machine {
    /// Receives payload of a control frame. Returns all of its payload when the frame is complete.
    // Not inlined without an allocator, to keep a single copy.
    #[cfg_attr(feature = "alloc", inline)]
    #[cfg_attr(not(feature = "alloc"), inline(never))]
    pub(super) fn receive_control<'i>(
        &mut self,
        payload: Masked<'i>,
        control: &mut impl ControlStorage,
    ) -> Option<ControlPayload<'i>> {
        let start = payload.offset() as usize;
        let payload = payload.unmask();
        if start == 0 && self.frames.is_between_frames() {
            return Some(ControlPayload::Whole(payload));
        }
        self.store_control(payload, start, control).map(ControlPayload::Stored)
    }

    /// Stores payload of a control frame that is split across reads, from its byte `start` on. Returns the
    /// length of its payload when the frame is complete.
    #[cfg_attr(feature = "alloc", inline(never))]
    fn store_control(
        &mut self,
        payload: &[u8],
        start: usize,
        control: &mut impl ControlStorage,
    ) -> Option<usize> {
        let end = start + payload.len();
        let Some(to) = control.bytes().get_mut(start..end) else {
            self.fail_internally("the rules for headers limit a control frame to 125 bytes");
            return None;
        };
        to.copy_from_slice(payload);
        self.frames.is_between_frames().then_some(end)
    }

    /// Receives payload of a Close frame as [`receive_control`](Self::receive_control) does, and fails
    /// as soon as the payload cannot become valid.
    pub(super) fn receive_close_payload<'i>(
        &mut self,
        payload: Masked<'i>,
        control: &mut impl ControlStorage,
    ) -> Option<ControlPayload<'i>> {
        let end = payload.offset() as usize + payload.len();
        let complete = self.receive_control(payload, control);
        if complete.is_none()
            && let Some(prefix) = control.bytes().get(..end)
            && let Err(violation) = check_payload(prefix)
        {
            self.closing.fail(violation.into());
        }
        complete
    }

    /// Receives the peer's Close, of which [`Piece::Close`](super::Piece::Close) has the payload.
    /// Returns `None` for an empty payload. After an error the connection has failed.
    pub(crate) fn receive_close<'p>(
        &mut self,
        payload: &'p [u8],
    ) -> Result<Option<CloseFrame<'p>>, Violation> {
        let frame = CloseFrame::decode(payload);
        match &frame {
            Ok(Some(frame)) => self.closing.receive_close(frame.code()),
            Ok(None) => self.closing.receive_close(CloseCode::NO_STATUS),
            Err(violation) => self.closing.fail((*violation).into()),
        }
        frame
    }
}
