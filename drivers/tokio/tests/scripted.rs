//! The driver over a scripted transport: its calls, its allocations and its memory.

use std::pin::pin;
use std::task::Poll;

use tokio_websocket_proto::proto::{Connection, Input, Message, Negotiated};
use tokio_websocket_proto::{DEFAULT_CONFIG, Error, WebSocket, accept};

use pair::echo;
use script::{FAILURE, PEER_CLOSE, Script, calls, poll};

mod pair;
mod script;

#[allow(unsafe_code, reason = "a global allocator is unsafe to implement")]
#[path = "../../../tests/support/memory.rs"]
mod memory;

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

#[tokio::test(start_paused = true)]
async fn bytes_left_of_the_handshake_do_not_make_later_reads_small() {
    let (request, _) = frames(1 << 10);
    for left in [1, 2, 5, 100] {
        let script = Script::default();
        let connection = Connection::server(&DEFAULT_CONFIG, &Negotiated::default());
        let (mut first, rest) = (request[..left].to_vec(), &request[left..]);
        let input = Input::with_bytes(&mut first);
        let mut socket = WebSocket::from_parts(script.clone(), connection, input);
        script.push([rest, &request].concat());
        for _ in 0..2 {
            assert_eq!(socket.recv().await.unwrap().unwrap().len(), 1 << 10);
        }
        assert_eq!(script.take_calls(), calls(1, 0, 0), "{left} bytes");
    }
}

#[tokio::test(start_paused = true)]
async fn read_buffer_returns_to_the_pool_however_a_connection_ends() {
    type End = fn(&Script);
    let ends: [(&str, End); 4] = [
        ("end of the stream", |script| script.push("")),
        ("broken transport", Script::push_reset),
        ("violation", |script| {
            script.push(FAILURE);
            script.push("");
        }),
        ("closing handshake", |script| {
            script.push(PEER_CLOSE);
            script.push("");
        }),
    ];
    for (name, end) in ends {
        assert_buffer_returns(name, |script| {
            let mut socket = script.server();
            end(script);
            assert!(poll(pin!(socket.recv())).is_ready(), "{name}");
        });
    }
}

#[tokio::test(start_paused = true)]
async fn read_buffer_returns_to_the_pool_after_a_rejection() {
    assert_buffer_returns("rejection", |script| {
        script.push(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n");
        script.push("");
        let accepted = poll(pin!(accept(script.clone())));
        assert!(matches!(accepted, Poll::Ready(Err(Error::NotWebSocket))), "{accepted:?}");
    });
}

/// Asserts that repeated `serve`, each with a new transport, allocates no read buffer.
#[track_caller]
fn assert_buffer_returns(name: &str, serve: impl Fn(&Script)) {
    for round in 0..3 {
        let script = Script::default();
        let (.., peak) = memory::measure(|| serve(&script));
        // The first round fills the pool of the thread.
        assert!(round == 0 || peak < 64 << 10, "{name}: {peak} bytes in round {round}");
    }
}

#[test]
fn futures_are_small() {
    let script = Script::default();
    let mut socket = script.server();
    assert!(size_of_val(&socket) <= 448, "{}", size_of_val(&socket));
    assert!(size_of_val(&socket.recv()) <= 64, "{}", size_of_val(&socket.recv()));
    assert!(size_of_val(&socket.send("")) <= 128, "{}", size_of_val(&socket.send("")));
    let accept = tokio_websocket_proto::accept(script.clone());
    assert!(size_of_val(&accept) <= 384, "{}", size_of_val(&accept));
}
