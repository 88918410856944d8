//! The driver over a scripted transport: its calls, allocations and memory, and failures.

use std::collections::VecDeque;
use std::io::{self, IoSlice};
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use futures_core::Stream;
use futures_util::StreamExt;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio_websocket_proto::proto::{
    Config, Connection, ConnectionError, Input, Limits, Message, Negotiated, SharedConfig, Timeout,
    Timeouts,
};
use tokio_websocket_proto::{DEFAULT_CONFIG, Error, WebSocket};

#[path = "../../../tests/support/memory.rs"]
mod memory;

/// A transport that returns prepared reads and counts its calls. It never wakes: the tests poll.
#[derive(Clone, Default)]
struct Script(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    reads: VecDeque<Vec<u8>>,
    written: Vec<u8>,
    calls: Calls,
    /// Whether writes fail.
    is_broken: bool,
}

/// The number of calls since the last question.
#[derive(Debug, Default, PartialEq, Eq)]
struct Calls {
    reads: usize,
    /// Reads that found nothing: the connection waits.
    waits: usize,
    writes: usize,
}

const fn calls(reads: usize, waits: usize, writes: usize) -> Calls {
    Calls { reads, waits, writes }
}

impl Script {
    /// Makes `bytes` available to one read.
    fn push(&self, bytes: Vec<u8>) {
        self.0.lock().unwrap().reads.push_back(bytes);
    }

    fn take_calls(&self) -> Calls {
        std::mem::take(&mut self.0.lock().unwrap().calls)
    }

    fn take_written(&self) -> Vec<u8> {
        std::mem::take(&mut self.0.lock().unwrap().written)
    }

    /// Returns a server over this transport, with the timers of the default configuration.
    fn server(&self) -> WebSocket<Self> {
        self.server_with(&DEFAULT_CONFIG)
    }

    fn server_with(&self, config: impl Into<SharedConfig>) -> WebSocket<Self> {
        let connection = Connection::server(config, &Negotiated::default());
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
        let Some(bytes) = state.reads.pop_front() else {
            state.calls.waits += 1;
            return Poll::Pending;
        };
        state.calls.reads += 1;
        buffer.put_slice(&bytes);
        Poll::Ready(Ok(()))
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
        if state.is_broken {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        }
        slices.iter().for_each(|slice| state.written.extend_from_slice(slice));
        Poll::Ready(Ok(slices.iter().map(|slice| slice.len()).sum()))
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

/// Returns a binary message of `len` bytes as a client sends it, and as a server sends it.
fn frames(len: usize) -> (Vec<u8>, Vec<u8>) {
    let header = |mask: u8| match u8::try_from(len) {
        Ok(len) if len < 126 => vec![0x82, mask | len],
        _ => [vec![0x82, mask | 126], u16::try_from(len).unwrap().to_be_bytes().into()].concat(),
    };
    let payload = vec![7; len];
    let client = [header(0x80), vec![0; 4], payload.clone()].concat();
    (client, [header(0), payload].concat())
}

async fn echo(mut socket: WebSocket<Script>) -> Result<(), Error> {
    while let Some(message) = socket.recv().await? {
        let message = message.into_owned();
        socket.feed(message).await?;
    }
    Ok(())
}

fn poll<T>(future: Pin<&mut impl Future<Output = T>>) -> Poll<T> {
    future.poll(&mut Context::from_waker(Waker::noop()))
}

#[tokio::test(start_paused = true)]
async fn message_takes_one_read_one_write_and_one_wait() {
    let script = Script::default();
    let mut echo = pin!(echo(script.server()));
    assert!(poll(echo.as_mut()).is_pending());
    assert_eq!(script.take_calls(), calls(0, 1, 0));
    for len in [0, 8, 125, 1 << 10, 16 << 10] {
        let (request, reply) = frames(len);
        script.push(request);
        assert!(poll(echo.as_mut()).is_pending());
        assert_eq!(script.take_calls(), calls(1, 1, 1), "{len} bytes");
        assert!(script.take_written() == reply, "{len} bytes");
    }
}

#[tokio::test(start_paused = true)]
async fn messages_of_one_read_are_answered_in_one_write() {
    let script = Script::default();
    let mut echo = pin!(echo(script.server()));
    // Replies of 2 KiB are written vectored: a header and a payload each.
    for (len, count) in [(125, 64), (1 << 10, 16), (2 << 10, 30)] {
        let (request, reply) = frames(len);
        script.push(request.repeat(count));
        assert!(poll(echo.as_mut()).is_pending());
        assert_eq!(script.take_calls(), calls(1, 1, 1), "{count} messages of {len} bytes");
        assert!(script.take_written() == reply.repeat(count));
    }
}

#[tokio::test(start_paused = true)]
async fn send_writes_at_once() {
    let script = Script::default();
    let mut socket = script.server();
    for _ in 0..3 {
        socket.send(&[7; 125][..]).await.unwrap();
        assert_eq!(script.take_calls(), calls(0, 0, 1));
    }
}

#[tokio::test(start_paused = true)]
async fn messages_are_received_and_sent_without_allocation() {
    let script = Script::default();
    let mut socket = script.server();
    let (request, reply) = frames(1 << 10);
    let count = 10;
    for round in 0..3 {
        script.push(request.repeat(count));
        let (allocations, ..) = memory::measure(|| {
            for _ in 0..count {
                let mut recv = pin!(socket.recv());
                let Poll::Ready(Ok(Some(message))) = poll(recv.as_mut()) else { panic!() };
                assert_eq!(message.len(), 1 << 10);
            }
            for _ in 0..count {
                let mut feed = pin!(socket.feed(&[7; 1 << 10][..]));
                assert!(poll(feed.as_mut()).is_ready());
            }
        });
        // The script allocates while it is written to.
        assert!(poll(pin!(socket.recv())).is_pending());
        assert!(script.take_written() == reply.repeat(count));
        // The first round fills the pools of the thread.
        assert!(round == 0 || allocations == 0, "{allocations} allocations in round {round}");
    }
}

#[tokio::test(start_paused = true)]
async fn waiting_connection_owns_no_buffer() {
    let script = Script::default();
    let mut socket = script.server();
    let (request, _) = frames(1 << 10);
    for _ in 0..2 {
        script.push(request.clone());
        let Poll::Ready(Ok(Some(message))) = poll(pin!(socket.recv())) else { panic!() };
        let message = Message::into_owned(message);
        assert!(poll(pin!(socket.feed(message))).is_ready());
        assert!(poll(pin!(socket.recv())).is_pending());
    }
    // The connection owns all counted memory. The script is shared with this thread and not counted.
    let bytes = memory::heap_of(Box::new(socket));
    assert!(bytes <= 768, "{bytes} bytes");
}

#[test]
fn futures_are_small() {
    let script = Script::default();
    let mut socket = script.server();
    assert!(size_of_val(&socket) <= 448, "{}", size_of_val(&socket));
    assert!(size_of_val(&socket.recv()) <= 64, "{}", size_of_val(&socket.recv()));
    let accept = tokio_websocket_proto::accept(script.clone());
    assert!(size_of_val(&accept) <= 384, "{}", size_of_val(&accept));
}

#[tokio::test(start_paused = true)]
async fn failed_write_is_returned_although_nothing_can_be_read() {
    let script = Script::default();
    let mut socket = script.server();
    script.0.lock().unwrap().is_broken = true;
    assert!(poll(pin!(socket.feed("Hello"))).is_ready());
    let received = poll(pin!(socket.recv()));
    assert!(matches!(received, Poll::Ready(Err(Error::Io(_)))), "{received:?}");
    assert!(matches!(poll(pin!(socket.recv())), Poll::Ready(Ok(None))));
}

#[tokio::test(start_paused = true)]
async fn timeout_that_a_read_reveals_is_returned_at_once() {
    let second = Duration::from_secs(1);
    let timeouts = Timeouts::NONE.with_idle(Some(8 * second));
    let script = Script::default();
    let mut socket = script.server_with(Config::new().with_timeouts(timeouts));
    assert!(poll(pin!(socket.recv())).is_pending());
    // Pings are no data. The deadline is overdue, and then, after a grace, expired.
    for _ in 0..8 {
        tokio::time::sleep(second).await;
        script.push(b"\x89\x80\0\0\0\0".to_vec());
        assert!(poll(pin!(socket.recv())).is_pending());
    }
    tokio::time::sleep(second).await;
    script.push(b"\x89\x80\0\0\0\0".to_vec());
    let received = poll(pin!(socket.recv()));
    let Poll::Ready(Err(Error::Connection(error))) = received else { panic!("{received:?}") };
    assert_eq!(error, ConnectionError::Timeout(Timeout::Idle));
}

/// "Hello", then a frame with a reserved bit.
const HELLO_AND_FAILURE: &[u8] = b"\x81\x85\0\0\0\0Hello\x91\x80\0\0\0\0";

/// The echo, and a Close frame with the code 1002.
const ECHO_AND_CLOSE: &[u8] = b"\x81\x05Hello\x88\x02\x03\xea";

#[tokio::test(start_paused = true)]
async fn failure_is_returned_after_the_output_and_the_close_frame_are_written() {
    let script = Script::default();
    let mut socket = script.server();
    script.push(HELLO_AND_FAILURE.to_vec());
    let message = socket.recv().await.unwrap().unwrap().into_owned();
    socket.feed(message).await.unwrap();
    // The peer has not ended the stream.
    assert!(poll(pin!(socket.recv())).is_pending());
    assert_eq!(script.0.lock().unwrap().written, ECHO_AND_CLOSE);
    assert!(matches!(socket.recv().await, Err(Error::Connection(_))));
    assert!(matches!(socket.recv().await, Ok(None)));
}

#[tokio::test(start_paused = true)]
async fn receiver_returns_a_failure_after_the_close_frame_is_written() {
    let script = Script::default();
    let (mut sender, mut receiver) = script.server().split();
    script.push(HELLO_AND_FAILURE.to_vec());
    let message = receiver.recv().await.unwrap().unwrap().into_owned();
    sender.feed(message).await.unwrap();
    let assert_send: fn(&(dyn Send + '_)) = |_| {};
    assert_send(&receiver.recv());
    assert!(poll(pin!(receiver.recv())).is_pending());
    assert_eq!(script.0.lock().unwrap().written, ECHO_AND_CLOSE);
    assert!(matches!(receiver.recv().await, Err(Error::Connection(_))));
    assert!(matches!(receiver.recv().await, Ok(None)));
}

#[tokio::test(start_paused = true)]
async fn streams_return_a_failure_after_the_close_frame_is_written() {
    let script = Script::default();
    let (_sender, mut receiver) = script.server().split();
    let mut sockets: [&mut (dyn Stream<Item = _> + Unpin); 2] =
        [&mut script.server(), &mut receiver];
    for socket in &mut sockets {
        script.push(HELLO_AND_FAILURE.to_vec());
        assert_eq!(socket.next().await.unwrap().unwrap(), "Hello");
        assert!(poll(pin!(socket.next())).is_pending());
        let written = std::mem::take(&mut script.0.lock().unwrap().written);
        assert!(ECHO_AND_CLOSE.ends_with(&written) && written.len() == 4, "{written:x?}");
        assert!(matches!(socket.next().await, Some(Err(Error::Connection(_)))));
        assert!(socket.next().await.is_none());
    }
}

#[tokio::test]
async fn client_that_sends_too_much_receives_the_close_frame() {
    static SMALL: Config = Config::new()
        .with_limits(Limits::DEFAULT.with_max_message(1000))
        .with_timeouts(Timeouts::RECOMMENDED);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let server = tokio::spawn(async move {
        let (tcp, _) = listener.accept().await.unwrap();
        let connection = Connection::server(&SMALL, &Negotiated::default());
        let mut socket = WebSocket::from_parts(tcp, connection, Input::owned(Vec::new()));
        socket.recv().await.map(|message| message.is_some())
    });
    let mut tcp = TcpStream::connect(address).await.unwrap();
    let len: u64 = 4 << 20;
    let mut frame = b"\x82\xff".to_vec();
    frame.extend(len.to_be_bytes());
    frame.resize(frame.len() + 4 + len as usize, 0);
    tcp.write_all(&frame).await.unwrap();
    tcp.shutdown().await.unwrap();
    let mut received = Vec::new();
    tcp.read_to_end(&mut received).await.unwrap();
    assert_eq!(received, b"\x88\x02\x03\xf1");
    assert!(matches!(server.await.unwrap(), Err(Error::Connection(ConnectionError::Limit(_)))));
}
