//! permessage-deflate (RFC 7692) over the public API.
#![cfg(feature = "deflate")]
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

#[path = "../support/mod.rs"]
mod support;

mod context;
#[cfg(feature = "http")]
mod http_types;
mod messages;
mod negotiation;
