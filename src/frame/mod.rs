//! Frames: the header with every rule it must obey, and the tokenizer that cuts a stream into
//! them.

mod decoder;
mod header;

#[cfg(feature = "alloc")]
pub(crate) use decoder::Rest;
pub use decoder::{FrameDecoder, FramePiece};
pub(crate) use decoder::{MaskedPiece, OpenFrame};
pub use header::{EncodedHeader, FrameHeader, FrameRules, ReservedBits};
