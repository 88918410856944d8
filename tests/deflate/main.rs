//! permessage-deflate (RFC 7692) over the public API.
#![cfg(feature = "deflate")]
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

#[path = "../support/cuts.rs"]
mod cuts;
#[path = "../support/memory.rs"]
mod memory;
#[path = "../support/naive.rs"]
mod naive;
#[path = "../support/nonce.rs"]
mod nonce;
#[path = "../support/mod.rs"]
mod support;

mod blocks;
mod bounds;
mod compressed_cuts;
mod endpoints;
#[cfg(feature = "http")]
mod http_types;
mod messages;
mod negotiation;
mod refusals;
mod rfc_examples;
