//! Heads of the opening handshake and their validation. These tests need no allocator in the library.

#![allow(missing_docs)]

mod differential;
mod errors;
mod extended_connect;
mod properties;
mod real_heads;
mod request_heads;
mod response_heads;
mod support;
mod writing;
