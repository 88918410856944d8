//! Time: keepalive, dead peers, timeouts.
//!
//! The crate reads no clock. If [`Timeouts`](crate::Timeouts) or a
//! [`ControlRate`](crate::ControlRate) are configured, the driver reports the time with
//! [`handle_timeout(now)`](crate::Connection::handle_timeout), where `now` is the span since an
//! origin of the driver's choice, the same for all reports.
//! [`poll_timeout()`](crate::Connection::poll_timeout) returns the time at which the next report is
//! due. [`Timeouts::RECOMMENDED`](crate::Timeouts::RECOMMENDED) suits most connections over the
//! Internet.
//!
//! Without them the driver reports nothing, and bounds the time after the first Close frame itself.
//!
//! # A blocking driver
//!
//! This loop reports the time in each turn. A read waits until the next report is due, and at most 1 s.
//! While output is queued, a write and a read wait 10 ms each, because the peer may be waiting for the
//! other direction. The loop suits timeouts of 100 ms and more: a socket wakes up some milliseconds late.
//!
#![cfg_attr(feature = "std", doc = "```")]
#![cfg_attr(not(feature = "std"), doc = "```ignore")]
//! use std::io;
//! use std::net::{Shutdown, TcpStream};
//! use std::time::{Duration, Instant};
//!
//! use websocket_proto::{Connection, Event, Input, Io, Transport};
//!
//! const QUIET: Duration = Duration::from_secs(1);
//! const BLOCKED: Duration = Duration::from_millis(10);
//!
//! fn echo(
//!     connection: &mut Connection,
//!     input: &mut Input<'_>,
//!     socket: &mut TcpStream,
//!     origin: Instant, // that of the handshake
//! ) -> io::Result<()> {
//!     socket.set_write_timeout(Some(BLOCKED))?;
//!     loop {
//!         connection.handle_timeout(origin.elapsed());
//!         let written = connection.output().write_to(socket)?;
//!         match connection.transport() {
//!             Transport::Open => {}
//!             Transport::Drain => {
//!                 let _ = socket.shutdown(Shutdown::Write); // repeated calls do nothing
//!             }
//!             Transport::Close => return Ok(()),
//!             Transport::Abort => {
//!                 return connection.error().map_or(Ok(()), |error| Err(io::Error::other(error)));
//!             }
//!         }
//!         socket.set_read_timeout(Some(wait(written, connection.poll_timeout(), origin.elapsed())))?;
//!         input.read_from(socket)?;
//!         while connection.has_room() && let Some(event) = connection.receive(input) {
//!             if let Event::Message(message) = event && connection.may_send() {
//!                 connection.send(message)?;
//!             }
//!         }
//!     }
//! }
//!
//! /// Returns how long to wait for bytes: until the report that is `due`. Sockets reject a timeout of 0.
//! fn wait(written: Io, due: Option<Duration>, now: Duration) -> Duration {
//!     let longest = if written == Io::Blocked { BLOCKED } else { QUIET };
//!     due.map_or(longest, |due| due.saturating_sub(now)).clamp(Duration::from_millis(1), longest)
//! }
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # use std::io::{Read, Write};
//! # use websocket_proto::{Config, Negotiated, Timeouts};
//! # static CONFIG: Config = Config::new().with_timeouts(Timeouts::RECOMMENDED);
//! # let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
//! # let mut peer = TcpStream::connect(listener.local_addr()?)?;
//! # peer.write_all(b"\x81\x82\0\0\0\0Hi\x88\x80\0\0\0\0")?;
//! # peer.shutdown(Shutdown::Write)?;
//! # let mut connection = Connection::server(&CONFIG, &Negotiated::default());
//! # let (mut input, mut socket) = (Input::owned(vec![0; 4096]), listener.accept()?.0);
//! # echo(&mut connection, &mut input, &mut socket, Instant::now())?;
//! # drop(socket);
//! # let mut echoed = Vec::new();
//! # peer.read_to_end(&mut echoed)?;
//! # assert_eq!(echoed, b"\x81\x02Hi\x88\0");
//! # Ok(())
//! # }
//! ```
//!
//! # When to report
//!
//! A driver may report at each wake-up, before or after `receive`, or only when `poll_timeout()` is
//! due. An event since the previous report counts as happening at the next one.
//!
//! Report before you follow `transport()`: the report may end the connection (`transport()` is then
//! `Abort` or `Close`, and `poll_timeout()` is `None`), or queue a Ping or a Close frame: if
//! [`has_output()`](crate::Connection::has_output) returns `true` afterwards, write before waiting.
//!
//! Ask for `poll_timeout()` after each write: a Ping that was just written starts a timer, and the result
//! is then already due. It suits a timer of an async runtime (`sleep_until(origin + due)`), the timeout of
//! `poll` in mio, and with a minimum of 1 ms, as above, `TcpStream::set_read_timeout`.
//!
//! A driver that reports at intervals instead, without `poll_timeout()`, chooses an interval of at most an
//! eighth of its shortest timeout, and at most 1 s. Longer ones make each timeout several intervals late,
//! because a late report renews the grace of the next section.
//!
//! # Read after each report
//!
//! A process may be suspended, or busy with other sockets, while the peer's Pong is already in the
//! socket's buffer. Therefore no deadline expires at the first report after it. That report makes
//! the deadline *suspect* for a grace of an eighth of its timeout, at least 1 ms and at most 1 s.
//! The connection fails at the first report after the grace unless the awaited event has happened.
//! A *late* report, after the end of the grace by more than another grace, makes the deadline suspect
//! again, at most three times.
//!
//! **A driver must try to write, read and receive within the grace after it reports the time.** Reporting
//! several times in a row without that can cut a live connection: for timeouts of 8 s and more, two
//! reports suffice, one after the deadline and another 1 to 2 s later. Report in the loop that reads,
//! not in a separate timer that runs while that loop is busy. A task that waits to write and cannot read
//! does not report the time: it measures the progress of the output itself. If there is none for
//! 2 × (`ping` + `pong`) + 1 s, the task calls [`abort()`](crate::Connection::abort), and the failure is then
//! `Aborted`.
//!
//! # What each timeout measures
//!
//! - [`opening`](crate::Timeouts::opening) runs from the first report of a handshake until the
//!   peer's head is complete, and for a client until the body of a rejection is complete. Progress
//!   does not extend it. The application's decision about a request is not bounded.
//! - [`ping`](crate::Timeouts::ping) runs from the last *sign of life*: any received byte, whatever
//!   frame it belongs to, or progress of output that the transport had refused before (16 KiB of
//!   it, or all of it; 512 bytes after a [late report](#read-after-each-report)). When it expires, a
//!   Ping is queued.
//! - [`pong`](crate::Timeouts::pong) runs from the report after that Ping was written. Any sign of
//!   life stops it. When it expires, the connection fails.
//! - `ping` and `pong` together bound *blocked output*: if output is queued, the driver has called
//!   `output()`, and the transport accepts none of it for this time, the connection fails, whatever is
//!   received.
//! - [`idle`](crate::Timeouts::idle) runs from the last received or written part of a data frame.
//!   Control frames do not count.
//! - [`closing`](crate::Timeouts::closing) runs from the first Close frame in either direction, or
//!   from a failure. Progress of the output restarts it until our Close frame is written; after
//!   that nothing extends it. In the opening handshake, it bounds the time in which a server writes each
//!   16 KiB of a response that does not accept, and then the time until the client's stream ends.
//!
//! A driver that reports after each read and when `poll_timeout()` is due, as the loop above, detects a
//! dead peer at most `ping` + `pong` + 1 s after its last sign of life: 41 s with the recommended timeouts.
//! One that reports after each read and at intervals needs up to four intervals more: 45 s with intervals of
//! 1 s. One that reports only when `poll_timeout()` is due may date that sign of life up to one `ping` late,
//! and needs at most 61 s. A peer that accepts no output is detected at most 2 × (`ping` + `pong`) + 1 s after
//! the last progress.
//!
//! # Round-trip time
//!
//! [`rtt()`](crate::Connection::rtt) is the time from the report after a keepalive Ping was written
//! to the report after its Pong was received. Each keepalive Ping has a payload of its own, and
//! only a Pong with the payload of the latest one is measured. Other Pongs are signs of life but
//! change no round-trip time: unsolicited Pongs, those for the application's Pings, and those for
//! earlier Pings. A connection whose peer keeps sending sends no keepalive Ping, so its value grows
//! old: [`ping`](crate::Connection::ping) has an example that measures at any time.
//!
//! # The rate of Pings and Pongs
//!
//! A [`ControlRate`](crate::ControlRate) is judged when the driver reports the time. The peer may
//! send `frames` in each span of `per`. Spans that passed without a report are credited to the
//! peer, because frames that are read late may have been sent in any of them: if the next report
//! comes n spans after the previous one, up to n + 1 times `frames` are accepted. `poll_timeout()`
//! is due at once when more than `frames` arrived. If the time is never reported, the peer may send
//! `frames` in the whole connection.
