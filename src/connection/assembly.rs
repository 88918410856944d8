//! What no buffer of the driver's held in one piece: messages and control frames put together.

use alloc::{boxed::Box, string::String, vec::Vec};

use super::buffers::{SMALL, is_ample, is_kept};
use crate::frame::Rest;
use crate::session::BinaryPiece;
use crate::{Chunk, Message};

/// What is under way. It holds no memory when nothing is, unless some is lent.
#[derive(Default)]
pub(super) struct Assembly {
    message: Parts,
    /// The payload of a control frame.
    pub(super) control: Option<Box<[u8; 125]>>,
}

/// Memory that is lent for messages.
#[derive(Default)]
pub(super) struct Memory {
    /// For a whole one.
    pub(super) message: Vec<u8>,
    /// For a small part of one, between turns.
    pub(super) part: Vec<u8>,
}

#[derive(Default)]
enum Parts {
    #[default]
    None,
    /// Lent memory, with whatever is in it.
    Spare(Vec<u8>),
    Text(String),
    /// `bytes[..received]`. What is behind is initialised memory, to be written over.
    Binary {
        bytes: Vec<u8>,
        received: usize,
    },
}

impl Assembly {
    /// Adds a piece of text, behind which `rest` is announced. Returns the message if it is complete:
    /// borrowed if the piece is all of it.
    pub(super) fn add<'a>(&mut self, chunk: Chunk<'a>, rest: Rest) -> Option<Message<'a>> {
        let Chunk { payload: Message::Text(piece), first, last } = chunk else { return None };
        if first && last {
            return Some(Message::Text(piece));
        }
        if let Parts::None | Parts::Spare(_) = self.message {
            self.message = Parts::Text(empty_text(self.take_spare()));
        }
        // A message keeps its type: a continuation has none of its own.
        let Parts::Text(text) = &mut self.message else { return None };
        let end = text.len() + piece.byte_len();
        if end > text.capacity() {
            text.reserve_exact(memory(end, rest) - text.len());
        }
        text.push_str(&piece);
        if last { self.finish() } else { None }
    }

    /// Adds a piece of a binary message, as [`add`](Self::add) does.
    pub(super) fn add_binary<'a>(&mut self, piece: BinaryPiece<'a>) -> Option<Message<'a>> {
        let BinaryPiece { payload, first, last } = piece;
        // Not where room was made for it before.
        if first && last && !matches!(self.message, Parts::Binary { .. }) {
            return Some(Message::Binary((&*payload.unmask()).into()));
        }
        let (bytes, received) = self.binary()?;
        let end = *received + payload.len();
        if let Some(to) = bytes.get_mut(*received..end) {
            payload.unmask_into(to);
        } else {
            bytes.truncate(*received);
            if end > bytes.capacity() {
                bytes.reserve_exact(memory(end, payload.rest) - *received);
            }
            bytes.extend_from_slice(payload.unmask());
        }
        *received = end;
        if last { self.finish() } else { None }
    }

    /// Where to put bytes of the binary message under way: as many as have come, so that memory
    /// doubles with the bytes received, but at least some, and whatever memory is there.
    pub(super) fn space(&mut self, rest: Rest) -> Option<&mut [u8]> {
        let (bytes, received) = self.binary()?;
        let end = space_end(bytes, *received, rest);
        if end > bytes.capacity() {
            bytes.reserve_exact(memory(*received, rest) - bytes.len());
        }
        if end > bytes.len() {
            bytes.resize(end, 0);
        }
        bytes.get_mut(*received..end)
    }

    /// The first `len` bytes of what [`space`](Self::space) returned, to be unmasked: they belong to
    /// the message now.
    pub(super) fn fill(&mut self, len: usize, rest: Rest) -> &mut [u8] {
        let Parts::Binary { bytes, received } = &mut self.message else { return &mut [] };
        let start = *received;
        let end = space_end(bytes, start, rest).min(bytes.len());
        *received = start.saturating_add(len).min(end);
        bytes.get_mut(start..*received).unwrap_or_default()
    }

    /// The message, which is complete.
    pub(super) fn finish(&mut self) -> Option<Message<'static>> {
        match core::mem::take(&mut self.message) {
            Parts::None | Parts::Spare(_) => None,
            Parts::Text(text) => Some(text.into()),
            Parts::Binary { mut bytes, received } => {
                bytes.truncate(received);
                Some(bytes.into())
            }
        }
    }

    /// The binary message under way, or a new one.
    fn binary(&mut self) -> Option<(&mut Vec<u8>, &mut usize)> {
        if let Parts::None | Parts::Spare(_) = self.message {
            self.message = Parts::Binary { bytes: self.take_spare(), received: 0 };
        }
        match &mut self.message {
            Parts::Binary { bytes, received } => Some((bytes, received)),
            Parts::None | Parts::Spare(_) | Parts::Text(_) => None,
        }
    }

    /// Drops what is under way. What is lent stays.
    pub(super) fn clear(&mut self) {
        self.control = None;
        if !matches!(self.message, Parts::Spare(_)) {
            self.message = Parts::None;
        }
    }

    /// Whether memory for the next message is wanted: none is under way, and none is lent.
    pub(super) const fn is_empty(&self) -> bool {
        matches!(self.message, Parts::None)
    }

    /// Memory for the next message, kept until [`take_spare`](Self::take_spare).
    pub(super) fn keep(&mut self, memory: Vec<u8>) {
        if self.is_empty() {
            self.message = Parts::Spare(memory);
        }
    }

    /// Lends `memory` for the next message, or for the one under way if it is ample for that.
    #[inline]
    pub(super) fn lend(&mut self, memory: &mut Memory) {
        if self.is_empty() {
            self.message = Parts::Spare(core::mem::take(&mut memory.message));
        } else {
            self.lend_under_way(memory);
        }
    }

    #[inline(never)]
    fn lend_under_way(&mut self, memory: &mut Memory) {
        if let Some((_, received)) = self.under_way()
            && is_ample(memory.message.capacity(), received)
        {
            let part = self.move_to(core::mem::take(&mut memory.message));
            if is_kept(&memory.part, &part) {
                memory.part = part;
            }
        }
    }

    /// Gives back the memory that was lent. A message that is under way stays in it, or moves to that
    /// for a part, or to some of its size, if it is ample: the rest of the message may never come.
    #[inline]
    pub(super) fn give_back(&mut self, memory: &mut Memory) {
        if !self.is_empty() {
            self.give_back_memory(memory);
        }
    }

    #[inline(never)]
    fn give_back_memory(&mut self, memory: &mut Memory) {
        let message = match self.under_way() {
            None => self.take_spare(),
            Some((capacity, received)) if is_ample(capacity, received) => {
                let part = memory.part.capacity();
                self.move_to(if part >= received && !is_ample(part, received) {
                    core::mem::take(&mut memory.part)
                } else {
                    Vec::with_capacity(received)
                })
            }
            Some(_) => return,
        };
        if is_kept(&memory.message, &message) {
            memory.message = message;
        }
    }

    /// The memory that the message under way is in, and how much of it is received.
    fn under_way(&self) -> Option<(usize, usize)> {
        match &self.message {
            Parts::None | Parts::Spare(_) => None,
            Parts::Text(text) => Some((text.capacity(), text.len())),
            Parts::Binary { bytes, received } => Some((bytes.capacity(), *received)),
        }
    }

    /// Moves the message under way to `memory`. Returns what it was in.
    fn move_to(&mut self, mut memory: Vec<u8>) -> Vec<u8> {
        match &mut self.message {
            Parts::None | Parts::Spare(_) => memory,
            Parts::Text(text) => {
                let mut moved = empty_text(memory);
                moved.push_str(text);
                core::mem::replace(text, moved).into_bytes()
            }
            Parts::Binary { bytes, received } => {
                let came = bytes.get(..*received).unwrap_or_default();
                if let Some(to) = memory.get_mut(..*received) {
                    to.copy_from_slice(came);
                } else {
                    memory.clear();
                    memory.extend_from_slice(came);
                }
                core::mem::replace(bytes, memory)
            }
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

/// An empty text in `memory`.
fn empty_text(mut memory: Vec<u8>) -> String {
    memory.clear();
    // Nothing is checked.
    String::from_utf8(memory).unwrap_or_default()
}

/// Where [`Assembly::space`] ends.
fn space_end(bytes: &Vec<u8>, received: usize, rest: Rest) -> usize {
    let end = memory(received, rest).max(bytes.capacity());
    end.min(received.saturating_add(usize::try_from(rest.bytes).unwrap_or(usize::MAX)))
}

/// Memory for a message of which so many bytes are received: for as many again, but for no more
/// than are announced, and at least for some. What follows the frame is not announced.
fn memory(received: usize, rest: Rest) -> usize {
    let announced = if rest.fin { rest.bytes } else { u64::MAX };
    let announced = usize::try_from(announced).unwrap_or(usize::MAX);
    received + announced.min(received.max(SMALL.saturating_sub(received)))
}
