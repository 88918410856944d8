//! A complete WebSocket endpoint as a pure state machine.

#![no_std]
#![forbid(unsafe_code)]
#![cfg_attr(
    test,
    allow(clippy::indexing_slicing, clippy::unwrap_used, clippy::expect_used, clippy::panic)
)]

#[cfg(feature = "alloc")]
extern crate alloc;
#[cfg(feature = "std")]
extern crate std;

mod close;
#[cfg(feature = "alloc")]
mod config;
#[cfg(feature = "alloc")]
mod connection;
mod entropy;
mod error;
mod event;
pub mod handshake;
mod limits;
mod mask;
mod message;
mod opcode;
mod role;
mod transport;

pub use close::{CloseCode, CloseFrame, CloseFrameError};
#[cfg(feature = "alloc")]
pub use config::{Config, Delivery, SharedConfig};
#[cfg(feature = "alloc")]
pub use connection::{Connection, Output};
#[cfg(feature = "getrandom")]
pub use entropy::OsEntropy;
pub use entropy::{Entropy, EntropyError};
pub use error::ProtocolError;
pub use event::{Chunk, ChunkPayload, Event};
#[cfg(feature = "alloc")]
pub use handshake::{Established, Negotiated};
pub use limits::Limits;
pub use mask::mask;
pub use message::{Message, MessageType, Payload, Text};
pub use opcode::Opcode;
pub use role::Role;
pub use transport::{Outcome, Transport};
