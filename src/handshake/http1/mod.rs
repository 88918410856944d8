//! Heads of HTTP/1.1 messages (RFC 9112): a strict incremental scanner and a writer.
//!
//! The scanner and the writer know no field of WebSocket. They return the
//! handshake's errors and obey its [`HeadLimits`].

pub(super) mod characters;
mod limits;
mod lines;
mod scanner;
mod syntax;
mod writer;

pub use limits::HeadLimits;
pub use lines::{Field, Fields};
pub(super) use lines::{FieldLine, StartLine, slice, text, trim, trim_end, trim_start};
pub(super) use scanner::Scanner;
pub use writer::HeadBuffer;
pub(super) use writer::HeadWriter;
