//! Frames: the header with all its rules, and the decoder that splits a stream into frames.
//!
//! Proxies, relays and tools use these types to process frames without a protocol state machine.
//! [`Session`](crate::session::Session) has that state machine.

mod decoder;
mod header;
mod rules;

pub use crate::mask::mask;
pub use crate::types::Opcode;
pub use decoder::{FrameDecoder, PayloadSlice};
pub(crate) use decoder::{Masked, take};
pub use header::{EncodedHeader, FrameHeader};
pub use rules::{FrameRules, ReservedBits};
