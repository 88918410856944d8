//! The errors of a client that gets no connection, over loopback sockets.

mod common;

use std::time::Duration;

use common::{
    FullListener, TLS, Tls, client, echo_server, listen, proxy, serve, serve_bytes, tls_echo_server,
};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpSocket;
use tokio_websocket_proto::proto::handshake::{ClientRequest, InvalidHead};
use tokio_websocket_proto::proto::{Config, Timeouts};
use tokio_websocket_proto::{
    ClientBuilder, ConnectError, ConnectStep, Error, Proxy, accept, tokio_rustls,
};

/// Connects, and returns the error.
async fn fail(client: &ClientBuilder, uri: &str) -> Error {
    match client.connect(uri).await {
        Ok(_) => panic!("connected to {uri}"),
        Err(error) => error,
    }
}

/// Connects to `uri` and returns the error before the server's response.
async fn unreached(client: &ClientBuilder, uri: &str) -> (ConnectError, String) {
    let error = fail(client, uri).await;
    let text = error.to_string();
    match error {
        Error::Connect(error) => (*error, text),
        error => panic!("{error:?}"),
    }
}

/// Returns the text of the error after a server has answered with `response`.
async fn after_response(response: &str) -> String {
    let port = serve_bytes(response).await;
    fail(&client(), &format!("ws://127.0.0.1:{port}/")).await.to_string()
}

/// Returns the text of the error after a server has answered with this status and body.
async fn after_status(status: u16, body: &str) -> String {
    let len = body.len();
    after_response(&format!("HTTP/1.1 {status} \r\nContent-Length: {len}\r\n\r\n{body}")).await
}

fn via(proxy: u16) -> ClientBuilder {
    client().with_proxy(Proxy::parse(&format!("http://127.0.0.1:{proxy}")).unwrap())
}

#[tokio::test]
async fn text_that_is_no_uri() {
    let (error, text) = unreached(&client(), "example.com/chat").await;
    assert!(matches!(error, ConnectError::Uri(_)));
    assert_eq!(
        text,
        "the URI is invalid: the scheme is none of ws, wss, http and https; write \
         ws://host:port/path or wss://host/path"
    );
}

#[tokio::test]
async fn invalid_field_is_reported_before_connecting() {
    let client = client().with_field("Cookie", "a=b\r\nX: y");
    let error = fail(&client, "wss://127.0.0.1:1/").await;
    assert!(matches!(error, Error::Head(InvalidHead::FieldValue)), "{error:?}");
}

#[tokio::test]
async fn name_without_address() {
    // No resolver is asked: a label has at most 63 characters.
    let host = "a".repeat(64);
    let (error, text) = unreached(&client(), &format!("ws://{host}/")).await;
    assert!(matches!(error, ConnectError::Resolve { .. }));
    assert!(text.starts_with(&format!("the name {host} was not resolved (")), "{text}");
    assert!(text.ends_with("); check its spelling and the network"), "{text}");
}

#[tokio::test]
async fn port_that_nobody_listens_on() {
    // It has the port and does not listen, so nobody else has it.
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let port = socket.local_addr().unwrap().port();
    for (client, uri) in [
        (client(), format!("ws://127.0.0.1:{port}/")),
        (client(), format!("wss://127.0.0.1:{port}/")),
        (via(port), "wss://example.com".to_owned()),
    ] {
        let (error, text) = unreached(&client, &uri).await;
        assert!(matches!(error, ConnectError::Tcp { .. }));
        assert_eq!(
            text,
            format!(
                "127.0.0.1:{port} refused the connection; check the port, and that the server runs"
            )
        );
    }
}

#[tokio::test]
async fn tls_on_a_plain_port() {
    for port in
        [echo_server().await, serve_bytes("SSH-2.0-OpenSSH_9.9\r\n").await, serve_bytes("S").await]
    {
        let (error, text) = unreached(&client(), &format!("wss://localhost:{port}/")).await;
        assert!(matches!(error, ConnectError::PlainServer { .. }), "{error:?}");
        assert_eq!(
            text,
            format!(
                "localhost:{port} does not speak TLS; check the port, or use ws:// instead of wss://"
            )
        );
    }
}

/// Opens a client over a transport that moves at most `max` bytes at once, to a server that sends `bytes`.
async fn after_reads_of(max: usize, bytes: &[u8]) -> Error {
    let (io, mut server) = tokio::io::duplex(max);
    let request = ClientRequest::to("example.com", "/");
    let opening = tokio_websocket_proto::client(io, &request);
    // The client does not wait for all of the bytes.
    let (opened, _) = tokio::join!(opening, server.write_all(bytes));
    opened.unwrap_err()
}

#[tokio::test]
async fn alert_of_tls_is_recognized_in_reads_of_any_length() {
    const ALERT: &[u8] = b"\x15\x03\x03\x00\x02\x02\x46";
    for max in 1..=ALERT.len() {
        let error = after_reads_of(max, ALERT).await;
        assert!(
            matches!(&error, Error::Connect(error) if matches!(**error, ConnectError::TlsServer)),
            "{max}: {error:?}"
        );
    }
}

#[tokio::test]
async fn bytes_of_an_alert_of_tls_elsewhere_are_none() {
    let line = "HTTP/1.1 101 ";
    for (max, bytes) in [
        (line.len(), [line, "\x15\x03\x03"].concat().as_bytes()),
        (1, [line, "\x15\x03\x03"].concat().as_bytes()),
        (2, &b"\x15\x05"[..]),
        (1, b"\x16\x03"),
    ] {
        let error = after_reads_of(max, bytes).await;
        assert!(matches!(error, Error::Handshake(_)), "{bytes:?}: {error:?}");
    }
}

#[tokio::test]
async fn plain_on_a_tls_port() {
    let port = tls_echo_server().await;
    let (error, text) = unreached(&client(), &format!("ws://localhost:{port}/")).await;
    assert!(matches!(error, ConnectError::TlsServer));
    assert_eq!(text, "the server seems to speak TLS; use wss:// instead of ws://");
    // Many web servers answer with a page instead.
    assert_eq!(
        after_status(400, "The plain HTTP request was sent to HTTPS port").await,
        "the server answered with status 400 (The plain HTTP request was sent to HTTPS port); the port \
         may expect TLS, so try wss:// instead of ws://"
    );
}

#[tokio::test]
async fn tls_client_of_a_plain_server() {
    let (listener, port) = listen().await;
    let uri = format!("wss://localhost:{port}/");
    let (client, accepted) = (client(), async { accept(listener.accept().await?.0).await });
    let (_, accepted) = tokio::join!(client.connect(&uri), accepted);
    let text = "the opening handshake failed: the method is not a token; the client may speak another \
                protocol, such as TLS";
    assert_eq!(accepted.unwrap_err().to_string(), text);

    // The start of a ClientHello, one byte at a time.
    let (io, mut client) = tokio::io::duplex(1);
    let sent = async {
        let _ = client.write_all(b"\x16\x03\x01\x02\x00\x01").await;
        drop(client);
    };
    let (accepted, ()) = tokio::join!(accept(io), sent);
    assert_eq!(accepted.unwrap_err().to_string(), text);
}

#[tokio::test]
async fn server_that_closes_during_the_tls_handshake() {
    let port = serve_bytes("").await;
    let (error, text) = unreached(&client(), &format!("wss://localhost:{port}/")).await;
    assert!(matches!(error, ConnectError::Tls { .. }));
    assert_eq!(
        text,
        format!(
            "TLS with localhost:{port} failed: tls handshake eof; check that the port speaks TLS"
        )
    );
}

#[tokio::test]
async fn certificate_of_an_unknown_issuer() {
    let port = tls_echo_server().await;
    // Reading the roots of the operating system may take long on a busy machine.
    let client = ClientBuilder::new().with_config(Config::new());
    let (error, text) = unreached(&client, &format!("wss://localhost:{port}/")).await;
    if matches!(error, ConnectError::NoRoots) {
        return; // The operating system of this machine has no roots.
    }
    assert!(matches!(error, ConnectError::Tls { .. }));
    let start =
        format!("TLS with localhost:{port} failed: invalid peer certificate: UnknownIssuer");
    assert!(text.starts_with(&start), "{text}");
    let advice = "; if you trust its issuer, add it to the roots of the TLS configuration";
    assert!(text.ends_with(advice), "{text}");
}

#[tokio::test]
async fn certificate_of_another_name() {
    let port = tls_echo_server().await;
    let (error, text) = unreached(&client(), &format!("wss://127.0.0.1:{port}/")).await;
    assert!(matches!(error, ConnectError::Tls { .. }));
    assert!(text.contains("certificate not valid for name \"127.0.0.1\""), "{text}");
    assert!(text.ends_with("; use a name that is in the certificate"), "{text}");
}

#[tokio::test]
async fn certificate_of_an_issuer() {
    let issuer = Tls::of_an_issuer();
    let acceptor = issuer.acceptor;
    let port = serve(move |socket| acceptor.accept(socket)).await;
    let client = ClientBuilder::new().with_tls(issuer.client);
    let (error, text) = unreached(&client, &format!("wss://localhost:{port}/")).await;
    assert!(matches!(error, ConnectError::Tls { .. }));
    let advice = "; it is a certificate of an issuer, so create one for the server: openssl req -x509 \
                  -addext basicConstraints=critical,CA:FALSE";
    assert!(text.ends_with(advice), "{text}");
}

#[tokio::test]
async fn certificate_that_has_expired() {
    let expired = Tls::new(2000);
    let acceptor = expired.acceptor;
    let port = serve(move |socket| acceptor.accept(socket)).await;
    let client = ClientBuilder::new().with_tls(expired.client);
    let (error, text) = unreached(&client, &format!("wss://localhost:{port}/")).await;
    assert!(matches!(error, ConnectError::Tls { .. }));
    assert!(text.contains("certificate expired"), "{text}");
    assert!(text.ends_with("; check the clock of this machine"), "{text}");
}

#[tokio::test]
async fn host_that_is_neither_a_name_nor_an_address() {
    // The resolver reads it as 127.0.0.1.
    let port = tls_echo_server().await;
    let (error, text) = unreached(&client(), &format!("wss://127.1:{port}/")).await;
    assert!(matches!(error, ConnectError::Tls { .. }), "{error:?}");
    assert_eq!(text, format!("TLS with 127.1:{port} failed: invalid dns name"));
    assert!(!Error::from(error).is_temporary());
}

#[tokio::test]
async fn server_or_proxy_that_demands_a_client_certificate() {
    let tls = Tls::with_client_certificates();
    let acceptor = tls.acceptor.clone();
    let port = serve(move |socket| {
        let acceptor = acceptor.clone();
        // With TLS 1.3 the client's handshake is complete before this fails.
        async move {
            let accepted = acceptor.accept(socket).into_fallible().await;
            let (_, mut socket) = accepted.expect_err("the client has no certificate");
            // Unread bytes would reset the connection before the client has read the alert.
            socket.shutdown().await?;
            tokio::io::copy(&mut socket, &mut tokio::io::sink()).await
        }
    })
    .await;
    let client = ClientBuilder::new().with_tls(tls.client.clone());
    let proxy = Proxy::parse(&format!("https://localhost:{port}")).unwrap();
    for (client, uri) in [
        (client.clone(), format!("wss://localhost:{port}/")),
        (client.with_proxy(proxy), "ws://example.com".to_owned()),
    ] {
        let (error, text) = unreached(&client, &uri).await;
        assert!(matches!(error, ConnectError::Tls { .. }), "{error:?}");
        assert_eq!(
            text,
            format!(
                "TLS with localhost:{port} failed: received fatal alert: CertificateRequired; give a \
                 client certificate in the TLS configuration"
            )
        );
        assert!(!Error::from(error).is_temporary());
    }
}

#[tokio::test]
async fn server_of_another_protocol() {
    assert_eq!(
        after_response("SSH-2.0-OpenSSH_9.9\r\n").await,
        "the opening handshake failed: the start line has no HTTP version; the peer may speak another \
         protocol than HTTP"
    );
}

#[tokio::test]
async fn server_that_gives_no_response() {
    let closing = serve_bytes("").await;
    // Dropping a socket with unread bytes resets the connection.
    let resetting = serve(async |socket| socket.readable().await).await;
    for (port, cause) in [(closing, "it closed the connection"), (resetting, "Connection reset")] {
        let (error, text) = unreached(&client(), &format!("ws://127.0.0.1:{port}/")).await;
        assert!(matches!(error, ConnectError::NoResponse { .. }));
        let start = format!("no response from 127.0.0.1:{port}: {cause}");
        assert!(text.starts_with(&start), "{text}");
        let advice = "; check that a WebSocket server runs there, and that it is not a TLS port";
        assert!(text.ends_with(advice), "{text}");
    }
}

#[tokio::test]
async fn server_that_chooses_http_2() {
    let mut server = tokio_rustls::rustls::ServerConfig::clone(TLS.acceptor.config());
    server.alpn_protocols = vec![b"h2".to_vec()];
    let acceptor = tokio_rustls::TlsAcceptor::from(std::sync::Arc::new(server));
    let port = serve(move |socket| acceptor.accept(socket)).await;
    let mut config = tokio_rustls::rustls::ClientConfig::clone(&TLS.client);
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    let client = ClientBuilder::new().with_tls(config);
    let (error, text) = unreached(&client, &format!("wss://localhost:{port}/")).await;
    assert!(matches!(error, ConnectError::Tls { .. }));
    assert_eq!(
        text,
        format!(
            "TLS with localhost:{port} failed: the server chose HTTP/2; offer http/1.1 alone in the \
             TLS configuration (ALPN)"
        )
    );
}

#[tokio::test]
async fn response_that_switches_to_another_protocol() {
    let start = "HTTP/1.1 101 Switching Protocols\r\n";
    assert_eq!(
        after_response(&format!("{start}\r\n")).await,
        "the opening handshake failed: Upgrade is not websocket; a proxy on the way may not forward \
         upgrades"
    );
    assert_eq!(
        after_response(&format!("{start}Upgrade: websocket\r\nConnection: Upgrade\r\n\r\n")).await,
        "the opening handshake failed: Sec-WebSocket-Accept is missing; a cache or a server of another \
         protocol may have answered"
    );
}

#[tokio::test]
async fn responses_of_http_servers() {
    for (status, advice) in [
        (200, "; it serves a page there, so check the path and the port"),
        (400, ""),
        (401, "; it demands credentials, perhaps in the field Authorization"),
        (403, "; it may reject the credentials or the field Origin"),
        (404, "; check the path"),
        (503, "; try again later"),
    ] {
        for page in ["", "<html>"] {
            let expected = format!("the server answered with status {status}{advice}");
            assert_eq!(after_status(status, page).await, expected);
        }
        // A text of the server takes the place of advice that guesses.
        let advice = if matches!(status, 401 | 403) { "" } else { advice };
        let expected = format!("the server answered with status {status} (text){advice}");
        assert_eq!(after_status(status, "text").await, expected);
    }
    // A reason phrase is no such text.
    for (status, advice) in [
        (401, "; it demands credentials, perhaps in the field Authorization"),
        (403, "; it may reject the credentials or the field Origin"),
    ] {
        for text in ["Unauthorized", "Forbidden\n", "403 Forbidden", "401: unauthorized"] {
            let expected =
                format!("the server answered with status {status} ({}){advice}", text.trim());
            assert_eq!(after_status(status, text).await, expected);
        }
    }
}

#[tokio::test]
async fn rejection_has_fields_and_body() {
    let port = serve_bytes(
        "HTTP/1.1 401 \r\nWWW-Authenticate: Basic\r\nContent-Length: 12\r\n\r\nwho are you?",
    )
    .await;
    let error = fail(&client(), &format!("ws://localhost:{port}/")).await;
    let Error::Rejected(response) = error else { panic!("{error:?}") };
    assert_eq!(response.field("www-authenticate"), Some("Basic"));
    assert_eq!(response.body, b"who are you?");
}

#[tokio::test]
async fn rejections_of_proxies() {
    let demanding = serve(async |socket| proxy(socket, Some("Basic x")).await).await;
    let (error, text) = unreached(&via(demanding), "wss://example.com").await;
    assert!(matches!(&error, ConnectError::ProxyRejected { response, .. }
        if response.field("proxy-authenticate") == Some("Basic")));
    assert_eq!(
        text,
        format!(
            "the proxy 127.0.0.1:{demanding} rejected the tunnel with status 407; give its user and \
             password: http://user:password@host:port"
        )
    );
    for (status, advice) in [
        (403, "; it does not allow this host and port, so ask who runs it"),
        (418, ""),
        (502, "; it cannot reach the server"),
    ] {
        let port = serve_bytes(format!("HTTP/1.1 {status} \r\nContent-Length: 0\r\n\r\n")).await;
        let (_, text) = unreached(&via(port), "wss://example.com").await;
        let start = format!("the proxy 127.0.0.1:{port} rejected the tunnel with status {status}");
        assert_eq!(text, start + advice);
    }
}

#[tokio::test]
async fn proxies_that_are_none() {
    let mut ports = vec![(tls_echo_server().await, "it seems to speak TLS, so write https://")];
    for (response, cause) in [
        ("SSH-2.0-OpenSSH_9.9\r\n", "the start line has no HTTP version"),
        ("HTTP/1.1 200 \r\n\r\nbytes", "bytes follow its response"),
        ("", "the stream ended before the head did"),
    ] {
        ports.push((serve_bytes(response).await, cause));
    }
    for (port, cause) in ports {
        let (error, text) = unreached(&via(port), "ws://example.com").await;
        assert!(matches!(error, ConnectError::Proxy { .. }));
        assert_eq!(
            text,
            format!(
                "127.0.0.1:{port} did not answer as a proxy does: {cause}; check the proxy's URI"
            )
        );
    }
}

#[tokio::test(start_paused = true)]
async fn steps_that_take_too_long() {
    // The system accepts TCP connections, and nobody answers.
    let (_listener, port) = listen().await;
    for (client, uri, step, wording) in [
        (
            client(),
            format!("ws://127.0.0.1:{port}/"),
            ConnectStep::Handshake,
            "no answer to the opening handshake in time; check that a WebSocket server runs there, \
             and that it is not a TLS port",
        ),
        (
            client(),
            format!("wss://127.0.0.1:{port}/"),
            ConnectStep::Tls,
            "the TLS handshake was not complete in time; check that the port speaks TLS",
        ),
        (
            via(port),
            "wss://example.com".to_owned(),
            ConnectStep::Proxy,
            "no answer to CONNECT in time; check that an HTTP proxy runs there",
        ),
    ] {
        let (error, text) = unreached(&client, &uri).await;
        assert!(matches!(error, ConnectError::Timeout { step: of, .. } if of == step), "{error:?}");
        assert_eq!(text, format!("127.0.0.1:{port}: {wording}"));
    }
}

#[tokio::test(start_paused = true)]
async fn rejection_whose_body_does_not_end() {
    let port = serve(async |mut socket| {
        let head = b"HTTP/1.1 401 \r\nContent-Length: 12\r\n\r\nwho";
        socket.write_all(head).await.unwrap();
        std::future::pending::<()>().await;
    })
    .await;
    let start = tokio::time::Instant::now();
    let error = fail(&client(), &format!("ws://127.0.0.1:{port}/")).await;
    assert!(matches!(&error, Error::Rejected(response) if response.body == b"who"), "{error:?}");
    assert!(start.elapsed() < Duration::from_secs(12), "{:?}", start.elapsed());
}

#[tokio::test(start_paused = true)]
async fn address_that_drops_packets() {
    let full = FullListener::new().await;
    let address = full.address;
    let (error, text) = unreached(&client(), &format!("ws://{address}/")).await;
    assert!(matches!(error, ConnectError::Timeout { step: ConnectStep::Tcp, .. }), "{error:?}");
    assert_eq!(
        text,
        format!(
            "{address}: no answer to a TCP connection in time; check that the host is up and that no \
             firewall drops the packets"
        )
    );
}

#[tokio::test(start_paused = true)]
async fn all_steps_together_are_bounded() {
    // Each of the proxy, TLS and the response takes 4 of 10 s.
    const STEP: Duration = Duration::from_secs(4);
    let server = serve(async |socket| {
        tokio::time::sleep(STEP).await;
        let tls = TLS.acceptor.accept(socket).await.unwrap();
        tokio::time::sleep(STEP).await;
        common::accept_and_echo(tls).await
    })
    .await;
    let slow_proxy = serve(async |socket| {
        tokio::time::sleep(STEP).await;
        proxy(socket, None).await
    })
    .await;
    let start = tokio::time::Instant::now();
    let (error, _) = unreached(&via(slow_proxy), &format!("wss://localhost:{server}/")).await;
    assert!(
        matches!(error, ConnectError::Timeout { step: ConnectStep::Handshake, .. }),
        "{error:?}"
    );
    assert!(start.elapsed() < Duration::from_secs(12), "{:?}", start.elapsed());
    // Without a limit, the same connection opens.
    let config = Config::new().with_timeouts(Timeouts::NONE);
    let client = via(slow_proxy).with_config(config);
    client.connect(&format!("wss://localhost:{server}/")).await.unwrap();
}
