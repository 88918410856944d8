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
mod class;
#[cfg(feature = "alloc")]
mod client;
mod connect;
mod credentials;
#[cfg(feature = "alloc")]
mod deadline;
mod error;
#[cfg(feature = "alloc")]
mod exchange;
mod extended_client;
mod extended_connect;
mod extension;
mod field;
mod grammar;
mod head;
#[cfg(feature = "http")]
mod http;
mod known;
mod limits;
mod list;
#[cfg(feature = "alloc")]
mod negotiated;
mod notes;
mod offer;
mod origin;
#[cfg(feature = "alloc")]
mod proxy;
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
pub use connect::write_connect;
pub use credentials::CREDENTIAL_FIELDS;
#[cfg(feature = "alloc")]
pub use credentials::{basic_credentials, bearer_credentials};
pub use error::{HandshakeError, HeadError};
pub use extended_client::ConnectProtocol;
pub use extended_connect::ExtendedConnect;
pub use extension::{Extension, Extensions, Parameter, ParameterValue, Parameters};
pub use field::{Field, Fields};
#[cfg(feature = "http")]
pub use http::{write_http_request, write_http_response};
pub use limits::HeadLimits;
#[cfg(feature = "alloc")]
pub use negotiated::{Established, Negotiated};
pub use offer::ClientRequest;
pub use origin::OriginPolicy;
#[cfg(feature = "alloc")]
pub use proxy::ProxyHandshake;
pub use rejection::{Rejection, write_response};
pub use request::{RequestHead, RequestParser};
pub use response::{ResponseHead, ResponseParser};
#[cfg(feature = "alloc")]
pub use server::{ServerEvent, ServerHandshake};
pub use subprotocol::{Preference, choose_subprotocol};
pub use upgrade::{Acceptance, Upgrade};
pub use uri::{Uri, UriError};
pub use write::{HeadBuffer, HeadWriter};
