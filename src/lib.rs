//! A complete WebSocket endpoint as a pure state machine.

#![no_std]
#![forbid(unsafe_code)]
// What a peer sends must not be able to panic.
#![cfg_attr(
    not(test),
    warn(
        clippy::expect_used,
        clippy::indexing_slicing,
        clippy::panic,
        clippy::unreachable,
        clippy::unwrap_used
    )
)]
#![warn(clippy::wildcard_enum_match_arm)]

#[cfg(feature = "alloc")]
extern crate alloc;
#[cfg(any(test, feature = "std"))]
extern crate std;

mod close;
#[cfg(feature = "alloc")]
mod config;
#[cfg(feature = "alloc")]
mod connection;
mod entropy;
mod error;
mod event;
mod extension;
mod frame;
pub mod handshake;
mod limits;
mod mask;
mod message;
mod opcode;
mod role;
mod session;
mod transport;
mod utf8;

pub use close::{CloseCode, CloseFrame, CloseFrameError};
#[cfg(feature = "alloc")]
pub use config::{Config, Delivery, SharedConfig};
#[cfg(feature = "alloc")]
pub use connection::{Connection, Output};
#[cfg(feature = "getrandom")]
pub use entropy::OsEntropy;
pub use entropy::{Entropy, EntropyError};
#[cfg(feature = "alloc")]
pub use error::SendError;
pub use error::{ProtocolError, SendReason};
pub use event::{Chunk, ChunkPayload, Event};
pub use frame::{EncodedHeader, FrameDecoder, FrameHeader, FramePiece, FrameRules, ReservedBits};
#[cfg(feature = "alloc")]
pub use handshake::{Established, Negotiated};
pub use limits::Limits;
pub use mask::mask;
pub use message::{Message, MessageType, Payload, Text};
pub use opcode::Opcode;
pub use role::Role;
pub use session::{Fragment, Session};
pub use transport::{Outcome, Transport};
pub use utf8::{InvalidUtf8, Utf8Validator};
