//! Moves bytes between the transport and the state machine, and reports the time.

use std::io;
use std::mem;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite};
use websocket_proto::{ConnectionError, Timeout, Transport};

use super::Engine;
use crate::buffer;
use crate::reading::Reading;
use crate::timer::READ_TIMEOUT;

/// The number of buffers of one vectored write.
const MAX_SLICES: usize = 64;

/// The time for the last flush of a connection without a timeout for closing.
const MAX_FLUSH: Duration = Duration::from_secs(10);

/// The maximum number of bytes read after a failed write, more than a socket buffers. Without it, a peer that
/// continues to send would delay the failure without end.
const MAX_REMAINING: usize = 64 << 20;

/// The number of bytes as which a shorter read counts.
const SHORT_READ: usize = 1 << 10;

/// The number of bytes as which a shorter read after a pause counts: bytes that arrived before the failed write
/// need few pauses.
const PAUSED_READ: usize = 64 << 10;

/// Why a transport is not used any more.
pub(super) enum Broken {
    /// Reading or writing failed.
    Io(io::Error),
    /// It accepted no output for too long.
    TimedOut,
}

impl Broken {
    /// Returns the failure of a connection over this transport.
    pub(super) const fn failure(&self) -> ConnectionError {
        match self {
            Self::Io(_) => ConnectionError::Aborted,
            Self::TimedOut => ConnectionError::Timeout(Timeout::Output),
        }
    }
}

impl<IO: AsyncRead + AsyncWrite + Unpin> Engine<IO> {
    /// Writes and flushes the output, as far as the transport accepts it. Does nothing after a failed
    /// write, and at [`Transport::Abort`].
    pub(super) fn write(&mut self, cx: &mut Context<'_>) {
        if self.broken.is_none()
            && let Poll::Ready(Err(error)) = self.poll_write(cx)
        {
            self.stop_writing(Broken::Io(error));
        }
    }

    /// Records that a write has failed. Fails the connection if no message can remain.
    #[cold]
    fn stop_writing(&mut self, broken: Broken) {
        if self.has_failed() || self.has_peer_closed {
            self.fail(broken);
        } else {
            self.broken = Some(broken);
            self.deadline = None;
        }
    }

    /// Completes when all output is written and flushed.
    fn poll_write(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.connection.transport() == Transport::Abort {
            return Poll::Ready(Ok(()));
        }
        while self.connection.has_output() {
            if ready!(self.poll_write_once(cx))? == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.is_unflushed = true;
            self.deadline = None;
        }
        if self.is_unflushed {
            let flushed = Pin::new(&mut self.io).poll_flush(cx)?;
            if flushed.is_pending() && self.is_last_flush() {
                // Watched from the start, so that its grace is that of the state machine, and not added to it.
                let _ = self.poll_flush_timeout(cx);
            }
            ready!(flushed);
            self.is_unflushed = false;
            self.deadline = None;
        }
        Poll::Ready(Ok(()))
    }

    /// Writes once, and removes what was written from the output.
    fn poll_write_once(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        let output = self.connection.output();
        let io = Pin::new(&mut self.io);
        let chunk = output.chunk();
        let len = if chunk.len() == output.len() || !io.is_write_vectored() {
            ready!(io.poll_write(cx, chunk))?
        } else {
            let mut slices = [io::IoSlice::new(&[]); MAX_SLICES];
            let set = output.chunks_vectored(&mut slices);
            ready!(io.poll_write_vectored(cx, slices.get(..set).unwrap_or(&slices)))?
        };
        output.advance(len);
        Poll::Ready(Ok(len))
    }

    /// Makes a turn after all bytes that were read: reports the time, writes the output, and waits for
    /// bytes or for a timer. Completes when the state machine may have changed.
    pub(super) fn poll_turn(&mut self, reading: &mut Reading, cx: &mut Context<'_>) -> Poll<()> {
        // After a failed write no timer cuts off the remaining bytes: `poll_read_remaining` bounds it.
        if self.broken.is_none() && self.report_time().is_err() {
            return Poll::Ready(());
        }
        self.write(cx);
        if self.has_ended() {
            return Poll::Ready(());
        }
        if self.broken.is_some() {
            return self.poll_read_remaining(reading, cx);
        }
        if self.connection.transport() == Transport::Drain && !self.is_shut_down {
            match Pin::new(&mut self.io).poll_shutdown(cx) {
                Poll::Ready(Ok(())) => self.is_shut_down = true,
                Poll::Ready(Err(error)) => {
                    self.fail(Broken::Io(error));
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

    /// Reads what has arrived before a failed write. Fails the connection when nothing remains.
    fn poll_read_remaining(&mut self, reading: &mut Reading, cx: &mut Context<'_>) -> Poll<()> {
        if !self.has_failed() && !self.has_peer_closed && self.remaining_read < MAX_REMAINING {
            if self.poll_read(reading, cx).is_ready() {
                let paused = self.deadline.take().is_some();
                let least = if paused { PAUSED_READ } else { SHORT_READ };
                self.remaining_read += reading.input.unread().len().max(least);
                if reading.input.has_unread() || self.has_ended() {
                    return Poll::Ready(());
                }
            } else {
                ready!(self.timer.poll_deadline(&mut self.deadline, READ_TIMEOUT, cx));
            }
        }
        if let Some(broken) = self.broken.take() {
            self.fail(broken);
        }
        Poll::Ready(())
    }

    /// Reports the time if bytes were read since the last report, so that the state machine dates what
    /// was received. Returns the failure of the connection, which is then the next event.
    pub(super) fn report_time(&mut self) -> Result<(), ConnectionError> {
        if !mem::take(&mut self.is_time_due) {
            return Ok(());
        }
        self.timer.tick();
        self.connection.handle_timeout(self.timer.now());
        self.connection.error().map_or(Ok(()), Err)
    }

    /// Waits for the next deadline. Completes when one has passed.
    pub(super) fn poll_timers(&mut self, cx: &mut Context<'_>) -> Poll<()> {
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

    /// Waits for bytes. After the end of the stream it stays pending: only the output or a timer can
    /// change anything.
    fn poll_read(&mut self, reading: &mut Reading, cx: &mut Context<'_>) -> Poll<()> {
        match ready!(buffer::poll_read(&mut self.io, &mut reading.input, cx)) {
            Ok(()) => {
                self.is_time_due = true;
                // While the transport buffers output, as TLS does, its progress is not known. The timers end
                // a wait of the sending half then: they are watched where bytes are read.
                if !self.connection.has_output() && !self.is_last_flush() {
                    self.deadline = None;
                }
            }
            Err(error) => self.fail(Broken::Io(error)),
        }
        Poll::Ready(())
    }

    /// Waits for the transport to accept output, for a sending half. Completes when the wait has taken too
    /// long, which breaks the transport.
    pub(super) fn poll_write_timeout(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if self.is_last_flush() {
            ready!(self.poll_flush_timeout(cx));
        } else {
            let timeouts = self.connection.config().timeouts();
            let (Some(ping), Some(pong)) = (timeouts.ping, timeouts.pong) else {
                return Poll::Pending;
            };
            // The timers of the receiving half need at most this time, and a grace.
            let span = ping.saturating_add(pong).saturating_mul(2);
            ready!(self.timer.poll_deadline(&mut self.deadline, span, cx));
        }
        self.stop_writing(Broken::TimedOut);
        Poll::Ready(())
    }

    /// Completes when a connection that has failed has nothing to wait for: its Close frame is written, and
    /// flushed or the time for that is over; and no timeout bounds the wait for the end of the peer's stream.
    pub(super) fn poll_give_up(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if !self.has_failed() || self.connection.has_output() {
            return Poll::Pending;
        }
        if self.is_unflushed {
            return self.poll_flush_timeout(cx);
        }
        if self.connection.poll_timeout().is_some() { Poll::Pending } else { Poll::Ready(()) }
    }

    /// Ends the transport: flushes it, and shuts down what is still open, without waiting for that. Drops
    /// what an aborted transport buffers.
    pub(super) fn poll_end_transport(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let is_usable = self.connection.transport() != Transport::Abort;
        if is_usable && self.is_unflushed && Pin::new(&mut self.io).poll_flush(cx).is_pending() {
            ready!(self.poll_flush_timeout(cx));
        }
        self.is_unflushed = false;
        if is_usable && !self.is_shut_down {
            self.is_shut_down = true;
            let _ = Pin::new(&mut self.io).poll_shutdown(cx);
        }
        Poll::Ready(())
    }

    /// Completes when the last flush has taken too long.
    ///
    /// TLS buffers our Close frame while the peer reads slowly, also if the peer has ended its stream.
    /// [`Timeouts::closing`](websocket_proto::Timeouts::closing) bounds the flush, and [`MAX_FLUSH`] without
    /// that timeout. The time starts when our Close frame is written, as that of the state machine for the
    /// peer's answer and the end of its stream does: the two are not added up.
    fn poll_flush_timeout(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let span = self.connection.config().timeouts().closing.unwrap_or(MAX_FLUSH);
        self.timer.poll_deadline(&mut self.deadline, span, cx)
    }
}
