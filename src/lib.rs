//! A complete WebSocket endpoint (RFC 6455) as a pure state machine: bytes in, events and bytes out.
//!
//! The crate opens no socket, reads no clock, spawns no thread or task, and never blocks. Blocking
//! sockets, an async runtime, an interrupt handler or a fuzzer drive it with the same calls. They
//! get the same messages, errors and output, however the stream is split into reads.
//!
//! ```text
//!   your socket ──▶ Input                                   Output ──▶ your socket
//!                     │ receive                                ▲
//!                     ▼                                        │ header and payload,
//!   frame           header ─▶ payload, unmasked                │ masked by a client
//!                     │                                        │
//!   session         fragments, UTF-8, limits,                  │
//!                   closing handshake ────── Pong, Close ────▶ │
//!                     │                                        │
//!   Connection      whole messages                             │
//!                     ▼                                        │ send
//!                   Event ───────────▶ your program ───────▶ Message
//! ```
//!
//! # The driving loop
//!
//! This function is a complete echo server for one connection after its
//! [opening handshake](handshake::ServerHandshake). It loses no message, and its memory is bounded.
//! A failure needs no separate code: the connection queues the correct Close frame,
//! [`Event::Failed`] reports the failure, the loop writes the Close frame, and
//! [`transport`](Connection::transport) ends the loop.
//!
#![cfg_attr(feature = "std", doc = "```")]
#![cfg_attr(not(feature = "std"), doc = "```ignore")]
//! use std::io;
//! use std::net::{Shutdown, TcpStream};
//!
//! use websocket_proto::{Connection, Event, Input, Transport};
//!
//! fn echo(mut connection: Connection, mut input: Input<'_>, mut socket: TcpStream) -> io::Result<()> {
//!     loop {
//!         connection.output().write_to(&mut socket)?;
//!         match connection.transport() {
//!             Transport::Open => {}
//!             Transport::Drain => {
//!                 let _ = socket.shutdown(Shutdown::Write); // repeated calls do nothing
//!             }
//!             Transport::Close | Transport::Abort => return Ok(()),
//!         }
//!         input.read_from(&mut socket)?;
//!         while connection.has_room() && let Some(event) = connection.receive(&mut input) {
//!             match event {
//!                 Event::Message(message) if connection.may_send() => connection.send(message)?,
//!                 Event::Failed(error) => eprintln!("{error}"),
//!                 _ => {} // Pings and Closes are answered already.
//!             }
//!         }
//!     }
//! }
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # use websocket_proto::{CloseCode, Config, Message, Negotiated};
//! # let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
//! # let mut socket = TcpStream::connect(listener.local_addr()?)?;
//! # let accepted = listener.accept()?.0;
//! # static CONFIG: Config = Config::new();
//! # let server = Connection::server(&CONFIG, &Negotiated::default());
//! # let server = std::thread::spawn(move || echo(server, Input::new(&mut [0; 4096]), accepted));
//! # let config = Config::new().with_entropy(|out: &mut [u8]| {
//! #     getrandom::fill(out).map_err(|_| websocket_proto::EntropyError)
//! # });
//! # let mut client = Connection::client(config, &Negotiated::default())?;
//! # client.send("Hello").map_err(websocket_proto::Unsent::into_error)?;
//! # client.send(vec![7; 100_000]).map_err(websocket_proto::Unsent::into_error)?;
//! # let (mut messages, mut buffer) = (Vec::new(), [0; 1024]);
//! # let mut input = Input::new(&mut buffer);
//! # loop {
//! #     client.output().write_to(&mut socket)?;
//! #     if client.transport() != Transport::Open {
//! #         break;
//! #     }
//! #     input.read_from(&mut socket)?;
//! #     while let Some(event) = client.receive(&mut input) {
//! #         if let Event::Message(message) = event {
//! #             messages.push(message.into_owned());
//! #             if messages.len() == 2 {
//! #                 client.close(CloseCode::NORMAL)?;
//! #             }
//! #         }
//! #     }
//! # }
//! # assert_eq!(messages, [Message::from("Hello"), Message::from(vec![7; 100_000])]);
//! # let outcome = client.outcome().unwrap();
//! # assert!(outcome.clean && outcome.code == CloseCode::NORMAL);
//! # drop(socket);
//! # server.join().unwrap()?;
//! # Ok(())
//! # }
//! ```
//!
//! A blocking write waits for a peer that does not read, and receives nothing meanwhile. With timeouts
//! on the socket, the loop serves both directions: see
//! [blocking sockets](manual::driving#blocking-sockets).
//!
//! The crate needs Rust 1.89 or later. The code in its documentation also needs edition 2024.
//!
//! The examples `minimal` and `minimal_client` are complete programs with the handshake, keepalive and
//! timeouts; `echo_server` also answers plain HTTP. The [`manual`] has a page on each subject:
//! [`driving`](manual::driving), [`time`](manual::time), [`limits`](manual::limits),
//! [`choices`](manual::choices), `deflate` and [`performance`](manual::performance).
//!
//! # Two tiers
//!
//! | tier | needs | for |
//! |---|---|---|
//! | 1: [`session`], [`frame`], [`utf8`], the parsers of [`handshake`] | `core` | firmware, proxies, other WebSocket stacks |
//! | 2: [`Connection`], the state machines of [`handshake`] | `alloc` | all other programs |
//!
//! [`Connection`] and [`session::Session`] are built on one protocol state machine.
//!
//! # Features
//!
//! | feature | adds |
//! |---|---|
//! | `std` (default) | reading from and writing to sockets, vectored output, a buffer pool for each thread; implies `alloc` |
//! | `getrandom` (default) | the operating system's entropy, the default source of masking keys and nonces |
//! | `simd` (default) | UTF-8 validation and masking with SIMD instructions, selected at run time; implies `std` |
//! | `alloc` | tier 2, and the dependency `bytes` |
//! | `deflate` | permessage-deflate (RFC 7692), over the dependency `zlib-rs`, off until `Config::with_deflate`; implies `std` |
//! | `http` | conversions from and to the types of the crate `http`; implies `std` |

#![no_std]
#![forbid(unsafe_code)]
// The published documentation has all features; without them, links have no target.
#![cfg_attr(not(feature = "std"), allow(rustdoc::broken_intra_doc_links))]
// Peer input must never cause a panic.
#![cfg_attr(
    not(test),
    warn(
        clippy::expect_used,
        clippy::indexing_slicing,
        clippy::panic,
        clippy::unreachable,
        clippy::unwrap_used
    )
)]
#![warn(clippy::wildcard_enum_match_arm)]

#[cfg(feature = "alloc")]
extern crate alloc;
#[cfg(any(test, feature = "std"))]
extern crate std;

#[cfg(feature = "alloc")]
mod clock;
mod close;
#[cfg(feature = "alloc")]
mod config;
#[cfg(feature = "alloc")]
mod connection;
mod entropy;
mod error;
#[cfg(feature = "alloc")]
mod event;
mod extension;
pub mod frame;
pub mod handshake;
mod input;
mod limits;
#[cfg(feature = "alloc")]
pub mod manual;
mod mask;
#[cfg(feature = "alloc")]
mod message;
mod send_error;
pub mod session;
#[cfg(feature = "alloc")]
mod shared_config;
#[cfg(feature = "alloc")]
mod timeouts;
mod transport;
mod types;
pub mod utf8;

pub use close::{CloseCode, CloseFrame, CloseFrameError};
#[cfg(feature = "alloc")]
pub use config::{Config, Delivery};
#[cfg(feature = "alloc")]
pub use connection::{Connection, DirectionStatistics, Next, Output, PreparedMessage, Statistics};
pub use entropy::{Entropy, EntropyError};
pub use error::{ConnectionError, Limit, Timeout, Violation};
#[cfg(feature = "alloc")]
pub use event::Event;
#[cfg(feature = "deflate")]
pub use extension::deflate::{Deflate, DeflateParameters};
#[cfg(feature = "alloc")]
pub use handshake::Negotiated;
pub use input::Input;
#[cfg(feature = "alloc")]
pub use input::Unread;
pub use limits::Limits;
#[cfg(feature = "alloc")]
pub use message::{Chunk, Message, Outgoing};
pub use send_error::{SendError, Unsent};
#[cfg(feature = "alloc")]
pub use shared_config::SharedConfig;
#[cfg(feature = "alloc")]
pub use timeouts::{ControlRate, Timeouts};
#[cfg(feature = "std")]
pub use transport::Io;
pub use transport::{Outcome, Transport};
pub use types::{Fragment, MessageType, Role};

#[cfg(all(doctest, feature = "std"))]
#[doc = include_str!("../README.md")]
struct Readme;
