//! Expected outcomes and malformed requests, shared by the tests of heads and of handshakes.

use websocket_proto::handshake::{ClientRequest, HandshakeError, InvalidHead};

/// Bytes after a head, which must stay unread.
pub(crate) const AFTER_HEAD: &[u8] = b"\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58";

/// The outcome of a request head at a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RequestOutcome {
    Upgrade,
    Http,
    /// More bytes are needed.
    Incomplete,
    /// The error, its status code, and the index of the byte at which it is reported.
    Rejected(HandshakeError, u16, usize),
}

impl RequestOutcome {
    /// Replaces the index by 0: a head that is cut in two reports its error at the end of a part.
    pub(crate) fn without_index(self) -> Self {
        match self {
            Self::Rejected(error, status, _) => Self::Rejected(error, status, 0),
            Self::Upgrade | Self::Http | Self::Incomplete => self,
        }
    }
}

/// The outcome of a response head at a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ResponseOutcome {
    Accepted,
    Rejected(u16),
    /// More bytes are needed.
    Incomplete,
    /// The error, and the index of the byte at which it is reported.
    Failed(HandshakeError, usize),
}

impl ResponseOutcome {
    /// Replaces the index by 0: a head that is cut in two reports its error at the end of a part.
    pub(crate) fn without_index(self) -> Self {
        match self {
            Self::Failed(error, _) => Self::Failed(error, 0),
            Self::Accepted | Self::Rejected(_) | Self::Incomplete => self,
        }
    }
}

/// Requests that a client does not write, because a part is invalid.
pub(crate) fn malformed_requests() -> [(ClientRequest<'static>, InvalidHead); 13] {
    let plain = ClientRequest::to("example.com", "/");
    [
        (ClientRequest::to("example.com", "chat"), InvalidHead::Target),
        (ClientRequest::to("example.com", ""), InvalidHead::Target),
        (ClientRequest::to("example.com", "/a b"), InvalidHead::Target),
        (ClientRequest::to("example.com", "/\r\nA: b"), InvalidHead::Target),
        (ClientRequest::to("example.com", "/#a"), InvalidHead::Target),
        (ClientRequest::to("", "/"), InvalidHead::Host),
        (ClientRequest::to("a\r\nb", "/"), InvalidHead::Host),
        (ClientRequest::to("u@a", "/"), InvalidHead::Host),
        (ClientRequest::to("a:b", "/"), InvalidHead::Host),
        (plain.with_subprotocols(&["a", "b", "a"]), InvalidHead::Subprotocol),
        (plain.with_subprotocols(&["a, b"]), InvalidHead::Subprotocol),
        (plain.with_subprotocols(&[""]), InvalidHead::Subprotocol),
        (plain.with_subprotocols(&["a\r\n"]), InvalidHead::Subprotocol),
    ]
}
