//! Frames: the header with every rule it must obey, and the tokenizer that cuts a stream into
//! them.

mod decoder;
mod header;

pub use decoder::{FrameDecoder, FramePiece};
pub use header::{EncodedHeader, FrameHeader, FrameRules, ReservedBits};
