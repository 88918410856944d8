//! The reasons why a message or a frame cannot be sent.

use core::convert::Infallible;
use core::fmt;

use crate::CloseFrameError;

/// The reason why a message or frame cannot be sent.
///
/// The call changed nothing, and the connection stays usable, except after
/// [`Entropy`](Self::Entropy).
///
/// ```
/// use websocket_proto::SendError;
///
/// assert_eq!(SendError::Full.to_string(), "the output queue is full");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum SendError {
    /// The queued output reached the high-water mark. Write output, and send again when
    /// `has_room()` returns `true`.
    Full,
    /// A Close frame was sent, or the connection failed (RFC 6455, sections 5.5.1 and 7.1.7). No
    /// message, Ping or Close can be sent any more, and `may_send()` returns `false`. After our Close
    /// frame, Pongs are still accepted until the peer's.
    Closed,
    /// A message that is sent in pieces is not finished (section 5.4). Send its last piece first.
    MessageInProgress,
    /// The piece continues a message, but no message is in progress (section 5.4). Send a first
    /// piece before it.
    NoMessageInProgress,
    /// The piece is text and the message in progress is binary, or vice versa (section 5.4).
    TypeMismatch,
    /// The payload of a control frame exceeds 125 bytes (section 5.5), or the length of a data
    /// frame exceeds 63 bits (section 5.2). Shorten it.
    TooLong,
    /// The Close frame is invalid (section 5.5.1). The [`CloseFrameError`] says why.
    InvalidClose(CloseFrameError),
    /// The caller's slice is too short for the frame. Only a [`Session`](crate::session::Session)
    /// returns this.
    BufferTooSmall,
    /// The source of entropy failed, so that no frame can be masked (section 5.3). The connection
    /// failed too.
    Entropy,
}

impl From<CloseFrameError> for SendError {
    fn from(error: CloseFrameError) -> Self {
        Self::InvalidClose(error)
    }
}

/// Lets `close` accept `None` and a [`CloseFrame`](crate::CloseFrame), which always convert.
impl From<Infallible> for SendError {
    fn from(error: Infallible) -> Self {
        match error {}
    }
}

impl fmt::Display for SendError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Full => "the output queue is full",
            Self::Closed => "the connection is closing",
            Self::MessageInProgress => "another message is in progress",
            Self::NoMessageInProgress => "no message is in progress",
            Self::TypeMismatch => "the message in progress has another type",
            Self::TooLong => "the payload is too long",
            Self::InvalidClose(error) => return error.fmt(f),
            Self::BufferTooSmall => "the buffer is too small for the frame",
            Self::Entropy => "the source of entropy failed",
        })
    }
}

impl core::error::Error for SendError {}

/// A message or chunk that was not sent, and the reason.
///
/// It may borrow the message. Where only the reason matters, `?` converts it into [`SendError`] or
/// [`std::io::Error`], and [`into_error`](Self::into_error) drops the message:
///
#[cfg_attr(feature = "alloc", doc = "```")]
#[cfg_attr(not(feature = "alloc"), doc = "```ignore")]
/// use websocket_proto::{Config, Connection, Negotiated, SendError, Unsent};
///
/// fn greet(connection: &mut Connection) -> Result<(), SendError> {
///     connection.send("Hello")?;
///     Ok(())
/// }
///
/// fn greet_boxed(connection: &mut Connection) -> Result<(), Box<dyn core::error::Error>> {
///     Ok(connection.send("Hello").map_err(Unsent::into_error)?)
/// }
/// # static CONFIG: Config = Config::new();
/// # let mut connection = Connection::server(&CONFIG, &Negotiated::default());
/// # assert!(greet(&mut connection).is_ok() && greet_boxed(&mut connection).is_ok());
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct Unsent<T> {
    /// The message or chunk, unchanged.
    pub message: T,
    /// The reason why it was not sent.
    pub error: SendError,
}

impl<T> Unsent<T> {
    /// Drops the message and returns the reason.
    pub fn into_error(self) -> SendError {
        self.error
    }
}

impl<T> fmt::Display for Unsent<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.error.fmt(f)
    }
}

/// Omits the message, which may be long.
impl<T> fmt::Debug for Unsent<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Unsent").field("error", &self.error).finish_non_exhaustive()
    }
}

impl<T> core::error::Error for Unsent<T> {}

impl<T> From<Unsent<T>> for SendError {
    fn from(unsent: Unsent<T>) -> Self {
        unsent.error
    }
}

/// For programs whose functions return [`std::io::Result`]: `connection.send("Hello")?`.
#[cfg(feature = "std")]
impl From<SendError> for std::io::Error {
    fn from(error: SendError) -> Self {
        Self::other(error)
    }
}

#[cfg(feature = "std")]
impl<T> From<Unsent<T>> for std::io::Error {
    fn from(unsent: Unsent<T>) -> Self {
        unsent.error.into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::string::ToString;

    #[test]
    fn each_send_error_has_its_wording() {
        for (error, wording) in [
            (SendError::Full, "the output queue is full"),
            (SendError::Closed, "the connection is closing"),
            (SendError::MessageInProgress, "another message is in progress"),
            (SendError::NoMessageInProgress, "no message is in progress"),
            (SendError::TypeMismatch, "the message in progress has another type"),
            (SendError::TooLong, "the payload is too long"),
            (
                SendError::InvalidClose(CloseFrameError::ReasonTooLong(124)),
                "the close reason has 124 bytes, more than 123",
            ),
            (SendError::BufferTooSmall, "the buffer is too small for the frame"),
            (SendError::Entropy, "the source of entropy failed"),
        ] {
            assert_eq!(error.to_string(), wording);
            assert_eq!(Unsent { message: (), error }.to_string(), wording);
        }
        assert!(size_of::<SendError>() <= 16);
    }
}
