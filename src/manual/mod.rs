//! The manual: how to drive a connection, and why it behaves as it does.
//!
//! | page | subject |
//! |---|---|
//! | [`driving`] | the loop around a connection: input, output, backpressure, closing, async, threads |
//! | [`pieces`] | the loop that sends a long message in pieces |
//! | [`time`] | keepalive, timeouts, and when to report the time |
//! | [`limits`] | every limit with its default, and the memory that a peer can cost |
//! | [`choices`] | the decisions of this crate where RFC 6455 and RFC 7692 allow several |
//! | `deflate` (with that feature) | compression: when to use it, what it costs, what it can reveal |
//! | [`performance`] | the decisions of a driver that affect speed |
//!
//! These modules contain documentation only.

pub mod choices;
#[cfg(feature = "deflate")]
pub mod deflate;
pub mod driving;
pub mod limits;
pub mod performance;
pub mod pieces;
pub mod time;
