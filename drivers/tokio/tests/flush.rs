//! The end of a connection whose transport buffers what it accepts, as TLS does.

use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use tokio::time::{Instant, advance, timeout};
use tokio_websocket_proto::Error;
use tokio_websocket_proto::proto::{CloseCode, Config, ConnectionError, Timeout, Timeouts};

use script::{CLOSE, FAILURE, PEER_CLOSE, PEER_CLOSE_REPLY, Script, poll};

mod script;

#[tokio::test(start_paused = true)]
async fn failure_without_timeouts_is_returned_after_the_close_frame_is_flushed() {
    let script = Script::default();
    let mut socket = script.server_with(Config::new());
    script.buffer_writes();
    script.push(FAILURE);
    assert!(poll(pin!(socket.recv())).is_pending(), "the transport buffers the Close frame");
    assert_eq!(script.take_written(), CLOSE);
    script.accept_writes();
    let failed = poll(pin!(socket.recv()));
    assert!(matches!(failed, Poll::Ready(Err(Error::Connection(_)))), "{failed:?}");
}

#[tokio::test(start_paused = true)]
async fn connection_whose_peer_has_ended_its_stream_ends_when_its_close_frame_is_flushed() {
    for (frame, reply) in [(PEER_CLOSE, PEER_CLOSE_REPLY), (FAILURE, CLOSE)] {
        let script = Script::default();
        let mut socket = script.server();
        script.buffer_writes();
        script.push(frame);
        script.push("");
        assert!(poll(pin!(socket.recv())).is_pending(), "the transport buffers the Close frame");
        assert_eq!(script.take_written(), reply);
        script.accept_writes();
        let ended = poll(pin!(socket.recv()));
        let Poll::Ready(ended) = ended else { panic!("the Close frame is flushed") };
        assert_eq!(ended.is_err(), frame == FAILURE);
    }
}

#[tokio::test(start_paused = true)]
async fn closing_timeout_or_10_seconds_bound_the_flush_of_the_close_frame() {
    let seconds = Duration::from_secs;
    let short = Timeouts::RECOMMENDED.with_closing(Some(seconds(2)));
    for (timeouts, limit) in [(Timeouts::RECOMMENDED, 10), (Timeouts::NONE, 10), (short, 2)] {
        // The last peer sends nothing more and leaves its stream open.
        for (frame, is_ended) in [(PEER_CLOSE, true), (FAILURE, true), (FAILURE, false)] {
            let script = Script::default();
            let mut socket = script.server_with(Config::new().with_timeouts(timeouts));
            script.buffer_writes();
            script.push(frame);
            if is_ended {
                script.push("");
            }
            let start = Instant::now();
            let received = timeout(seconds(60), socket.recv()).await;
            assert_eq!(received.expect("bounded").is_err(), frame == FAILURE);
            let waited = start.elapsed();
            assert!(waited >= seconds(limit) && waited <= seconds(limit + 1), "{waited:?}");
            assert!(matches!(poll(pin!(socket.recv())), Poll::Ready(Ok(None))));
        }
    }
}

/// The state machine waits for the end of the peer's stream, or for its Close frame, and the driver for the
/// flush.
#[tokio::test(start_paused = true)]
async fn one_closing_timeout_bounds_the_closing_handshake_and_the_flush_together() {
    let seconds = Duration::from_secs;
    let timeouts = Timeouts::RECOMMENDED.with_closing(Some(seconds(4)));
    // The time at which the peer's Close frame arrives, and whether we have sent ours before.
    for (arrives, is_reply) in [(0, true), (0, false), (3, false)] {
        let script = Script::default();
        let mut socket = script.server_with(Config::new().with_timeouts(timeouts));
        script.buffer_writes();
        let start = Instant::now();
        if !is_reply {
            socket.start_close(CloseCode::NORMAL).unwrap();
            assert!(timeout(seconds(arrives), socket.recv()).await.is_err());
        }
        script.push(PEER_CLOSE);
        let received = timeout(seconds(60), socket.recv()).await;
        assert!(matches!(received, Ok(Ok(None))), "{received:?}");
        assert!(socket.outcome().is_some_and(|outcome| outcome.clean));
        let waited = start.elapsed();
        assert!(waited >= seconds(4) && waited < seconds(5), "{waited:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn process_that_was_suspended_cuts_no_flush_that_completes() {
    // The last peer sends nothing more and leaves its stream open.
    for (frame, is_ended) in [(PEER_CLOSE, true), (FAILURE, true), (FAILURE, false)] {
        let script = Script::default();
        let mut socket = script.server_with(Config::new());
        script.buffer_writes();
        script.push(frame);
        if is_ended {
            script.push("");
        }
        let mut recv = Box::pin(socket.recv());
        assert!(poll(recv.as_mut()).is_pending());
        advance(Duration::from_secs(1000)).await;
        assert!(poll(recv.as_mut()).is_pending());
        advance(Duration::from_millis(500)).await;
        assert!(poll(recv.as_mut()).is_pending());
        script.accept_writes();
        assert!(poll(recv.as_mut()).is_ready());
    }
}

#[tokio::test(start_paused = true)]
async fn closing_timeout_beyond_the_range_of_the_clock_never_expires() {
    let script = Script::default();
    let timeouts = Timeouts::RECOMMENDED.with_closing(Some(Duration::MAX));
    let mut socket = script.server_with(Config::new().with_timeouts(timeouts));
    script.buffer_writes();
    script.push(PEER_CLOSE);
    script.push("");
    let mut recv = pin!(socket.recv());
    assert!(timeout(Duration::from_secs(100_000), recv.as_mut()).await.is_err());
    script.accept_writes();
    assert!(matches!(recv.await, Ok(None)));
}

#[tokio::test(start_paused = true)]
async fn dead_peer_is_reported_without_a_wait_for_the_flush() {
    let waits = [Script::accept_writes, Script::buffer_writes].map(async |set_writes| {
        let script = Script::default();
        let mut socket = script.server();
        set_writes(&script);
        let start = Instant::now();
        let received = socket.recv().await;
        let Err(Error::Connection(error)) = received else { panic!("{received:?}") };
        assert_eq!(error, ConnectionError::Timeout(Timeout::Pong));
        start.elapsed()
    });
    let [first, second] = waits;
    assert_eq!(first.await, second.await);
}

#[tokio::test(start_paused = true)]
async fn flush_that_fails_after_a_failure_does_not_replace_it() {
    for (is_ended, flushes) in [(true, true), (true, false), (false, true), (false, false)] {
        let script = Script::default();
        let mut socket = script.server();
        script.buffer_writes();
        script.push(FAILURE);
        if is_ended {
            script.push("");
        }
        assert!(poll(pin!(socket.recv())).is_pending(), "the transport buffers the Close frame");
        script.fail_writes();
        let failed = if flushes {
            poll(pin!(socket.flush()))
        } else {
            poll(pin!(socket.recv())).map_ok(drop)
        };
        let Poll::Ready(Err(Error::Connection(error))) = failed else { panic!("{failed:?}") };
        assert!(matches!(error, ConnectionError::Protocol(_)), "{error:?}");
    }
}
