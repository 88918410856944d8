//! The receiving side of a connection: what was read and not yet returned to the program.

use std::collections::VecDeque;

use websocket_proto::{Chunk, Input};

/// Unread bytes, and messages that were kept while a write was blocked.
pub(crate) struct Reading {
    pub(crate) input: Input<'static>,
    kept: VecDeque<Chunk<'static>>,
    /// The payload bytes in `kept`.
    kept_len: usize,
}

impl Reading {
    pub(crate) fn new(input: Input<'static>) -> Self {
        Self { input, kept: VecDeque::new(), kept_len: 0 }
    }

    pub(crate) fn has_kept(&self) -> bool {
        !self.kept.is_empty()
    }

    /// Returns the payload bytes of the kept messages.
    pub(crate) fn kept_len(&self) -> usize {
        self.kept_len
    }

    pub(crate) fn keep(&mut self, chunk: Chunk<'static>) {
        self.kept_len += chunk.payload.len();
        self.kept.push_back(chunk);
    }

    /// Returns the first kept message. Frees the queue with the last one.
    pub(crate) fn take_kept(&mut self) -> Option<Chunk<'static>> {
        let chunk = self.kept.pop_front()?;
        self.kept_len -= chunk.payload.len();
        if self.kept.is_empty() {
            self.kept = VecDeque::new();
        }
        Some(chunk)
    }
}
