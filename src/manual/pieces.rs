//! Long messages in pieces: a program that sends what is not in memory as a whole.
//!
//! [`send_chunk`](crate::Connection::send_chunk) sends one piece of a message. The first piece may be sent
//! while `has_room()` and `may_send()` return `true`, each later one while `has_room()` and
//! [`may_send_chunk()`](crate::Connection::may_send_chunk) do. After our Close, the peer's Close or a failure,
//! `may_send()` and `may_send_chunk()` return `false` (`has_room()` returns `true`): the loop then sends
//! nothing more and follows `transport()`.
//!
//! The source must not block: a pipe or a terminal would delay the next read, and with it Pongs and the
//! [timeouts](super::time#read-after-each-report). An error of the source leaves the message unfinished: the
//! caller can only drop the connection.
//!
#![cfg_attr(feature = "std", doc = "```")]
#![cfg_attr(not(feature = "std"), doc = "```ignore")]
//! use std::io::{self, Read};
//! use std::net::{Shutdown, TcpStream};
//! use std::time::{Duration, Instant};
//!
//! use websocket_proto::{
//!     Chunk, CloseCode, Connection, ConnectionError, Event, Fragment, Input, Io, Transport,
//! };
//!
//! /// Sends `source` as one message and closes the connection. Returns whether all was sent
//! /// and the peer answered with the code 1000; otherwise `outcome()` has the peer's code.
//! fn upload(
//!     connection: &mut Connection,
//!     input: &mut Input<'_>,
//!     socket: &mut TcpStream, // with a write timeout of 10 ms
//!     source: &mut impl Read, // does not block: a file, for example
//!     origin: Instant, // that of the handshake
//! ) -> io::Result<bool> {
//!     let (mut piece, mut next) = (vec![0; 64 * 1024], Some(Fragment::First));
//!     let broken = loop {
//!         connection.handle_timeout(origin.elapsed());
//!         while let Some(mut fragment) = next
//!             && connection.has_room()
//!             && (if fragment == Fragment::First {
//!                 connection.may_send()
//!             } else {
//!                 connection.may_send_chunk()
//!             })
//!         {
//!             let len = source.read(&mut piece)?;
//!             next = Some(Fragment::Middle);
//!             if len == 0 && fragment == Fragment::Middle {
//!                 (fragment, next) = (Fragment::Last, None);
//!             }
//!             connection.send_chunk(Chunk::new(&piece[..len], fragment))?;
//!             if next.is_none() {
//!                 connection.close(CloseCode::NORMAL)?;
//!             }
//!         }
//!         let written = match connection.output().write_to(socket) {
//!             Ok(written) => written,
//!             Err(error) => break error,
//!         };
//!         match connection.transport() {
//!             Transport::Open => {}
//!             Transport::Drain => drop(socket.shutdown(Shutdown::Write)),
//!             Transport::Close | Transport::Abort => {
//!                 let received = Ok(next.is_none() && is_normal(connection));
//!                 return connection.error().map_or(received, |error| Err(io::Error::other(error)));
//!             }
//!         }
//!         let longest = Duration::from_millis(match written {
//!             Io::Blocked => 10,
//!             Io::Done if next.is_some() && !connection.is_closing() => 1, // pieces remain
//!             Io::Done => 1000,
//!         });
//!         let due = connection.poll_timeout();
//!         let wait = due.map_or(longest, |due| due.saturating_sub(origin.elapsed()));
//!         socket.set_read_timeout(Some(wait.clamp(Duration::from_millis(1), longest)))?;
//!         if let Err(error) = input.read_from(socket) {
//!             break error;
//!         }
//!         receive(connection, input);
//!     };
//!     // The peer's Close may have arrived before the write failed: see `manual::driving`, "Closing".
//!     let _ = socket.set_read_timeout(Some(Duration::from_millis(1)));
//!     for _ in 0..1000 {
//!         if !matches!(input.read_from(socket), Ok(Io::Done)) || input.is_finished() {
//!             break;
//!         }
//!         receive(connection, input);
//!     }
//!     connection.abort();
//!     match (connection.outcome(), connection.error()) {
//!         (Some(end), _) if end.code != CloseCode::ABNORMAL => Ok(next.is_none() && is_normal(connection)),
//!         (_, Some(ConnectionError::Aborted) | None) => Err(broken),
//!         (_, Some(error)) => Err(io::Error::other(error)),
//!     }
//! }
//!
//! fn is_normal(connection: &Connection) -> bool {
//!     connection.outcome().is_some_and(|end| end.clean && end.code == CloseCode::NORMAL)
//! }
//!
//! fn receive(connection: &mut Connection, input: &mut Input<'_>) {
//!     while let Some(event) = connection.receive(input) {
//!         match event {
//!             Event::Message(message) => println!("received {} bytes", message.len()),
//!             Event::Close(Some(frame)) => println!("the peer's Close: {frame}"),
//!             _ => {}
//!         }
//!     }
//! }
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # use websocket_proto::{Config, Delivery, Negotiated, Timeouts};
//! # let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
//! # for (len, closes) in [(0, false), (100, false), (10_000_000, false), (u64::MAX, true)] {
//! #     let mut socket = TcpStream::connect(listener.local_addr()?)?;
//! #     let mut peer = listener.accept()?.0;
//! #     let peer = std::thread::spawn(move || -> io::Result<u64> {
//! #         let config = Config::new().with_delivery(Delivery::Chunks).with_entropy(|out: &mut [u8]| {
//! #             getrandom::fill(out).map_err(|_| websocket_proto::EntropyError)
//! #         });
//! #         let mut connection = Connection::client(config, &Negotiated::default()).unwrap();
//! #         let (mut input, mut received) = (Input::owned(vec![0; 65536]), 0);
//! #         loop {
//! #             connection.output().write_to(&mut peer)?;
//! #             match connection.transport() {
//! #                 Transport::Open => {}
//! #                 Transport::Drain => drop(peer.shutdown(Shutdown::Write)),
//! #                 Transport::Close | Transport::Abort => return Ok(received),
//! #             }
//! #             input.read_from(&mut peer)?;
//! #             while let Some(event) = connection.receive(&mut input) {
//! #                 if let Event::Chunk(chunk) = event {
//! #                     received += chunk.payload.len() as u64;
//! #                 }
//! #             }
//! #             if closes && received > 3_000_000 && connection.may_send() {
//! #                 connection.close(CloseCode::NORMAL).unwrap();
//! #             }
//! #         }
//! #     });
//! #     let config = Config::new().with_timeouts(Timeouts::RECOMMENDED);
//! #     let mut connection = Connection::server(config, &Negotiated::default());
//! #     let mut input = Input::owned(vec![0; 4096]);
//! #     socket.set_write_timeout(Some(Duration::from_millis(10)))?;
//! #     let (mut source, origin) = (io::repeat(7).take(len), Instant::now());
//! #     let sent = upload(&mut connection, &mut input, &mut socket, &mut source, origin)?;
//! #     drop(socket);
//! #     let received = peer.join().unwrap()?;
//! #     assert_eq!((sent, sent && received == len), (!closes, !closes), "{received} of {len}");
//! # }
//! # // The peer rejects the upload with a Close, and resets the connection without reading.
//! # let mut socket = TcpStream::connect(listener.local_addr()?)?;
//! # let mut peer = listener.accept()?.0;
//! # socket.set_write_timeout(Some(Duration::from_millis(10)))?;
//! # io::Write::write_all(&mut socket, b"unread")?;
//! # io::Write::write_all(&mut peer, b"\x88\x85\0\0\0\0\x03\xf1big")?;
//! # peer.peek(&mut [0])?;
//! # drop(peer);
//! # let mut connection = Connection::server(Config::new(), &Negotiated::default());
//! # let (mut input, mut source) = (Input::owned(vec![0; 4096]), io::repeat(7));
//! # let sent = upload(&mut connection, &mut input, &mut socket, &mut source, Instant::now());
//! # if cfg!(target_os = "linux") {
//! #     assert!(!sent?);
//! #     assert_eq!(connection.outcome().unwrap().code, CloseCode::MESSAGE_TOO_BIG);
//! # }
//! # Ok(())
//! # }
//! ```
