//! What no buffer of the driver's held in one piece: messages and control frames put together.

use alloc::{boxed::Box, string::String, vec::Vec};

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
    Binary(Vec<u8>),
}

impl Assembly {
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
            Parts::Binary(bytes) => Some(bytes.into()),
        }
    }

    /// Memory doubles with the bytes received, whatever a header announced.
    fn push(&mut self, payload: &ChunkPayload<'_>) {
        if let Parts::None | Parts::Spare(_) = self.message {
            let memory = self.take_spare();
            self.message = match payload {
                // Empty, so nothing is checked.
                ChunkPayload::Text(_) => Parts::Text(String::from_utf8(memory).unwrap_or_default()),
                ChunkPayload::Binary(_) => Parts::Binary(memory),
            };
        }
        match (&mut self.message, payload) {
            (Parts::Text(text), ChunkPayload::Text(piece)) => text.push_str(piece),
            (Parts::Binary(bytes), ChunkPayload::Binary(piece)) => bytes.extend_from_slice(piece),
            // A message keeps its type: a continuation has none of its own.
            (Parts::None | Parts::Spare(_) | Parts::Text(_) | Parts::Binary(_), _) => {}
        }
    }

    /// Memory for the next message, kept until [`take_spare`](Self::take_spare).
    pub(super) fn lend(&mut self, mut memory: Vec<u8>) {
        if let Parts::None = self.message {
            memory.clear();
            self.message = Parts::Spare(memory);
        }
    }

    /// The memory that was lent and is not in use.
    pub(super) fn take_spare(&mut self) -> Vec<u8> {
        match core::mem::take(&mut self.message) {
            Parts::Spare(memory) => memory,
            message @ (Parts::None | Parts::Text(_) | Parts::Binary(_)) => {
                self.message = message;
                Vec::new()
            }
        }
    }
}
