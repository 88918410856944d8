//! The environment of an implementation: the traffic to read, a sink to write to, and the check of the
//! results.

use std::future::Future;
use std::hint::black_box;
use std::io::{self, IoSlice, Read, Write};
use std::pin::{Pin, pin};
use std::ptr::{addr_of, addr_of_mut};
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};
use std::task::{Context, Poll, Waker};

use base64::Engine;
use bytes::Bytes;
use tokio::io::ReadBuf;

use crate::case::{Case, PING, Role, Work, read_frame};
use crate::codec::{self, Inflater};

/// A case as seen by one implementation.
#[derive(Clone)]
pub struct Scene(Arc<Shared>);

pub struct Shared {
    pub case: Arc<Case>,
    /// Maximum bytes per read.
    pub chunk: usize,
    checking: AtomicBool,
    received: AtomicUsize,
    written: Mutex<Vec<u8>>,
}

impl std::ops::Deref for Scene {
    type Target = Shared;

    fn deref(&self) -> &Shared {
        &self.0
    }
}

impl Scene {
    pub fn new(case: &Arc<Case>, chunk: usize) -> Self {
        Self(Arc::new(Shared {
            case: Arc::clone(case),
            chunk,
            checking: AtomicBool::new(false),
            received: AtomicUsize::new(0),
            written: Mutex::default(),
        }))
    }

    /// The payloads to send, starting with the first one.
    pub fn payloads(&self) -> Payloads {
        Payloads { case: Arc::clone(&self.case), next: 0 }
    }

    /// The transport, before the first byte.
    pub fn pipe(&self) -> Pipe {
        Pipe { scene: self.clone(), at: 0, end: 0, sink_at: 0 }
    }

    /// Called for each received message. Compares it during the check before timing.
    #[inline]
    pub fn message(&self, payload: &[u8]) {
        black_box(payload);
        if self.checking.load(Relaxed) {
            self.compare(payload);
        }
    }

    #[cold]
    fn compare(&self, payload: &[u8]) {
        let count = self.received.fetch_add(1, Relaxed);
        let expected = &self.case.messages[count % self.case.messages.len()];
        assert!(payload == expected, "message {count} differs");
    }

    /// Runs `work` through all messages and a few of them again, and checks each received message and each
    /// written frame. Returns the compressed bytes for each byte of the sent messages.
    pub fn check(&self, name: &str, work: &mut crate::Job) -> Option<f64> {
        let case = &self.case;
        self.checking.store(true, Relaxed);
        let done = work(case.messages.len().min(3000) as u64 + 3) as usize;
        self.checking.store(false, Relaxed);
        if case.work == Work::Receive || case.work == Work::Echo {
            assert_eq!(self.received.load(Relaxed), done, "{name}: messages received");
        }
        let mut written = std::mem::take(&mut *self.written.lock().unwrap());
        match case.work {
            Work::Accept | Work::Connect => return None,
            Work::Receive | Work::Send | Work::Echo => {}
        }
        let mut inflater = Inflater::new(case.deflate.unwrap_or(codec::Context::None), case.size);
        let (mut at, mut messages, mut pongs, mut compressed) = (0, 0, 0, 0);
        while at < written.len() {
            let frame = read_frame(&mut written, at);
            let payload = &written[frame.payload.clone()];
            at = frame.payload.end;
            assert!(frame.fin, "the message is fragmented");
            assert_eq!(frame.masked, case.role == Role::Client, "wrong masking direction");
            if frame.opcode == 10 {
                assert_eq!(payload, PING);
                pongs += 1;
            } else {
                assert_eq!(frame.opcode, if case.text { 1 } else { 2 });
                compressed += payload.len();
                let payload = if frame.compressed { inflater.inflate(payload) } else { payload };
                assert!(
                    payload == case.messages[messages % case.messages.len()],
                    "sent message {messages} differs"
                );
                messages += 1;
            }
        }
        if case.work == Work::Receive {
            let due = done * (case.fragments - 1);
            assert!((due..due + case.fragments).contains(&pongs), "{name}: {pongs} Pongs of {due}");
        } else {
            assert_eq!(messages, done, "{name}: messages sent");
        }
        let is_compressed = case.deflate.is_some() && case.work == Work::Send;
        is_compressed.then(|| compressed as f64 / (messages * case.size) as f64)
    }
}

/// The case's payloads, in order and cyclically.
pub struct Payloads {
    case: Arc<Case>,
    next: usize,
}

impl Payloads {
    #[inline]
    pub fn next(&mut self) -> &Bytes {
        let payloads = &self.case.messages;
        let payload = &payloads[self.next];
        self.next += 1;
        if self.next == payloads.len() {
            self.next = 0;
        }
        payload
    }
}

/// Bytes of the sink: larger than a first-level cache, smaller than a second-level one.
const SINK: usize = 256 << 10;
/// The destination of all writes; only one thread measures.
static mut SINK_BYTES: [u8; SINK] = [0; SINK];

/// An in-memory transport that is always ready. A read and a write are one `memcpy` each.
pub struct Pipe {
    scene: Scene,
    at: usize,
    /// Index of the next of the case's `read_ends`.
    end: usize,
    sink_at: usize,
}

impl Pipe {
    #[inline]
    fn available(&self, room: usize) -> &[u8] {
        let case = &self.scene.case;
        let end = case.read_ends[self.end].min(self.at + room.min(self.scene.chunk));
        &case.wire[self.at..end]
    }

    #[inline]
    fn consume(&mut self, length: usize) {
        self.at += length;
        let case = &self.scene.case;
        if self.at == case.read_ends[self.end] {
            self.end += 1;
            if self.end == case.read_ends.len() {
                (self.at, self.end) = (0, 0);
            }
        }
    }

    #[inline]
    pub fn read_into(&mut self, buffer: &mut [u8]) -> usize {
        if self.scene.case.work == Work::Connect {
            return self.answer(buffer);
        }
        let available = self.available(buffer.len());
        let length = available.len();
        buffer[..length].copy_from_slice(available);
        self.consume(length);
        length
    }

    /// Reads to the end of `buffer`, which grows by the maximum of one read.
    #[inline]
    pub fn read_to(&mut self, buffer: &mut bytes::BytesMut) -> usize {
        buffer.reserve(self.scene.chunk);
        let available = self.available(self.scene.chunk);
        let length = available.len();
        buffer.extend_from_slice(available);
        self.consume(length);
        length
    }

    #[inline]
    pub fn write_from(&mut self, bytes: &[u8]) {
        let room = SINK - self.sink_at;
        let fitting = if bytes.len() <= room { bytes } else { self.rewind(bytes) };
        // SAFETY: in bounds, and only one thread writes.
        unsafe {
            let sink = addr_of_mut!(SINK_BYTES).cast::<u8>().add(self.sink_at);
            std::ptr::copy_nonoverlapping(fitting.as_ptr(), sink, fitting.len());
        }
        self.sink_at += fitting.len();
        if self.scene.checking.load(Relaxed) {
            self.keep(bytes);
        }
    }

    /// Rewinds to the start of the sink. Returns the part of `bytes` that fits into it.
    #[cold]
    fn rewind<'a>(&mut self, bytes: &'a [u8]) -> &'a [u8] {
        self.sink_at = 0;
        &bytes[..bytes.len().min(SINK)]
    }

    /// Records written bytes for the check.
    #[cold]
    fn keep(&self, bytes: &[u8]) {
        self.scene.written.lock().unwrap().extend_from_slice(bytes);
    }

    /// A vectored write.
    #[inline]
    pub fn write_both(&mut self, header: &[u8], payload: &[u8]) {
        self.write_from(header);
        self.write_from(payload);
    }

    /// Writes the server's response to the request in the sink. Its cost is also measured separately and
    /// subtracted.
    #[cold]
    fn answer(&mut self, buffer: &mut [u8]) -> usize {
        // SAFETY: in bounds, and only one thread writes.
        let sink = unsafe { std::slice::from_raw_parts(addr_of!(SINK_BYTES).cast::<u8>(), SINK) };
        answer(&sink[..self.sink_at], buffer)
    }
}

/// Writes the response to `request` to the start of `buffer`.
pub fn answer(request: &[u8], buffer: &mut [u8]) -> usize {
    const BEFORE: &[u8] = b"HTTP/1.1 101 Switching Protocols\r\nServer: nginx\r\n\
        Date: Thu, 01 Jan 2026 00:00:00 GMT\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\
        Sec-WebSocket-Accept: ";
    // Only the key's value ends like this; the spelling of its name differs between clients.
    let end = request.windows(4).position(|bytes| bytes == b"==\r\n").expect("a key") + 2;
    assert!(request.ends_with(b"\r\n\r\n"), "a whole request");
    let mut sha1 = sha1_smol::Sha1::new();
    sha1.update(&request[end - 24..end]);
    sha1.update(b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11");
    buffer[..BEFORE.len()].copy_from_slice(BEFORE);
    let length = BEFORE.len() + 28;
    base64::engine::general_purpose::STANDARD
        .encode_slice(sha1.digest().bytes(), &mut buffer[BEFORE.len()..length])
        .expect("28 characters");
    buffer[length..length + 4].copy_from_slice(b"\r\n\r\n");
    length + 4
}

impl Read for Pipe {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        Ok(self.read_into(buffer))
    }
}

impl Write for Pipe {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.write_from(bytes);
        Ok(bytes.len())
    }

    fn write_vectored(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        let mut length = 0;
        for slice in slices {
            self.write_from(slice);
            length += slice.len();
        }
        Ok(length)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl tokio::io::AsyncRead for Pipe {
    fn poll_read(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.scene.case.work == Work::Connect {
            let length = self.answer(buffer.initialize_unfilled());
            buffer.advance(length);
            return Poll::Ready(Ok(()));
        }
        let available = self.available(buffer.remaining());
        buffer.put_slice(available);
        let length = available.len();
        self.consume(length);
        Poll::Ready(Ok(()))
    }
}

impl tokio::io::AsyncWrite for Pipe {
    fn poll_write(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Poll::Ready(self.write(bytes))
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Poll::Ready(self.write_vectored(slices))
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

impl futures_util::io::AsyncRead for Pipe {
    fn poll_read(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        buffer: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        Poll::Ready(self.read(buffer))
    }
}

impl futures_util::io::AsyncWrite for Pipe {
    fn poll_write(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Poll::Ready(self.write(bytes))
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Poll::Ready(self.write_vectored(slices))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_close(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

/// Polls a future to its end: the transport is always ready.
#[inline]
pub fn run<F: Future>(future: F) -> F::Output {
    let mut future = pin!(future);
    let mut context = Context::from_waker(Waker::noop());
    for _ in 0..1000 {
        if let Poll::Ready(output) = future.as_mut().poll(&mut context) {
            return output;
        }
    }
    panic!("the future is pending although the transport is always ready");
}
