//! tokio-tungstenite as the peer, in both roles, over `ws` and `wss`.

mod common;

use common::{TLS, client, echo, echo_server, serve, tls_echo_server};
use futures_util::{SinkExt, StreamExt};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode as TheirCode;
use tokio_tungstenite::tungstenite::{Error as TheirError, Message as TheirMessage};
use tokio_tungstenite::{accept_async, client_async};
use tokio_websocket_proto::proto::CloseCode;
use tokio_websocket_proto::{accept, tokio_rustls};

/// Payload lengths around the boundaries of the three encodings of a length (RFC 6455, section 5.2).
const LENGTHS: [usize; 9] = [0, 1, 125, 126, 127, 65_535, 65_536, 70_000, 1_000_000];

async fn their_echo<IO: AsyncRead + AsyncWrite + Unpin>(io: IO) -> Result<(), TheirError> {
    let mut socket = accept_async(io).await?;
    while let Some(message) = socket.next().await {
        let message = message?;
        if message.is_text() || message.is_binary() {
            socket.send(message).await?;
        }
    }
    Ok(())
}

async fn assert_our_client_talks_to(uri: &str) {
    let mut socket = client().connect(uri).await.unwrap().socket;
    for len in LENGTHS {
        let text = "ä".repeat(len / 2);
        socket.feed(text.as_str()).await.unwrap();
        assert_eq!(socket.recv().await.unwrap().unwrap(), text.as_str());
        let bytes = vec![len as u8; len];
        socket.send(bytes.clone()).await.unwrap();
        assert_eq!(socket.recv().await.unwrap().unwrap(), bytes[..]);
    }
    socket.ping(b"ping").await.unwrap();
    socket.close(CloseCode::GOING_AWAY).await.unwrap();
    let outcome = socket.outcome().unwrap();
    assert!(outcome.clean && outcome.code == CloseCode::GOING_AWAY, "{outcome:?}");
}

async fn assert_their_client_talks_over<IO: AsyncRead + AsyncWrite + Unpin>(io: IO) {
    let (mut socket, _) = client_async("ws://localhost/", io).await.unwrap();
    for len in LENGTHS {
        let text = TheirMessage::text("ä".repeat(len / 2));
        socket.send(text.clone()).await.unwrap();
        assert_eq!(socket.next().await.unwrap().unwrap(), text);
        let bytes = TheirMessage::binary(vec![len as u8; len]);
        socket.send(bytes.clone()).await.unwrap();
        assert_eq!(socket.next().await.unwrap().unwrap(), bytes);
    }
    let ping = TheirMessage::Ping("ping".into());
    socket.send(ping).await.unwrap();
    assert_eq!(socket.next().await.unwrap().unwrap(), TheirMessage::Pong("ping".into()));
    let frame = CloseFrame { code: TheirCode::Away, reason: "done".into() };
    socket.close(Some(frame)).await.unwrap();
    let TheirMessage::Close(Some(reply)) = socket.next().await.unwrap().unwrap() else {
        panic!("the reply is a Close frame");
    };
    assert_eq!(reply.code, TheirCode::Away);
    assert!(socket.next().await.is_none());
}

#[tokio::test]
async fn our_client_talks_to_their_server() {
    let port = serve(async |socket| their_echo(socket).await.unwrap()).await;
    assert_our_client_talks_to(&format!("ws://localhost:{port}/")).await;
}

#[tokio::test]
async fn our_client_talks_to_their_server_over_tls() {
    let port = serve(async |socket| {
        their_echo(TLS.acceptor.accept(socket).await.unwrap()).await.unwrap();
    })
    .await;
    assert_our_client_talks_to(&format!("wss://localhost:{port}/")).await;
}

#[tokio::test]
async fn their_client_talks_to_our_server() {
    let port = echo_server().await;
    let tcp = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
    assert_their_client_talks_over(tcp).await;
}

#[tokio::test]
async fn their_client_talks_to_our_server_over_tls() {
    let port = tls_echo_server().await;
    let tcp = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
    let name = "localhost".try_into().unwrap();
    let tls = TlsConnector::from(TLS.client.clone()).connect(name, tcp).await.unwrap();
    assert_their_client_talks_over(tls).await;
}

#[tokio::test]
async fn their_client_that_vanishes_ends_our_server() {
    let (ended, mut outcome) = tokio::sync::mpsc::channel(1);
    let port = serve(move |socket| {
        let ended = ended.clone();
        async move { ended.send(echo(accept(socket).await.unwrap()).await).await }
    })
    .await;
    let tcp = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
    drop(client_async("ws://localhost/", tcp).await.unwrap());
    let error = outcome.recv().await.unwrap().unwrap_err();
    assert_eq!(error.to_string(), "the stream ended without a Close frame");
}

#[tokio::test]
async fn end_of_tcp_without_close_notify_is_no_error_of_our_server_after_a_close() {
    let (ended, mut outcome) = tokio::sync::mpsc::channel(1);
    let port = serve(move |socket| {
        let ended = ended.clone();
        async move {
            let socket = accept(TLS.acceptor.accept(socket).await.unwrap()).await.unwrap();
            ended.send(echo(socket).await).await
        }
    })
    .await;
    let tcp = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
    let name = "localhost".try_into().unwrap();
    let tls = TlsConnector::from(TLS.client.clone()).connect(name, tcp).await.unwrap();
    // Dropped after the closing handshake, without an alert of TLS.
    assert_their_client_talks_over(tls).await;
    outcome.recv().await.unwrap().unwrap();
}
