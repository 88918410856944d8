//! A transport whose reads and writes a test prescribes.

#![allow(dead_code, reason = "each test uses a part")]

use std::collections::VecDeque;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake, Waker};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_websocket_proto::proto::{Config, Connection, Input, Negotiated, SharedConfig};
use tokio_websocket_proto::{DEFAULT_CONFIG, WebSocket, default_config};

/// "Hello", then a frame with a reserved bit.
pub(crate) const HELLO_AND_FAILURE: &[u8] = b"\x81\x85\0\0\0\0Hello\x91\x80\0\0\0\0";

/// The echo, and a Close frame with the code 1002.
pub(crate) const ECHO_AND_CLOSE: &[u8] = b"\x81\x05Hello\x88\x02\x03\xea";

/// A frame with a reserved bit.
pub(crate) const FAILURE: &[u8] = b"\x91\x80\0\0\0\0";

/// A Close frame with the code 1002.
pub(crate) const CLOSE: &[u8] = b"\x88\x02\x03\xea";

/// A Close frame of a client, with the code 1000.
pub(crate) const PEER_CLOSE: &[u8] = b"\x88\x82\0\0\0\0\x03\xe8";

/// The reply of a server.
pub(crate) const PEER_CLOSE_REPLY: &[u8] = b"\x88\x02\x03\xe8";

/// A configuration with room for one message.
pub(crate) static FULL_AT_ONCE: Config = default_config().with_high_water_mark(1);

/// A transport that returns prepared reads and counts its calls. It never wakes: the tests poll.
#[derive(Clone, Default)]
pub(crate) struct Script(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    reads: VecDeque<io::Result<Vec<u8>>>,
    written: Vec<u8>,
    calls: Calls,
    writes: Writes,
}

#[derive(Default)]
enum Writes {
    #[default]
    Accepted,
    /// Accepted, but a flush does not complete.
    Buffered,
    /// Blocked after this number of bytes.
    Limited(usize),
    Failing,
}

/// The number of calls since the last question.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Calls {
    pub(crate) reads: usize,
    /// Reads that found nothing: the connection waits.
    waits: usize,
    writes: usize,
}

pub(crate) const fn calls(reads: usize, waits: usize, writes: usize) -> Calls {
    Calls { reads, waits, writes }
}

impl Script {
    /// Makes `bytes` available to one read. No bytes are the end of the stream.
    pub(crate) fn push(&self, bytes: impl Into<Vec<u8>>) {
        self.0.lock().unwrap().reads.push_back(Ok(bytes.into()));
    }

    /// Lets a read find nothing after those that were pushed, as if the runtime had not processed an event.
    pub(crate) fn push_wait(&self) {
        let wait = io::ErrorKind::WouldBlock.into();
        self.0.lock().unwrap().reads.push_back(Err(wait));
    }

    /// Lets a read fail after those that were pushed.
    pub(crate) fn push_reset(&self) {
        let reset = io::ErrorKind::ConnectionReset.into();
        self.0.lock().unwrap().reads.push_back(Err(reset));
    }

    pub(crate) fn block_writes(&self) {
        self.0.lock().unwrap().writes = Writes::Limited(0);
    }

    /// Accepts `len` bytes, and then blocks.
    pub(crate) fn accept_bytes(&self, len: usize) {
        self.0.lock().unwrap().writes = Writes::Limited(len);
    }

    /// Accepts writes as TLS does over a socket that is full.
    pub(crate) fn buffer_writes(&self) {
        self.0.lock().unwrap().writes = Writes::Buffered;
    }

    pub(crate) fn accept_writes(&self) {
        self.0.lock().unwrap().writes = Writes::Accepted;
    }

    pub(crate) fn fail_writes(&self) {
        self.0.lock().unwrap().writes = Writes::Failing;
    }

    pub(crate) fn take_calls(&self) -> Calls {
        std::mem::take(&mut self.0.lock().unwrap().calls)
    }

    pub(crate) fn take_written(&self) -> Vec<u8> {
        std::mem::take(&mut self.0.lock().unwrap().written)
    }

    /// Returns a server over this transport, with the timers of the default configuration.
    pub(crate) fn server(&self) -> WebSocket<Self> {
        self.server_with(&DEFAULT_CONFIG)
    }

    pub(crate) fn server_with(&self, config: impl Into<SharedConfig>) -> WebSocket<Self> {
        let connection = Connection::server(config, &Negotiated::default());
        WebSocket::from_parts(self.clone(), connection, Input::owned(Vec::new()))
    }

    /// Returns a server whose output is full with the message "first", which the transport does not accept.
    pub(crate) fn blocked_server(&self) -> WebSocket<Self> {
        let mut socket = self.server_with(&FULL_AT_ONCE);
        self.block_writes();
        socket.try_feed("first").unwrap();
        socket
    }

    pub(crate) fn client_with(&self, config: impl Into<SharedConfig>) -> WebSocket<Self> {
        let connection = Connection::client(config, &Negotiated::default()).unwrap();
        WebSocket::from_parts(self.clone(), connection, Input::owned(Vec::new()))
    }
}

impl AsyncRead for Script {
    fn poll_read(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let mut state = self.0.lock().unwrap();
        match state.reads.pop_front() {
            None => {}
            Some(Err(error)) if error.kind() == io::ErrorKind::WouldBlock => {}
            Some(read) => {
                state.calls.reads += 1;
                buffer.put_slice(&read?);
                return Poll::Ready(Ok(()));
            }
        }
        state.calls.waits += 1;
        Poll::Pending
    }
}

impl AsyncWrite for Script {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.poll_write_vectored(cx, &[IoSlice::new(bytes)])
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let mut state = self.0.lock().unwrap();
        state.calls.writes += 1;
        let mut len: usize = slices.iter().map(|slice| slice.len()).sum();
        match &mut state.writes {
            Writes::Accepted | Writes::Buffered => {}
            Writes::Limited(0) => return Poll::Pending,
            Writes::Limited(left) => {
                len = len.min(*left);
                *left -= len;
            }
            Writes::Failing => return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into())),
        }
        state.written.extend(slices.iter().flat_map(|slice| slice.iter()).take(len));
        Poll::Ready(Ok(len))
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.0.lock().unwrap().writes {
            Writes::Buffered => Poll::Pending,
            Writes::Accepted | Writes::Limited(_) => Poll::Ready(Ok(())),
            Writes::Failing => Poll::Ready(Err(io::ErrorKind::BrokenPipe.into())),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll_flush(cx)
    }
}

pub(crate) fn poll<T>(future: Pin<&mut (impl Future<Output = T> + ?Sized)>) -> Poll<T> {
    future.poll(&mut Context::from_waker(Waker::noop()))
}

/// A waker that counts its wakes.
#[derive(Default)]
pub(crate) struct Wakes(AtomicUsize);

impl Wakes {
    pub(crate) fn new() -> (Arc<Self>, Waker) {
        let wakes = Arc::new(Self::default());
        (wakes.clone(), Waker::from(wakes))
    }

    pub(crate) fn count(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }
}

impl Wake for Wakes {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}
