//! A transport in memory that does whatever a transport may do: it moves any number of bytes, waits
//! without a reason, delays bytes, buffers writes until they are flushed, and breaks.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::io::{self, ErrorKind, IoSlice};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Sleep, sleep};

/// The properties of a connection.
#[derive(Clone, Debug)]
pub(crate) struct Link {
    pub(crate) seed: u64,
    /// The bytes that fit in each direction.
    pub(crate) capacity: usize,
    /// Whether bytes may stay in the buffer of the writer until they are flushed, as with TLS.
    pub(crate) buffers_writes: bool,
    pub(crate) is_write_vectored: bool,
    pub(crate) breaks: Option<Break>,
}

/// Breaks each direction after some bytes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Break {
    pub(crate) after: usize,
    /// Whether later bytes are lost without an error, as behind a router that has failed. Otherwise reads
    /// and writes fail.
    pub(crate) is_silent: bool,
}

/// One end of a connection. If it is dropped with unread bytes, the peer's reads fail, as with TCP.
pub(crate) struct Pipe {
    link: Link,
    incoming: Rc<RefCell<Direction>>,
    outgoing: Rc<RefCell<Direction>>,
    /// Written bytes that are not flushed.
    buffered: VecDeque<u8>,
    reading: Hindrance,
    writing: Hindrance,
}

/// The bytes on the way from one end to the other.
#[derive(Default)]
pub(crate) struct Direction {
    unread: VecDeque<u8>,
    /// All bytes that were sent.
    pub(crate) written: Vec<u8>,
    /// The number of bytes that were read.
    pub(crate) read: usize,
    /// Whether the writer has ended its stream.
    has_ended: bool,
    /// Whether reads fail.
    is_reset: bool,
    /// Whether writes fail.
    is_broken: bool,
    /// Whether nothing arrives any more.
    is_silent: bool,
    reader: Option<Waker>,
    writer: Option<Waker>,
}

/// Returns both ends, and the bytes that the first one and the second one send.
pub(crate) fn pipe(link: &Link) -> ([Pipe; 2], [Rc<RefCell<Direction>>; 2]) {
    let directions = [Rc::<RefCell<Direction>>::default(), Rc::default()];
    let end = |this: usize| Pipe {
        link: link.clone(),
        incoming: directions[1 - this].clone(),
        outgoing: directions[this].clone(),
        buffered: VecDeque::new(),
        reading: Hindrance::new(link.seed ^ 2 << this),
        writing: Hindrance::new(link.seed ^ 8 << this),
    };
    ([end(0), end(1)], directions)
}

impl Direction {
    fn send<'b>(&mut self, bytes: impl IntoIterator<Item = &'b u8>, breaks: Option<Break>) {
        let before = self.written.len();
        self.written.extend(bytes);
        self.unread.extend(&self.written[before..]);
        if let Some(Break { after, is_silent }) = breaks
            && self.written.len() > after
        {
            self.is_silent = is_silent;
            self.is_reset = !is_silent;
            self.is_broken = !is_silent;
        }
        wake(&mut self.reader);
    }
}

impl Pipe {
    /// Moves buffered bytes to the reader. Completes when none is left.
    fn poll_empty(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut outgoing = self.outgoing.borrow_mut();
        while !self.buffered.is_empty() {
            if outgoing.is_broken {
                return Poll::Ready(Err(ErrorKind::BrokenPipe.into()));
            }
            let room = self.link.capacity - outgoing.unread.len();
            if room == 0 {
                outgoing.writer = Some(cx.waker().clone());
                return Poll::Pending;
            }
            let len = self.writing.some(room.min(self.buffered.len()));
            let bytes: Vec<u8> = self.buffered.drain(..len).collect();
            outgoing.send(&bytes, self.link.breaks);
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncRead for Pipe {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        ready!(this.reading.poll(cx));
        let mut incoming = this.incoming.borrow_mut();
        if incoming.is_reset {
            return Poll::Ready(Err(ErrorKind::ConnectionReset.into()));
        }
        if incoming.is_silent || incoming.unread.is_empty() && !incoming.has_ended {
            incoming.reader = Some(cx.waker().clone());
            return Poll::Pending;
        }
        let len = this.reading.some(incoming.unread.len().min(buffer.remaining()));
        incoming.read += len;
        for byte in incoming.unread.drain(..len) {
            buffer.put_slice(&[byte]);
        }
        wake(&mut incoming.writer);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Pipe {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.poll_write_vectored(cx, &[IoSlice::new(bytes)])
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        ready!(this.writing.poll(cx));
        let len: usize = slices.iter().map(|slice| slice.len()).sum();
        if this.buffered.len() == this.link.capacity {
            ready!(this.poll_empty(cx))?;
        }
        let mut outgoing = this.outgoing.borrow_mut();
        assert!(!outgoing.has_ended, "a write after the end of the stream");
        if outgoing.is_broken {
            return Poll::Ready(Err(ErrorKind::BrokenPipe.into()));
        }
        let used =
            if this.link.buffers_writes { this.buffered.len() } else { outgoing.unread.len() };
        let room = this.link.capacity - used;
        if room == 0 {
            outgoing.writer = Some(cx.waker().clone());
            return Poll::Pending;
        }
        let len = this.writing.some(len.min(room));
        let bytes = slices.iter().flat_map(|slice| slice.iter()).take(len);
        if this.link.buffers_writes {
            this.buffered.extend(bytes);
        } else {
            outgoing.send(bytes, this.link.breaks);
        }
        Poll::Ready(Ok(len))
    }

    fn is_write_vectored(&self) -> bool {
        self.link.is_write_vectored
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if !this.buffered.is_empty() {
            ready!(this.writing.poll(cx));
        }
        this.poll_empty(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.as_mut().poll_flush(cx))?;
        let mut outgoing = self.outgoing.borrow_mut();
        outgoing.has_ended = true;
        wake(&mut outgoing.reader);
        Poll::Ready(Ok(()))
    }
}

impl Drop for Pipe {
    fn drop(&mut self) {
        let (mut incoming, mut outgoing) = (self.incoming.borrow_mut(), self.outgoing.borrow_mut());
        incoming.is_broken |= !incoming.is_silent;
        outgoing.has_ended = true;
        outgoing.is_reset |= !incoming.unread.is_empty() && !outgoing.is_silent;
        wake(&mut incoming.writer);
        wake(&mut outgoing.reader);
    }
}

/// Wakes the task that was the last one to wait, as a socket does.
fn wake(waker: &mut Option<Waker>) {
    if let Some(waker) = waker.take() {
        waker.wake();
    }
}

/// The random behaviour of one direction of one end.
struct Hindrance {
    random: u64,
    delay: Option<Pin<Box<Sleep>>>,
    /// The number of delays that are left, so that a run takes seconds.
    delays: usize,
}

impl Hindrance {
    fn new(seed: u64) -> Self {
        Self { random: seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1, delay: None, delays: 100 }
    }

    /// Waits in some calls: for some milliseconds, or only until the task is polled again.
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if self.delay.is_none() {
            match self.below(16) {
                0..3 => {
                    cx.waker().wake_by_ref();
                    return Poll::Pending;
                }
                3 if self.delays > 0 => {
                    self.delays -= 1;
                    let time = Duration::from_millis(1 + self.below(5) as u64);
                    self.delay = Some(Box::pin(sleep(time)));
                }
                _ => return Poll::Ready(()),
            }
        }
        if let Some(delay) = &mut self.delay {
            ready!(delay.as_mut().poll(cx));
        }
        self.delay = None;
        Poll::Ready(())
    }

    /// Returns how many of at most `max` bytes to move: often all, sometimes few.
    fn some(&mut self, max: usize) -> usize {
        match self.below(4) {
            0 => max.min(1 + self.below(8)),
            1 => max.min(1 + self.below(max.max(1))),
            _ => max,
        }
    }

    fn below(&mut self, end: usize) -> usize {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        (self.random >> 16) as usize % end
    }
}
