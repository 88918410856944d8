//! A message written from where it is.

use core::fmt;

use bytes::Buf;

use super::{Connection, Output};
use crate::{EncodedHeader, Fragment, Message, MessageType, Role, SendError, SendReason};

/// Messages are written from where they are from this size on; copying smaller ones is cheaper.
const DIRECT: usize = 1024;

/// A message on its way: all that waits to be written, and behind it the message, which is not
/// copied. What is not written when this is dropped waits in the [`Output`], in its place.
///
/// Made by [`Connection::sending`], and read and advanced as an `Output` is: best with
/// `chunks_vectored` and room for three pieces, so that what waits, header and payload leave in one
/// write. If it is forgotten, with `mem::forget`, the message is cut off, or never sent if none of it
/// was written.
#[must_use = "what is not written from it is copied"]
pub struct Sending<'c, 'm> {
    output: &'c mut Output,
    header: EncodedHeader,
    message: Message<'m>,
    /// Bytes of the frame that these are, the last ones, that are neither written nor queued.
    rest: usize,
}

impl Connection {
    /// Sends a message that can be written right now: without a copy, also where it is borrowed.
    ///
    /// For a server's messages from 1 KiB on, where no smaller
    /// [`fragment_size`](crate::Config::fragment_size) is configured. All else is queued, as
    /// [`send`](Self::send) does it, so that a driver may use this for every message. Accepted and
    /// refused as there.
    ///
    /// ```
    /// use bytes::Buf;
    /// use websocket_proto::{Config, Connection, Negotiated};
    ///
    /// static CONFIG: Config = Config::new();
    /// let mut connection = Connection::server(&CONFIG, &Negotiated::default());
    /// let picture = vec![7; 100_000];
    ///
    /// let mut sending = connection.sending(&picture[..])?;
    /// assert_eq!(sending.chunk(), b"\x82\x7f\0\0\0\0\0\x01\x86\xa0");
    /// sending.advance(10);
    /// assert_eq!(sending.chunk().as_ptr(), picture.as_ptr());
    /// // The socket takes no more than this.
    /// sending.advance(60_000);
    /// drop(sending);
    /// assert_eq!(connection.output().chunk(), &picture[60_000..]);
    /// # Ok::<(), websocket_proto::SendReason>(())
    /// ```
    #[inline(always)]
    pub fn sending<'c, 'm>(
        &'c mut self,
        message: impl Into<Message<'m>>,
    ) -> Result<Sending<'c, 'm>, SendError<Message<'m>>> {
        let message = message.into();
        if message.as_bytes().len() > self.config.fragment_size {
            self.send(message)?;
            let (header, message) = (EncodedHeader::EMPTY, nothing());
            return Ok(Sending { output: &mut self.output, header, message, rest: 0 });
        }
        // A look at the message is enough to begin, and to move it would take as long.
        match self.begin_sending(message.message_type(), message.as_bytes()) {
            Ok(header) => {
                let len = message.as_bytes().len();
                let rest = if header.is_empty() { 0 } else { header.len() + len };
                Ok(Sending { output: &mut self.output, header, message, rest })
            }
            Err(reason) => Err(SendError { unsent: message, reason }),
        }
    }

    /// The header to write before the payload; empty if the message is queued.
    #[inline(never)]
    fn begin_sending(
        &mut self,
        message_type: MessageType,
        payload: &[u8],
    ) -> Result<EncodedHeader, SendReason> {
        let len = payload.len();
        if len < DIRECT || self.session.role() == Role::Client {
            self.send_copy(message_type, payload)?;
            return Ok(EncodedHeader::EMPTY);
        }
        self.check(message_type, true)?;
        let fragment = Fragment::Whole(message_type);
        let header = self.session.header(fragment, len as u64, || self.keys.take())?;
        self.count_sent(len, true);
        Ok(header.unmasked().encode())
    }
}

fn nothing() -> Message<'static> {
    Message::Binary((&[][..]).into())
}

/// The last `len` of at least as many bytes.
#[inline]
fn last(bytes: &[u8], len: usize) -> &[u8] {
    bytes.get(bytes.len() - len..).unwrap_or_default()
}

impl Sending<'_, '_> {
    /// What of the header is neither written nor queued.
    #[inline]
    fn header(&self) -> &[u8] {
        last(&self.header, self.rest.saturating_sub(self.message.as_bytes().len()))
    }

    /// What of the payload is neither written nor queued.
    #[inline]
    fn payload(&self) -> &[u8] {
        let payload = self.message.as_bytes();
        last(payload, self.rest.min(payload.len()))
    }

    /// Queues that. Memory of which nothing waits serves again.
    #[inline(never)]
    fn queue_rest(&mut self) {
        let (header, payload) = (self.header().len(), self.payload().len());
        match core::mem::replace(&mut self.message, nothing()).into_own() {
            Ok(own) => {
                let start = own.len() - payload;
                self.output.push(last(&self.header, header));
                self.output.splice(own, start);
            }
            Err(message) => {
                self.output.reserve(self.rest);
                self.output.push(last(&self.header, header));
                self.output.push(last(message.as_bytes(), payload));
            }
        }
    }
}

impl Buf for Sending<'_, '_> {
    #[inline]
    fn remaining(&self) -> usize {
        self.output.remaining() + self.rest
    }

    #[inline]
    fn has_remaining(&self) -> bool {
        self.rest > 0 || self.output.has_remaining()
    }

    #[inline]
    fn chunk(&self) -> &[u8] {
        if self.output.has_remaining() {
            return self.output.chunk();
        }
        let header = self.header();
        if header.is_empty() { self.payload() } else { header }
    }

    #[cfg(feature = "std")]
    #[inline(always)]
    fn chunks_vectored<'a>(&'a self, out: &mut [std::io::IoSlice<'a>]) -> usize {
        let mut count = 0;
        if self.output.has_remaining() {
            count = self.output.chunks_vectored(out);
        }
        for piece in [self.header(), self.payload()] {
            if let Some(next) = out.get_mut(count)
                && !piece.is_empty()
            {
                *next = std::io::IoSlice::new(piece);
                count += 1;
            }
        }
        count
    }

    /// # Panics
    ///
    /// If `len` exceeds [`remaining`](Buf::remaining).
    #[inline]
    fn advance(&mut self, len: usize) {
        let queued = len.min(self.output.remaining());
        let direct = len - queued;
        assert!(direct <= self.rest, "advanced past the end of the message");
        self.output.count_taken(len);
        // Nothing may be appended before the message is, of which some may be written.
        if queued > 0 {
            self.output.skip(queued);
        }
        self.rest -= direct;
    }
}

impl Drop for Sending<'_, '_> {
    #[inline]
    fn drop(&mut self) {
        if self.rest > 0 || self.message.has_memory() {
            self.queue_rest();
        }
        if self.output.is_unsettled() {
            self.output.settle();
        }
    }
}

impl fmt::Debug for Sending<'_, '_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sending").field("remaining", &self.remaining()).finish_non_exhaustive()
    }
}
