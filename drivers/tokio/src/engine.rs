//! The driver of one connection: moves bytes between the transport and the state machine.
//!
//! # One turn
//!
//! A turn returns the messages of the bytes that were read. When none is left, it reports the time,
//! writes all output in one vectored write, and reads again. Messages that a program sends while it handles
//! those of one read therefore leave in one write, and the clock is read once for each read.
//! [`Engine::poll_step`] is that loop's body, for the calls that receive and for those that send.
//!
//! # Reading while a write is blocked
//!
//! Two peers that only write would block each other. While the transport accepts no bytes, a write
//! also reads, and keeps the messages for later, up to [`MAX_KEPT`] bytes and one message.
//!
//! # Failed writes
//!
//! A peer often sends messages and a Close frame before it closes the transport. After a failed write
//! the connection therefore reads what has arrived, and fails when nothing remains. A call that sends
//! reads up to the bound above, and in a sending half not at all. If bytes may remain, it returns
//! the failure, and leaves it to a call that receives to fail the connection. Nothing remains after the
//! peer's Close frame, after [`READ_TIMEOUT`](crate::timer::READ_TIMEOUT) without bytes, or after more bytes than a socket
//! buffers, which a peer reaches only if it still sends.
//!
//! # Blocked writes of a sending half
//!
//! A sending half cannot read, so it does not report the time: the state machine would miss the signs of life
//! that the peer has sent. The receiving half reports it, if it is polled. A sending half that waits therefore
//! measures only the progress of the output. If there is none for longer than the receiving half needs to
//! detect it, or if the last flush takes too long, the write counts as failed.
//!
//! # Failures
//!
//! Programs drop a connection that has failed, and the Close frame that names the failure is lost if it
//! is not written, or if received bytes are left unread. Each call that meets a failure therefore
//! completes after [`Engine::poll_end`]: the Close frame is written, and the peer has ended its stream, or
//! the timeout for closing has expired. A call that is dropped meanwhile leaves the failure to the next one.

mod transport;

use std::pin::pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::task::coop::consume_budget;
use tokio::time::Instant;
use websocket_proto::{
    Chunk, CloseFrame, Connection, ConnectionError, Event, Fragment, Input, Message, Next,
    SendError, Transport, Unsent,
};

use crate::buffer;
use crate::error::Error;
use crate::reading::Reading;
use crate::timer::{Deadline, Timer};
use transport::Broken;

/// The bytes of kept messages at which a blocked write stops reading.
const MAX_KEPT: usize = 1 << 20;

/// The transport and the state machine.
pub(crate) struct Engine<IO> {
    pub(crate) io: IO,
    pub(crate) connection: Connection,
    timer: Timer,
    /// Whether bytes were read since the time was reported.
    is_time_due: bool,
    /// Whether bytes were written that the transport may still buffer, as TLS does.
    is_unflushed: bool,
    /// The end of the current wait: for the last flush, for the output in a sending half, or for received bytes
    /// after a failed write. `None` after progress: the last flush begins with none, since our Close frame was
    /// written or the end of the peer's stream was read.
    deadline: Option<Deadline>,
    /// Whether the writing direction of the transport is shut down.
    is_shut_down: bool,
    /// Whether `take_error` has returned the failure.
    is_failure_taken: bool,
    /// Why the transport is not used any more. It fails the connection: at once, or, for a failed write, when
    /// no received byte remains. The first reason is kept.
    broken: Option<Broken>,
    /// The number of bytes that were read after a failed write; short reads, and those after a pause, count for
    /// more.
    remaining_read: usize,
    /// Whether a Close frame of the peer has arrived. No message follows it.
    has_peer_closed: bool,
    pub(crate) peer_close: Option<CloseFrame<'static>>,
    /// Boxed twice, so that a connection without a subprotocol grows by one pointer.
    pub(crate) subprotocol: Option<Box<Box<str>>>,
}

impl<IO> Engine<IO> {
    pub(crate) fn new(io: IO, connection: Connection) -> Self {
        Self {
            io,
            connection,
            timer: Timer::new(Instant::now()),
            is_time_due: true,
            is_unflushed: false,
            deadline: None,
            is_shut_down: false,
            is_failure_taken: false,
            broken: None,
            remaining_read: 0,
            has_peer_closed: false,
            peer_close: None,
            subprotocol: None,
        }
    }

    pub(crate) fn has_failed(&self) -> bool {
        self.connection.error().is_some()
    }

    /// Returns whether the calls that wait for the transport fail.
    pub(crate) fn is_broken(&self) -> bool {
        self.has_failed() || self.next_failure().is_some()
    }

    /// Returns the failure that a failed write causes when no received byte remains.
    fn next_failure(&self) -> Option<ConnectionError> {
        let broken = self.broken.as_ref()?;
        // After the closing handshake it causes none.
        self.connection.outcome().is_none().then(|| broken.failure())
    }

    /// Returns the failure of the connection.
    fn failure(&self) -> Option<ConnectionError> {
        let failure = self.connection.error()?;
        // The remaining bytes after a failed write may be invalid, which is the failure then.
        let broken = self.broken.as_ref().filter(|_| failure == ConnectionError::Aborted);
        Some(broken.map_or(failure, Broken::failure))
    }

    /// Returns the failure of the connection, once.
    pub(crate) fn take_error(&mut self) -> Option<Error> {
        let failure = self.failure().filter(|_| !self.is_failure_taken)?;
        self.is_failure_taken = true;
        Some(match self.broken.take_if(|_| failure == ConnectionError::Aborted) {
            Some(Broken::Io(error)) => Error::Io(error),
            Some(Broken::TimedOut) | None => Error::Connection(failure),
        })
    }

    /// Returns the failure of the connection once, and otherwise `error`.
    pub(crate) fn take_error_or(&mut self, error: Error) -> Error {
        self.take_error().unwrap_or(error)
    }

    /// Returns the failure of the connection, or `error` if it has not failed. `take_error` still
    /// returns the failure after it.
    pub(crate) fn error_or(&self, error: Error) -> Error {
        self.failure().map_or(error, Error::Connection)
    }

    /// Queues a Close frame, unless the connection is closing already.
    pub(crate) fn start_close<'f, F>(&mut self, frame: F) -> Result<(), Error>
    where
        F: TryInto<Option<CloseFrame<'f>>>,
        F::Error: Into<SendError>,
    {
        match self.connection.close(frame) {
            Ok(()) | Err(SendError::Closed) => Ok(()),
            Err(error) => Err(Error::Send(error)),
        }
    }

    /// Queues `message` with `send`. On an error, `message` is unsent.
    #[inline]
    pub(crate) fn queue<M>(
        &mut self,
        message: &mut Option<M>,
        send: &impl Fn(&mut Connection, M) -> Result<(), Unsent<M>>,
    ) -> Result<(), SendError> {
        let Some(unsent) = message.take() else { return Ok(()) };
        send(&mut self.connection, unsent).map_err(|unsent| {
            *message = Some(unsent.message);
            unsent.error
        })
    }

    /// Returns the next message or piece. Call it after `poll_event` has completed with `true`.
    ///
    /// Returns `None` for a failure.
    #[inline]
    pub(crate) fn receive<'r>(&mut self, reading: &'r mut Reading) -> Option<Chunk<'r>> {
        let chunk = match reading.take_kept() {
            Some(chunk) => Some(chunk),
            None => self.receive_read(&mut reading.input),
        };
        debug_assert!(chunk.is_some() || self.has_failed(), "`poll_event` has found a message");
        chunk
    }

    /// Receives one event from the bytes that were read. Handles those that are no messages.
    // Inlined like `Connection::receive`, so that a message is not moved through memory once more
    // (`benches/sockets`, 10x125Bx64).
    #[inline(always)]
    fn receive_read<'r>(&mut self, input: &'r mut Input<'static>) -> Option<Chunk<'r>> {
        match self.connection.receive(input)? {
            Event::Message(message) => Some(Chunk::new(message, Fragment::Whole)),
            Event::Chunk(chunk) => Some(chunk),
            Event::Close(frame) => {
                self.peer_close = frame.map(CloseFrame::into_owned);
                self.has_peer_closed = true;
                None
            }
            // A Ping was answered, a Pong was noted, and the connection stores a failure.
            _ => None,
        }
    }

    /// Returns whether the armed timer is later than the next deadline.
    pub(crate) fn must_arm(&self) -> bool {
        self.connection.poll_timeout().is_some_and(|due| !self.timer.fires_by(due))
    }

    fn has_room(&self) -> bool {
        self.connection.has_room() && !self.has_failed()
    }

    fn has_ended(&self) -> bool {
        matches!(self.connection.transport(), Transport::Close | Transport::Abort)
    }

    fn is_flushed(&self) -> bool {
        !self.connection.has_output() && !self.is_unflushed
    }

    /// Returns whether the next flush is the last one: all output is written, and no frame of data follows.
    fn is_last_flush(&self) -> bool {
        let connection = &self.connection;
        !connection.has_output() && !connection.may_send() && !connection.may_send_chunk()
    }

    /// Fails the connection. After the closing handshake this is no failure. If the connection has failed
    /// before, that failure stays, and so does the reason of a failed write.
    #[cold]
    fn fail(&mut self, broken: Broken) {
        self.connection.abort();
        self.is_unflushed = false;
        self.broken.get_or_insert(broken);
    }
}

/// # Receiving
impl<IO: AsyncRead + AsyncWrite + Unpin> Engine<IO> {
    /// Returns whether `poll_event` completes with `true` at once. Uses bytes that were read, and does no
    /// I/O.
    pub(crate) fn has_event(&mut self, reading: &mut Reading) -> bool {
        if reading.has_kept() {
            return true;
        }
        let has_event = self.connection.next(&mut reading.input) == Next::Message;
        if has_event {
            self.keep_last(reading);
        }
        has_event
    }

    /// Keeps the piece before a failure, if the connection has failed: in a compressed message, `next` meets
    /// both. The sending half may handle the failure before the receiving half calls `receive`, and would drop
    /// the piece.
    fn keep_last(&mut self, reading: &mut Reading) {
        if self.has_failed()
            && let Some(chunk) = self.receive_read(&mut reading.input).map(Chunk::into_owned)
        {
            reading.keep(chunk);
        }
    }

    /// Completes with `true` when `receive` returns a message, a piece or, for a failure, `None`.
    /// Completes with `false` when the connection has ended.
    pub(crate) fn poll_event(&mut self, reading: &mut Reading, cx: &mut Context<'_>) -> Poll<bool> {
        if reading.has_kept() {
            return Poll::Ready(true);
        }
        loop {
            match ready!(self.poll_step(reading, cx)) {
                Next::Message => {
                    self.keep_last(reading);
                    return Poll::Ready(true);
                }
                Next::Closed => return Poll::Ready(false),
                Next::Control | Next::Write | Next::Read => {}
            }
        }
    }

    /// Takes the next step of the connection and completes with it: handles a control frame, makes a turn
    /// or ends the transport. A message is left to the caller.
    fn poll_step(&mut self, reading: &mut Reading, cx: &mut Context<'_>) -> Poll<Next> {
        let step = self.connection.next(&mut reading.input);
        match step {
            Next::Message => {}
            Next::Control => {
                // A flood of control frames holds neither the task nor the lock of the halves.
                ready!(pin!(consume_budget()).poll(cx));
                drop(self.receive_read(&mut reading.input));
            }
            Next::Write | Next::Read => {
                if self.poll_turn(reading, cx).is_pending() {
                    // A failed connection that has nothing to wait for ends.
                    ready!(self.poll_give_up(cx));
                    return Poll::Ready(Next::Closed);
                }
            }
            Next::Closed => {
                buffer::release(&mut reading.input);
                ready!(self.poll_end_transport(cx));
            }
        }
        Poll::Ready(step)
    }

    /// Completes when a connection that has failed has ended, and at once if it has not failed.
    ///
    /// It needs no input of the caller: a failed connection drops what it receives.
    pub(crate) fn poll_end(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let mut reading = Reading::new(Input::owned(Vec::new()));
        while self.has_failed() && ready!(self.poll_event(&mut reading, cx)) {
            let _ = self.receive(&mut reading);
        }
        Poll::Ready(())
    }

    /// Completes with the next message or piece, with the failure once, and then with `None`.
    pub(crate) fn poll_next(
        &mut self,
        reading: &mut Reading,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Message<'static>, Error>>> {
        if ready!(self.poll_event(reading, cx))
            && let Some(chunk) = self.receive(reading)
        {
            return Poll::Ready(Some(Ok(chunk.payload.into_owned())));
        }
        ready!(self.poll_end(cx));
        Poll::Ready(self.take_error().map(Err))
    }
}

/// # Sending
///
/// `reading` is absent in the sending half of a connection: the receiving half reads. After a failure the
/// error is [`SendError::Closed`]: the caller returns the failure instead.
impl<IO: AsyncRead + AsyncWrite + Unpin> Engine<IO> {
    /// Queues `message` with `send`, and waits only while the output is full.
    ///
    /// Until it completes, `message` is unsent.
    pub(crate) fn poll_queue<M>(
        &mut self,
        message: &mut Option<M>,
        send: &impl Fn(&mut Connection, M) -> Result<(), Unsent<M>>,
        mut reading: Option<&mut Reading>,
        cx: &mut Context<'_>,
    ) -> Poll<Result<(), Error>> {
        loop {
            match self.queue(message, send) {
                Ok(()) => return Poll::Ready(Ok(())),
                Err(SendError::Full) => ready!(self.poll_room(reading.as_deref_mut(), cx))?,
                Err(error) => {
                    ready!(self.poll_end(cx));
                    return Poll::Ready(Err(error.into()));
                }
            }
        }
    }

    /// Waits until the output has room.
    pub(crate) fn poll_room(
        &mut self,
        reading: Option<&mut Reading>,
        cx: &mut Context<'_>,
    ) -> Poll<Result<(), Error>> {
        if self.has_room() {
            return Poll::Ready(Ok(()));
        }
        let flushed = self.poll_flush(reading, cx);
        if flushed.is_pending() && self.has_room() { Poll::Ready(Ok(())) } else { flushed }
    }

    /// Writes and flushes all output. While the transport accepts none, reads and keeps messages.
    pub(crate) fn poll_flush(
        &mut self,
        mut reading: Option<&mut Reading>,
        cx: &mut Context<'_>,
    ) -> Poll<Result<(), Error>> {
        loop {
            self.write(cx);
            if self.has_failed() {
                return self.poll_end(cx).map(|()| Err(SendError::Closed.into()));
            }
            let failure = self.next_failure();
            if failure.is_none() && self.is_flushed() {
                return Poll::Ready(Ok(()));
            }
            match (&mut reading, failure) {
                (Some(reading), _) if reading.kept_len() < MAX_KEPT => {
                    match ready!(self.poll_step(reading, cx)) {
                        Next::Message => {
                            let chunk = self.receive_read(&mut reading.input);
                            if let Some(chunk) = chunk.map(Chunk::into_owned) {
                                reading.keep(chunk);
                            }
                        }
                        Next::Closed => return Poll::Ready(Ok(())),
                        Next::Control | Next::Write | Next::Read => {}
                    }
                }
                // This call does not read: `reading` is full or absent.
                (_, Some(failure)) => return Poll::Ready(Err(Error::Connection(failure))),
                (Some(_), None) => ready!(self.poll_timers(cx)),
                (None, None) if self.has_ended() => return self.poll_end_transport(cx).map(Ok),
                (None, None) => ready!(self.poll_write_timeout(cx)),
            }
        }
    }
}
