//! WebSockets over requests that [hyper](https://hyper.rs) 1 reads and writes, in both roles: the
//! Upgrade of HTTP/1.1 (RFC 6455) and the Extended CONNECT of HTTP/2 (RFC 8441).
//!
//! A server passes each request to [`ServerUpgrade::from_request`]; a client sends the request of a
//! [`ClientUpgrade`]. The program enables upgrades in hyper:
//!
//! | | Server | Client |
//! |---|---|---|
//! | HTTP/1.1 | `serve_connection(…).with_upgrades()` | `connection.with_upgrades()` |
//! | HTTP/2 | `Builder::enable_connect_protocol` | nothing |
//!
//! # HTTP/2
//!
//! Many WebSockets share one HTTP/2 connection. hyper ends that connection, and so all of them, if a
//! peer's small messages accumulate while the program does not receive: about 2,000 messages with the
//! default window of 1 MiB. Receive at all times, or raise `initial_connection_window_size`, to which the
//! number is proportional.
//!
//! hyper holds up to 192 KiB of a stream's output itself, beside what
//! [`Config::with_high_water_mark`](websocket_proto::Config::with_high_water_mark) bounds. The timeouts of a
//! peer that reads nothing start when that is full.
//!
//! A connection that is dropped without a Close frame ends its stream; hyper cannot reset it. The peer
//! fails the connection in both cases.

mod client;
mod io;
mod server;

pub use client::ClientUpgrade;
pub use io::UpgradedIo;
#[cfg(feature = "axum")]
pub(crate) use server::check;
pub use server::{ServerUpgrade, UpgradeError, UpgradeErrorKind};
