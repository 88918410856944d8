//! The receiving side of a connection: what was read and not yet returned to the program.

use std::collections::VecDeque;

use websocket_proto::{Chunk, Input};

use crate::buffer;

/// Unread bytes, and messages that were kept while a write was blocked.
pub(crate) struct Reading {
    pub(crate) input: Input<'static>,
    kept: VecDeque<Chunk<'static>>,
    /// The bytes of `kept`: payloads, and their places in the queue.
    kept_len: usize,
}

impl Reading {
    pub(crate) fn new(input: Input<'static>) -> Self {
        Self { input, kept: VecDeque::new(), kept_len: 0 }
    }

    pub(crate) fn has_kept(&self) -> bool {
        !self.kept.is_empty()
    }

    /// Returns the bytes of the kept messages.
    pub(crate) fn kept_len(&self) -> usize {
        self.kept_len
    }

    pub(crate) fn keep(&mut self, chunk: Chunk<'static>) {
        self.kept_len += len_of(&chunk);
        self.kept.push_back(chunk);
    }

    /// Returns the first kept message. Frees the queue with the last one.
    pub(crate) fn take_kept(&mut self) -> Option<Chunk<'static>> {
        let chunk = self.kept.pop_front()?;
        self.kept_len -= len_of(&chunk);
        if self.kept.is_empty() {
            self.kept = VecDeque::new();
        }
        Some(chunk)
    }
}

/// Returns the read buffer to the thread, also if the stream has just ended and the program drops the
/// connection.
impl Drop for Reading {
    fn drop(&mut self) {
        buffer::release(&mut self.input);
    }
}

/// Counts the place in the queue, too, so that the number of empty messages is bounded.
fn len_of(chunk: &Chunk<'_>) -> usize {
    size_of::<Chunk<'_>>() + chunk.payload.len()
}
