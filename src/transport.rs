//! The underlying transport: instructions to the driver about it, and results of reads and writes.

use crate::CloseCode;

/// The instruction to the driver about the transport.
///
/// | instruction | write | read |
/// |---|---|---|
/// | [`Open`](Self::Open) | the queued output | and pass the bytes to `receive` |
/// | [`Drain`](Self::Drain) | nothing; shut down this direction | until the end of the stream or a deadline |
/// | [`Close`](Self::Close) | nothing | nothing; close the transport |
/// | [`Abort`](Self::Abort) | nothing | nothing; close the transport at once, with a reset if possible |
///
/// ```
/// use websocket_proto::session::Session;
/// use websocket_proto::{EntropyError, Input, Role, Transport};
///
/// let mut session = Session::new(Role::Server);
/// assert_eq!(session.transport(), Transport::Open);
///
/// // A client's Close with code 1000. The server replies, then ends its direction of the transport.
/// let mut bytes = *b"\x88\x82\0\0\0\0\x03\xe8";
/// session.receive(&mut Input::with_bytes(&mut bytes))?;
/// let mut out = [0; Session::MAX_CONTROL_FRAME_LEN];
/// session.write_reply(|| Err(EntropyError), &mut out)?; // a server masks nothing
/// assert_eq!(session.transport(), Transport::Drain);
/// # Ok::<(), Box<dyn core::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Transport {
    /// Read, and write the queued output.
    Open,
    /// All output is written and none will follow. Shut down the writing direction. Then read until
    /// the end of the stream or a deadline, and pass the bytes to `receive` or drop them.
    ///
    /// Closing a socket with unread bytes would reset the connection and destroy output on its way
    /// to the peer (RFC 6455, section 7.1.1).
    Drain,
    /// Close the transport. All output is written.
    Close,
    /// Close the transport at once. Pending output is lost.
    Abort,
}

/// The result of [`Input::read_from`](crate::Input::read_from) and
/// [`Output::write_to`](crate::Output::write_to).
#[cfg(feature = "std")]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Io {
    /// There is nothing more to do now: the input has unread bytes or has ended, or the output is
    /// empty.
    Done,
    /// The socket has no bytes or accepts no more bytes now: it would block
    /// ([`WouldBlock`](std::io::ErrorKind::WouldBlock)), or its timeout expired
    /// ([`TimedOut`](std::io::ErrorKind::TimedOut)). Call again when it is ready.
    Blocked,
}

/// The way in which a connection ended (RFC 6455, sections 7.1.4 and 7.1.5).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Outcome {
    /// Whether the closing handshake was complete: a Close frame was received and one was written.
    pub clean: bool,
    /// The code of the peer's Close frame: 1005 if it carried none, 1006 if none arrived before the end of
    /// the connection.
    ///
    /// A Close frame that arrives after this end has failed the connection is not processed (section
    /// 7.1.7): it does not change the code. The Close frame that this end sends for a failure has
    /// [`ConnectionError::close_code`](crate::ConnectionError::close_code).
    pub code: CloseCode,
}
