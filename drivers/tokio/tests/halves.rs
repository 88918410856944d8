//! The halves of a connection over a scripted transport: what each writes, wakes and returns.

use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use futures_util::SinkExt;
use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};
use tokio::time::timeout;
#[cfg(feature = "deflate")]
use tokio_websocket_proto::proto::DeflateParameters;
use tokio_websocket_proto::proto::{
    CloseCode, Config, Connection, ConnectionError, Delivery, Input, Negotiated, SendError,
    Timeouts,
};
use tokio_websocket_proto::{DEFAULT_CONFIG, Error, WebSocket};

use script::{
    CLOSE, ECHO_AND_CLOSE, FAILURE, FULL_AT_ONCE, HELLO_AND_FAILURE, PEER_CLOSE, Script, Wakes,
    calls, poll,
};

mod script;

#[tokio::test(start_paused = true)]
async fn receiving_half_that_waits_writes_what_the_sending_half_feeds() {
    let script = Script::default();
    let (mut sender, mut receiver) = script.server().split();
    let (wakes, waker) = Wakes::new();
    let cx = &mut Context::from_waker(&waker);
    let mut recv = pin!(receiver.recv());
    assert!(recv.as_mut().poll(cx).is_pending());
    sender.feed("1").await.unwrap();
    sender.try_feed("2").unwrap();
    assert_eq!(wakes.count(), 1);
    assert_eq!(script.take_calls(), calls(0, 1, 0));
    assert!(recv.as_mut().poll(cx).is_pending());
    assert_eq!(script.take_calls(), calls(0, 1, 1));
    assert_eq!(script.take_written(), b"\x81\x011\x81\x012");
    sender.try_feed("3").unwrap();
    assert_eq!(wakes.count(), 2);
}

#[tokio::test(start_paused = true)]
async fn sending_half_writes_what_it_sends() {
    let script = Script::default();
    let (mut sender, mut receiver) = script.server().split();
    let (wakes, waker) = Wakes::new();
    let mut recv = pin!(receiver.recv());
    assert!(recv.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
    sender.send("Hello").await.unwrap();
    assert_eq!(script.take_calls(), calls(0, 1, 1));
    assert_eq!(wakes.count(), 0);
}

#[tokio::test(start_paused = true)]
async fn try_feed_returns_the_message_of_a_peer_that_does_not_read() {
    let script = Script::default();
    let (mut sender, mut receiver) = script.blocked_server().split();
    let unsent = sender.try_feed("second").unwrap_err();
    assert_eq!(unsent.error, SendError::Full);
    script.accept_writes();
    assert!(poll(pin!(receiver.recv())).is_pending());
    sender.try_feed(unsent.message).unwrap();
    assert!(poll(pin!(receiver.recv())).is_pending());
    assert_eq!(script.take_written(), b"\x81\x05first\x81\x06second");
}

#[tokio::test(start_paused = true)]
async fn both_halves_return_a_failure_after_the_close_frame_is_written() {
    let script = Script::default();
    let (mut sender, mut receiver) = script.blocked_server().split();
    {
        let mut feed = pin!(sender.feed("second"));
        assert!(poll(feed.as_mut()).is_pending());
        script.push(FAILURE);
        assert!(poll(pin!(receiver.recv())).is_pending());
        assert!(poll(feed.as_mut()).is_pending(), "the Close frame is not written");
        script.accept_writes();
        assert!(poll(feed.as_mut()).is_pending(), "the peer may not have read it");
        assert!(script.take_written().ends_with(CLOSE));
        script.push("");
        let failed = poll(feed.as_mut());
        assert!(matches!(failed, Poll::Ready(Err(Error::Connection(_)))), "{failed:?}");
    }
    assert!(matches!(sender.flush().await, Err(Error::Connection(_))));
    assert!(matches!(receiver.recv().await, Err(Error::Connection(_))));
    assert!(matches!(receiver.recv().await, Ok(None)));
    assert!(matches!(sender.flush().await, Err(Error::Connection(_))));
}

#[tokio::test(start_paused = true)]
async fn receiving_half_returns_the_error_of_the_transport_that_the_sending_half_met() {
    let script = Script::default();
    let (mut sender, mut receiver) = script.server().split();
    let (wakes, waker) = Wakes::new();
    let mut recv = Box::pin(receiver.recv());
    assert!(recv.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
    script.fail_writes();
    let failed = sender.send("Hello").await;
    let aborted = ConnectionError::Aborted;
    assert!(matches!(failed, Err(Error::Connection(error)) if error == aborted), "{failed:?}");
    assert_eq!(wakes.count(), 1);
    assert!(matches!(recv.await, Err(Error::Io(_))));
}

#[tokio::test(start_paused = true)]
async fn halves_that_wait_for_the_end_do_not_wake_each_other_without_end() {
    let script = Script::default();
    let (mut sender, mut receiver) = script.blocked_server().split();
    script.push(FAILURE);
    let [(sender_wakes, sender_waker), (receiver_wakes, receiver_waker)] =
        [Wakes::new(), Wakes::new()];
    let (mut flush, mut recv) = (pin!(sender.flush()), pin!(receiver.recv()));
    let mut seen = [usize::MAX; 2];
    for _ in 0..10 {
        let now = [sender_wakes.count(), receiver_wakes.count()];
        if now == seen {
            return;
        }
        if now[0] != seen[0] {
            assert!(flush.as_mut().poll(&mut Context::from_waker(&sender_waker)).is_pending());
        }
        if now[1] != seen[1] {
            assert!(recv.as_mut().poll(&mut Context::from_waker(&receiver_waker)).is_pending());
        }
        seen = now;
    }
    panic!("the halves wake each other: {seen:?}");
}

#[tokio::test(start_paused = true)]
async fn receiving_half_wakes_a_blocked_sending_half_only_when_it_can_proceed() {
    let script = Script::default();
    let (mut sender, mut receiver) = script.blocked_server().split();
    let (wakes, waker) = Wakes::new();
    let cx = &mut Context::from_waker(&waker);
    let mut feed = pin!(sender.feed("second"));
    assert!(feed.as_mut().poll(cx).is_pending());
    script.push(b"\x81\x81\0\0\0\0a\x81\x81\0\0\0\0b");
    for text in ["a", "b"] {
        assert!(receiver.recv().await.unwrap().is_some_and(|message| message == text));
    }
    assert!(poll(pin!(receiver.recv())).is_pending());
    assert_eq!(wakes.count(), 0);
    script.accept_writes();
    assert!(poll(pin!(receiver.recv())).is_pending());
    assert_eq!(wakes.count(), 1);
    assert!(feed.as_mut().poll(cx).is_ready());
}

#[tokio::test(start_paused = true)]
async fn receiver_returns_a_failure_after_the_close_frame_is_written() {
    let script = Script::default();
    let (mut sender, mut receiver) = script.server().split();
    script.push(HELLO_AND_FAILURE);
    let message = receiver.recv().await.unwrap().unwrap().into_owned();
    sender.feed(message).await.unwrap();
    let assert_send: fn(&(dyn Send + '_)) = |_| {};
    assert_send(&receiver.recv());
    assert!(poll(pin!(receiver.recv())).is_pending());
    assert_eq!(script.take_written(), ECHO_AND_CLOSE);
    assert!(matches!(receiver.recv().await, Err(Error::Connection(_))));
    assert!(matches!(receiver.recv().await, Ok(None)));
}

#[tokio::test(start_paused = true)]
async fn receiving_half_completes_the_closing_handshake_that_the_sending_half_starts() {
    let script = Script::default();
    let (mut sender, mut receiver) = script.server().split();
    let (wakes, waker) = Wakes::new();
    let mut recv = Box::pin(receiver.recv());
    assert!(recv.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
    sender.start_close(CloseCode::NORMAL).unwrap();
    assert_eq!(wakes.count(), 1);
    assert_eq!(script.take_written(), b"");
    assert!(poll(recv.as_mut()).is_pending());
    assert_eq!(script.take_written(), b"\x88\x02\x03\xe8");
    assert!(matches!(sender.send("Hello").await, Err(Error::Send(SendError::Closed))));
    sender.start_close(CloseCode::NORMAL).unwrap();
    script.push(b"\x81\x81\0\0\0\0x\x88\x82\0\0\0\0\x03\xe8");
    assert!(matches!(poll(recv.as_mut()), Poll::Ready(Ok(Some(_)))));
    drop(recv);
    script.push("");
    assert!(matches!(receiver.recv().await, Ok(None)));
    assert!(receiver.outcome().unwrap().clean);
    sender.flush().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn sending_half_does_not_wait_for_the_transport_after_the_connection_has_ended() {
    let script = Script::default();
    let (mut sender, mut receiver) = script.server().split();
    script.buffer_writes();
    let (wakes, waker) = Wakes::new();
    let cx = &mut Context::from_waker(&waker);
    let mut send = pin!(sender.send("Hello"));
    assert!(send.as_mut().poll(cx).is_pending());
    script.push(b"\x88\x82\0\0\0\0\x03\xe8");
    script.push("");
    assert!(matches!(receiver.recv().await, Ok(None)));
    assert!(wakes.count() > 0);
    assert!(matches!(send.as_mut().poll(cx), Poll::Ready(Ok(()))));
}

#[tokio::test(start_paused = true)]
async fn sending_half_flushes_an_ended_connection_whose_receiving_half_is_dropped() {
    let script = Script::default();
    let (mut sender, mut receiver) = script.server().split();
    script.buffer_writes();
    script.push(PEER_CLOSE);
    script.push("");
    assert!(poll(pin!(receiver.recv())).is_pending(), "the transport buffers the Close frame");
    drop(receiver);
    let mut flush = pin!(sender.flush());
    assert!(poll(flush.as_mut()).is_pending());
    script.accept_writes();
    assert!(matches!(poll(flush.as_mut()), Poll::Ready(Ok(()))));
}

#[tokio::test(start_paused = true)]
async fn both_halves_end_when_a_server_neither_reads_nor_ends_its_stream_after_the_closing_handshake()
 {
    let script = Script::default();
    let (mut sender, mut receiver) = script.client_with(&DEFAULT_CONFIG).split();
    script.buffer_writes();
    script.push(b"\x88\x02\x03\xe8");
    let ended = async { tokio::join!(receiver.recv(), sender.flush()) };
    let ended = timeout(Duration::from_secs(60), ended).await.expect("both end");
    assert!(matches!(ended, (Ok(None), Ok(()))), "{ended:?}");
}

#[tokio::test(start_paused = true)]
async fn both_halves_return_a_failure_after_the_close_frame_is_flushed() {
    for is_ended in [true, false] {
        let script = Script::default();
        let (mut sender, mut receiver) = script.server_with(Config::new()).split();
        script.buffer_writes();
        script.push(FAILURE);
        if is_ended {
            script.push("");
        }
        {
            let (mut recv, mut flush) = (pin!(receiver.recv()), pin!(sender.flush()));
            assert!(poll(recv.as_mut()).is_pending(), "the transport buffers the Close frame");
            assert!(poll(flush.as_mut()).is_pending(), "the transport buffers the Close frame");
            assert_eq!(script.take_written(), CLOSE);
            script.accept_writes();
            let flushed = poll(flush.as_mut());
            assert!(matches!(flushed, Poll::Ready(Err(Error::Connection(_)))), "{flushed:?}");
            let received = poll(recv.as_mut());
            assert!(matches!(received, Poll::Ready(Err(Error::Connection(_)))), "{received:?}");
        }
        assert!(matches!(receiver.recv().await, Ok(None)));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn halves_in_two_threads_lose_no_message_that_is_fed() {
    let (io, mut peer) = duplex(1000);
    let connection = Connection::server(&FULL_AT_ONCE, &Negotiated::default());
    let socket = WebSocket::from_parts(io, connection, Input::owned(Vec::new()));
    let (mut sender, mut receiver) = socket.split();
    let receiving =
        tokio::spawn(async move { receiver.recv().await.map(|message| message.is_some()) });
    let sending = tokio::spawn(async move {
        for _ in 0..10_000 {
            sender.feed("Hello").await?;
        }
        sender.start_close(CloseCode::NORMAL)?;
        // The receiving half writes the rest.
        Ok::<_, Error>(sender)
    });
    let mut received = vec![0; 10_000 * 7 + 4];
    peer.read_exact(&mut received).await.unwrap();
    assert_eq!(received, [b"\x81\x05Hello".repeat(10_000), b"\x88\x02\x03\xe8".into()].concat());
    peer.write_all(b"\x88\x82\0\0\0\0\x03\xe8").await.unwrap();
    drop(peer);
    assert!(!receiving.await.unwrap().unwrap());
    sending.await.unwrap().unwrap();
}

/// A task that runs when it is woken, in the thread that wakes it.
struct RunsInWake(Mutex<Pin<Box<dyn Future<Output = ()> + Send>>>);

impl Wake for RunsInWake {
    fn wake(self: Arc<Self>) {
        let waker = Waker::from(self.clone());
        let _ = self.0.lock().unwrap().as_mut().poll(&mut Context::from_waker(&waker));
    }
}

#[tokio::test(start_paused = true)]
async fn receiving_half_returns_the_last_valid_piece_although_the_sending_half_meets_the_failure() {
    for (negotiated, message) in [
        (Negotiated::new(), &b"\x81\x86\0\0\0\0Hello\xff"[..]),
        // "Hello" in a stored block, and an invalid block.
        #[cfg(feature = "deflate")]
        (
            Negotiated::new().with_deflate_parameters(DeflateParameters::new()),
            b"\xc1\x8b\0\0\0\0\0\x05\0\xfa\xffHello\x06",
        ),
    ] {
        let script = Script::default();
        let config = Config::new().with_delivery(Delivery::Chunks);
        let connection = Connection::server(config, &negotiated);
        let socket = WebSocket::from_parts(script.clone(), connection, Input::owned(Vec::new()));
        let (mut sender, mut receiver) = socket.split();
        script.block_writes();
        sender.try_feed("first").unwrap();
        let flush = Box::pin(async move {
            assert!(matches!(sender.flush().await, Err(Error::Connection(_))));
        });
        Arc::new(RunsInWake(Mutex::new(flush))).wake();

        script.push(message);
        // Between the search for a piece and its return, the task that sends is woken.
        let Poll::Ready(Ok(Some(piece))) = poll(pin!(receiver.recv_chunk())) else {
            panic!("{negotiated:?}");
        };
        assert_eq!(piece.payload, "Hello");
        script.accept_writes();
        script.push("");
        assert!(matches!(receiver.recv_chunk().await, Err(Error::Connection(_))));
    }
}

#[tokio::test(start_paused = true)]
async fn sink_that_is_ready_accepts_a_message_although_a_keepalive_ping_is_queued() {
    let until_ping = Timeouts::RECOMMENDED.ping.unwrap() + Duration::from_secs(1);

    let script = Script::default();
    let (mut sender, mut receiver) = script.server_with(&FULL_AT_ONCE).split();
    script.block_writes();
    poll_fn(|cx| sender.poll_ready_unpin(cx)).await.unwrap();
    assert!(timeout(until_ping, receiver.recv()).await.is_err());
    assert!(sender.with_connection(Connection::has_output), "the Ping");
    sender.start_send_unpin("Hello".into()).unwrap();

    let mut socket = script.server_with(&FULL_AT_ONCE);
    poll_fn(|cx| socket.poll_ready_unpin(cx)).await.unwrap();
    assert!(timeout(until_ping, socket.recv()).await.is_err());
    assert!(socket.connection().has_output(), "the Ping");
    socket.start_send_unpin("Hello".into()).unwrap();
}
