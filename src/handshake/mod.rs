//! The opening handshake (RFC 6455, section 4).
//!
//! # State machines
//!
//! With the feature `alloc`, two state machines perform the handshake. One loop drives both
//! ([`Handshake`]), with the calls that also drive a [`Connection`](crate::Connection). On success, a
//! server or a client turns its machine into a `Connection`:
//!
//! | role | machine | event that decides | call that ends in the connection |
//! |---|---|---|---|
//! | server | [`ServerHandshake`] | [`ServerEvent::Upgrade`] | [`accept`](ServerHandshake::accept) |
//! | client | [`ClientHandshake`] | [`ClientEvent::Accepted`] | [`establish`](ClientHandshake::establish) |
//! | client, at a proxy | [`ClientHandshake::tunnel`] | [`ClientEvent::Accepted`] | none: another [`ClientHandshake`] follows over the same transport |
//!
//! If the peer rejects the request ([`ClientEvent::Rejected`]),
//! [`response()`](ClientHandshake::response) and [`body()`](ClientHandshake::body) remain readable until
//! the machine is dropped.
//!
//! # Parts
//!
//! The parts of these machines work without an allocator:
//!
//! - [`RequestParser`] and [`ResponseParser`] parse heads in a buffer of the caller.
//! - [`RequestHead::upgrade`] and [`ClientRequest::verify`] check them.
//! - [`ClientRequest::write`], [`Upgrade::accept`], [`Rejection::write`] and [`write_response`] write
//!   heads into a buffer of the caller.
//! - [`ExtendedConnect`] is the handshake of HTTP/2 and HTTP/3, as lists of fields.
//!
//! # Around the handshake
//!
//! | I want to | use |
//! |---|---|
//! | parse a URI, follow a redirect | [`Uri`], [`Uri::resolve`] |
//! | keep credentials from another origin | [`Uri::is_same_origin`], [`Field::is_credential`] |
//! | send credentials to a server or a proxy | [`basic_credentials`], [`bearer_credentials`] |
//! | restrict the pages that may connect | [`OriginPolicy`], [`Config::with_origin_policy`](crate::Config::with_origin_policy) |
//! | choose a subprotocol | [`choose_subprotocol`], [`Acceptance::with_subprotocol`] |
//! | add fields to the response that accepts | [`Acceptance::with_fields`] |
//! | send a page or a redirect instead | [`ServerHandshake::respond`] |
//! | limit what a peer sends | [`HeadLimits`], [`Timeouts::opening`](crate::Timeouts::opening) |
//!
//! # Other HTTP stacks
//!
//! With the feature `http`, requests and responses of another HTTP stack pass the same checks, in the
//! types of the crate `http`. A server checks the request, returns the response to the stack, and adopts
//! the transport after the stack has upgraded it:
//!
#![cfg_attr(feature = "http", doc = "```")]
#![cfg_attr(not(feature = "http"), doc = "```ignore")]
//! use websocket_proto::handshake::{Acceptance, Rejection, Upgrade};
//! use websocket_proto::{Config, Connection, Negotiated};
//!
//! static CONFIG: Config = Config::new();
//!
//! fn answer<B>(request: &http::Request<B>) -> (http::Response<()>, Option<Connection>) {
//!     let acceptance = Acceptance::new();
//!     let accepted = match Upgrade::from_http(request, CONFIG.origin_policy()) {
//!         Ok(Some(upgrade)) => upgrade.accept_http(&acceptance),
//!         Ok(None) => return (Rejection::UpgradeRequired.to_http(), None),
//!         Err(error) => {
//!             let rejection = error.rejection().unwrap_or(Rejection::BadRequest);
//!             return (rejection.to_http(), None);
//!         }
//!     };
//!     let response = accepted.expect("the client offers what is accepted");
//!     (response, Some(Connection::server(&CONFIG, &Negotiated::from(&acceptance))))
//! }
//! ```
//!
//! The bytes that the stack read after the request are the connection's first [`Input`](crate::Input).
//! Over HTTP/2 and HTTP/3, `ExtendedConnect::from_http` takes the place of `Upgrade::from_http`.
#![cfg_attr(
    feature = "deflate",
    doc = "\n\
           The example accepts no extension: [`Upgrade::accept_deflate`] chooses the parameters of\n\
           permessage-deflate, and [`Acceptance::with_deflate_parameters`] accepts them."
)]

mod accept_key;
mod acceptance;
mod authority;
#[cfg(feature = "alloc")]
mod body;
#[cfg(feature = "alloc")]
mod client;
mod credentials;
#[cfg(feature = "alloc")]
mod ending;
mod error;
#[cfg(feature = "alloc")]
mod event;
mod extended_connect;
pub(crate) mod extensions;
mod fields;
#[cfg(feature = "alloc")]
mod final_response;
#[cfg(feature = "alloc")]
mod gather;
mod head;
#[cfg(feature = "http")]
mod http;
mod http1;
mod http2;
#[cfg(feature = "alloc")]
mod machine;
mod negotiated;
mod offer;
mod origin;
mod request;
mod response;
#[cfg(feature = "alloc")]
mod server;
mod temporary;
mod upgrade;
mod uri;

pub use accept_key::accept_key;
use accept_key::key_from_nonce;
pub use acceptance::Acceptance;
#[cfg(feature = "alloc")]
pub use body::BodyEnd;
#[cfg(feature = "alloc")]
pub use client::ClientHandshake;
#[cfg(feature = "alloc")]
pub use credentials::{basic_credentials, bearer_credentials};
pub use error::{HandshakeError, InvalidHead};
#[cfg(feature = "alloc")]
pub use event::{ClientEvent, ServerEvent};
pub use extended_connect::ExtendedConnect;
pub use fields::choose_subprotocol;
pub use head::{RequestHead, RequestParser, ResponseHead, ResponseParser};
use http1::HeadWriter;
pub use http1::{Field, Fields, HeadBuffer, HeadLimits};
#[cfg(feature = "alloc")]
pub use machine::{AcceptError, Handshake, Unaccepted};
pub use negotiated::Negotiated;
pub use origin::{InvalidOrigin, OriginPolicy};
pub use request::{ClientRequest, write_connect};
pub use response::{Rejection, write_response};
#[cfg(feature = "alloc")]
pub use server::ServerHandshake;
pub use temporary::is_temporary_status;
pub use upgrade::Upgrade;
pub use uri::{Uri, UriError};
