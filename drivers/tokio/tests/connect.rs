//! Clients that connect over loopback sockets: `ws`, `wss`, proxies and redirects.

mod common;

use common::{TLS, client, echo_server, proxy, serve, serve_bytes, tls_echo_server};
use tokio_websocket_proto::proto::handshake::basic_credentials;
use tokio_websocket_proto::proto::{CloseCode, Message};
use tokio_websocket_proto::{ConnectError, Connected, Error, Proxy, Stream, WebSocket, connect};

async fn assert_echoes(mut socket: WebSocket<Stream>) {
    socket.send("Hello").await.unwrap();
    assert_eq!(socket.recv().await.unwrap().unwrap(), "Hello");
    let large = Message::from(vec![7; 1_000_000]);
    socket.send(large.clone()).await.unwrap();
    assert_eq!(socket.recv().await.unwrap().unwrap(), large);
    socket.close(CloseCode::NORMAL).await.unwrap();
    assert!(socket.outcome().unwrap().clean);
}

#[tokio::test]
async fn connects_in_one_line() {
    let port = echo_server().await;
    let socket = connect(&format!("ws://localhost:{port}/chat")).await.unwrap();
    assert!(socket.io().tcp().nodelay().unwrap());
    assert!(socket.io().tls().is_none());
    assert_echoes(socket).await;
}

#[tokio::test]
async fn connects_to_an_ipv6_address() {
    let Ok(listener) = tokio::net::TcpListener::bind("[::1]:0").await else {
        return; // This machine has no IPv6.
    };
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { common::accept_and_echo(listener.accept().await.unwrap().0).await });
    assert_echoes(connect(&format!("ws://{address}/")).await.unwrap()).await;
}

#[tokio::test]
async fn connects_with_tls() {
    let port = tls_echo_server().await;
    // A task of its own: the future is `Send`.
    let connected = tokio::spawn(async move {
        client().connect(&format!("wss://localhost:{port}/chat")).await.unwrap()
    });
    let socket = connected.await.unwrap().socket;
    assert_eq!(socket.io().tls().unwrap().peer_certificates().unwrap().len(), 1);
    assert_echoes(socket).await;
}

#[tokio::test]
async fn end_of_tcp_without_close_notify_ends_a_closed_connection() {
    use tokio_websocket_proto::accept;
    let port = serve(async |socket| {
        let mut socket = accept(TLS.acceptor.accept(socket).await.unwrap()).await.unwrap();
        socket.start_close(CloseCode::NORMAL).unwrap();
        socket.flush().await.unwrap();
        // Dropped without an alert of TLS.
        assert_eq!(socket.recv().await.unwrap(), None);
    })
    .await;
    let connected = client().connect(&format!("wss://localhost:{port}")).await.unwrap();
    let mut socket = connected.socket;
    assert_eq!(socket.recv().await.unwrap(), None);
    assert!(socket.outcome().unwrap().clean);
}

#[tokio::test]
async fn response_has_fields_and_the_subprotocol() {
    let port = echo_server().await;
    let uri = format!("ws://127.0.0.1:{port}/");
    let client = client().with_subprotocols(["chat.v1"]).with_field("Cookie", "a=b");
    let Connected { socket, response, uri: target, .. } = client.connect(&uri).await.unwrap();
    assert_eq!(socket.subprotocol(), Some("chat.v1"));
    assert_eq!(response.status, 101);
    assert_eq!(response.field("sec-websocket-protocol"), Some("chat.v1"));
    assert_eq!(response.field("x-credentials"), Some("Cookie"));
    assert_eq!(target, uri);
}

#[tokio::test]
async fn tunnel_leads_through_a_proxy() {
    let credentials = basic_credentials("Aladdin", "open sesame").unwrap();
    let (plain, secure) = (echo_server().await, tls_echo_server().await);
    let http = serve(async |socket| proxy(socket, None).await).await;
    let expected = credentials.clone();
    let demanding = serve(move |socket| {
        let expected = expected.clone();
        async move { proxy(socket, Some(&expected)).await }
    })
    .await;
    let https = serve(async |socket| proxy(TLS.acceptor.accept(socket).await?, None).await).await;
    for proxy in [
        format!("http://127.0.0.1:{http}"),
        format!("http://Aladdin:open%20sesame@localhost:{demanding}/"),
        format!("https://localhost:{https}"),
    ] {
        let client = client().with_proxy(Proxy::parse(&proxy).unwrap());
        for uri in [format!("ws://127.0.0.1:{plain}/"), format!("wss://localhost:{secure}/")] {
            // Only the proxy gets its credentials.
            let connected = client.connect(&uri).await.unwrap();
            assert_eq!(connected.response.field("x-credentials"), Some(""), "{proxy} {uri}");
            assert_echoes(connected.socket).await;
        }
    }
}

#[cfg(feature = "deflate")]
#[tokio::test]
async fn compression_is_negotiated_as_configured() {
    use tokio_websocket_proto::Incoming;
    use tokio_websocket_proto::proto::handshake::Acceptance;
    use tokio_websocket_proto::proto::{Config, Deflate};

    static CONFIG: Config = Config::new().with_deflate(Deflate::new());
    let port = serve(async |socket| {
        let incoming = Incoming::receive(socket, &CONFIG).await.unwrap();
        common::echo(incoming.accept(&Acceptance::new()).await.unwrap()).await
    })
    .await;
    let client = client().with_config(&CONFIG);
    let socket = client.connect(&format!("ws://localhost:{port}/")).await.unwrap().socket;
    assert!(socket.deflate_parameters().is_some());
    assert_echoes(socket).await;
}

async fn redirect(location: &str) -> u16 {
    let head = format!("HTTP/1.1 307 Temporary Redirect\r\nLocation: {location}\r\n");
    serve_bytes(format!("{head}Content-Length: 0\r\n\r\n")).await
}

#[tokio::test]
async fn redirect_to_the_same_origin_keeps_credentials() {
    // The server redirects each path but the target.
    let port = serve(async |mut socket| {
        use tokio::io::AsyncWriteExt;
        let mut start = [0; 16];
        let peeked = socket.peek(&mut start).await.unwrap();
        if start[..peeked].starts_with(b"GET /chat/v2 ") {
            return common::accept_and_echo(socket).await.unwrap();
        }
        let head = b"HTTP/1.1 302 Found\r\nLocation: v2\r\nContent-Length: 0\r\n\r\n";
        socket.write_all(head).await.unwrap();
        socket.shutdown().await.unwrap();
        tokio::io::copy(&mut socket, &mut tokio::io::sink()).await.unwrap();
    })
    .await;
    let client = client().with_field("Cookie", "a=b").with_max_redirects(1);
    let connected = client.connect(&format!("ws://127.0.0.1:{port}/chat/v1")).await.unwrap();
    assert_eq!(connected.uri, format!("ws://127.0.0.1:{port}/chat/v2"));
    assert_eq!(connected.response.field("x-credentials"), Some("Cookie"));
    assert_echoes(connected.socket).await;
}

#[tokio::test]
async fn redirect_to_another_origin_drops_credentials() {
    let port = tls_echo_server().await;
    let second = redirect(&format!("https://localhost:{port}/chat")).await;
    let first = redirect(&format!("//localhost:{second}/")).await;
    let client = client()
        .with_field("Cookie", "a=b")
        .with_field("Authorization", "Basic x")
        .with_max_redirects(2);
    let connected = client.connect(&format!("ws://localhost:{first}/")).await.unwrap();
    assert_eq!(connected.uri, format!("https://localhost:{port}/chat"));
    assert_eq!(connected.response.field("x-credentials"), Some(""));
    assert_echoes(connected.socket).await;
}

#[tokio::test]
async fn redirect_is_an_error_by_default() {
    let port = redirect("ws://example.com/").await;
    let error = connect(&format!("ws://127.0.0.1:{port}/")).await.unwrap_err();
    assert!(matches!(&error, Error::Rejected(response) if response.status == 307), "{error}");
    assert_eq!(
        error.to_string(),
        "the server answered with status 307; it redirects to ws://example.com/, so use that, or \
         allow redirects"
    );
}

#[tokio::test]
async fn redirects_that_must_not_be_followed_are_errors() {
    let client = client().with_max_redirects(2);
    let endless = redirect("/").await;
    let error = client.connect(&format!("ws://127.0.0.1:{endless}/")).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        format!(
            "the server redirects too often, last to ws://127.0.0.1:{endless}/; check the URI, or \
             allow more redirects"
        )
    );

    let invalid = redirect("ftp://example.com/").await;
    let error = client.connect(&format!("ws://127.0.0.1:{invalid}/")).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "the server redirects to an invalid URI: the scheme is none of ws, wss, http and https; \
         report it to whoever runs the server"
    );

    let insecure = serve(async |socket| {
        use tokio_websocket_proto::proto::handshake::Field;
        use tokio_websocket_proto::{DEFAULT_CONFIG, Incoming};
        let incoming = Incoming::receive(TLS.acceptor.accept(socket).await?, &DEFAULT_CONFIG);
        incoming.await?.respond(301, &[Field::new("Location", "ws://localhost/")], b"").await
    })
    .await;
    let error = client.connect(&format!("wss://localhost:{insecure}/")).await.unwrap_err();
    let Error::Connect(inner) = &error else { panic!("{error}") };
    assert!(matches!(**inner, ConnectError::InsecureRedirect { .. }));
    assert_eq!(
        error.to_string(),
        "the server redirects to ws://localhost/, which is without TLS and is not followed; ask for \
         a wss:// URI"
    );
}

#[test]
fn future_of_connecting_is_small() {
    let future = connect("wss://localhost/");
    assert!(size_of_val(&future) <= 512, "{}", size_of_val(&future));
}
