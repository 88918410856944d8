//! Failures and closing over a scripted transport: what is written before a call returns, and who gets the
//! failure.

use std::io::Write;
use std::pin::{Pin, pin};
use std::task::Poll;
use std::time::Duration;

use futures_core::Stream;
use futures_util::{SinkExt, StreamExt};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{Instant, timeout};
use tokio_websocket_proto::proto::{
    Chunk, CloseCode, Config, Connection, ConnectionError, Fragment, Input, Limits, Negotiated,
    SendError, Timeout, Timeouts,
};
use tokio_websocket_proto::{DEFAULT_CONFIG, Error, WebSocket};

use script::{
    CLOSE, ECHO_AND_CLOSE, FAILURE, FULL_AT_ONCE, HELLO_AND_FAILURE, PEER_CLOSE, Script, poll,
};

mod script;

#[tokio::test(start_paused = true)]
async fn failed_write_is_returned_although_nothing_can_be_read() {
    let script = Script::default();
    let mut socket = script.server();
    script.fail_writes();
    assert!(poll(pin!(socket.feed("Hello"))).is_ready());
    let before = Instant::now();
    let received = socket.recv().await;
    assert!(matches!(received, Err(Error::Io(_))), "{received:?}");
    assert!(before.elapsed() <= Duration::from_millis(20), "{:?}", before.elapsed());
    assert!(matches!(poll(pin!(socket.recv())), Poll::Ready(Ok(None))));
}

#[tokio::test(start_paused = true)]
async fn messages_whose_arrival_the_runtime_has_not_noticed_at_a_failed_write_are_returned() {
    let script = Script::default();
    let mut socket = script.server();
    script.fail_writes();
    socket.feed("first").await.unwrap();
    for _ in 0..3 {
        script.push_wait();
        script.push_wait();
        script.push(b"\x81\x81\0\0\0\0a");
    }
    for _ in 0..3 {
        assert_eq!(socket.recv().await.unwrap().unwrap(), "a");
    }
    assert!(matches!(socket.recv().await, Err(Error::Io(_))));
}

#[tokio::test(start_paused = true)]
async fn calls_that_are_polled_and_dropped_in_one_turn_of_the_runtime_lose_no_message() {
    let calls: [Call; 2] = [
        |socket| Box::pin(async { socket.recv().await.map(drop) }),
        |socket| Box::pin(socket.flush()),
    ];
    for call in calls {
        let script = Script::default();
        let mut socket = script.server();
        script.fail_writes();
        socket.feed("first").await.unwrap();
        for _ in 0..100 {
            assert!(poll(call(&mut socket).as_mut()).is_pending());
        }
        script.push(b"\x81\x81\0\0\0\0a");
        assert_eq!(socket.recv().await.unwrap().unwrap(), "a");
        assert!(matches!(socket.recv().await, Err(Error::Io(_))));
    }
}

#[tokio::test(start_paused = true)]
async fn nothing_is_read_after_a_failed_write_and_the_close_frame_of_the_peer() {
    let script = Script::default();
    let mut socket = script.server();
    script.fail_writes();
    socket.feed("first").await.unwrap();
    script.push([b"\x81\x81\0\0\0\0a", PEER_CLOSE].concat());
    assert_eq!(socket.recv().await.unwrap().unwrap(), "a");
    script.take_calls();
    script.push("more");
    let before = Instant::now();
    assert!(matches!(socket.recv().await, Err(Error::Io(_))));
    assert_eq!(before.elapsed(), Duration::ZERO);
    assert_eq!(script.take_calls().reads, 0);
    assert_eq!(socket.peer_close().unwrap().code(), CloseCode::NORMAL);
}

/// The runtime has not processed the events of the socket when the write fails.
#[tokio::test]
async fn messages_that_arrive_over_tcp_before_a_failed_write_are_returned() {
    write_over_tcp_after_the_peer_has_closed().await;
}

/// Here the runtime processes the events in another thread than the test.
#[tokio::test(flavor = "multi_thread")]
async fn messages_that_arrive_over_tcp_on_several_threads_before_a_failed_write_are_returned() {
    write_over_tcp_after_the_peer_has_closed().await;
}

async fn write_over_tcp_after_the_peer_has_closed() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let connect = async || {
        let mut peer = std::net::TcpStream::connect(address).unwrap();
        let (tcp, _) = listener.accept().await.unwrap();
        let connection = Connection::server(&DEFAULT_CONFIG, &Negotiated::default());
        let mut socket = WebSocket::from_parts(tcp, connection, Input::owned(Vec::new()));
        assert!(poll(pin!(socket.recv())).is_pending());
        socket.send("unread").await.unwrap();
        peer.write_all(&[b"\x81\x81\0\0\0\0a", PEER_CLOSE].concat()).unwrap();
        // The peer closes the socket with unread bytes, which resets it.
        drop(peer);
        socket
    };

    let calls: [Call<TcpStream>; 3] = [
        |socket| Box::pin(socket.send("lost")),
        |socket| Box::pin(SinkExt::send(socket, "lost".into())),
        |socket| Box::pin(socket.feed("lost")),
    ];
    for call in calls {
        let mut socket = connect().await;
        let _ = call(&mut socket).await;
        assert_eq!(socket.recv().await.unwrap().unwrap(), "a");
        let _ = socket.recv().await;
        assert_eq!(socket.peer_close().unwrap().code(), CloseCode::NORMAL);
    }

    let (mut sender, mut receiver) = connect().await.split();
    let _ = sender.send("lost").await;
    assert_eq!(receiver.recv().await.unwrap().unwrap(), "a");
    let _ = receiver.recv().await;
    assert_eq!(receiver.peer_close().unwrap().code(), CloseCode::NORMAL);
}

#[tokio::test(start_paused = true)]
async fn messages_that_arrive_before_a_failed_write_are_returned() {
    let frames = |text: u8| [b"\x81\x81\0\0\0\0", &[text][..]].concat();
    for (name, call) in CALLS {
        let script = Script::default();
        let mut socket = script.server_with(&FULL_AT_ONCE);
        script.push([frames(b'a'), frames(b'b')].concat());
        script.push([&frames(b'c'), &b"\x88\x82\0\0\0\0\x03\xe9"[..]].concat());
        script.push_reset();
        assert!(socket.recv().await.unwrap().is_some_and(|message| message == "a"));
        script.fail_writes();
        socket.feed("first").await.unwrap();
        let failed = call(&mut socket).await;
        assert!(matches!(failed, Err(Error::Io(_))), "{name}: {failed:?}");
        for text in ["b", "c"] {
            let kept = socket.recv().await.unwrap();
            assert!(kept.is_some_and(|message| message == text), "{name}");
        }
        assert!(matches!(socket.recv().await, Ok(None)), "{name}");
        assert_eq!(socket.peer_close().unwrap().code(), CloseCode::GOING_AWAY, "{name}");
    }
}

#[tokio::test(start_paused = true)]
async fn receiving_call_whose_write_fails_returns_the_messages_that_have_arrived() {
    let script = Script::default();
    let mut socket = script.server();
    socket.feed("first").await.unwrap();
    script.fail_writes();
    script.push(b"\x81\x81\0\0\0\0a\x88\x82\0\0\0\0\x03\xe9");
    script.push("");
    assert!(socket.recv().await.unwrap().is_some_and(|message| message == "a"));
    assert!(matches!(socket.recv().await, Err(Error::Io(_))));
    assert_eq!(socket.peer_close().unwrap().code(), CloseCode::GOING_AWAY);
}

#[tokio::test(start_paused = true)]
async fn no_timeout_cuts_off_the_messages_that_are_left_after_a_failed_write() {
    let second = Duration::from_secs(1);
    let timeouts = Timeouts::NONE
        .with_ping(Some(4 * second))
        .with_pong(Some(4 * second))
        .with_idle(Some(4 * second));
    let script = Script::default();
    let mut socket = script.server_with(Config::new().with_timeouts(timeouts));
    script.fail_writes();
    socket.feed("first").await.unwrap();
    for _ in 0..20 {
        script.push(b"\x81\x81\0\0\0\0a");
    }
    for _ in 0..20 {
        assert_eq!(socket.recv().await.unwrap().unwrap(), "a");
        tokio::time::sleep(5 * second).await;
    }
    assert!(matches!(socket.recv().await, Err(Error::Io(_))));
    assert!(matches!(socket.recv().await, Ok(None)));
}

#[tokio::test(start_paused = true)]
async fn violation_after_a_failed_write_is_returned_instead_of_the_error_of_the_write() {
    let script = Script::default();
    let mut socket = script.server();
    script.fail_writes();
    socket.feed("first").await.unwrap();
    script.push(HELLO_AND_FAILURE);
    assert_eq!(socket.recv().await.unwrap().unwrap(), "Hello");
    let failed = socket.recv().await;
    assert!(matches!(failed, Err(Error::Connection(ConnectionError::Protocol(_)))), "{failed:?}");
    assert!(matches!(socket.recv().await, Ok(None)));
}

#[tokio::test(start_paused = true)]
async fn failed_write_leaves_to_recv_what_a_sending_call_cannot_keep() {
    // A message of 1 MiB is more than a call keeps.
    let message = [&b"\x82\xff\0\0\0\0\0\x10\0\0\0\0\0\0"[..], &[7; 1 << 20]].concat();
    for (name, call) in CALLS {
        let script = Script::default();
        let mut socket = script.server_with(&FULL_AT_ONCE);
        socket.feed("first").await.unwrap();
        script.fail_writes();
        [message.repeat(3), PEER_CLOSE.into()]
            .concat()
            .chunks(60_000)
            .for_each(|piece| script.push(piece));
        for _ in 0..2 {
            let failed = call(&mut socket).await;
            let aborted = ConnectionError::Aborted;
            assert!(
                matches!(failed, Err(Error::Connection(error)) if error == aborted),
                "{name}: {failed:?}"
            );
        }
        for _ in 0..3 {
            assert_eq!(socket.recv().await.unwrap().unwrap().len(), 1 << 20, "{name}");
        }
        assert!(matches!(socket.recv().await, Err(Error::Io(_))), "{name}");
        assert!(matches!(socket.recv().await, Ok(None)), "{name}");
        assert_eq!(socket.peer_close().unwrap().code(), CloseCode::NORMAL, "{name}");
        assert!(matches!(call(&mut socket).await, Err(Error::Send(SendError::Closed))), "{name}");
    }
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
        script.push(b"\x89\x80\0\0\0\0");
        assert!(poll(pin!(socket.recv())).is_pending());
    }
    tokio::time::sleep(second).await;
    script.push(b"\x89\x80\0\0\0\0");
    let received = poll(pin!(socket.recv()));
    let Poll::Ready(Err(Error::Connection(error))) = received else { panic!("{received:?}") };
    assert_eq!(error, ConnectionError::Timeout(Timeout::Idle));
}

#[tokio::test(start_paused = true)]
async fn failure_is_returned_after_the_output_and_the_close_frame_are_written() {
    let script = Script::default();
    let mut socket = script.server();
    script.push(HELLO_AND_FAILURE);
    let message = socket.recv().await.unwrap().unwrap().into_owned();
    socket.feed(message).await.unwrap();
    // The peer has not ended the stream.
    assert!(poll(pin!(socket.recv())).is_pending());
    assert_eq!(script.take_written(), ECHO_AND_CLOSE);
    assert!(matches!(socket.recv().await, Err(Error::Connection(_))));
    assert!(matches!(socket.recv().await, Ok(None)));
}

#[tokio::test(start_paused = true)]
async fn streams_return_a_failure_after_the_close_frame_is_written() {
    let script = Script::default();
    let (_sender, mut receiver) = script.server().split();
    let mut sockets: [&mut (dyn Stream<Item = _> + Unpin); 2] =
        [&mut script.server(), &mut receiver];
    for socket in &mut sockets {
        script.push(HELLO_AND_FAILURE);
        assert_eq!(socket.next().await.unwrap().unwrap(), "Hello");
        assert!(poll(pin!(socket.next())).is_pending());
        let written = script.take_written();
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
    assert_eq!(received, b"\x88\x1c\x03\xf1message exceeds 1000 bytes");
    assert!(matches!(server.await.unwrap(), Err(Error::Connection(ConnectionError::Limit(_)))));
}

type Call<IO = Script> =
    for<'s> fn(&'s mut WebSocket<IO>) -> Pin<Box<dyn Future<Output = Result<(), Error>> + 's>>;

/// The calls that wait while the transport accepts nothing.
const CALLS: [(&str, Call); 6] = [
    ("feed", |socket| Box::pin(socket.feed("more"))),
    ("send", |socket| Box::pin(socket.send("more"))),
    ("send_chunk", |socket| Box::pin(socket.send_chunk(Chunk::new("more", Fragment::Whole)))),
    ("ping", |socket| Box::pin(socket.ping(b"more"))),
    ("flush", |socket| Box::pin(socket.flush())),
    ("Sink::send", |socket| Box::pin(SinkExt::send(socket, "more".into()))),
];

#[tokio::test(start_paused = true)]
async fn failure_met_by_a_blocked_call_is_returned_after_the_close_frame_is_written() {
    for (name, call) in CALLS {
        let script = Script::default();
        let mut socket = script.blocked_server();
        let mut blocked = call(&mut socket);
        assert!(poll(blocked.as_mut()).is_pending(), "{name}");
        script.push(FAILURE);
        assert!(poll(blocked.as_mut()).is_pending(), "{name}: the Close frame is not written");
        script.accept_writes();
        assert!(poll(blocked.as_mut()).is_pending(), "{name}: the peer may not have read it");
        assert!(script.take_written().ends_with(CLOSE), "{name}");
        script.push("");
        let failed = poll(blocked.as_mut());
        assert!(matches!(failed, Poll::Ready(Err(Error::Connection(_)))), "{name}: {failed:?}");
        drop(blocked);
        assert!(matches!(socket.recv().await, Ok(None)), "{name}");
        let again = call(&mut socket).await;
        assert!(matches!(again, Err(Error::Send(SendError::Closed))), "{name}: {again:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn closing_timeout_bounds_a_blocked_call_that_meets_a_failure() {
    for (name, call) in CALLS {
        let script = Script::default();
        let mut socket = script.blocked_server();
        script.push(FAILURE);
        let before = Instant::now();
        let failed = call(&mut socket).await;
        assert!(matches!(failed, Err(Error::Connection(ConnectionError::Protocol(_)))), "{name}");
        assert!(before.elapsed() <= Duration::from_secs(12), "{name}: {:?}", before.elapsed());
        assert!(matches!(socket.recv().await, Ok(None)), "{name}");
    }
}

#[tokio::test(start_paused = true)]
async fn dropped_call_that_met_a_failure_leaves_it_to_the_next_call() {
    for (name, call) in CALLS {
        for (next_name, next_call) in CALLS {
            let script = Script::default();
            let mut socket = script.blocked_server();
            script.push(HELLO_AND_FAILURE);
            assert!(poll(call(&mut socket).as_mut()).is_pending(), "{name}");
            script.accept_writes();
            let failed = next_call(&mut socket).await;
            assert!(matches!(failed, Err(Error::Connection(_))), "{name}, {next_name}: {failed:?}");
            assert!(script.take_written().ends_with(CLOSE), "{name}, {next_name}");
            let kept = socket.recv().await.unwrap();
            assert!(kept.is_some_and(|message| message == "Hello"), "{name}, {next_name}");
            assert!(matches!(socket.recv().await, Ok(None)), "{name}, {next_name}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn timeout_of_blocked_output_is_returned_while_kept_messages_are_full() {
    let script = Script::default();
    let mut socket = script.blocked_server();
    let message = [&b"\x82\xff\0\0\0\0\0\x10\0\0\0\0\0\0"[..], &[7; 1 << 20]].concat();
    message.chunks(60_000).for_each(|piece| script.push(piece));
    let failed = socket.flush().await;
    let Err(Error::Connection(error)) = failed else { panic!("{failed:?}") };
    assert_eq!(error, ConnectionError::Timeout(Timeout::Output));
    assert_eq!(socket.recv().await.unwrap().unwrap().len(), 1 << 20);
    assert!(matches!(socket.recv().await, Ok(None)));
}

#[tokio::test(start_paused = true)]
async fn blocked_call_keeps_a_bounded_number_of_empty_messages() {
    let script = Script::default();
    let mut socket = script.blocked_server();
    let empty = b"\x82\x80\0\0\0\0".repeat(10_000);
    (0..20).for_each(|_| script.push(empty.clone()));
    assert!(poll(pin!(socket.flush())).is_pending());
    let reads = script.take_calls().reads;
    assert!((2..=10).contains(&reads), "{reads}");
}

#[tokio::test(start_paused = true)]
async fn transport_that_fails_after_the_closing_handshake_is_no_failure() {
    let script = Script::default();
    let mut socket = script.server();
    script.push(PEER_CLOSE);
    assert!(poll(pin!(socket.recv())).is_pending());
    script.push_reset();
    assert!(matches!(socket.recv().await, Ok(None)));
    assert!(socket.outcome().unwrap().clean);
    assert!(socket.flush().await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn close_without_a_timeout_waits_for_the_close_frame_of_the_peer() {
    static NO_CLOSING: Config =
        Config::new().with_timeouts(Timeouts::RECOMMENDED.with_closing(None));
    static NO_TIMEOUTS: Config = Config::new();
    let day = Duration::from_secs(24 * 60 * 60);
    let closes: [Call; 2] = [
        |socket| Box::pin(socket.close(CloseCode::NORMAL)),
        |socket| {
            socket.start_close(CloseCode::NORMAL).unwrap();
            Box::pin(async { socket.recv().await.map(|message| assert_eq!(message, None)) })
        },
    ];
    for (config, call) in
        [&NO_CLOSING, &NO_TIMEOUTS].map(|config| closes.map(|call| (config, call))).concat()
    {
        let script = Script::default();
        let (client, server) = (script.client_with(config), script.server_with(config));
        let frames: [&[u8]; 2] = [b"\x88\x02\x03\xe8", b"\x88\x82\0\0\0\0\x03\xe8"];
        for (mut socket, frame) in [client, server].into_iter().zip(frames) {
            let mut close = call(&mut socket);
            assert!(poll(close.as_mut()).is_pending());
            assert_eq!(script.take_written()[0], 0x88);
            assert!(timeout(day, close.as_mut()).await.is_err());
            script.push(frame);
            assert!(poll(close.as_mut()).is_pending(), "the transport is open");
            script.push("");
            close.await.unwrap();
            assert!(socket.outcome().unwrap().clean);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn try_feed_does_not_wait_and_leaves_a_failure_to_recv() {
    let script = Script::default();
    let mut socket = script.blocked_server();
    assert_eq!(socket.try_feed("second").unwrap_err().error, SendError::Full);
    script.push(FAILURE);
    assert!(poll(pin!(socket.recv())).is_pending());
    assert_eq!(socket.try_feed("second").unwrap_err().error, SendError::Closed);
    script.accept_writes();
    assert!(matches!(socket.recv().await, Err(Error::Connection(_))));
}

#[tokio::test(start_paused = true)]
async fn start_send_leaves_a_failure_to_a_call_that_waits() {
    for is_split in [false, true] {
        let script = Script::default();
        let mut socket = script.server();
        script.push(FAILURE);
        script.block_writes();
        let sent = if is_split {
            let (mut sender, mut receiver) = socket.split();
            assert!(poll(pin!(receiver.next())).is_pending());
            let sent = sender.start_send_unpin("Hello".into());
            socket = sender.reunite(receiver).unwrap();
            sent
        } else {
            assert!(poll(pin!(socket.next())).is_pending());
            socket.start_send_unpin("Hello".into())
        };
        assert!(matches!(sent, Err(Error::Send(SendError::Closed))), "{is_split}: {sent:?}");
        script.accept_writes();
        script.push("");
        let received = poll(pin!(socket.next()));
        assert!(matches!(received, Poll::Ready(Some(Err(Error::Connection(_))))), "{received:?}");
        assert_eq!(script.take_written(), CLOSE);
    }
}

#[tokio::test(start_paused = true)]
async fn nothing_is_written_after_the_timeout_of_blocked_output() {
    for (name, call) in CALLS {
        let script = Script::default();
        let mut socket = script.blocked_server();
        let failed = socket.recv().await;
        let Err(Error::Connection(error)) = failed else { panic!("{failed:?}") };
        assert_eq!(error, ConnectionError::Timeout(Timeout::Output));
        script.accept_writes();
        let again = call(&mut socket).await;
        assert!(matches!(again, Err(Error::Send(SendError::Closed))), "{name}: {again:?}");
        assert_eq!(script.take_written(), b"", "{name}");
    }
}
