//! Messages over in-memory transports and sockets.

use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};
use tokio_websocket_proto::proto::handshake::{Acceptance, ClientRequest, Field, InvalidHead};
use tokio_websocket_proto::proto::{
    CloseCode, Connection, ConnectionError, Input, Message, Negotiated, Timeout,
};
use tokio_websocket_proto::{
    DEFAULT_CONFIG, Error, Incoming, WebSocket, accept, client, client_with,
};

use pair::{echo, pair};

mod pair;

#[tokio::test]
async fn messages_are_echoed_and_the_closing_handshake_completes() {
    for capacity in [1, 100, 1 << 20] {
        let (server, mut client) = pair(capacity).await;
        let server = tokio::spawn(echo(server));
        client.send("Hello").await.unwrap();
        assert_eq!(client.recv().await.unwrap().unwrap(), "Hello");
        let large = vec![7; if capacity == 1 { 1000 } else { 1_000_000 }];
        client.send(large.clone()).await.unwrap();
        assert_eq!(client.recv().await.unwrap().unwrap(), large[..]);
        client.close(CloseCode::NORMAL).await.unwrap();
        assert!(client.outcome().unwrap().clean);
        server.await.unwrap().unwrap();
    }
}

#[tokio::test]
async fn two_peers_that_only_send_do_not_block_each_other() {
    let (a, b) = pair(1000).await;
    let message = vec![7_u8; 900_000];
    let exchange = async |mut socket: WebSocket<DuplexStream>| {
        socket.send(message.clone()).await.unwrap();
        assert_eq!(socket.recv().await.unwrap().unwrap(), message[..]);
        socket.close(CloseCode::NORMAL).await.unwrap();
    };
    tokio::join!(exchange(a), exchange(b));
}

#[tokio::test]
async fn halves_work_in_two_tasks() {
    let (server, client) = pair(1000).await;
    let server = tokio::spawn(echo(server));
    let (mut sender, mut receiver) = client.split();
    let sending = tokio::spawn(async move {
        for i in 0..1000 {
            sender.send(format!("message {i}")).await.unwrap();
        }
        sender.start_close(CloseCode::NORMAL).unwrap();
        sender
    });
    let mut next = 0;
    while let Some(message) = receiver.recv().await.unwrap() {
        assert_eq!(message, format!("message {next}").as_str());
        next += 1;
    }
    assert_eq!(next, 1000);
    let socket = sending.await.unwrap().reunite(receiver).unwrap();
    assert!(socket.outcome().unwrap().clean);
    server.await.unwrap().unwrap();
}

#[tokio::test]
async fn stream_and_sink_carry_owned_messages() {
    let (server, mut client) = pair(1000).await;
    let server = tokio::spawn(async move {
        let (sink, stream) = server.split();
        stream.forward(sink).await
    });
    for i in 0..100 {
        SinkExt::send(&mut client, Message::from(format!("{i}"))).await.unwrap();
        assert_eq!(client.next().await.unwrap().unwrap(), format!("{i}").as_str());
    }
    SinkExt::close(&mut client).await.unwrap();
    server.await.unwrap().unwrap();
}

#[tokio::test(start_paused = true)]
async fn stream_and_sink_in_one_task_detect_a_peer_that_reads_nothing() {
    let (io, mut peer) = duplex(1000);
    let connection = Connection::server(&DEFAULT_CONFIG, &Negotiated::default());
    let socket = WebSocket::from_parts(io, connection, Input::owned(Vec::new()));
    // 64 messages of 32 KiB, masked with zeros.
    let frame = [&b"\x82\xFE\x80\x00\0\0\0\0"[..], &[7; 1 << 15]].concat();
    let sending = tokio::spawn(async move {
        for _ in 0..64 {
            peer.write_all(&frame).await?;
        }
        std::future::pending::<std::io::Result<()>>().await
    });
    let (sink, stream) = StreamExt::split(socket);
    let error = stream.forward(sink).await.unwrap_err();
    let expected = ConnectionError::Timeout(Timeout::Output);
    assert!(matches!(error, Error::Connection(error) if error == expected), "{error}");
    sending.abort();
}

#[tokio::test(start_paused = true)]
async fn dead_peer_is_detected() {
    let (_server, mut client) = pair(1000).await;
    let before = tokio::time::Instant::now();
    let error = client.recv().await.unwrap_err();
    assert!(matches!(error, Error::Connection(_)), "{error}");
    assert!(before.elapsed() < Duration::from_secs(60));
}

#[tokio::test]
async fn rejected_client_gets_the_whole_response() {
    let (a, b) = duplex(1000);
    let server = tokio::spawn(async move {
        let incoming = Incoming::receive(a, &DEFAULT_CONFIG).await?;
        assert_eq!(incoming.request().path(), "/x");
        let fields = [Field::new("WWW-Authenticate", "Basic")];
        incoming.respond(401, &fields, b"who are you?").await
    });
    let error = client(b, &ClientRequest::to("localhost", "/x")).await.unwrap_err();
    let Error::Rejected(response) = error else { panic!("{error}") };
    assert_eq!(response.status, 401);
    assert_eq!(response.field("www-authenticate"), Some("Basic"));
    assert_eq!(response.body, b"who are you?");
    server.await.unwrap().unwrap();
}

#[tokio::test]
async fn client_gets_a_response_if_the_server_cannot_accept() {
    let invalid = Acceptance::new().with_subprotocol("chat");
    let (a, b) = duplex(1000);
    let accepting = async { Incoming::receive(a, &DEFAULT_CONFIG).await?.accept(&invalid).await };
    let request = ClientRequest::to("localhost", "/");
    let (server, client) = tokio::join!(accepting, client(b, &request));
    let error = server.unwrap_err();
    assert!(matches!(error, Error::Head(InvalidHead::Subprotocol)), "{error:?}");
    let error = client.unwrap_err();
    assert!(matches!(&error, Error::Rejected(response) if response.status == 500), "{error:?}");

    // Plain HTTP.
    let (a, mut b) = duplex(1000);
    b.write_all(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n").await.unwrap();
    b.shutdown().await.unwrap();
    let incoming = Incoming::receive(a, &DEFAULT_CONFIG).await.unwrap();
    let accepted = incoming.accept(&Acceptance::new()).await;
    assert!(matches!(accepted, Err(Error::NotWebSocket)), "{accepted:?}");
    let mut response = String::new();
    b.read_to_string(&mut response).await.unwrap();
    assert!(response.starts_with("HTTP/1.1 426 "), "{response}");
}

#[tokio::test]
async fn both_ends_know_the_agreed_subprotocol() {
    for chosen in [Some("chat"), None] {
        let (a, b) = duplex(1000);
        let accepting = async {
            let incoming = Incoming::receive(a, &DEFAULT_CONFIG).await?;
            incoming.accept(&Acceptance::new().with_subprotocol(chosen)).await
        };
        let request = ClientRequest::to("localhost", "/").with_subprotocols(&["chat"]);
        let opening = client_with(b, &request, &DEFAULT_CONFIG);
        let (server, client) = tokio::join!(accepting, opening);
        let (client, response) = client.unwrap();
        assert_eq!(server.unwrap().subprotocol(), chosen);
        assert_eq!(client.subprotocol(), chosen);
        let (sender, receiver) = client.split();
        assert_eq!(sender.reunite(receiver).unwrap().subprotocol(), chosen);
        assert_eq!(response.status, 101);
        assert_eq!(response.field("Sec-WebSocket-Protocol"), chosen);
    }
}

#[tokio::test]
async fn transport_is_reached_through_the_connection() {
    let (server, mut client) = pair(1000).await;
    tokio::spawn(echo(server));
    let written = client.io_mut().write(b"").await.unwrap();
    assert_eq!(written, 0);
    let mut io = client.into_io();
    // A Ping of a client.
    io.write_all(b"\x89\x80\0\0\0\0").await.unwrap();
    let mut pong = [0; 2];
    io.read_exact(&mut pong).await.unwrap();
    assert_eq!(pong, [0x8a, 0]);
}

#[tokio::test]
async fn error_of_a_page_of_another_origin_names_the_origin_the_host_and_the_setting() {
    let (a, b) = duplex(1000);
    let fields = [Field::new("Origin", "https://example.org")];
    let request = ClientRequest::to("localhost:8080", "/").with_fields(&fields);
    let (server, client) = tokio::join!(accept(a), client(b, &request));
    let Error::Rejected(response) = client.unwrap_err() else { panic!() };
    assert_eq!(response.status, 403);
    let error = server.unwrap_err();
    assert!(matches!(error, Error::ForbiddenOrigin(_)), "{error:?}");
    let text = error.to_string();
    for part in ["\"https://example.org\"", "\"localhost:8080\"", "Config::with_origin_policy"] {
        assert!(text.contains(part), "{part}: {text}");
    }
    assert_eq!(text.lines().count(), 1, "{text}");
}

#[tokio::test(start_paused = true)]
async fn stream_and_sink_of_one_connection_work_in_two_tasks() {
    for is_stream_first in [true, false] {
        for replies in [0, 1, 3] {
            let (server, client) = pair(100).await;
            let (mut sink, mut stream) = StreamExt::split(client);
            let message = Message::from("x".repeat(10_000));
            let sending = async move { sink.send(message).await.map(|()| sink) };
            let receiving = async move {
                for i in 0..replies {
                    assert_eq!(stream.next().await.unwrap().unwrap(), format!("{i}").as_str());
                }
                assert_eq!(stream.next().await.unwrap().unwrap(), "end");
                stream
            };
            let (sending, receiving) = if is_stream_first {
                let receiving = tokio::spawn(receiving);
                tokio::task::yield_now().await;
                (tokio::spawn(sending), receiving)
            } else {
                let sending = tokio::spawn(sending);
                tokio::task::yield_now().await;
                (sending, tokio::spawn(receiving))
            };
            let peer = async move {
                tokio::task::yield_now().await;
                let (mut sender, mut receiver) = server.split();
                for i in 0..replies {
                    sender.send(format!("{i}")).await.unwrap();
                    tokio::task::yield_now().await;
                }
                assert_eq!(receiver.recv().await.unwrap().unwrap().len(), 10_000);
                sender.send("end").await.unwrap();
                receiver.recv().await.map(|message| message.is_none())
            };
            let ended = async {
                let peer = tokio::spawn(peer);
                let mut sink = sending.await.unwrap().unwrap();
                let mut stream = receiving.await.unwrap();
                let end = tokio::spawn(async move { stream.next().await.is_none() });
                tokio::task::yield_now().await;
                sink.close().await.unwrap();
                assert!(end.await.unwrap());
                peer.await.unwrap().unwrap()
            };
            let ended = tokio::time::timeout(Duration::from_secs(1), ended).await;
            assert!(ended.expect("each task is woken"), "{is_stream_first} {replies}");
        }
    }
}
