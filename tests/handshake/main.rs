//! The opening handshake through the public interface.
#![cfg(feature = "std")]
#![allow(missing_docs)]

mod advisories;
mod allocations;
mod client;
mod driving;
mod errors;
#[cfg(feature = "http")]
mod http;
#[path = "../support/memory.rs"]
mod memory;
mod origin;
mod properties;
mod proxy;
#[path = "../heads/real_heads.rs"]
mod real_heads;
#[path = "../heads/request_heads.rs"]
mod request_heads;
#[path = "../heads/response_heads.rs"]
mod response_heads;
mod server;
mod support;
mod time;
