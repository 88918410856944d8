#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

mod buffer;
mod builder;
mod client;
mod connect;
mod connect_error;
mod engine;
mod error;
mod handshake;
pub mod migration;
mod split;
mod stream;
mod tcp;
mod timer;
#[cfg(feature = "rustls")]
mod tls;
mod websocket;

pub use builder::{ClientBuilder, Proxy};
pub use client::{Response, client, client_with};
pub use connect::{Connected, connect};
pub use connect_error::{ConnectError, ConnectStep};
pub use error::Error;
pub use handshake::{DEFAULT_CONFIG, Incoming, accept};
pub use split::{Receiver, Sender};
pub use stream::Stream;
pub use tcp::configure_tcp;
#[cfg(feature = "rustls")]
pub use tokio_rustls;
pub use websocket::WebSocket;
pub use websocket_proto as proto;
