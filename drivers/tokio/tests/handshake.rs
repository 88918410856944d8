//! Opening handshakes over transports that fail.

use std::io;
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};
use tokio::task::coop::consume_budget;
use tokio::time::Instant;
use tokio_websocket_proto::proto::handshake::{
    Acceptance, ClientRequest, HandshakeError, Rejection,
};
use tokio_websocket_proto::proto::{
    Chunk, Config, ConnectionError, Delivery, Fragment, Limit, Limits, Timeouts,
};
use tokio_websocket_proto::{
    DEFAULT_CONFIG, Error, Incoming, Response, WebSocket, accept, client, client_with,
    default_config,
};

use script::{Script, poll};

mod script;

const REQUEST: ClientRequest<'static> = ClientRequest::to("localhost", "/");

/// Performs a client's handshake over `script`, which must not let it wait.
#[track_caller]
fn error_of_client(script: &Script) -> Error {
    match poll(pin!(client(script.clone(), &REQUEST))) {
        Poll::Ready(Err(error)) => error,
        other => panic!("{other:?}"),
    }
}

#[track_caller]
fn rejection(error: Error) -> Response {
    match error {
        Error::Rejected(response) => *response,
        error => panic!("{error:?}"),
    }
}

#[tokio::test(start_paused = true)]
async fn rejection_outlives_a_transport_that_breaks_during_its_body() {
    for fields in ["", "Content-Length: 100\r\n", "Transfer-Encoding: chunked\r\n"] {
        for body in ["", "4\r\nstop\r\n"] {
            let script = Script::default();
            script.push(format!("HTTP/1.1 401 Unauthorized\r\n{fields}\r\n{body}"));
            script.push_reset();
            let response = rejection(error_of_client(&script));
            assert_eq!(response.status, 401, "{fields}");
            let expected =
                if fields.contains("chunked") && !body.is_empty() { "stop" } else { body };
            assert_eq!(String::from_utf8(response.body).unwrap(), expected, "{fields}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn response_is_read_after_a_failed_write() {
    for body in ["Content-Length: 4\r\n\r\nstop", "\r\nstop"] {
        let script = Script::default();
        script.fail_writes();
        let (head, rest) = body.split_at(3);
        script.push(format!("HTTP/1.1 503 Service Unavailable\r\n{head}"));
        script.push(rest);
        script.push("");
        let response = rejection(error_of_client(&script));
        assert_eq!((response.status, &*response.body), (503, &b"stop"[..]));
    }
}

#[tokio::test(start_paused = true)]
async fn response_that_the_runtime_has_not_noticed_at_a_failed_write_is_read() {
    let script = Script::default();
    script.fail_writes();
    let connecting = client(script.clone(), &REQUEST);
    let mut connecting = pin!(connecting);
    for part in ["HTTP/1.1 503 Service Unavailable\r\n", "Content-Length: 4\r\n\r\n", "stop"] {
        for _ in 0..100 {
            assert!(poll(connecting.as_mut()).is_pending());
        }
        script.push(part);
    }
    let response = rejection(connecting.await.unwrap_err());
    assert_eq!((response.status, &*response.body), (503, &b"stop"[..]));
}

#[tokio::test]
async fn response_is_read_after_a_write_that_fails_with_the_last_budget() {
    for units in 120..130 {
        let (mut server, io) = duplex(1024);
        let response = b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 4\r\n\r\nstop";
        server.write_all(response).await.unwrap();
        drop(server);
        // A task of its own starts with the whole budget.
        let connecting = tokio::spawn(async move {
            for _ in 0..units {
                consume_budget().await;
            }
            client(io, &REQUEST).await.unwrap_err()
        });
        let response = rejection(connecting.await.unwrap());
        assert_eq!((response.status, &*response.body), (503, &b"stop"[..]), "{units} units");
    }
}

#[tokio::test(start_paused = true)]
async fn transport_that_breaks_before_the_response_is_its_error() {
    let script = Script::default();
    script.push("HTTP/1.1 401 Unauth");
    script.push_reset();
    let Error::Io(error) = error_of_client(&script) else { panic!() };
    assert_eq!(error.kind(), io::ErrorKind::ConnectionReset);

    let script = Script::default();
    script.fail_writes();
    let start = Instant::now();
    let Err(Error::Io(error)) = client(script, &REQUEST).await else { panic!() };
    assert!(start.elapsed() <= Duration::from_millis(20), "{:?}", start.elapsed());
    assert_eq!(error.kind(), io::ErrorKind::BrokenPipe);
}

#[tokio::test(start_paused = true)]
async fn transport_that_breaks_during_a_request_is_its_error() {
    let script = Script::default();
    script.push("GET / HTTP/1.1\r\n");
    script.push_reset();
    let Poll::Ready(Err(Error::Io(error))) = poll(pin!(accept(script.clone()))) else { panic!() };
    assert_eq!(error.kind(), io::ErrorKind::ConnectionReset);
}

#[tokio::test(start_paused = true)]
async fn error_of_a_request_outlives_a_transport_that_breaks_during_the_response() {
    let script = Script::default();
    script.fail_writes();
    script.push("GET / HTTP/1.1\nHost: localhost\r\n\r\n");
    let accepted = accept(script.clone()).await;
    let Err(Error::Handshake(error)) = accepted else { panic!("{accepted:?}") };
    assert_ne!(error, HandshakeError::Aborted);
}

#[tokio::test(start_paused = true)]
async fn response_is_flushed_although_the_client_has_ended_its_stream() {
    let respond = async |script: Script| {
        let incoming = Incoming::receive(script, &DEFAULT_CONFIG).await.unwrap();
        incoming.respond(404, &[], b"There is nothing here.").await
    };
    let script = Script::default();
    script.push("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n");
    script.push("");
    script.buffer_writes();
    let mut responding = pin!(respond(script.clone()));
    assert!(poll(responding.as_mut()).is_pending());
    assert!(script.take_written().ends_with(b"There is nothing here."));
    script.accept_writes();
    assert!(poll(responding.as_mut()).is_ready());

    // `Timeouts::closing` bounds it.
    script.push("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n");
    script.push("");
    script.buffer_writes();
    let start = Instant::now();
    respond(script).await.unwrap();
    assert_eq!(start.elapsed(), Duration::from_secs(10));
}

/// The delivery and the message limit depend on the path.
#[tokio::test(start_paused = true)]
async fn paths_of_one_server_have_different_configurations() {
    static CHAT: Config = default_config().with_limits(Limits::DEFAULT.with_max_message(10));
    static UPLOAD: Config = default_config().with_delivery(Delivery::Chunks);
    for path in ["/chat", "/upload"] {
        let (ours, theirs) = duplex(1024);
        let server = async {
            let mut incoming = Incoming::receive(theirs, &DEFAULT_CONFIG).await?;
            match incoming.request().path() {
                "/chat" => incoming.set_config(&CHAT),
                _ => incoming.set_config(&UPLOAD),
            }
            incoming.accept(&Acceptance::new()).await
        };
        let request = ClientRequest::to("localhost", path);
        let (client, server) = tokio::join!(client(ours, &request), server);
        let (mut client, mut server) = (client.unwrap(), server.unwrap());
        for (piece, fragment) in [("Hello", Fragment::First), ("Hello!", Fragment::Last)] {
            client.send_chunk(Chunk::new(piece, fragment)).await.unwrap();
        }
        if path == "/chat" {
            drop(client);
            let received = server.recv().await;
            let limit = ConnectionError::Limit(Limit::Message);
            assert!(matches!(received, Err(Error::Connection(e)) if e == limit), "{received:?}");
        } else {
            let first = server.recv_chunk().await.unwrap().unwrap();
            assert_eq!((first.payload, first.fragment), ("Hello".into(), Fragment::First));
        }
    }
}

#[tokio::test(start_paused = true)]
async fn closing_timeout_of_the_configuration_set_before_a_rejection_bounds_it() {
    let timeouts = Timeouts::RECOMMENDED.with_closing(Some(Duration::from_secs(2)));
    // The first client keeps its stream open. The response to the second one is not flushed.
    for is_ended in [false, true] {
        let script = Script::default();
        script.push("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n");
        if is_ended {
            script.push("");
            script.buffer_writes();
        }
        let mut incoming = Incoming::receive(script, &DEFAULT_CONFIG).await.unwrap();
        incoming.set_config(default_config().with_timeouts(timeouts));
        let start = Instant::now();
        incoming.reject(Rejection::NotFound).await.unwrap();
        let waited = start.elapsed();
        assert!(waited >= Duration::from_secs(2) && waited <= Duration::from_secs(3), "{waited:?}");
    }
}

#[tokio::test]
async fn statistics_of_both_roles_count_frames_only() {
    static CONFIG: Config = default_config().with_statistics();
    let (ours, theirs) = duplex(1024);
    let server =
        async { Incoming::receive(theirs, &CONFIG).await?.accept(&Acceptance::new()).await };
    let (client, server) = tokio::join!(client_with(ours, &REQUEST, &CONFIG), server);
    let (mut client, mut server) = (client.unwrap().0, server.unwrap());
    let wire_bytes = |socket: &WebSocket<_>| {
        let statistics = socket.connection().statistics().unwrap();
        (statistics.sent.wire_bytes, statistics.received.wire_bytes)
    };
    assert_eq!((wire_bytes(&client), wire_bytes(&server)), ((0, 0), (0, 0)));
    client.send("Hello").await.unwrap();
    server.send("Hi").await.unwrap();
    assert!(client.recv().await.unwrap().is_some() && server.recv().await.unwrap().is_some());
    assert_eq!((wire_bytes(&client), wire_bytes(&server)), ((11, 4), (4, 11)));
}

#[tokio::test]
async fn dropped_futures_of_a_handshake_drop_the_transport() {
    let request = "GET / HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
        Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n";
    for len in [0, 10, request.len()] {
        // The response does not fit in.
        let (mut peer, io) = duplex(request.len() / 2);
        let accepting = async {
            let incoming = Incoming::receive(io, &DEFAULT_CONFIG).await?;
            incoming.accept(&Acceptance::new()).await
        };
        tokio::select! {
            biased;
            accepted = accepting => panic!("{accepted:?}"),
            () = async {
                peer.write_all(&request.as_bytes()[..len]).await.unwrap();
                tokio::task::yield_now().await;
            } => {}
        }
        let mut response = Vec::new();
        peer.read_to_end(&mut response).await.unwrap();
        assert!(b"HTTP/1.1 101".starts_with(&response[..response.len().min(12)]), "{len} bytes");
    }
}
