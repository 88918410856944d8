//! Frames: the header, every rule it must obey, and the tokenizer that cuts a stream into them.

mod decoder;
mod header;
mod rules;

pub(crate) use decoder::MaskedPiece;
#[cfg(feature = "alloc")]
pub(crate) use decoder::Rest;
pub use decoder::{FrameDecoder, FramePiece};
pub use header::{EncodedHeader, FrameHeader, ReservedBits};
pub use rules::FrameRules;
