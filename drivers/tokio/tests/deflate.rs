//! Messages that are sent without compression although permessage-deflate was agreed.

use std::pin::pin;
use std::task::Context;

use tokio_websocket_proto::WebSocket;
use tokio_websocket_proto::proto::{
    Chunk, Config, Connection, Deflate, DeflateParameters, Fragment, Input, Negotiated,
};

use script::{Script, Wakes};

mod script;

/// A text that compression makes smaller.
const TEXT: &str = "Hello Hello Hello Hello Hello Hello Hello Hello Hello Hello ";

fn server(script: &Script) -> WebSocket<Script> {
    let negotiated = Negotiated::new().with_deflate_parameters(DeflateParameters::new());
    let config = Config::new().with_deflate(Deflate::new().with_min_len(1));
    let connection = Connection::server(config, &negotiated);
    WebSocket::from_parts(script.clone(), connection, Input::owned(Vec::new()))
}

/// Asserts that each call that does not compress writes `TEXT` in a frame without RSV1, and that its sibling
/// writes a shorter one with RSV1.
macro_rules! assert_calls {
    ($script:expr, $socket:expr) => {
        let (script, socket) = ($script, $socket);
        let uncompressed = [&[0x81, TEXT.len() as u8], TEXT.as_bytes()].concat();
        let piece = || Chunk::new(TEXT, Fragment::Whole);

        socket.send_uncompressed(TEXT).await.unwrap();
        assert_eq!(script.take_written(), uncompressed);
        socket.feed_uncompressed(TEXT).await.unwrap();
        socket.flush().await.unwrap();
        assert_eq!(script.take_written(), uncompressed);
        socket.try_feed_uncompressed(TEXT).unwrap();
        socket.flush().await.unwrap();
        assert_eq!(script.take_written(), uncompressed);
        socket.send_chunk_uncompressed(piece()).await.unwrap();
        assert_eq!(script.take_written(), uncompressed);

        let is_compressed = |frame: Vec<u8>| frame[0] == 0xC1 && frame.len() < TEXT.len();
        socket.send(TEXT).await.unwrap();
        assert!(is_compressed(script.take_written()));
        socket.feed(TEXT).await.unwrap();
        socket.flush().await.unwrap();
        assert!(is_compressed(script.take_written()));
        socket.try_feed(TEXT).unwrap();
        socket.flush().await.unwrap();
        assert!(is_compressed(script.take_written()));
        socket.send_chunk(piece()).await.unwrap();
        assert!(is_compressed(script.take_written()));
    };
}

#[tokio::test(start_paused = true)]
async fn each_uncompressed_call_writes_the_message_as_it_is() {
    let script = Script::default();
    let socket = &mut server(&script);
    assert_calls!(&script, socket);
}

#[tokio::test(start_paused = true)]
async fn each_uncompressed_call_of_the_sending_half_writes_the_message_as_it_is() {
    let script = Script::default();
    let (mut sender, _receiver) = server(&script).split();
    assert_calls!(&script, &mut sender);
}

#[tokio::test(start_paused = true)]
async fn receiving_half_that_waits_writes_what_the_sending_half_feeds_uncompressed() {
    let script = Script::default();
    let (mut sender, mut receiver) = server(&script).split();
    let (wakes, waker) = Wakes::new();
    let cx = &mut Context::from_waker(&waker);
    let mut recv = pin!(receiver.recv());
    assert!(recv.as_mut().poll(cx).is_pending());
    sender.feed_uncompressed("1").await.unwrap();
    assert_eq!(wakes.count(), 1);
    assert!(recv.as_mut().poll(cx).is_pending());
    sender.try_feed_uncompressed("2").unwrap();
    assert_eq!(wakes.count(), 2);
    assert!(recv.as_mut().poll(cx).is_pending());
    assert_eq!(script.take_written(), b"\x81\x011\x81\x012");
}

#[tokio::test(start_paused = true)]
async fn first_piece_decides_whether_a_message_is_compressed() {
    let script = Script::default();
    let mut socket = server(&script);
    socket.send_chunk_uncompressed(Chunk::new(TEXT, Fragment::First)).await.unwrap();
    assert_eq!(script.take_written(), [&[0x01, TEXT.len() as u8], TEXT.as_bytes()].concat());
    socket.send_chunk(Chunk::new("Hello", Fragment::Last)).await.unwrap();
    assert_eq!(script.take_written(), b"\x80\x05Hello");

    socket.send_chunk(Chunk::new(TEXT, Fragment::First)).await.unwrap();
    assert_eq!(script.take_written()[0], 0x41);
    socket.send_chunk_uncompressed(Chunk::new(TEXT, Fragment::Last)).await.unwrap();
    let last = script.take_written();
    assert!(last[0] == 0x80 && last.len() < TEXT.len());
}
