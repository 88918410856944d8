//! What no buffer of the driver's held in one piece: messages and control frames put together.

use alloc::{boxed::Box, string::String, vec::Vec};

use super::buffers::is_kept;
use crate::{Chunk, ChunkPayload, Message};

/// What is under way. It holds no memory when nothing is, unless some is lent.
#[derive(Default)]
pub(super) struct Assembly {
    message: Parts,
    /// The payload of a control frame.
    pub(super) control: Option<Box<[u8; 125]>>,
}

#[derive(Default)]
enum Parts {
    #[default]
    None,
    /// Lent memory, empty.
    Spare(Vec<u8>),
    Text(String),
    /// The last `space` bytes are zeros, to be read into.
    Binary {
        bytes: Vec<u8>,
        space: u32,
    },
}

impl Assembly {
    /// Bytes that may be taken however few have come.
    const MIN_MEMORY: usize = 4096;
    /// Bytes of [`space`](Self::space) at most, so that their number fits.
    const MAX_SPACE: usize = 1 << 30;

    /// Adds a piece. Returns the message if it is complete: borrowed if the piece is all of it.
    #[inline]
    pub(super) fn add<'a>(&mut self, chunk: Chunk<'a>) -> Option<Message<'a>> {
        let Chunk { payload, first, last } = chunk;
        if first && last {
            return Some(match payload {
                ChunkPayload::Text(text) => Message::Text(text),
                ChunkPayload::Binary(payload) => Message::Binary(payload),
            });
        }
        self.push(&payload);
        if !last {
            return None;
        }
        match core::mem::take(&mut self.message) {
            Parts::None | Parts::Spare(_) => None,
            Parts::Text(text) => Some(text.into()),
            Parts::Binary { bytes, .. } => Some(bytes.into()),
        }
    }

    /// Where to put at most `rest` bytes of the binary message under way: as many as have come, so
    /// that memory doubles with the bytes received, but at least some.
    pub(super) fn space(&mut self, rest: u64) -> Option<&mut [u8]> {
        if let Parts::None | Parts::Spare(_) = self.message {
            self.message = Parts::Binary { bytes: self.take_spare(), space: 0 };
        }
        let Parts::Binary { bytes, space } = &mut self.message else { return None };
        let received = bytes.len() - *space as usize;
        let wanted = received.max(Self::MIN_MEMORY.saturating_sub(received)).min(Self::MAX_SPACE);
        let wanted = usize::try_from(rest).unwrap_or(usize::MAX).min(wanted);
        if wanted > *space as usize {
            bytes.reserve_exact(wanted - *space as usize);
            bytes.resize(received + wanted, 0);
            *space = wanted as u32;
        }
        bytes.get_mut(received..received + wanted)
    }

    /// The first `len` bytes of what [`space`](Self::space) returned, to be unmasked: they belong to
    /// the message now.
    pub(super) fn fill(&mut self, len: usize) -> &mut [u8] {
        let Parts::Binary { bytes, space } = &mut self.message else { return &mut [] };
        let received = bytes.len() - *space as usize;
        let len = len.min(*space as usize);
        *space -= len as u32;
        bytes.get_mut(received..received + len).unwrap_or_default()
    }

    /// The binary message, which is complete.
    pub(super) fn finish(&mut self) -> Option<Message<'static>> {
        self.drop_space();
        match core::mem::take(&mut self.message) {
            Parts::Binary { bytes, .. } => Some(bytes.into()),
            Parts::None | Parts::Spare(_) | Parts::Text(_) => None,
        }
    }

    fn drop_space(&mut self) {
        if let Parts::Binary { bytes, space } = &mut self.message {
            bytes.truncate(bytes.len() - *space as usize);
            *space = 0;
        }
    }

    /// Memory doubles with the bytes received, whatever a header announced.
    fn push(&mut self, payload: &ChunkPayload<'_>) {
        if let Parts::None | Parts::Spare(_) = self.message {
            let memory = self.take_spare();
            self.message = match payload {
                // Empty, so nothing is checked.
                ChunkPayload::Text(_) => Parts::Text(String::from_utf8(memory).unwrap_or_default()),
                ChunkPayload::Binary(_) => Parts::Binary { bytes: memory, space: 0 },
            };
        }
        self.drop_space();
        match (&mut self.message, payload) {
            (Parts::Text(text), ChunkPayload::Text(piece)) => text.push_str(piece),
            (Parts::Binary { bytes, .. }, ChunkPayload::Binary(piece)) => {
                bytes.extend_from_slice(piece);
            }
            // A message keeps its type: a continuation has none of its own.
            (Parts::None | Parts::Spare(_) | Parts::Text(_) | Parts::Binary { .. }, _) => {}
        }
    }

    /// Whether memory for the next message is wanted: none is under way, and none is lent.
    pub(super) const fn is_empty(&self) -> bool {
        matches!(self.message, Parts::None)
    }

    /// Memory for the next message, kept until [`take_spare`](Self::take_spare).
    pub(super) fn lend(&mut self, mut memory: Vec<u8>) {
        if self.is_empty() {
            memory.clear();
            self.message = Parts::Spare(memory);
        }
    }

    /// Gives back the memory that was lent and is not in use.
    #[inline]
    pub(super) fn give_back(&mut self, kept: &mut Vec<u8>) {
        if let Parts::Spare(memory) = &mut self.message {
            if is_kept(kept, memory) {
                *kept = core::mem::take(memory);
            }
            self.message = Parts::None;
        }
    }

    /// The memory that was lent and is not in use.
    pub(super) fn take_spare(&mut self) -> Vec<u8> {
        match core::mem::take(&mut self.message) {
            Parts::Spare(memory) => memory,
            message @ (Parts::None | Parts::Text(_) | Parts::Binary { .. }) => {
                self.message = message;
                Vec::new()
            }
        }
    }
}
