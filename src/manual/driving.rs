//! How to drive a connection, step by step.
//!
//! A driver owns the socket, the clock and the threads or tasks. For each connection it keeps the
//! socket, an [`Input`](crate::Input), and first a handshake, then a
//! [`Connection`](crate::Connection). It repeats one loop:
//!
//! 1. **Report the time** with [`handle_timeout`](crate::Connection::handle_timeout), if
//!    [timeouts](super::time) are configured. It may queue a Ping or a Close, or fail the connection.
//! 2. **Write** the output until it is empty or the socket accepts no more:
//!    [`Output::write_to`](crate::Output::write_to), or [`chunk`](crate::Output::chunk) and
//!    [`advance`](crate::Output::advance).
//! 3. **Follow** [`transport()`](crate::Connection::transport): continue, drain, close, or abort.
//! 4. **Read** into the `Input` with [`Input::read_from`](crate::Input::read_from).
//! 5. **Receive** events until `receive` returns `None`, or until there is no room for a reply.
//!
//! The [front page](crate#the-driving-loop) has this loop for a blocking socket without timeouts,
//! [`time`](super::time#a-blocking-driver) with them. Keep the order: a failure that step 1 causes
//! shows in step 3, before the driver waits in step 4.
//!
//! # Blocking sockets
//!
//! A blocking socket waits for one direction at a time. While `write_to` waits for a peer that does
//! not read, nothing is received: two programs that both send large messages without reading block
//! each other for ever. Set a write timeout and a read timeout on the socket
//! (`TcpStream::set_write_timeout`, `set_read_timeout`): `write_to` and `read_from` then return
//! [`Io::Blocked`](crate::Io::Blocked), and the loop continues with the other direction.
//!
//! These timeouts set the rate while both directions are full: one read buffer for one or two write
//! timeouts (a write that accepts a part waits, and so does the next one). With 64 KiB and 10 ms, that is
//! 3 to 6 MB/s; with 1 s it would be 32 to 64 KiB/s. Therefore:
//!
//! - the write timeout is 10 ms;
//! - the read timeout is 10 ms after `write_to` returned `Blocked`, and otherwise the time until
//!   something else is due, such as the next report of the time.
//!
//! [`time`](super::time#a-blocking-driver) has this loop. Both ends need it: one that waits longer slows
//! the other down.
//!
//! The read timeout is also the delay of what the program sends on its own initiative: the loop sends
//! it before the next read. A server that broadcasts uses 50 ms, as the example `broadcast` does, or a
//! second thread for each connection, as the example `shared` does.
//!
//! A program that waits for a socket and for something else, such as the keyboard, reads the socket in one
//! thread, the other source in a second one, and takes both from one queue: see the example
//! `echo_client`.
//!
//! A client often has a function that returns the next message:
//! [below](#functions-that-return-a-message) is one.
//!
//! # Readiness
//!
//! A driver over sockets that do not block (epoll, kqueue, mio) runs a turn at each event of the socket. This
//! one reads into a buffer that all connections share:
//!
#![cfg_attr(feature = "std", doc = "```")]
#![cfg_attr(not(feature = "std"), doc = "```ignore")]
//! use std::io;
//! use std::net::{Shutdown, TcpStream};
//! use std::time::Duration;
//!
//! use websocket_proto::{Connection, Event, Input, Io, Transport};
//!
//! /// The next step of the driver after a turn.
//! enum Step {
//!     /// Wait for the next event of the socket.
//!     Wait,
//!     /// Run the other connections, then this one again, without an event.
//!     Again,
//!     Close,
//! }
//!
//! struct Client {
//!     connection: Connection,
//!     socket: TcpStream,
//!     /// Bytes that wait for room in the output, or the end of the stream.
//!     unread: Option<Input<'static>>,
//! }
//!
//! impl Client {
//!     /// Runs until the socket blocks, and at most for 16 reads: a fast peer would otherwise stop all others.
//!     fn turn(&mut self, shared: &mut [u8], now: Duration) -> io::Result<Step> {
//!         for _ in 0..16 {
//!             self.connection.handle_timeout(now);
//!             let written = self.connection.output().write_to(&mut self.socket)?;
//!             match self.connection.transport() {
//!                 Transport::Open => {}
//!                 Transport::Drain => drop(self.socket.shutdown(Shutdown::Write)),
//!                 Transport::Close | Transport::Abort => return Ok(Step::Close),
//!             }
//!             let mut input = self.unread.take().unwrap_or_else(|| Input::new(&mut *shared));
//!             let read = input.read_from(&mut self.socket)?;
//!             while self.connection.has_room()
//!                 && let Some(event) = self.connection.receive(&mut input)
//!             {
//!                 if let Event::Message(message) = event && self.connection.may_send() {
//!                     self.connection.send(message)?;
//!                 }
//!             }
//!             if input.has_unread() || input.is_finished() {
//!                 self.unread = Some(input.into_owned());
//!             }
//!             let can_read = read == Io::Done && self.unread.is_none();
//!             let can_write = written == Io::Done && self.connection.has_output();
//!             if !can_read && !can_write {
//!                 // The end of the stream may have ended the connection.
//!                 return Ok(match self.connection.transport() {
//!                     Transport::Open | Transport::Drain => Step::Wait,
//!                     Transport::Close | Transport::Abort => Step::Close,
//!                 });
//!             }
//!         }
//!         Ok(Step::Again)
//!     }
//! }
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # use std::io::{Read, Write};
//! # use websocket_proto::{Config, Negotiated};
//! # static CONFIG: Config = Config::new();
//! # let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
//! # let mut peer = TcpStream::connect(listener.local_addr()?)?;
//! # let peer = std::thread::spawn(move || -> io::Result<usize> {
//! #     let mut sending = peer.try_clone()?;
//! #     let sending = std::thread::spawn(move || -> io::Result<()> {
//! #         for _ in 0..10 {
//! #             sending.write_all(b"\x82\xff\0\0\0\0\0\x0f\x42\x40\0\0\0\0")?;
//! #             sending.write_all(&[0; 1_000_000])?;
//! #         }
//! #         sending.shutdown(Shutdown::Write)
//! #     });
//! #     let mut echoed = Vec::new();
//! #     peer.read_to_end(&mut echoed)?;
//! #     sending.join().unwrap()?;
//! #     Ok(echoed.len())
//! # });
//! # let socket = listener.accept()?.0;
//! # socket.set_nonblocking(true)?;
//! # let connection = Connection::server(&CONFIG, &Negotiated::default());
//! # let mut client = Client { connection, socket, unread: None };
//! # let mut shared = [0; 4096];
//! # loop {
//! #     match client.turn(&mut shared, Duration::ZERO)? {
//! #         Step::Wait => std::thread::yield_now(),
//! #         Step::Again => {}
//! #         Step::Close => break,
//! #     }
//! # }
//! # drop(client);
//! # assert_eq!(peer.join().unwrap()?, 10 * (10 + 1_000_000));
//! # Ok(())
//! # }
//! ```
//!
//! After a turn that returns `Wait`, the driver waits for:
//!
//! - *writable*, while [`has_output()`](crate::Connection::has_output) returns `true`;
//! - *readable*, unless bytes or the end of the stream are unread: bytes are received again when output
//!   has left;
//! - the time that [`poll_timeout()`](crate::Connection::poll_timeout) returns.
//!
//! The example `mio` is such a driver, with the handshake and without the limit of 16 reads.
//!
//! # The handshake
//!
//! [`ServerHandshake`](crate::handshake::ServerHandshake) and
//! [`ClientHandshake`](crate::handshake::ClientHandshake) have the calls of a connection
//! ([`Handshake`](crate::handshake::Handshake)), and the same loop drives them. An accepted
//! handshake turns into a `Connection` whose output begins with the remainder of the handshake's
//! output. A handshake that is rejected or fails is driven until its `transport()` is `Close` or
//! `Abort`.
//!
//! If another HTTP stack performed the handshake, create the connection with
//! [`Connection::server`](crate::Connection::server) or
//! [`Connection::client`](crate::Connection::client). Bytes that the stack read after the head
//! belong in the first `Input`.
//!
//! # The input
//!
//! Create one `Input` for each connection, outside the loop. It remembers the bytes that were read
//! and not consumed, and the end of the stream after them. The loop can therefore stop receiving at
//! any event, write, and continue without losing bytes. Pass the `Input` of the handshake on to the
//! connection: bytes that follow the head are in it.
//!
//! Many connections can share one buffer, as [above](#readiness):
//! [`Input::into_owned`](crate::Input::into_owned) keeps the bytes that were not consumed; receive from that
//! `Input` before newer bytes.
//! [`Input::with_bytes`](crate::Input::with_bytes) wraps bytes that were read elsewhere, such as the plaintext
//! of a TLS library; [`finish`](crate::Input::finish) marks the end of such a stream.
//!
//! # Replies and backpressure
//!
//! [`has_room()`](crate::Connection::has_room) promises room for one `send` of a message of any
//! size, or for one chunk. A program that replies calls it before each `receive`. While the peer
//! does not read, the output fills up, `has_room()` returns `false`, and the program stops
//! receiving. Then the peer's own writes block: TCP carries the backpressure to the peer.
//!
//! ```
//! # use websocket_proto::{Config, Connection, Event, Input, Negotiated};
//! # static CONFIG: Config = Config::new();
//! # let mut connection = Connection::server(&CONFIG, &Negotiated::default());
//! # let mut bytes = *b"\x81\x82\0\0\0\0Hi";
//! # let mut input = Input::with_bytes(&mut bytes);
//! while connection.has_room() && let Some(event) = connection.receive(&mut input) {
//!     if let Event::Message(message) = event
//!         && connection.may_send()
//!     {
//!         connection.send(message)?;
//!     }
//! }
//! # assert_eq!(connection.output().len(), 4);
//! # Ok::<(), websocket_proto::SendError>(())
//! ```
//!
//! A program that sends on its own initiative waits for `has_room()` before each message and
//! **continues to receive meanwhile**. Two such programs that stopped receiving while they cannot
//! send would block each other for ever.
//!
//! [`may_send()`](crate::Connection::may_send) returns whether the protocol allows a new message.
//! It returns `false` after our Close frame, after a failure, and while a message is sent in pieces.
//!
//! A message whose payload is not in memory as a whole is sent in pieces: [`pieces`](super::pieces).
//!
//! # Closing
//!
//! [`close`](crate::Connection::close) queues a Close frame; the peer's messages continue to arrive
//! until its Close. The connection answers a Close of the peer automatically. In both cases the
//! loop continues, and `transport()` ends it:
//!
//! - [`Open`](crate::Transport::Open): continue the loop.
//! - [`Drain`](crate::Transport::Drain): all output is written. Shut down the writing direction of
//!   the socket, then read and receive until the end of the stream. Bound this time with
//!   [`Timeouts::closing`](crate::Timeouts::closing) or a timer of the driver (5 s is usual).
//!   Closing a socket with unread bytes would reset the connection and destroy output that is still
//!   on its way.
//! - [`Close`](crate::Transport::Close): close the socket.
//! - [`Abort`](crate::Transport::Abort): close the socket at once, with a reset if possible.
//!
//! If reading from the socket fails, call [`abort`](crate::Connection::abort): `error()`, `outcome()`,
//! `transport()` and `poll_timeout()` then return how the connection ended, and
//! [`Event::Failed`](crate::Event::Failed) reports it.
//!
//! **After a failed write**, the peer's last messages and its Close may still be readable: write no more, read
//! and receive until a read fails, finds nothing or the stream ends, or up to a bound, because the peer may
//! send without end; then call `abort()`. Report the peer's
//! Close or the failure that was found, and otherwise the error of the write.
//! [`upload`](super::pieces) and [`recv`](#functions-that-return-a-message) do so.
//!
//! A function that drops the connection and returns the error of the socket needs no `abort`. The examples
//! `minimal` and `minimal_client` do so with `?`, and lose what could still be read after a failed write.
//!
//! To stop a server, call `close(CloseCode::GOING_AWAY)` on each connection and continue its loop
//! until `transport()` ends it. Messages that arrive after our Close are delivered, but cannot be
//! answered.
//!
//! # Why a connection ended
//!
//! | source | answers |
//! |---|---|
//! | [`error()`](crate::Connection::error), `Event::Failed` | why this end failed the connection: a violation or a limit exceeded by the peer, a timeout, the end of the stream, `Aborted` after `abort` |
//! | [`outcome()`](crate::Connection::outcome) | whether the closing handshake was complete, and the code of the peer's Close frame |
//! | [`Event::Close`](crate::Event::Close) | the reason in the peer's Close frame: the connection does not store it |
//! | the error of the socket | why the driver called `abort`: the connection does not see it |
//!
//! A Close frame that arrives after a failure is not processed (RFC 6455, section 7.1.7), not even if it is
//! a reply with our code. The outcome is then not clean, and its code is 1006 unless the peer's Close had
//! arrived before. The Close frame of a failure, if one is sent, has
//! [`ConnectionError::close_code`](crate::ConnectionError::close_code).
//!
//! ```
//! use std::io;
//! use websocket_proto::{CloseFrame, Connection, ConnectionError};
//!
//! /// Returns why the connection ended, from the frame of its `Event::Close` and the error of its socket.
//! fn why(
//!     connection: &Connection,
//!     close: Option<&CloseFrame<'_>>,
//!     broken: Option<&io::Error>,
//! ) -> String {
//!     match (connection.error(), connection.outcome(), broken, close) {
//!         (None | Some(ConnectionError::Aborted), Some(_), _, Some(frame)) => {
//!             format!("the peer's Close: {frame}") // with its reason
//!         }
//!         (Some(ConnectionError::Aborted), _, Some(broken), _) => format!("the socket: {broken}"),
//!         (Some(error), ..) => format!("{error} (close code {})", error.close_code()),
//!         (None, Some(outcome), ..) => format!("the peer's Close: {}", outcome.code),
//!         (None, None, ..) => "not ended".into(),
//!     }
//! }
//! # use websocket_proto::{CloseCode, Config, Event, Input, Negotiated};
//! # static CONFIG: Config = Config::new();
//! # let server = || Connection::server(&CONFIG, &Negotiated::default());
//! # let mut connection = server();
//! # assert_eq!(why(&connection, None, None), "not ended");
//! # connection.abort();
//! # let broken = io::Error::other("reset");
//! # assert_eq!(why(&connection, None, Some(&broken)), "the socket: reset");
//! # assert_eq!(why(&connection, None, None), "the transport broke (close code 1006)");
//! # let mut connection = server();
//! # let mut bytes = *b"\x88\x84\0\0\0\0\x03\xe9by";
//! # let mut input = Input::with_bytes(&mut bytes);
//! # let Some(Event::Close(frame)) = connection.receive(&mut input) else { panic!() };
//! # let mut lost = server();
//! # let mut copy = *b"\x88\x84\0\0\0\0\x03\xe9by";
//! # assert!(lost.receive(&mut Input::with_bytes(&mut copy)).is_some());
//! # lost.abort();
//! # assert_eq!(why(&lost, frame.as_ref(), Some(&broken)), "the peer's Close: 1001 by");
//! # connection.output().advance(4);
//! # assert_eq!(why(&connection, frame.as_ref(), None), "the peer's Close: 1001 by");
//! # assert_eq!(why(&connection, None, None), "the peer's Close: 1001");
//! # let mut connection = server();
//! # let mut bytes = *b"\x83\x80\0\0\0\0";
//! # connection.receive(&mut Input::with_bytes(&mut bytes));
//! # let len = connection.output().len();
//! # connection.output().advance(len);
//! # // The reply to our Close changes nothing.
//! # let mut bytes = *b"\x88\x82\0\0\0\0\x03\xea";
//! # connection.receive(&mut Input::with_bytes(&mut bytes));
//! # let text = why(&connection, None, None);
//! # assert_eq!(text, "the peer sent a frame with the reserved opcode 0x3 (close code 1002)");
//! # assert_eq!(connection.outcome().unwrap().code, CloseCode::ABNORMAL);
//! ```
//!
//! [`CloseCode::is_temporary`](crate::CloseCode::is_temporary) and
//! [`ConnectionError::is_temporary`](crate::ConnectionError::is_temporary) return whether a client may
//! connect again.
//!
//! # Functions that return a message
//!
//! The borrow checker rejects a loop that returns a borrowed event in one branch and reads from the
//! socket in another (E0499). [`Connection::next`](crate::Connection::next) borrows nothing and returns
//! the next step: call `receive`, write, read, or close. It returns
//! [`Next::Message`](crate::Next::Message) or [`Next::Control`](crate::Next::Control) exactly if the
//! following `receive` returns an event. A function that hides control frames from its caller calls
//! `receive` for `Control` inside its loop, and for `Message` after it.
//!
#![cfg_attr(feature = "std", doc = "```")]
#![cfg_attr(not(feature = "std"), doc = "```ignore")]
//! use std::io;
//! use std::net::{Shutdown, TcpStream};
//! use std::time::{Duration, Instant};
//!
//! use websocket_proto::{
//!     CloseCode, Connection, ConnectionError, Event, Input, Io, Message, Next, Transport,
//! };
//!
//! struct Client {
//!     connection: Connection,
//!     input: Input<'static>,
//!     socket: TcpStream, // with a write timeout of 10 ms
//!     origin: Instant,   // that of the handshake
//!     /// The error of the socket: nothing more is written.
//!     broken: Option<io::Error>,
//! }
//!
//! impl Client {
//!     /// Returns the next message, or `None` when the connection has ended: close the socket then.
//!     fn recv(&mut self) -> io::Result<Option<Message<'_>>> {
//!         loop {
//!             let mut next = self.connection.next(&mut self.input);
//!             if matches!(next, Next::Write | Next::Read) {
//!                 // It may queue output or fail the connection.
//!                 self.connection.handle_timeout(self.origin.elapsed());
//!                 next = self.connection.next(&mut self.input);
//!             }
//!             match next {
//!                 Next::Message => break,
//!                 Next::Control => drop(self.connection.receive(&mut self.input)),
//!                 Next::Write if self.broken.is_none() => {
//!                     match self.connection.output().write_to(&mut self.socket) {
//!                         Ok(Io::Done) => {}
//!                         Ok(Io::Blocked) => _ = self.read(Duration::from_millis(10)),
//!                         Err(error) => self.broken = Some(error),
//!                     }
//!                 }
//!                 // A write failed: receive what has arrived.
//!                 Next::Write => {
//!                     let read = self.read(Duration::from_millis(1));
//!                     if read == Io::Blocked || self.input.is_finished() {
//!                         self.connection.abort();
//!                     }
//!                 }
//!                 Next::Read => {
//!                     if self.connection.transport() == Transport::Drain {
//!                         let _ = self.socket.shutdown(Shutdown::Write);
//!                     }
//!                     let _ = self.read(Duration::from_secs(1));
//!                 }
//!                 Next::Closed => return Ok(None),
//!             }
//!         }
//!         match self.connection.receive(&mut self.input) {
//!             Some(Event::Message(message)) => Ok(Some(message)),
//!             Some(Event::Failed(ConnectionError::Aborted)) => {
//!                 let end = self.connection.outcome();
//!                 let closed = end.is_some_and(|end| end.code != CloseCode::ABNORMAL);
//!                 let broken = self.broken.take().filter(|_| !closed); // The peer's Close came first.
//!                 broken.map_or(Ok(None), Err)
//!             }
//!             Some(Event::Failed(error)) => {
//!                 if self.broken.is_none() {
//!                     // the Close frame
//!                     self.broken = self.connection.output().write_to(&mut self.socket).err();
//!                 }
//!                 Err(io::Error::other(error))
//!             }
//!             _ => Ok(None), // With `Delivery::Messages`, no other event follows `Next::Message`.
//!         }
//!     }
//!
//!     fn read(&mut self, longest: Duration) -> Io {
//!         let (due, now) = (self.connection.poll_timeout(), self.origin.elapsed());
//!         let wait = due.map_or(longest, |due| due.saturating_sub(now));
//!         let wait = wait.clamp(Duration::from_millis(1), longest); // sockets reject 0
//!         let _ = self.socket.set_read_timeout(Some(wait)); // A read of a broken socket does not wait.
//!         self.input.read_from(&mut self.socket).unwrap_or_else(|error| {
//!             self.broken.get_or_insert(error);
//!             self.connection.abort();
//!             Io::Blocked
//!         })
//!     }
//! }
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # use websocket_proto::{CloseCode, Config, Negotiated};
//! # static CONFIG: Config = Config::new();
//! # let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
//! # let socket = TcpStream::connect(listener.local_addr()?)?;
//! # let config = Config::new().with_entropy(|out: &mut [u8]| {
//! #     getrandom::fill(out).map_err(|_| websocket_proto::EntropyError)
//! # });
//! # let connection = Connection::client(config, &Negotiated::default())?;
//! # let (input, origin) = (Input::owned(vec![0; 1024]), Instant::now());
//! # let mut client = Client { connection, input, socket, origin, broken: None };
//! # let mut server = Client {
//! #     connection: Connection::server(&CONFIG, &Negotiated::default()),
//! #     input: Input::owned(vec![0; 1024]),
//! #     socket: listener.accept()?.0,
//! #     origin,
//! #     broken: None,
//! # };
//! # server.connection.send("Hello")?;
//! # server.connection.ping(b"")?;
//! # server.connection.send(vec![7; 100_000])?;
//! # server.connection.close(CloseCode::NORMAL)?;
//! # let server = std::thread::spawn(move || server.recv().map(|message| message.is_none()));
//! # assert_eq!(client.recv()?, Some(Message::from("Hello")));
//! # assert_eq!(client.recv()?, Some(Message::from(vec![7; 100_000])));
//! # assert_eq!(client.recv()?, None);
//! # drop(client);
//! # assert!(server.join().unwrap()?);
//! # // A peer sends a message and perhaps a Close, and resets the connection without reading.
//! # for (close, is_closed) in [(&b"\x88\x82\0\0\0\0\x03\xe8"[..], true), (b"", false)] {
//! #     let mut socket = TcpStream::connect(listener.local_addr()?)?;
//! #     let mut peer = listener.accept()?.0;
//! #     io::Write::write_all(&mut socket, b"unread")?;
//! #     io::Write::write_all(&mut peer, &[b"\x81\x82\0\0\0\0Hi", close].concat())?;
//! #     peer.peek(&mut [0])?;
//! #     drop(peer);
//! #     let mut connection = Connection::server(&CONFIG, &Negotiated::default());
//! #     connection.send("Hello")?;
//! #     let input = Input::owned(vec![0; 1024]);
//! #     let mut server = Client { connection, input, socket, origin, broken: None };
//! #     if cfg!(target_os = "linux") {
//! #         assert_eq!(server.recv()?, Some(Message::from("Hi")));
//! #         assert_eq!(server.recv().is_ok(), is_closed); // `Ok(None)` or the error of the socket
//! #         assert_eq!(server.recv()?, None);
//! #     }
//! # }
//! # Ok(())
//! # }
//! ```
//!
//! After a failure, also of the socket, `recv` returns the error once. Further calls complete the end of the
//! connection and return `None`. If the socket fails after the peer's Close has arrived, `recv` returns `None`
//! as well: `outcome()` has the code.
//!
//! # Asynchronous drivers
//!
//! An asynchronous driver has the same loop:
//!
//! ```
//! use std::time::{Duration, Instant};
//!
//! # use websocket_proto::{Connection, Event, Input, Next, Transport};
//! # struct Socket;
//! # impl Socket {
//! #     async fn write_or_read(&mut self, _: &mut Connection, _: &mut Input<'_>) {}
//! #     async fn shut_down(&mut self) {}
//! #     async fn read_until(&mut self, _: &mut Input<'_>, _: Option<Duration>) {}
//! # }
//! /// Returns the next message, chunk or failure, or `None` at the end of the connection.
//! async fn recv<'a>(
//!     connection: &mut Connection,
//!     input: &'a mut Input<'_>,
//!     socket: &mut Socket,
//!     origin: Instant,
//! ) -> Option<Event<'a>> {
//!     let mut is_shut_down = false;
//!     loop {
//!         match connection.next(input) {
//!             Next::Message => break,
//!             Next::Control => drop(connection.receive(input)),
//!             Next::Write => socket.write_or_read(connection, input).await,
//!             Next::Read => {
//!                 if connection.transport() == Transport::Drain && !is_shut_down {
//!                     socket.shut_down().await;
//!                     is_shut_down = true;
//!                 }
//!                 socket.read_until(input, connection.poll_timeout()).await;
//!             }
//!             Next::Closed => return None,
//!         }
//!         connection.handle_timeout(origin.elapsed());
//!     }
//!     connection.receive(input)
//! }
//! ```
//!
//! `write_or_read` writes the output. While the socket accepts nothing, it also reads, and it returns when
//! bytes were written or read: two programs that only wrote would block each other, and
//! [each report of the time](super::time#read-after-each-report) must be followed by a read. After the end of
//! the stream, it only writes. Both calls return when `poll_timeout()` is due, after they have tried to read,
//! so that the time is reported. If a read fails, they call [`abort`](crate::Connection::abort), and `next`
//! returns the failure. After a failed write, `write_or_read` only reads, until the rule [above](#closing)
//! demands `abort`.
//!
//! # What a call may change
//!
//! | call | may queue output | may move `poll_timeout()` |
//! |---|---|---|
//! | `receive`, `next` | yes: Pongs and Closes | yes |
//! | `send`, `send_chunk`, `ping`, `pong`, `close` | yes | yes |
//! | `handle_timeout` | yes: a Ping or a Close | yes |
//! | `output()`, and `advance` or `write_to` on it | a Pong that was held back | yes |
//! | `abort` | no | yes: to `None` |
//!
//! So after any of them, ask `has_output()` and `poll_timeout()` before waiting.
//!
//! # Several tasks or threads
//!
//! Every call is short and synchronous, and state changes only within calls. A dropped future
//! therefore leaves no operation half done.
//!
//! To share a `Connection` between threads, put it behind a lock, and:
//!
//! - never hold the lock while you wait for the socket: copy [`chunk`](crate::Output::chunk) out of
//!   the lock, or use a socket that does not block;
//! - let one thread write and report the time; a thread that queues output wakes it (a condition
//!   variable, a channel, a byte in a pipe);
//! - let a thread that sends wait until `has_room()`. The thread that reads never waits for room: if it
//!   replies, it replies only while `has_room()` returns `true`, and reads on otherwise. A reader that
//!   waited for room would stop reading, and two such programs would block each other.
//!
//! The example `shared` has one thread that reads, one that writes, and several that send.
