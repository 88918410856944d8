//! The opening handshake, through the public interface.

#![allow(missing_docs)]

mod advisories;
mod allocations;
mod client;
mod differential;
mod errors;
mod extended_connect;
#[cfg(feature = "http")]
mod http;
#[path = "../support/memory.rs"]
mod memory;
mod origin;
mod properties;
mod proxy;
mod real_heads;
mod request_heads;
mod response_heads;
mod server;
mod support;
mod time;
