//! A complete WebSocket endpoint (RFC 6455) as a pure state machine: bytes in, events and bytes out.
//!
//! It opens no socket, reads no clock, draws no randomness of its own, spawns nothing and blocks on
//! nothing. Blocking sockets, an async runtime, an interrupt handler on a microcontroller or a
//! fuzzer drive it with the same calls, and get the same events whatever their buffers look like.
//!
//! ```text
//!               your read buffer                             your socket
//!                      │                                          ▲
//!              receive │ unmasked in place                        │ output
//!                      ▼                                          │
//!   FrameDecoder   header ─▶ payload                            Output
//!                      │                                     one ordered
//!   Session        fragments, text, limits,                 stream of bytes
//!                  closing handshake ──── Pong, Close ─────────▶ ▲
//!                      │                                          │ header, masked payload
//!   Connection     whole messages                                 │
//!                      ▼                                          │ send
//!                    Event ───────────▶  you  ────────────────▶ Message
//! ```
//!
//! # The driving loop
//!
//! After the opening handshake ([`ServerHandshake`](handshake::ServerHandshake),
//! [`ClientHandshake`](handshake::ClientHandshake), driven in the same way) this is all there is
//! to a driver. A failure needs no second path: the right Close frame is queued, told by
//! [`Event::Failed`], written by this very loop, and [`transport`](Connection::transport) ends it.
//!
#![cfg_attr(feature = "std", doc = "```")]
#![cfg_attr(not(feature = "std"), doc = "```ignore")]
//! use std::io::{self, Read, Write};
//! use std::net::{Shutdown, TcpStream};
//!
//! use bytes::Buf;
//! use websocket_proto::{Connection, Event, Transport};
//!
//! fn echo(mut connection: Connection, mut socket: TcpStream) -> io::Result<()> {
//!     let mut buffer = [0; 16 * 1024];
//!     loop {
//!         while connection.output().has_remaining() {
//!             let written = socket.write(connection.output().chunk())?;
//!             connection.output().advance(written);
//!         }
//!         match connection.transport() {
//!             Transport::Open => {}
//!             Transport::Drain => drop(socket.shutdown(Shutdown::Write)),
//!             Transport::Close | Transport::Abort => return Ok(()),
//!         }
//!         let length = socket.read(&mut buffer)?;
//!         if length == 0 {
//!             connection.receive_eof();
//!         }
//!         let mut input = &mut buffer[..length];
//!         while let Some(event) = connection.receive(&mut input) {
//!             match event {
//!                 // Borrowed from `buffer`. All output was written, so there is room.
//!                 Event::Message(message) => drop(connection.send(message)),
//!                 Event::Failed(error) => eprintln!("{error}"),
//!                 // A Ping and a Close are answered already.
//!                 _ => {}
//!             }
//!         }
//!     }
//! }
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # use websocket_proto::{CloseCode, CloseFrame, Config, EntropyError, Message, Negotiated, Outcome};
//! # let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
//! # let mut socket = TcpStream::connect(listener.local_addr()?)?;
//! # let accepted = listener.accept()?.0;
//! # static CONFIG: Config = Config::new();
//! # let server = Connection::server(&CONFIG, &Negotiated::default());
//! # let server = std::thread::spawn(move || echo(server, accepted));
//! # let config = Config::new().entropy(|out: &mut [u8]| getrandom::fill(out).map_err(|_| EntropyError));
//! # let mut client = Connection::client(config, &Negotiated::default());
//! # client.send("Hello")?;
//! # client.send(vec![7; 100_000])?;
//! # let (mut messages, mut buffer) = (Vec::new(), [0; 1024]);
//! # loop {
//! #     while client.output().has_remaining() {
//! #         let written = socket.write(client.output().chunk())?;
//! #         client.output().advance(written);
//! #     }
//! #     if client.transport() != Transport::Open {
//! #         break;
//! #     }
//! #     let length = socket.read(&mut buffer)?;
//! #     if length == 0 {
//! #         client.receive_eof();
//! #     }
//! #     let mut input = &mut buffer[..length];
//! #     while let Some(event) = client.receive(&mut input) {
//! #         if let Event::Message(message) = event {
//! #             messages.push(message.into_owned());
//! #             if messages.len() == 2 {
//! #                 client.close(CloseFrame::new(CloseCode::NORMAL, "")?)?;
//! #             }
//! #         }
//! #     }
//! # }
//! # assert_eq!(messages, [Message::from("Hello"), Message::from(vec![7; 100_000])]);
//! # assert_eq!(client.outcome(), Some(Outcome { clean: true, code: CloseCode::NORMAL }));
//! # drop(socket);
//! # server.join().unwrap()?;
//! # Ok(())
//! # }
//! ```
//!
//! What it leaves out for brevity: a bound on [`Transport::Drain`], the time, and what to do when
//! `send` answers [`Full`](SendReason::Full) because output was left unwritten. The example
//! `echo_server` has all three.
//!
//! # Two tiers
//!
//! | | needs | for |
//! |---|---|---|
//! | [`Session`], [`FrameDecoder`], [`mask`](mask()), [`Utf8Validator`], the parsers of [`handshake`] | `core` | firmware, proxies, other stacks |
//! | [`Connection`], the machines of [`handshake`] | `alloc` | all else |
//!
//! The second is made of the first: there is one state machine.
//!
//! # Features
//!
//! | feature | adds |
//! |---|---|
//! | `std` (default) | vectored output; implies `alloc` |
//! | `alloc` | the second tier; without it, heads are scanned more slowly, with less code |
//! | `getrandom` | the operating system's entropy, as the default for clients |
//! | `http` | the types of the crate `http`, in and out of the handshake |
//! | `simd` | faster checking of text and masking of long payloads, with the instructions found at run time |
//!
//! # Time, backpressure, memory
//!
//! - With [`Timeouts`] configured, the driver tells the time: [`Connection::handle_timeout`] once
//!   for each wake-up, which [`Connection::poll_timeout`] says is due at the latest. Without, no
//!   clock is needed, and the driver bounds [`Transport::Drain`] itself (others use 5 s).
//! - What waits to be written is bounded: by the high-water mark, one message of any size, 4 KiB
//!   of Pongs and one Close. On [`Full`](SendReason::Full) the driver keeps the message and the rest
//!   of its input, stops calling `receive`, and offers both again when [`Connection::can_send`].
//! - A connection holds memory only while something waits. [`Buffers`] spare steady traffic the
//!   allocations: one pair serves all connections of a thread.
//!
//! # Speed
//!
//! The loop above is fast. What can make it faster depends on the traffic; the package
//! `benches/peers` measures each.
//!
//! - Small messages: `while let Some(event) = &mut connection.receive(&mut input)`, where they are
//!   only looked at. To bind an event by value, as above, costs more than half as much as to receive
//!   a message of 8 B.
//! - Many replies, or messages that reads cut: [`Buffers`], lent for each turn, or once for good where
//!   the connection may hold memory at rest; and [`recycle`](Connection::recycle) for messages of some
//!   hundred bytes and more.
//! - Large messages: reads of 16 to 64 KiB, whatever the processor's caches hold best until bytes are
//!   unmasked; [`payload_space`](Connection::payload_space), so that a binary one is not copied; and
//!   the feature `simd`.
//! - Messages of 1 KiB and more from a server, which the socket takes at once:
//!   [`Connection::sending`], so that they are not copied, nor what it leaves of a `Vec` or of `&Bytes`.
//! - Clients that send many small messages: an [`Entropy`] of the program's own, such as the
//!   thread's generator of the crate `rand`. To ask the operating system for the masking keys of 64
//!   frames takes longer than all else that is done for them.
//!
//! # Limits and times
//!
//! | | default | beyond it | precedent |
//! |---|---|---|---|
//! | message ([`Limits::max_message`]) | 64 MiB | 1009 | tungstenite |
//! | frame ([`Limits::max_frame`]) | the message limit | 1009 | |
//! | empty fragments ([`Limits::max_empty_fragments`]) | 1,024 | 1008 | ws for Node counts fragments since its advisory of 2026 |
//! | output ([`Config::high_water_mark`]) | 1 MiB | [`Full`](SendReason::Full) | uWebSockets has 64 KiB, most have none |
//! | Pongs that wait | 4 KiB | only the newest | RFC 6455, section 5.5.3; Autobahn sends ten Pings at once |
//! | handshake head ([`HeadLimits::max_head`](handshake::HeadLimits::max_head)) | 32 KiB | 431 | nginx, four buffers of 8 KiB |
//! | its field lines ([`max_field_line`](handshake::HeadLimits::max_field_line)) | 16 KiB | 431 | Node limits the head to that |
//! | its fields ([`max_fields`](handshake::HeadLimits::max_fields)) | 128 | 431 | websockets for Python |
//! | request target ([`max_target`](handshake::HeadLimits::max_target)) | 8 KiB | 414 | RFC 9112, section 3: at least 8,000 |
//! | body of a refusal ([`max_body`](handshake::HeadLimits::max_body)) | 64 KiB | the rest is dropped | websockets for Python has 1 MiB |
//! | buffers kept ([`Buffers::MAX_KEPT`]) | 1 MiB each | freed | |
//! | times ([`Timeouts`]) | none | | |
//! | opening handshake ([`Timeouts::MIDDLEBOXES`]) | 10 s | 408, or given up | websockets for Python |
//! | silence before a Ping (the same) | 20 s | a Ping | websockets for Python; nginx and load balancers cut silent paths after 60 s |
//! | Ping to sign of life (the same) | 20 s | 1006, the transport aborted | websockets for Python |
//! | closing (the same) | 10 s | the transport closed or aborted | websockets for Python |
//! | no message, idle ([`Timeouts::idle`]) | none | 3008 | |
//! | control frames ([`ControlRate`]) | none | 1008 | |
//!
//! # Choices
//!
//! Where RFC 6455 leaves a choice:
//!
//! - A Ping is answered by its own Pong while less than 4 KiB of Pongs wait, then only the newest
//!   is (section 5.5.3).
//! - The reply to a Close repeats its code without its reason, and is sent at once (section 5.5.1).
//! - After our own Close the peer's messages are delivered until its Close, and its Pings are not
//!   answered (section 1.4).
//! - A failure sends a Close frame with its code, then drops what comes (section 7.1.7).
//! - A server ends its direction of the transport first, a client waits for that (section 7.1.1).
//! - A server refuses pages of other origins with 403 unless its
//!   [`OriginPolicy`](handshake::OriginPolicy) says otherwise (section 10.2).
//! - A request without `Sec-WebSocket-Version` is answered 426, as one with another version is
//!   (section 4.4).
//! - User information in a URI is refused rather than sent (section 3).
//! - Codes 1004, 1005, 1006, 1015, those from 1016 to 2999 and those above 4999 are refused in a
//!   Close frame (section 7.4).

#![no_std]
#![forbid(unsafe_code)]
// What a peer sends must not be able to panic.
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

/// Whether there are quick ways for what is most frequent, beside those that do for all. Where there is no
/// allocator, code is dear, and these are enough.
const QUICK: bool = cfg!(feature = "alloc");

mod close;
#[cfg(feature = "alloc")]
mod config;
#[cfg(feature = "alloc")]
mod connection;
mod entropy;
mod error;
mod event;
mod extension;
mod frame;
pub mod handshake;
mod limits;
mod mask;
mod message;
mod opcode;
mod payload;
mod role;
mod session;
mod text;
mod transport;
mod utf8;

pub use close::{CloseCode, CloseFrame, CloseFrameError};
#[cfg(feature = "alloc")]
pub use config::{Config, ControlRate, Delivery, SharedConfig, Timeouts};
#[cfg(feature = "alloc")]
pub use connection::{Buffers, Connection, Counters, Output, PreparedMessage, Sending, Traffic};
#[cfg(feature = "getrandom")]
pub use entropy::OsEntropy;
pub use entropy::{Entropy, EntropyError};
pub use error::{ProtocolError, SendError, SendReason};
pub use event::{Chunk, Event};
pub use frame::{EncodedHeader, FrameDecoder, FrameHeader, FramePiece, FrameRules, ReservedBits};
#[cfg(feature = "alloc")]
pub use handshake::{Established, Negotiated};
pub use limits::Limits;
pub use mask::mask;
pub use message::{Message, MessageType};
pub use opcode::Opcode;
pub use payload::Payload;
pub use role::Role;
pub use session::{Fragment, Session};
pub use text::Text;
pub use transport::{Outcome, Transport};
pub use utf8::{InvalidUtf8, Utf8Validator};

#[cfg(all(doctest, feature = "std"))]
#[doc = include_str!("../README.md")]
struct Readme;
