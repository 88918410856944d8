//! The cooperative budget of tokio: a call at its end loses nothing, and a flood does not hold the task.

use std::future::poll_fn;
use std::pin::pin;
use std::time::Duration;

use futures_util::StreamExt;
use tokio::io::{AsyncWriteExt, DuplexStream, duplex};
use tokio::task::coop::{consume_budget, has_budget_remaining};
use tokio::time::timeout;
use tokio_websocket_proto::proto::{
    CloseCode, Config, Connection, ConnectionError, Input, Negotiated, Timeout, Timeouts,
};
use tokio_websocket_proto::{DEFAULT_CONFIG, Error, WebSocket};

use script::{PEER_CLOSE, Script};

mod script;

/// The units of budget of one poll of a task.
const BUDGET: usize = 128;

/// Returns a server to which the peer has sent "Hello" and a Close frame before it dropped the transport.
async fn server_whose_peer_is_gone() -> WebSocket<DuplexStream> {
    let (io, mut peer) = duplex(1000);
    peer.write_all(b"\x81\x85\0\0\0\0Hello").await.unwrap();
    peer.write_all(PEER_CLOSE).await.unwrap();
    let connection = Connection::server(&DEFAULT_CONFIG, &Negotiated::default());
    WebSocket::from_parts(io, connection, Input::owned(Vec::new()))
}

/// Runs `call` in a task that has spent `spent` units of its budget.
async fn run<T: Send + 'static>(spent: usize, call: impl Future<Output = T> + Send + 'static) -> T {
    let task = async move {
        for _ in 0..spent {
            consume_budget().await;
        }
        call.await
    };
    tokio::spawn(task).await.unwrap()
}

#[tokio::test]
async fn failed_write_at_any_budget_loses_nothing_that_was_received() {
    for spent in BUDGET - 8..=BUDGET {
        let mut socket = server_whose_peer_is_gone().await;
        run(spent, async move {
            socket.feed("first").await.unwrap();
            assert_eq!(socket.recv().await.unwrap().expect("a message"), "Hello", "{spent}");
            assert!(matches!(socket.recv().await, Err(Error::Io(_))), "{spent}");
            assert_eq!(socket.peer_close().unwrap().code(), CloseCode::NORMAL, "{spent}");
        })
        .await;

        let mut socket = server_whose_peer_is_gone().await;
        run(spent, async move {
            let sent = socket.send("first").await;
            assert!(matches!(sent, Err(Error::Io(_))), "{spent}: {sent:?}");
            assert_eq!(socket.recv().await.unwrap().expect("a message"), "Hello", "{spent}");
            assert!(matches!(socket.recv().await, Ok(None)), "{spent}");
            assert_eq!(socket.peer_close().unwrap().code(), CloseCode::NORMAL, "{spent}");
        })
        .await;

        let (mut sender, mut receiver) = server_whose_peer_is_gone().await.split();
        run(spent, async move {
            sender.feed("first").await.unwrap();
            assert_eq!(receiver.next().await.unwrap().unwrap(), "Hello", "{spent}");
            assert!(matches!(receiver.next().await, Some(Err(Error::Io(_)))), "{spent}");
            assert_eq!(receiver.peer_close().unwrap().code(), CloseCode::NORMAL, "{spent}");
        })
        .await;
    }
}

#[tokio::test(start_paused = true)]
async fn flood_of_pings_does_not_hold_the_task() {
    let flood = |script: &Script| {
        (0..10).for_each(|_| script.push(b"\x89\x80\0\0\0\0".repeat(BUDGET)));
        script.push(b"\x81\x81\0\0\0\0x");
    };
    let script = Script::default();
    let mut socket = script.server();
    flood(&script);
    let (message, polls) = run(0, async move {
        let mut polls = 0;
        let mut recv = Box::pin(async { socket.recv().await.unwrap().unwrap().into_owned() });
        let message = poll_fn(|cx| {
            polls += 1;
            recv.as_mut().poll(cx)
        });
        (message.await, polls)
    })
    .await;
    assert_eq!(message, "x");
    assert!((10..=12).contains(&polls), "{polls}");

    // A blocked write reads, too.
    let mut socket = script.blocked_server();
    flood(&script);
    let polls = run(0, async move {
        let mut polls = 0;
        let mut flush = pin!(timeout(Duration::from_secs(1), socket.flush()));
        let flushed = poll_fn(|cx| {
            polls += 1;
            flush.as_mut().poll(cx)
        });
        assert!(flushed.await.is_err());
        polls
    })
    .await;
    assert!((10..=13).contains(&polls), "{polls}");
}

#[tokio::test(start_paused = true)]
async fn timer_that_was_armed_without_budget_still_expires() {
    let script = Script::default();
    let mut socket = script.server_with(Config::new().with_timeouts(Timeouts::RECOMMENDED));
    let receiving = tokio::spawn(async move {
        while has_budget_remaining() {
            consume_budget().await;
        }
        socket.recv().await.map(drop)
    });
    let received = timeout(Duration::from_secs(3600), receiving).await;
    let Ok(Ok(Err(Error::Connection(error)))) = received else { panic!("{received:?}") };
    assert_eq!(error, ConnectionError::Timeout(Timeout::Pong));
}
