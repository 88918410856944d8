//! Runs the examples as programs.

mod common;
mod example;

use common::{
    TLS, accept_and_echo, echo_server, listen, proxy, serve, serve_bytes, tls_echo_server,
};
use example::{LIMIT, start, start_with};
use tokio::time::timeout;
use tokio_websocket_proto::proto::handshake::Acceptance;
use tokio_websocket_proto::proto::{CloseCode, CloseFrame, Message};
use tokio_websocket_proto::{DEFAULT_CONFIG, Incoming, accept, connect};

fn temporary_file(extension: &str) -> String {
    let name = format!("tokio-websocket-proto-{}.{extension}", std::process::id());
    std::env::temp_dir().join(name).to_str().unwrap().to_owned()
}

#[tokio::test]
async fn echo_server_echoes() {
    let mut server = start("echo_server_tokio", &["127.0.0.1:0"]);
    let line = server.line().await;
    let mut socket = connect(line.strip_prefix("listening on ").unwrap()).await.unwrap();
    for message in [Message::from("Hello"), Message::from(vec![7; 100_000])] {
        socket.send(message.clone()).await.unwrap();
        assert_eq!(socket.recv().await.unwrap().unwrap(), message);
    }
    socket.close(CloseCode::NORMAL).await.unwrap();
}

#[tokio::test]
async fn client_sends_lines_and_prints_messages() {
    let (listener, port) = listen().await;
    let mut client = start("client", &[&format!("ws://127.0.0.1:{port}/")]);
    let server = tokio::spawn(async move { accept_and_echo(listener.accept().await?.0).await });
    client.type_text("first\nsecond\n").await;
    assert_eq!(client.line().await, "first");
    assert_eq!(client.line().await, "second");
    client.finish().await.unwrap();
    server.await.unwrap().unwrap();
}

#[tokio::test]
async fn client_trusts_the_roots_of_the_operating_system() {
    let port = tls_echo_server().await;
    let file = &temporary_file("pem");
    std::fs::write(file, &TLS.certificate).unwrap();
    // The file takes the place of the operating system's certificates.
    let uri = format!("wss://localhost:{port}/");
    let mut client = start_with("client", &[&uri], &[("SSL_CERT_FILE", file)]);
    client.type_text("Hello\n").await;
    assert_eq!(client.line().await, "Hello");
    client.finish().await.unwrap();
    std::fs::remove_file(file).unwrap();
}

#[tokio::test]
async fn client_connects_through_the_proxy_that_the_environment_names() {
    let uri = &format!("ws://localhost:{}/", echo_server().await);
    let (tunnels, mut opened) = tokio::sync::mpsc::unbounded_channel();
    let proxy = serve(move |socket| {
        tunnels.send(()).unwrap();
        async move { proxy(socket, None).await }
    })
    .await;
    let proxy = &format!("127.0.0.1:{proxy}");
    let mut client = start_with("client", &[uri], &[("http_proxy", proxy)]);
    client.type_text("Hello\n").await;
    assert_eq!(client.line().await, "Hello");
    client.finish().await.unwrap();
    opened.try_recv().unwrap();

    // Where nobody connects to the proxy, the server is reached directly.
    for variables in [
        [("HTTP_PROXY", proxy.as_str()), ("NO_PROXY", "")],
        [("ALL_PROXY", proxy), ("NO_PROXY", "localhost")],
    ] {
        let mut client = start_with("client", &[uri], &variables);
        client.type_text("Hello\n").await;
        assert_eq!(client.line().await, "Hello");
        client.finish().await.unwrap();
        opened.try_recv().unwrap_err();
    }

    let client = start_with("client", &[uri], &[("all_proxy", "socks5://127.0.0.1:1080")]);
    assert_eq!(
        client.finish().await.unwrap_err(),
        "the environment variable all_proxy is not the URI of an HTTP proxy: the scheme is neither \
         http nor https; write http://host:port, or clear it\n"
    );
}

#[tokio::test]
async fn client_connects_again_after_a_restart_of_the_server() {
    let (listener, port) = listen().await;
    let mut client = start("client", &[&format!("ws://127.0.0.1:{port}/"), "0.01"]);
    for end in [CloseCode::SERVICE_RESTART, CloseCode::GOING_AWAY] {
        let mut socket = accept(listener.accept().await.unwrap().0).await.unwrap();
        socket.send("restarting").await.unwrap();
        socket.close(end).await.unwrap();
        assert_eq!(client.line().await, "restarting");
    }
    // A server that breaks off.
    drop(accept(listener.accept().await.unwrap().0).await.unwrap());
    // A line that is typed earlier may be lost with that connection.
    let (tcp, _) = listener.accept().await.unwrap();
    let server = tokio::spawn(accept_and_echo(tcp));
    client.type_text("Hello\n").await;
    assert_eq!(client.line().await, "Hello");
    client.finish().await.unwrap();
    server.await.unwrap().unwrap();
}

#[tokio::test]
async fn client_ends_with_its_input_while_it_waits_to_connect_again() {
    let (listener, port) = listen().await;
    let mut client = start("client", &[&format!("ws://127.0.0.1:{port}/"), "1000"]);
    let mut socket = accept(listener.accept().await.unwrap().0).await.unwrap();
    socket.send("restarting").await.unwrap();
    assert_eq!(client.line().await, "restarting");
    socket.close(CloseCode::SERVICE_RESTART).await.unwrap();
    client.finish().await.unwrap();
}

#[tokio::test]
async fn client_connects_again_for_a_line_after_its_input_has_ended() {
    let (listener, port) = listen().await;
    let mut client = start("client", &[&format!("ws://127.0.0.1:{port}/"), "0.1"]);
    client.type_text("Hello\n").await;
    let server = tokio::spawn(async move {
        // The line is typed while there is no connection.
        drop(listener.accept().await.unwrap());
        let mut socket = accept(listener.accept().await.unwrap().0).await.unwrap();
        assert_eq!(socket.recv().await.unwrap().unwrap(), "Hello");
        assert_eq!(socket.recv().await.unwrap(), None);
    });
    client.finish().await.unwrap();
    timeout(LIMIT, server).await.expect("the client has connected again").unwrap();
}

#[tokio::test]
async fn client_ends_normally_after_a_close_with_1000_or_without_a_code() {
    for frame in [Some(CloseFrame::new(CloseCode::NORMAL, "").unwrap()), None] {
        let (listener, port) = listen().await;
        let client = start("client", &[&format!("ws://127.0.0.1:{port}/")]);
        let mut socket = accept(listener.accept().await.unwrap().0).await.unwrap();
        socket.close(frame).await.unwrap();
        client.finish().await.unwrap();
    }
}

#[tokio::test]
async fn client_stops_when_the_server_rejects_it() {
    let rejection = "HTTP/1.1 401 \r\nContent-Length: 0\r\n\r\n";
    let port = serve_bytes(rejection).await;
    let client = start("client", &[&format!("ws://127.0.0.1:{port}/")]);
    assert_eq!(
        client.finish().await.unwrap_err(),
        "the server answered with status 401; it demands credentials, perhaps in the field \
         Authorization\n"
    );

    let (listener, port) = listen().await;
    let client = start("client", &[&format!("ws://127.0.0.1:{port}/")]);
    let mut socket = accept(listener.accept().await.unwrap().0).await.unwrap();
    socket.close(CloseCode::POLICY_VIOLATION).await.unwrap();
    assert_eq!(client.finish().await.unwrap_err(), "connected\nthe server closed with 1008\n");
}

#[tokio::test]
async fn broadcast_server_sends_each_message_to_all_others() {
    let mut server = start("broadcast_server", &["127.0.0.1:0"]);
    let line = server.line().await;
    let uri = line.strip_prefix("listening on ").unwrap();
    let mut sockets = Vec::new();
    for _ in 0..3 {
        sockets.push(connect(uri).await.unwrap());
    }
    for (i, message) in [Message::from("first"), Message::from(vec![7; 100_000])].iter().enumerate()
    {
        sockets[i].send(message.clone()).await.unwrap();
        for other in (0..3).filter(|&other| other != i) {
            assert_eq!(sockets[other].recv().await.unwrap().unwrap(), *message, "{other}");
        }
    }
    // No client has received its own message.
    for mut socket in sockets {
        socket.start_close(CloseCode::NORMAL).unwrap();
        assert!(socket.recv().await.unwrap().is_none());
    }
}

#[tokio::test]
async fn broadcast_server_keeps_a_client_that_sends_without_a_pause() {
    let mut server = start("broadcast_server", &["127.0.0.1:0"]);
    let line = server.line().await;
    let mut socket = connect(line.strip_prefix("listening on ").unwrap()).await.unwrap();
    for _ in 0..10_000 {
        socket.feed("Hello").await.unwrap();
    }
    socket.start_close(CloseCode::NORMAL).unwrap();
    assert_eq!(socket.recv().await.unwrap(), None);
    assert_eq!(socket.peer_close().unwrap().code(), CloseCode::NORMAL);
}

#[cfg(unix)]
#[tokio::test]
async fn broadcast_server_closes_its_clients_when_it_is_interrupted() {
    let mut server = start("broadcast_server", &["127.0.0.1:0"]);
    let line = server.line().await;
    let mut socket = connect(line.strip_prefix("listening on ").unwrap()).await.unwrap();
    server.interrupt().await;
    assert_eq!(socket.recv().await.unwrap(), None);
    assert_eq!(socket.peer_close().unwrap().code(), CloseCode::GOING_AWAY);
    server.finish().await.unwrap();
}

#[tokio::test]
async fn clients_of_the_broadcast_server_chat() {
    let mut server = start("broadcast_server", &["127.0.0.1:0"]);
    let line = server.line().await;
    let uri = line.strip_prefix("listening on ").unwrap();
    let mut socket = connect(uri).await.unwrap();
    let mut client = start("client", &[uri]);
    client.type_text("Hello\n").await;
    assert_eq!(socket.recv().await.unwrap().unwrap(), "Hello");
    socket.send("Hello yourself").await.unwrap();
    assert_eq!(client.line().await, "Hello yourself");
    client.finish().await.unwrap();
}

#[tokio::test]
async fn autobahn_client_echoes_to_its_server() {
    let (listener, port) = listen().await;
    let client = start("autobahn", &["client", "ours", &format!("ws://127.0.0.1:{port}/")]);
    let mut requests = Vec::new();
    for reply in [Some("1"), Some("echo"), None] {
        let tcp = listener.accept().await.unwrap().0;
        let incoming = Incoming::receive(tcp, &DEFAULT_CONFIG).await.unwrap();
        requests.push(incoming.request().target().to_owned());
        let mut socket = incoming.accept(&Acceptance::new()).await.unwrap();
        if let Some(reply) = reply {
            socket.send(reply).await.unwrap();
        }
        if reply == Some("echo") {
            assert_eq!(socket.recv().await.unwrap().unwrap(), "echo");
        }
        socket.close(CloseCode::NORMAL).await.unwrap();
    }
    client.finish().await.unwrap();
    let expected = ["/getCaseCount", "/runCase?case=1&agent=ours", "/updateReports?agent=ours"];
    assert_eq!(requests, expected);
}

#[tokio::test]
async fn wss_talks_to_itself_with_a_self_signed_certificate() {
    let file = &temporary_file("der");
    let mut server = start("wss", &["server", file, "127.0.0.1:0"]);
    let line = server.line().await;
    let uri = line.strip_prefix("listening on ").unwrap();
    let mut client = start("wss", &["client", file, uri, "Hello"]);
    assert_eq!(client.line().await, "Hello");
    client.finish().await.unwrap();
    std::fs::remove_file(file).unwrap();
}
