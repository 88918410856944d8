//! The head of the final response to a client's request.

use super::gather::Gathered;
use super::head::Parser;
use super::{HandshakeError, HeadLimits, ResponseHead};
use crate::Input;

/// The received part of the final response, after any interim responses.
#[derive(Debug)]
pub(super) struct FinalResponse {
    head: Gathered,
    /// The limits for the current head.
    limits: HeadLimits,
}

impl FinalResponse {
    pub(super) const fn new(limits: HeadLimits) -> Self {
        Self { head: Gathered::new(Parser::response(limits)), limits }
    }

    /// Returns the head, or `None` until it is complete.
    pub(super) fn head(&self) -> Option<ResponseHead<'_>> {
        self.head.head().map(ResponseHead)
    }

    /// Returns the number of bytes after the head that were left unread.
    pub(super) const fn unread_left(&self) -> usize {
        self.head.unread_left
    }

    /// Reads from `input` up to the end of the head.
    ///
    /// # Errors
    ///
    /// The errors of [`Gathered::receive`].
    pub(super) fn receive(&mut self, input: &mut Input<'_>) -> Result<(), HandshakeError> {
        loop {
            self.head.receive(input)?;
            let Some(response) = self.head.head().map(ResponseHead) else { return Ok(()) };
            if !matches!(response.status(), 100 | 102..=199) {
                return Ok(());
            }
            // RFC 9110, section 15.2: a client must be able to parse interim responses. All of them and
            // the final head together must stay within the limit for one head.
            let len = response.as_bytes().len();
            self.limits.max_head = self.limits.max_head.saturating_sub(len);
            self.head.restart(Parser::response(self.limits));
        }
    }
}
