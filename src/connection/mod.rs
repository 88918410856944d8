//! A complete endpoint: a session with memory.

mod output;

pub use output::Output;

use crate::handshake::Negotiated;
use crate::{Role, SharedConfig};

/// Stub.
#[derive(Debug)]
pub struct Connection {
    output: Output,
}

impl Connection {
    pub(crate) fn with_output(
        _: Role,
        _: SharedConfig,
        _: &Negotiated,
        output: Output,
    ) -> Connection {
        Self { output }
    }

    /// Stub.
    pub fn output(&mut self) -> &mut Output {
        &mut self.output
    }

    /// Stub.
    pub fn receive_eof(&mut self) {}
}
