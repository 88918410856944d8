//! The opening handshake (RFC 6455, section 4).
//!
//! Without an allocator: [`RequestParser`] and [`ResponseParser`] read heads that the caller
//! gathers, [`RequestHead::upgrade`] and [`ClientRequest::is_accepted`] check them, and
//! [`Upgrade::accept`], [`Rejection::write`], [`write_response`] and [`ClientRequest::write`] write
//! the answers into the caller's buffer.
//!
//! With `alloc`, [`ServerHandshake`] and [`ClientHandshake`] put these together into machines that
//! are driven as a [`Connection`](crate::Connection) is, and end in one.

mod accept_key;
#[cfg(feature = "alloc")]
mod client;
#[cfg(feature = "alloc")]
mod credentials;
mod error;
mod extension;
mod field;
mod head;
mod limits;
mod list;
mod noted;
mod offer;
mod origin;
mod rejection;
mod request;
mod response;
#[cfg(feature = "alloc")]
mod server;
mod subprotocol;
mod upgrade;
mod uri;
mod write;

pub use accept_key::{accept_key, key_from_nonce};
#[cfg(feature = "alloc")]
pub use client::{ClientEvent, ClientHandshake};
#[cfg(feature = "alloc")]
pub use credentials::{CREDENTIAL_FIELDS, basic_credentials, bearer_credentials};
pub use error::{HandshakeError, HeadError};
pub use extension::{Extension, Extensions, Parameter, ParameterValue, Parameters};
pub use field::{Field, Fields};
pub use limits::HeadLimits;
pub use offer::ClientRequest;
pub use origin::OriginPolicy;
pub use rejection::{Rejection, write_response};
pub use request::{RequestHead, RequestParser};
pub use response::{ResponseHead, ResponseParser};
#[cfg(feature = "alloc")]
pub use server::{ServerEvent, ServerHandshake};
pub use subprotocol::{Preference, choose_subprotocol};
pub use upgrade::{Acceptance, Upgrade};
pub use uri::{Uri, UriError};
pub use write::{HeadBuffer, HeadWriter};

#[cfg(feature = "alloc")]
use alloc::string::String;

/// What the opening handshake agreed on.
#[cfg(feature = "alloc")]
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Negotiated {
    pub(crate) subprotocol: Option<String>,
    pub(crate) extensions: Option<String>,
}

#[cfg(feature = "alloc")]
impl Negotiated {
    /// The subprotocol, `None` if none was agreed on.
    #[must_use]
    pub fn subprotocol(&self) -> Option<&str> {
        self.subprotocol.as_deref()
    }

    /// The extensions in use, as the server's `Sec-WebSocket-Extensions` lists them.
    pub fn extensions(&self) -> Extensions<'_> {
        Extensions::of(self.extensions.as_deref().unwrap_or_default())
    }
}

/// A connection that the opening handshake established.
#[cfg(feature = "alloc")]
#[derive(Debug)]
pub struct Established {
    /// The connection. On the server's side its output begins with the response that accepts.
    pub connection: crate::Connection,
    /// What was agreed on.
    pub negotiated: Negotiated,
}
