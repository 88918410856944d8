//! Heads of HTTP/1.1 messages (RFC 9112): a strict incremental scanner and a writer.
//!
//! This module does not depend on WebSocket.

pub(super) mod characters;
mod limits;
mod lines;
mod scanner;
mod writer;

pub use limits::HeadLimits;
pub use lines::{Field, Fields};
pub(super) use lines::{FieldLine, StartLine, trim, trim_end, trim_start};
pub(super) use scanner::Scanner;
pub use writer::HeadBuffer;
pub(super) use writer::{HeadWriter, decimal};
