//! The opening handshake, through the public interface.

#![allow(missing_docs)]

mod client;
mod origin;
mod request_heads;
mod response_heads;
mod server;
mod support;
