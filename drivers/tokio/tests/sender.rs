//! The sending half of a connection that waits or fails: it ends in time whatever the receiving half does,
//! and takes nothing from it.

use std::pin::{Pin, pin};
use std::task::{Context, Poll};
use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use tokio::io::duplex;
use tokio::time::{Instant, advance, timeout};
use tokio_websocket_proto::proto::{
    Chunk, CloseCode, Config, Connection, ConnectionError, Fragment, Input, Negotiated, Role,
    SendError, Timeout, Timeouts,
};
use tokio_websocket_proto::{DEFAULT_CONFIG, Error, Receiver, Sender, WebSocket};

use script::{FAILURE, FULL_AT_ONCE, PEER_CLOSE, Script, Wakes, poll};

mod script;

const SECOND: Duration = Duration::from_secs(1);

/// The longest time without progress of the output, with the timeouts of the default configuration.
const LONGEST: Duration = Duration::from_secs(81);

/// Awaits a call that must end.
async fn bounded<T>(call: impl Future<Output = T>) -> T {
    timeout(1000 * LONGEST, call).await.expect("the call waits without end")
}

/// A message "a" of a client.
const MESSAGE: &[u8] = b"\x81\x81\0\0\0\0a";

type Call =
    for<'s> fn(&'s mut Sender<Script>) -> Pin<Box<dyn Future<Output = Result<(), Error>> + 's>>;

/// The calls that wait while the transport accepts nothing and the output is full.
const CALLS: [(&str, Call); 7] = [
    ("feed", |sender| Box::pin(sender.feed("more"))),
    ("send", |sender| Box::pin(sender.send("more"))),
    ("send_chunk", |sender| Box::pin(sender.send_chunk(Chunk::new("more", Fragment::Whole)))),
    ("ping", |sender| Box::pin(sender.ping(b"more"))),
    ("flush", |sender| Box::pin(sender.flush())),
    ("Sink::send", |sender| Box::pin(SinkExt::send(sender, "more".into()))),
    ("Sink::close", |sender| Box::pin(SinkExt::close(sender))),
];

#[track_caller]
fn assert_failed(result: &Result<(), Error>, expected: ConnectionError) {
    let Err(Error::Connection(error)) = result else { panic!("{result:?}") };
    assert_eq!(*error, expected);
}

/// Asserts that the receiving half returns the failure once.
async fn assert_fails_once(receiver: &mut Receiver<Script>, expected: ConnectionError) {
    let received = receiver.recv().await;
    match (&received, expected) {
        (Err(Error::Io(_)), ConnectionError::Aborted) => {}
        (Err(Error::Connection(error)), _) => assert_eq!(*error, expected),
        _ => panic!("{received:?}"),
    }
    assert_eq!(receiver.with_connection(Connection::error), Some(ConnectionError::Aborted));
    assert!(matches!(receiver.recv().await, Ok(None)));
}

type Break = (fn(&Script), ConnectionError);

/// How the writes of a sending half end.
const BREAKS: [Break; 2] = [
    (Script::fail_writes, ConnectionError::Aborted),
    (Script::block_writes, ConnectionError::Timeout(Timeout::Output)),
];

// --- Nothing received is lost ----------------------------------------------------------------------

#[tokio::test(start_paused = true)]
async fn receiving_half_returns_all_messages_after_a_write_of_the_sending_half_has_failed() {
    for (name, call) in CALLS {
        for (breaks, failure) in BREAKS {
            let script = Script::default();
            let (mut sender, mut receiver) = script.blocked_server().split();
            breaks(&script);
            // Read, but not returned: the last two messages. Not read: those that follow.
            script.push(MESSAGE.repeat(3));
            assert!(receiver.recv().await.unwrap().is_some());
            script.push_wait();
            script.push(MESSAGE.repeat(2));
            script.push_wait();
            script.push([MESSAGE, PEER_CLOSE].concat());

            assert_failed(&bounded(call(&mut sender)).await, failure);
            assert_failed(&bounded(call(&mut sender)).await, failure);
            for left in (0..5).rev() {
                assert!(receiver.recv().await.unwrap().is_some(), "{name}, {left} left");
                // A program may take its time.
                tokio::time::sleep(1000 * SECOND).await;
            }
            assert_fails_once(&mut receiver, failure).await;
            assert_eq!(receiver.peer_close().unwrap().code(), CloseCode::NORMAL, "{name}");
            assert_failed(&bounded(call(&mut sender)).await, failure);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn receiving_half_returns_the_failure_of_the_sending_half_once() {
    for (name, call) in CALLS {
        for (breaks, failure) in BREAKS {
            let script = Script::default();
            let (mut sender, mut receiver) = script.blocked_server().split();
            breaks(&script);
            script.push(MESSAGE);
            assert_failed(&bounded(call(&mut sender)).await, failure);
            assert!(receiver.recv().await.unwrap().is_some(), "{name}");
            assert_fails_once(&mut receiver, failure).await;
            assert_failed(&bounded(call(&mut sender)).await, failure);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn peer_that_sends_without_end_does_not_hold_up_the_failure_of_the_sending_half() {
    // A flood, and bytes that arrive one after the other.
    for is_flood in [true, false] {
        for (breaks, failure) in BREAKS {
            let script = Script::default();
            let (mut sender, mut receiver) = script.blocked_server().split();
            breaks(&script);
            assert_failed(&bounded(sender.flush()).await, failure);
            let start = Instant::now();
            for messages in 0.. {
                if !is_flood {
                    script.push_wait();
                }
                script.push(MESSAGE);
                let received = receiver.recv().await;
                match (&received, failure) {
                    (Ok(Some(_)), _) => assert!(messages < 100_000),
                    (Err(Error::Io(_)), ConnectionError::Aborted) => break,
                    (Err(Error::Connection(error)), _) if *error == failure => break,
                    _ => panic!("{received:?}"),
                }
            }
            assert!(start.elapsed() <= 20 * SECOND, "{:?}", start.elapsed());
            assert!(matches!(receiver.recv().await, Ok(None)));
            assert_failed(&sender.flush().await, failure);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn read_that_fails_after_a_write_does_not_replace_the_failure() {
    for (breaks, failure) in BREAKS {
        let script = Script::default();
        let (mut sender, mut receiver) = script.blocked_server().split();
        breaks(&script);
        script.push(MESSAGE);
        script.push_reset();
        assert_failed(&bounded(sender.flush()).await, failure);
        assert!(receiver.recv().await.unwrap().is_some());
        assert_fails_once(&mut receiver, failure).await;
        assert_failed(&bounded(sender.flush()).await, failure);
    }
}

#[tokio::test(start_paused = true)]
async fn joined_halves_return_all_messages_after_a_write_has_failed() {
    for (breaks, failure) in BREAKS {
        let script = Script::default();
        let (mut sender, receiver) = script.blocked_server().split();
        breaks(&script);
        script.push(MESSAGE.repeat(2));
        assert_failed(&bounded(sender.flush()).await, failure);
        let mut socket = sender.reunite(receiver).unwrap();
        for _ in 0..2 {
            assert!(socket.recv().await.unwrap().is_some());
        }
        assert!(socket.recv().await.is_err());
        assert_eq!(socket.connection().error(), Some(ConnectionError::Aborted));
        assert!(matches!(socket.recv().await, Ok(None)));
    }
}

#[tokio::test(start_paused = true)]
async fn receiving_half_that_waits_fails_as_soon_as_a_write_of_the_sending_half_fails() {
    // No timer wakes the receiving half.
    let script = Script::default();
    let (mut sender, mut receiver) = script.server_with(Config::new()).split();
    let (wakes, waker) = Wakes::new();
    let cx = &mut Context::from_waker(&waker);
    let mut recv = pin!(receiver.recv());
    assert!(recv.as_mut().poll(cx).is_pending());
    script.fail_writes();
    script.push(MESSAGE);
    assert!(sender.send("Hello").await.is_err());
    assert_eq!(wakes.count(), 1);
    assert!(matches!(recv.as_mut().poll(cx), Poll::Ready(Ok(Some(_)))));
}

#[tokio::test(start_paused = true)]
async fn sending_half_that_waits_fails_as_soon_as_a_write_of_the_receiving_half_fails() {
    for (name, call) in CALLS {
        let script = Script::default();
        let (mut sender, mut receiver) = script.blocked_server().split();
        let (wakes, waker) = Wakes::new();
        let cx = &mut Context::from_waker(&waker);
        let mut blocked = call(&mut sender);
        assert!(blocked.as_mut().poll(cx).is_pending(), "{name}");
        script.fail_writes();
        script.push(MESSAGE.repeat(2));
        assert!(matches!(receiver.recv().await, Ok(Some(_))), "{name}");
        assert!(wakes.count() > 0, "{name}");
        let Poll::Ready(failed) = blocked.as_mut().poll(cx) else { panic!("{name}") };
        assert_failed(&failed, ConnectionError::Aborted);
        assert!(matches!(receiver.recv().await, Ok(Some(_))), "{name}");
    }
}

#[tokio::test(start_paused = true)]
async fn calls_that_do_not_wait_leave_a_failed_write_to_those_that_do() {
    let script = Script::default();
    let (mut sender, mut receiver) = script.server().split();
    script.fail_writes();
    script.push(MESSAGE);
    assert!(sender.send("1").await.is_err());
    sender.feed("2").await.unwrap();
    sender.try_feed("3").unwrap();
    sender.start_close(CloseCode::NORMAL).unwrap();
    assert!(matches!(sender.try_feed("4"), Err(unsent) if unsent.error == SendError::Closed));
    assert_failed(&sender.flush().await, ConnectionError::Aborted);
    drop(sender);
    assert!(matches!(receiver.recv().await, Ok(Some(_))));
    assert_fails_once(&mut receiver, ConnectionError::Aborted).await;
}

#[tokio::test(start_paused = true)]
async fn write_that_fails_after_the_closing_handshake_is_no_failure() {
    let server_close: &[u8] = b"\x88\x02\x03\xe8";
    for (role, close) in [(Role::Server, PEER_CLOSE), (Role::Client, server_close)] {
        let script = Script::default();
        let socket = match role {
            Role::Server => script.server(),
            Role::Client => script.client_with(&DEFAULT_CONFIG),
        };
        let (mut sender, mut receiver) = socket.split();
        script.buffer_writes();
        script.push(close);
        assert!(poll(pin!(receiver.recv())).is_pending());
        script.fail_writes();
        assert!(matches!(poll(pin!(sender.flush())), Poll::Ready(Ok(()))), "{role:?}");
        assert!(matches!(poll(pin!(receiver.recv())), Poll::Ready(Ok(None))), "{role:?}");
        assert!(matches!(poll(pin!(sender.flush())), Poll::Ready(Ok(()))), "{role:?}");
        assert!(receiver.outcome().unwrap().clean, "{role:?}");
    }
}

// --- Waits are bounded -----------------------------------------------------------------------------

/// Awaits `future`. Returns its output, and how often it was polled.
async fn count_polls<T>(future: impl Future<Output = T>) -> (T, usize) {
    let (mut future, mut polls) = (pin!(future), 0);
    let output = std::future::poll_fn(|cx| {
        polls += 1;
        future.as_mut().poll(cx)
    });
    (output.await, polls)
}

#[tokio::test(start_paused = true)]
async fn sending_half_ends_in_time_if_the_receiving_half_is_not_polled() {
    for (name, call) in CALLS {
        for is_receiver_dropped in [false, true] {
            let script = Script::default();
            let (mut sender, receiver) = script.blocked_server().split();
            let receiver = (!is_receiver_dropped).then_some(receiver);
            let start = Instant::now();
            let (failed, polls) = bounded(count_polls(call(&mut sender))).await;
            assert_failed(&failed, ConnectionError::Timeout(Timeout::Output));
            assert_eq!(start.elapsed().as_secs(), LONGEST.as_secs(), "{name}");
            assert!(polls <= 5, "{name}: {polls} polls");
            assert_failed(
                &bounded(call(&mut sender)).await,
                ConnectionError::Timeout(Timeout::Output),
            );
            assert_eq!(start.elapsed().as_secs(), LONGEST.as_secs(), "{name}");
            drop(receiver);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn receiving_half_that_is_polled_ends_the_wait_of_the_sending_half_earlier() {
    for (name, call) in CALLS {
        let script = Script::default();
        let (mut sender, mut receiver) = script.blocked_server().split();
        let start = Instant::now();
        let waiting = async { tokio::join!(count_polls(call(&mut sender)), receiver.recv()) };
        let ((failed, polls), received) = waiting.await;
        // Sink::close has started the timeout for closing.
        let (timeout, seconds) = match name {
            "Sink::close" => (Timeout::Closing, 11),
            _ => (Timeout::Output, 41),
        };
        assert_failed(&failed, ConnectionError::Timeout(timeout));
        assert_failed(&received.map(drop), ConnectionError::Timeout(timeout));
        assert_eq!(start.elapsed().as_secs(), seconds, "{name}");
        assert!(polls <= 10, "{name}: {polls} polls");
    }
}

#[tokio::test(start_paused = true)]
async fn output_that_progresses_is_not_cut() {
    for (name, call) in CALLS {
        let script = Script::default();
        let (mut sender, _receiver) = script.blocked_server().split();
        let mut blocked = call(&mut sender);
        // The peer reads one byte of the first message at a time.
        for _ in b"\x81\x05first" {
            assert!(timeout(LONGEST - SECOND, blocked.as_mut()).await.is_err(), "{name}");
            script.accept_bytes(1);
        }
        if name != "feed" {
            assert!(timeout(LONGEST - SECOND, blocked.as_mut()).await.is_err() || name == "flush");
            script.accept_writes();
        }
        if name != "flush" {
            blocked.await.unwrap();
        }
    }
}

#[tokio::test(start_paused = true)]
async fn flush_that_completes_is_progress() {
    let script = Script::default();
    let (mut sender, _receiver) = script.server().split();
    script.buffer_writes();
    let mut send = Box::pin(sender.send("first"));
    assert!(timeout(LONGEST - SECOND, send.as_mut()).await.is_err());
    script.accept_writes();
    send.await.unwrap();
    script.block_writes();
    let mut send = pin!(sender.send("second"));
    assert!(timeout(LONGEST - SECOND, send.as_mut()).await.is_err());
    script.accept_writes();
    send.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn peer_whose_pong_is_unread_is_not_cut() {
    let script = Script::default();
    let (mut sender, mut receiver) = script.server_with(&FULL_AT_ONCE).split();
    assert!(timeout(21 * SECOND, receiver.recv()).await.is_err());
    let ping = script.take_written();
    assert_eq!(ping[..2], [0x89, 4]);
    script.push([&b"\x8a\x84\0\0\0\0"[..], &ping[2..]].concat());
    script.block_writes();
    let mut send = pin!(sender.send("Hello"));
    assert!(timeout(LONGEST - SECOND, send.as_mut()).await.is_err());
    script.accept_writes();
    send.await.unwrap();
    assert!(timeout(SECOND, receiver.recv()).await.is_err());
    assert_eq!(receiver.with_connection(Connection::error), None);
    assert!(receiver.with_connection(Connection::rtt).is_some());
}

#[tokio::test(start_paused = true)]
async fn process_that_was_suspended_cuts_no_peer_that_reads_again() {
    for resumes_waiting in [true, false] {
        let script = Script::default();
        let (mut sender, _receiver) = script.blocked_server().split();
        let mut flush = Box::pin(sender.flush());
        assert!(poll(flush.as_mut()).is_pending());
        advance(1000 * SECOND).await;
        if !resumes_waiting {
            drop(flush);
            flush = Box::pin(sender.flush());
        }
        assert!(poll(flush.as_mut()).is_pending());
        advance(SECOND / 2).await;
        script.accept_writes();
        assert!(poll(flush.as_mut()).is_ready());
    }
}

/// Returns a connection over one end of a pipe, and its peer.
fn pair(capacity: usize) -> [WebSocket<tokio::io::DuplexStream>; 2] {
    let (client, server) = duplex(capacity);
    [(client, Role::Client), (server, Role::Server)].map(|(io, role)| {
        let connection = match role {
            Role::Client => Connection::client(&DEFAULT_CONFIG, &Negotiated::default()).unwrap(),
            Role::Server => Connection::server(&DEFAULT_CONFIG, &Negotiated::default()),
        };
        WebSocket::from_parts(io, connection, Input::owned(Vec::new()))
    })
}

#[tokio::test(start_paused = true)]
async fn two_peers_that_only_send_end_in_time() {
    let [(mut client, _from_server), (mut server, _from_client)] = pair(1000).map(WebSocket::split);
    let start = Instant::now();
    let message = vec![7; 100_000];
    let [first, second] = [client.send(&message), server.send(&message)];
    let (first, second) = bounded(async { tokio::join!(first, second) }).await;
    for failed in [first, second] {
        assert_failed(&failed, ConnectionError::Timeout(Timeout::Output));
    }
    assert_eq!(start.elapsed().as_secs(), LONGEST.as_secs());
}

#[tokio::test(start_paused = true)]
async fn echo_that_polls_one_half_at_a_time_ends_in_time() {
    let script = Script::default();
    let (sender, receiver) = script.server_with(&FULL_AT_ONCE).split();
    script.block_writes();
    script.push(MESSAGE.repeat(3));
    let start = Instant::now();
    let failed = bounded(receiver.forward(sender)).await;
    assert_failed(&failed, ConnectionError::Timeout(Timeout::Output));
    assert_eq!(start.elapsed().as_secs(), LONGEST.as_secs());
}

#[tokio::test(start_paused = true)]
async fn sending_half_ends_in_time_if_the_transport_does_not_flush() {
    let script = Script::default();
    let (mut sender, _receiver) = script.server().split();
    script.buffer_writes();
    let start = Instant::now();
    let failed = bounded(sender.send("Hello")).await;
    assert_failed(&failed, ConnectionError::Timeout(Timeout::Output));
    assert_eq!(start.elapsed().as_secs(), LONGEST.as_secs());
}

#[tokio::test(start_paused = true)]
async fn transport_that_flushes_slowly_is_not_cut_while_the_receiving_half_receives() {
    let script = Script::default();
    let (mut sender, mut receiver) = script.server().split();
    script.buffer_writes();
    let mut send = pin!(sender.send("Hello"));
    for _ in 0..100 {
        let received = async { tokio::join!(timeout(10 * SECOND, send.as_mut()), receiver.recv()) };
        script.push(MESSAGE);
        let (sent, received) = received.await;
        assert!(sent.is_err(), "{sent:?}");
        assert!(received.unwrap().is_some());
    }
    script.accept_writes();
    send.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn sending_half_ends_in_time_after_the_connection_if_the_transport_does_not_flush() {
    let script = Script::default();
    let (mut sender, mut receiver) = script.server().split();
    script.buffer_writes();
    script.push(PEER_CLOSE);
    script.push("");
    assert!(poll(pin!(receiver.recv())).is_pending());
    drop(receiver);
    let start = Instant::now();
    bounded(sender.flush()).await.unwrap();
    assert_eq!(start.elapsed().as_secs(), 11);
}

#[tokio::test(start_paused = true)]
async fn last_flush_has_its_whole_time_after_a_wait_of_the_sending_half() {
    // The last peer ends its stream without a Close frame.
    for frame in [Some(PEER_CLOSE), Some(FAILURE), None] {
        let script = Script::default();
        let (mut sender, mut receiver) = script.server().split();
        script.buffer_writes();
        assert!(timeout(LONGEST - 2 * SECOND, sender.send("Hello")).await.is_err());
        if let Some(frame) = frame {
            script.push(frame);
        }
        script.push("");
        let start = Instant::now();
        let received = bounded(receiver.recv()).await;
        assert_eq!(received.is_ok(), frame == Some(PEER_CLOSE), "{received:?}");
        assert_eq!(start.elapsed().as_secs(), 11);
    }
}

#[tokio::test(start_paused = true)]
async fn closing_timeout_bounds_the_last_flush_of_a_sending_half_whose_peer_stays() {
    for timeouts in [Timeouts::RECOMMENDED, Timeouts::NONE] {
        for has_peer_closed in [true, false] {
            let script = Script::default();
            let config = Config::new().with_timeouts(timeouts);
            let (mut sender, mut receiver) = script.server_with(config).split();
            script.buffer_writes();
            if has_peer_closed {
                script.push(PEER_CLOSE);
            } else {
                sender.start_close(CloseCode::NORMAL).unwrap();
            }
            assert!(poll(pin!(receiver.recv())).is_pending());
            let start = Instant::now();
            let flushed = bounded(sender.flush()).await;
            assert_eq!(start.elapsed().as_secs(), 11);
            if has_peer_closed {
                flushed.unwrap();
            } else {
                assert_failed(&flushed, ConnectionError::Timeout(Timeout::Output));
            }
            // The receiving half ends, too.
            assert_eq!(bounded(receiver.recv()).await.is_ok(), has_peer_closed);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn without_timeouts_the_sending_half_waits_without_end() {
    let never = Timeouts::RECOMMENDED.with_pong(Some(Duration::MAX));
    for timeouts in [Timeouts::NONE, Timeouts::RECOMMENDED.with_pong(None), never] {
        for (name, call) in CALLS {
            let script = Script::default();
            let config = Config::new().with_timeouts(timeouts).with_high_water_mark(1);
            let (mut sender, _receiver) = script.server_with(config).split();
            script.block_writes();
            sender.try_feed("first").unwrap();
            let mut blocked = call(&mut sender);
            assert!(timeout(100_000 * SECOND, blocked.as_mut()).await.is_err(), "{name}");
            script.accept_writes();
            blocked.await.unwrap();
        }
    }
}
