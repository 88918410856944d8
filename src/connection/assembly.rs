//! What no buffer of the driver's held in one piece: messages and control frames put together.

use alloc::{boxed::Box, string::String, vec::Vec};

use crate::{Chunk, ChunkPayload, Message};

/// What is under way. It holds no memory when nothing is.
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
            Parts::None => None,
            Parts::Text(text) => Some(text.into()),
            Parts::Binary(bytes) => Some(bytes.into()),
        }
    }

    /// Memory doubles with the bytes received, whatever a header announced.
    fn push(&mut self, payload: &ChunkPayload<'_>) {
        match (&mut self.message, payload) {
            (Parts::Text(text), ChunkPayload::Text(piece)) => text.push_str(piece),
            (Parts::Binary(bytes), ChunkPayload::Binary(piece)) => bytes.extend_from_slice(piece),
            (message, ChunkPayload::Text(piece)) => *message = Parts::Text(String::from(&**piece)),
            (message, ChunkPayload::Binary(piece)) => *message = Parts::Binary(piece.to_vec()),
        }
    }
}
