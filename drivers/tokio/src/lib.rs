#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

mod buffer;
mod engine;
mod error;
mod handshake;
mod split;
mod timer;
mod websocket;

pub use error::Error;
pub use handshake::{DEFAULT_CONFIG, Incoming, Response, accept, client, client_with};
pub use split::{Receiver, Sender};
pub use websocket::WebSocket;
pub use websocket_proto as proto;
