//! A complete endpoint: a session with memory.

mod output;

pub use output::Output;
