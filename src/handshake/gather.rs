//! The bytes of a head, gathered from several reads.

use alloc::vec::Vec;

use super::HandshakeError;
use super::head::{Head, Parser};
use super::http1::slice;
use crate::Input;

/// The minimum capacity for a head that does not arrive in one read.
const MIN_CAPACITY: usize = 512;

/// The received part of a head. Once the head is complete, `bytes` is exactly the head.
#[derive(Debug)]
pub(super) struct Gathered {
    parser: Parser,
    pub(super) bytes: Vec<u8>,
    /// The number of bytes after the head that were left unread.
    pub(super) unread_left: usize,
}

impl Gathered {
    pub(super) const fn new(parser: Parser) -> Self {
        Self { parser, bytes: Vec::new(), unread_left: 0 }
    }

    /// Discards the head, and begins another one in the same buffer, which `parser` parses.
    pub(super) fn restart(&mut self, parser: Parser) {
        self.parser = parser;
        self.bytes.clear();
    }

    /// Returns the head, or `None` until it is complete.
    pub(super) fn head(&self) -> Option<Head<'_>> {
        self.parser.head(&self.bytes)
    }

    /// Moves bytes from `input` up to the end of the head.
    ///
    /// At most as many bytes are kept as the parser's limit allows. If the head is incomplete or
    /// malformed, all input is consumed.
    ///
    /// # Errors
    ///
    /// The rule that the head breaks, and [`HandshakeError::UnexpectedEof`] if the stream ends inside
    /// the head.
    pub(super) fn receive(&mut self, input: &mut Input<'_>) -> Result<(), HandshakeError> {
        let is_finished = input.is_finished();
        let (unread, position) = input.unread_mut();
        let before = self.bytes.len();
        let parsed = if before == 0 {
            // Most heads arrive in one read: parse in place, to copy only the head.
            self.parser.parse(unread)
        } else {
            let max_new = self.parser.max_head().saturating_sub(before);
            self.bytes.extend_from_slice(unread.get(..max_new).unwrap_or(unread));
            self.parser.parse(&self.bytes)
        };
        let Some(len) = parsed.inspect_err(|_| position.discard_unread())? else {
            if before == 0 && !unread.is_empty() {
                self.bytes.reserve(unread.len().max(MIN_CAPACITY));
                self.bytes.extend_from_slice(unread);
            }
            position.discard_unread();
            return if is_finished { Err(HandshakeError::UnexpectedEof) } else { Ok(()) };
        };
        debug_assert!(before < len && len - before <= unread.len(), "parsers consume what is new");
        if before == 0 {
            self.bytes.extend_from_slice(slice(unread, 0..len));
        }
        self.bytes.truncate(len);
        self.unread_left = unread.len().saturating_sub(len - before);
        position.leave_unread(self.unread_left);
        Ok(())
    }
}
