// The examples in the README need the features `axum` and `ring`.
#![cfg_attr(any(not(doctest), all(feature = "axum", feature = "ring")), doc = include_str!("../README.md"))]
#![forbid(unsafe_code)]

#[cfg(feature = "axum")]
pub mod axum;
mod buffer;
mod builder;
mod client;
mod connect;
mod connect_error;
mod engine;
mod error;
mod handshake;
#[cfg(feature = "hyper")]
pub mod hyper;
pub mod migration;
mod proxy;
mod reading;
mod shared;
mod split;
mod stream;
mod stream_sink;
mod tcp;
mod timer;
#[cfg(feature = "rustls")]
mod tls;
mod websocket;

pub use builder::ClientBuilder;
pub use client::{Response, client, client_with};
pub use connect::{Connected, connect};
pub use connect_error::{ConnectError, ConnectStep};
pub use error::Error;
pub use handshake::{DEFAULT_CONFIG, Incoming, accept, default_config};
pub use proxy::Proxy;
pub use split::{Receiver, Sender};
pub use stream::Stream;
pub use tcp::configure_tcp;
#[cfg(feature = "rustls")]
pub use tokio_rustls;
pub use websocket::WebSocket;
pub use websocket_proto as proto;
