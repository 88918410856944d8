//! The driver of one connection: moves bytes between the transport and the state machine.
//!
//! # One turn
//!
//! A turn returns the events of the bytes that were read. When none is left, it reports the time,
//! writes all output in one vectored write, and reads again. Messages that a program sends while it handles
//! those of one read therefore leave in one write, and the clock is read once for each read.
//!
//! # Reading while a write is blocked
//!
//! Two peers that only write would block each other. While the transport accepts no bytes, a write
//! also reads, and keeps the messages for later, up to [`MAX_BACKLOG`] bytes and one message.

use std::collections::VecDeque;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::Instant;
use websocket_proto::{CloseFrame, Connection, ConnectionError, Event, Input, Next, Transport};

use crate::buffer;
use crate::error::Error;
use crate::timer::Timer;

/// The bytes of messages that are kept while a write is blocked, without the last message.
const MAX_BACKLOG: usize = 1 << 20;

/// The number of buffers of one vectored write.
const MAX_SLICES: usize = 64;

/// The transport and the state machine.
pub(crate) struct Engine<IO> {
    io: IO,
    pub(crate) connection: Connection,
    timer: Timer,
    /// Whether bytes were read since the time was reported.
    is_time_due: bool,
    /// Whether bytes were written that the transport may still buffer, as TLS does.
    is_unflushed: bool,
    /// Whether the writing direction of the transport is shut down.
    is_shut_down: bool,
    io_error: Option<io::Error>,
    failure: Option<ConnectionError>,
    peer_close: Option<CloseFrame<'static>>,
}

/// The receiving side: unread bytes and messages that were kept.
pub(crate) struct Reading {
    pub(crate) input: Input<'static>,
    pub(crate) backlog: VecDeque<Event<'static>>,
    /// The payload bytes in `backlog`.
    backlog_len: usize,
}

impl Reading {
    pub(crate) fn new(input: Input<'static>) -> Self {
        Self { input, backlog: VecDeque::new(), backlog_len: 0 }
    }

    fn keep(&mut self, event: Event<'static>) {
        self.backlog_len += len(&event);
        self.backlog.push_back(event);
    }

    pub(crate) fn take_kept(&mut self) -> Option<Event<'static>> {
        let event = self.backlog.pop_front()?;
        self.backlog_len -= len(&event);
        if self.backlog.is_empty() {
            self.backlog = VecDeque::new();
        }
        Some(event)
    }
}

fn len(event: &Event<'_>) -> usize {
    match event {
        Event::Message(message) => message.len(),
        Event::Chunk(chunk) => chunk.payload.len(),
        _ => 0,
    }
}

impl<IO> Engine<IO> {
    pub(crate) fn new(io: IO, connection: Connection) -> Self {
        Self {
            io,
            connection,
            timer: Timer::new(Instant::now()),
            is_time_due: true,
            is_unflushed: false,
            is_shut_down: false,
            io_error: None,
            failure: None,
            peer_close: None,
        }
    }

    pub(crate) fn io(&self) -> &IO {
        &self.io
    }

    pub(crate) fn peer_close(&self) -> Option<&CloseFrame<'static>> {
        self.peer_close.as_ref()
    }

    /// Returns the error that ended the connection, once.
    pub(crate) fn take_error(&mut self) -> Option<Error> {
        let failure = self.failure.take();
        match self.io_error.take() {
            Some(error) => Some(Error::Io(error)),
            None => failure.map(Error::Connection),
        }
    }

    /// Handles an event that is not returned to the program.
    pub(crate) fn note(&mut self, event: Event<'_>) {
        match event {
            Event::Close(frame) => self.peer_close = frame.map(CloseFrame::into_owned),
            Event::Failed(error) => self.failure = Some(error),
            _ => {}
        }
    }

    /// Returns whether the armed timer is later than the next deadline.
    pub(crate) fn must_arm(&self) -> bool {
        self.connection.poll_timeout().is_some_and(|due| !self.timer.fires_by(due))
    }

    fn has_ended(&self) -> bool {
        matches!(self.connection.transport(), Transport::Close | Transport::Abort)
    }

    fn fail(&mut self, error: io::Error) {
        // A peer often resets the connection after our Close. What failed the connection before is the cause.
        if self.connection.error().is_none() {
            self.io_error.get_or_insert(error);
        }
        self.connection.abort();
    }
}

impl<IO: AsyncRead + AsyncWrite + Unpin> Engine<IO> {
    /// Completes with `true` when an event is kept or `receive` returns a message, a chunk or the
    /// failure, and with `false` when the connection has ended.
    ///
    /// After a failure, poll until `false`, and return the failure then: programs drop a connection that
    /// has failed, and a Close frame is lost if it is not written, or if received bytes are left unread.
    pub(crate) fn poll_event(&mut self, reading: &mut Reading, cx: &mut Context<'_>) -> Poll<bool> {
        if !reading.backlog.is_empty() {
            return Poll::Ready(true);
        }
        loop {
            match self.connection.next(&mut reading.input) {
                Next::Message => return Poll::Ready(true),
                Next::Control => self.receive_control(reading),
                Next::Closed => {
                    self.end(reading, cx);
                    return Poll::Ready(false);
                }
                Next::Write | Next::Read if self.is_time_due => self.report_time(),
                Next::Write | Next::Read => {
                    let _ = self.poll_write(cx);
                    if self.poll_wait(reading, cx).is_pending() {
                        return if self.may_wait() { Poll::Pending } else { Poll::Ready(false) };
                    }
                }
            }
        }
    }

    /// Returns whether to wait for the peer: always before a failure, and after it while the Close frame
    /// is not written or a timeout bounds the wait.
    fn may_wait(&mut self) -> bool {
        self.connection.error().is_none()
            || self.connection.has_output()
            || self.connection.poll_timeout().is_some()
    }

    /// Writes and flushes all output. While the transport accepts none, reads and keeps messages.
    ///
    /// Completes when the output is written or the connection has failed.
    pub(crate) fn poll_flush(
        &mut self,
        mut reading: Option<&mut Reading>,
        cx: &mut Context<'_>,
    ) -> Poll<()> {
        loop {
            if self.poll_write(cx).is_ready() || self.has_ended() {
                return Poll::Ready(());
            }
            let Some(reading) = &mut reading else { return Poll::Pending };
            if reading.backlog_len >= MAX_BACKLOG {
                ready!(self.poll_timers(cx));
                continue;
            }
            match self.connection.next(&mut reading.input) {
                Next::Message => {
                    match self.connection.receive(&mut reading.input).map(Event::into_owned) {
                        Some(Event::Failed(error)) => self.failure = Some(error),
                        Some(event) => reading.keep(event),
                        None => {}
                    }
                }
                Next::Control => self.receive_control(reading),
                Next::Closed => return Poll::Ready(()),
                Next::Write | Next::Read if self.is_time_due => self.report_time(),
                Next::Write | Next::Read => ready!(self.poll_wait(reading, cx)),
            }
        }
    }

    fn receive_control(&mut self, reading: &mut Reading) {
        if let Some(event) = self.connection.receive(&mut reading.input) {
            self.note(event);
        }
    }

    /// Writes the output. Completes when all of it is written and flushed, or when the connection has
    /// failed.
    pub(crate) fn poll_write(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        while self.connection.has_output() {
            match ready!(self.poll_write_once(cx)) {
                Ok(0) => self.fail(io::ErrorKind::WriteZero.into()),
                Ok(n) => {
                    self.is_unflushed = true;
                    self.connection.output().advance(n);
                }
                Err(error) => self.fail(error),
            }
            if self.has_ended() {
                return Poll::Ready(());
            }
        }
        if self.is_unflushed {
            match ready!(Pin::new(&mut self.io).poll_flush(cx)) {
                Ok(()) => self.is_unflushed = false,
                Err(error) => self.fail(error),
            }
        }
        Poll::Ready(())
    }

    fn poll_write_once(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        let output = self.connection.output();
        let io = Pin::new(&mut self.io);
        let chunk = output.chunk();
        if chunk.len() == output.len() || !io.is_write_vectored() {
            return io.poll_write(cx, chunk);
        }
        let mut slices = [io::IoSlice::new(&[]); MAX_SLICES];
        let set = output.chunks_vectored(&mut slices);
        io.poll_write_vectored(cx, slices.get(..set).unwrap_or(&slices))
    }

    /// Waits for bytes or for a timer. Completes when the state machine may have changed.
    fn poll_wait(&mut self, reading: &mut Reading, cx: &mut Context<'_>) -> Poll<()> {
        if self.has_ended() {
            return Poll::Ready(()); // A write has failed.
        }
        if self.connection.transport() == Transport::Drain && !self.is_shut_down {
            match Pin::new(&mut self.io).poll_shutdown(cx) {
                Poll::Ready(Ok(())) => self.is_shut_down = true,
                Poll::Ready(Err(error)) => {
                    self.fail(error);
                    return Poll::Ready(());
                }
                Poll::Pending => {}
            }
        }
        // A peer that sends without end does not hold the timers up: each turn reports the time.
        if self.poll_read(reading, cx).is_ready() {
            return Poll::Ready(());
        }
        self.poll_timers(cx)
    }

    /// Reports the time after a read, so that the state machine dates what was received. It may fail the
    /// connection.
    fn report_time(&mut self) {
        self.is_time_due = false;
        self.timer.tick();
        self.connection.handle_timeout(self.timer.now());
    }

    /// Waits for the next deadline. Completes when one has passed.
    fn poll_timers(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let Some(due) = self.connection.poll_timeout() else { return Poll::Pending };
        // A deadline before the last report means that a timer has to start.
        if due > self.timer.now() {
            ready!(self.timer.poll(due, cx));
        } else {
            self.timer.tick();
        }
        self.connection.handle_timeout(self.timer.now());
        Poll::Ready(())
    }

    /// Waits for bytes. At the end of the stream only the output or a timer can change anything.
    fn poll_read(&mut self, reading: &mut Reading, cx: &mut Context<'_>) -> Poll<()> {
        match ready!(buffer::poll_read(&mut self.io, &mut reading.input, cx)) {
            Ok(()) => self.is_time_due = true,
            Err(error) => self.fail(error),
        }
        Poll::Ready(())
    }

    /// Ends the transport: shuts down what is still open, without waiting.
    fn end(&mut self, reading: &mut Reading, cx: &mut Context<'_>) {
        if !self.is_shut_down && self.connection.transport() == Transport::Close {
            self.is_shut_down = true;
            let _ = Pin::new(&mut self.io).poll_shutdown(cx);
        }
        buffer::release(&mut reading.input);
    }
}
