//! The errors of the driver.

use std::fmt;
use std::io;

use websocket_proto::handshake::{AcceptError, HandshakeError, InvalidHead};
use websocket_proto::{ConnectionError, SendError};

use crate::handshake::Response;

/// The error of a connection or of its opening handshake.
#[derive(Debug)]
#[non_exhaustive]
pub enum Error {
    /// Reading from or writing to the transport failed.
    Io(io::Error),
    /// The connection failed: the peer broke a rule, exceeded a limit or did not answer in time.
    Connection(ConnectionError),
    /// The message or frame cannot be sent.
    Send(SendError),
    /// The opening handshake failed.
    Handshake(HandshakeError),
    /// The server answered with a status code other than 101.
    Rejected(Box<Response>),
    /// The client's request is not an upgrade to WebSocket.
    NotWebSocket,
    /// The source of entropy failed.
    Entropy,
    /// The request or the response that the program wanted to send is invalid.
    Head(InvalidHead),
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io(error) => error.fmt(f),
            Self::Connection(error) => error.fmt(f),
            Self::Send(error) => error.fmt(f),
            Self::Handshake(error) => error.fmt(f),
            Self::Rejected(response) => {
                write!(f, "the server answered with status {}", response.status)
            }
            Self::NotWebSocket => f.write_str("the request is not an upgrade to WebSocket"),
            Self::Entropy => f.write_str("the source of entropy failed"),
            Self::Head(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Io(error) => Some(error),
            Self::Connection(error) => Some(error),
            Self::Send(error) => Some(error),
            Self::Handshake(error) => Some(error),
            Self::Rejected(_) | Self::NotWebSocket | Self::Entropy => None,
            Self::Head(error) => Some(error),
        }
    }
}

macro_rules! impl_from {
    ($($source:ty: $variant:ident,)*) => {
        $(impl From<$source> for Error {
            fn from(error: $source) -> Self {
                Self::$variant(error)
            }
        })*
    };
}

impl From<AcceptError> for Error {
    fn from(error: AcceptError) -> Self {
        match error {
            AcceptError::NotReady => Self::NotWebSocket,
            AcceptError::Response(error) => Self::Head(error),
            AcceptError::Entropy => Self::Entropy,
        }
    }
}

impl_from! {
    io::Error: Io,
    ConnectionError: Connection,
    SendError: Send,
    HandshakeError: Handshake,
    InvalidHead: Head,
}
