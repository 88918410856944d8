//! The events of a session.

use core::fmt;

use crate::{CloseFrame, ConnectionError, Fragment};

/// An event of a [`Session`](super::Session). It borrows from the input or from the session, so that no
/// other call of the session is possible while it is held. To answer a text with its own bytes, copy them
/// into the buffer of the reply first: the page [`session`](super) has that loop.
///
/// A piece of a message is at most as long as the storage of the input; with a storage below 4 bytes, it may
/// be one character of 4 bytes. The payload of a control frame has at most 125 bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SessionEvent<'a> {
    /// Whole characters of a text message arrived. Only the last piece of a message may be empty.
    ///
    /// If the text after them is invalid, the connection has failed and a Close is pending: ask
    /// [`reply_pending`](super::Session::reply_pending) after each event.
    Text(&'a str, Fragment),
    /// Bytes of a binary message arrived. Only the last piece of a message may be empty.
    Binary(&'a [u8], Fragment),
    /// The peer sent a Ping (RFC 6455, section 5.5.2). Send the reply.
    Ping(&'a [u8]),
    /// The peer sent a Pong (section 5.5.3).
    Pong(&'a [u8]),
    /// The peer sent a Close frame (section 5.5.1); `None` if its payload is empty. Send the reply.
    /// None is pending if this Close is itself the reply to ours.
    Close(Option<CloseFrame<'a>>),
    /// The connection failed (section 7.1.7). Send the Close frame, if one is pending.
    Failed(ConnectionError),
}

/// The error of [`Session::receive`](super::Session::receive) while a reply is pending: send it with
/// [`Session::write_reply`](super::Session::write_reply) first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReplyPending;

impl fmt::Display for ReplyPending {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a reply to the peer is pending")
    }
}

impl core::error::Error for ReplyPending {}
