//! Conversions from and to the types of the crate `http`.

use http::{HeaderValue, Request, Response, StatusCode, Version};
use websocket_proto::handshake::{
    AcceptError, Acceptance, ClientEvent, ClientHandshake, ClientRequest, ExtendedConnect, Field,
    Handshake, HandshakeError, HeadLimits, InvalidHead, OriginPolicy, Rejection, RequestParser,
    ResponseParser, ServerEvent, ServerHandshake, Upgrade, Uri,
};
use websocket_proto::{Connection, Input, Negotiated};

use crate::driving::receive;
use crate::support::{CONFIG, client_config, written};

const REQUEST: &[u8] = b"GET /chat?a=b HTTP/1.1\r\nHost: example.com\r\nUpgrade: websocket\r\n\
    Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n\
    Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Protocol: chat\r\n\
    Cookie: a\r\nCookie: b\r\nX-Bytes: \xfc\xff\r\n\r\n";

/// Returns `REQUEST` as another stack parses it.
fn parsed() -> Request<()> {
    let head = RequestParser::new(HeadLimits::DEFAULT).parse(REQUEST).unwrap().unwrap();
    head.to_http().unwrap()
}

#[test]
fn converted_head_keeps_every_byte() {
    let request = parsed();
    assert_eq!(request.method(), "GET");
    assert_eq!(request.uri(), "/chat?a=b");
    assert_eq!(request.version(), Version::HTTP_11);
    assert_eq!(request.headers().get_all("cookie").iter().count(), 2);
    assert_eq!(request.headers()["x-bytes"], &b"\xfc\xff"[..]);
}

#[test]
fn accepts_and_adopts_an_upgrade_of_another_stack() {
    let request = parsed();
    let upgrade = Upgrade::from_http(&request, &OriginPolicy::same()).unwrap().unwrap();
    assert_eq!(upgrade.subprotocols().collect::<Vec<_>>(), ["chat"]);
    let cookie = [Field::new("Set-Cookie", "a=b")];
    let acceptance = Acceptance::new().with_subprotocol("chat").with_fields(&cookie);
    let response = upgrade.accept_http(&acceptance).unwrap();
    assert_eq!(response.status(), StatusCode::SWITCHING_PROTOCOLS);
    let headers = response.headers();
    assert_eq!(headers["upgrade"], "websocket");
    assert_eq!(headers["connection"], "Upgrade");
    assert_eq!(headers["sec-websocket-accept"], "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
    assert_eq!(headers["sec-websocket-protocol"], "chat");
    assert_eq!(headers["set-cookie"], "a=b");
    assert_eq!(headers.len(), 5);
    let mut connection = Connection::server(&CONFIG, &Negotiated::from(&acceptance));
    let mut leftover = *b"\x81\x80\0\0\0\0";
    assert!(connection.receive(&mut Input::with_bytes(&mut leftover)).is_some());

    let crlf = [Field::new("X", "a\r\nb")];
    let padded = [Field::new("X", " a")];
    let reserved = [Field::new("sec-websocket-extensions", "permessage-deflate")];
    for (acceptance, error) in [
        (Acceptance::new().with_subprotocol("soap"), InvalidHead::Subprotocol),
        (Acceptance::new().with_fields(&crlf), InvalidHead::FieldValue),
        (Acceptance::new().with_fields(&padded), InvalidHead::FieldValue),
        (Acceptance::new().with_fields(&reserved), InvalidHead::ReservedField),
    ] {
        assert_eq!(upgrade.accept_http(&acceptance).unwrap_err(), error);
    }
}

#[test]
fn checks_requests_of_another_stack_and_their_origin() {
    use HandshakeError::*;
    let same = OriginPolicy::same;
    let outcome = |change: &dyn Fn(&mut Request<()>), policy: OriginPolicy<'_>| {
        let mut request = parsed();
        change(&mut request);
        Upgrade::from_http(&request, &policy).map(|upgrade| upgrade.is_some())
    };
    let insert = |name: &'static str, value: &'static str| {
        move |request: &mut Request<()>| {
            request.headers_mut().insert(name, HeaderValue::from_static(value));
        }
    };
    let remove = |name: &'static str| {
        move |request: &mut Request<()>| drop(request.headers_mut().remove(name))
    };
    let uri = |uri: &'static str| {
        move |request: &mut Request<()>| *request.uri_mut() = uri.parse().unwrap()
    };
    let version = |version| move |request: &mut Request<()>| *request.version_mut() = version;
    assert_eq!(outcome(&insert("origin", "http://example.com"), same()), Ok(true));
    assert_eq!(outcome(&insert("origin", "http://evil.com"), same()), Err(ForbiddenOrigin));
    assert_eq!(outcome(&insert("origin", "http://evil.com"), OriginPolicy::any()), Ok(true));
    assert_eq!(outcome(&insert("origin", "null"), OriginPolicy::none()), Err(ForbiddenOrigin));
    assert_eq!(outcome(&uri("ws://h:81/chat"), same()), Ok(true));
    assert_eq!(outcome(&uri("WSS://h/chat"), same()), Ok(true));
    assert_eq!(outcome(&uri("ftp://h/chat"), same()), Err(InvalidTarget));
    assert_eq!(outcome(&uri("h:81"), same()), Err(InvalidTarget));
    assert_eq!(outcome(&uri("*"), same()), Err(InvalidTarget));
    assert_eq!(outcome(&version(Version::HTTP_10), same()), Ok(false));
    assert_eq!(outcome(&version(Version::HTTP_2), same()), Ok(false));
    assert_eq!(outcome(&remove("upgrade"), same()), Ok(false));
    assert_eq!(outcome(&remove("host"), same()), Err(MissingHost));
    assert_eq!(outcome(&remove("connection"), same()), Err(MissingConnectionUpgrade));
    assert_eq!(outcome(&insert("sec-websocket-version", "8"), same()), Err(UnsupportedVersion));
    assert_eq!(outcome(&insert("sec-websocket-key", "a"), same()), Err(InvalidKey));
    assert_eq!(outcome(&insert("content-length", "1"), same()), Err(UnexpectedBody));
    let post = |request: &mut Request<()>| *request.method_mut() = http::Method::POST;
    assert_eq!(outcome(&post, same()), Err(MethodNotGet));
}

#[test]
fn explains_which_origin_and_which_host_of_a_request_differ() {
    let explain = |uri: &str, version| {
        let mut request = parsed();
        *request.uri_mut() = uri.parse().unwrap();
        *request.version_mut() = version;
        request.headers_mut().insert("origin", HeaderValue::from_static("https://page.example"));
        OriginPolicy::same().explain_http(&request).to_string()
    };
    for (uri, version, host) in [
        ("/chat?a=b", Version::HTTP_11, "example.com"),
        // RFC 9112, section 3.2.2: the authority of the target replaces Host.
        ("http://other.example:81/chat", Version::HTTP_11, "other.example:81"),
        ("https://other.example/chat", Version::HTTP_2, "other.example"),
    ] {
        let text = OriginPolicy::same().explain(b"https://page.example", host).to_string();
        assert_eq!(explain(uri, version), text, "{uri}");
    }
}

#[test]
fn converted_rejections_have_the_fields_of_written_ones() {
    for rejection in [
        Rejection::BadRequest,
        Rejection::Forbidden,
        Rejection::NotFound,
        Rejection::MethodNotAllowed,
        Rejection::RequestTimeout,
        Rejection::UriTooLong,
        Rejection::UpgradeRequired,
        Rejection::FieldsTooLarge,
        Rejection::NotImplemented,
        Rejection::Unavailable { retry_after: 0 },
        Rejection::Unavailable { retry_after: u32::MAX },
        Rejection::HttpVersionNotSupported,
    ] {
        let mut head = Vec::new();
        rejection.write(&mut head, "").unwrap();
        let written = ResponseParser::new(HeadLimits::DEFAULT).parse(&head).unwrap().unwrap();
        let mut written = written.to_http().unwrap();
        for name in ["content-type", "content-length"] {
            assert!(written.headers_mut().remove(name).is_some(), "{rejection:?} {name}");
        }
        let response = rejection.to_http();
        assert_eq!(response.status(), written.status(), "{rejection:?}");
        assert_eq!(response.headers(), written.headers(), "{rejection:?}");
    }
}

#[test]
fn client_verifies_the_response_of_another_stack() {
    let nonce = b"the sample nonce";
    let fields = [Field::new("Origin", "http://example.com")];
    let uri = Uri::parse("ws://example.com/chat?a=b").unwrap();
    let client = ClientRequest::new(&uri).with_subprotocols(&["chat", "soap"]).with_fields(&fields);
    let request = client.to_http(nonce).unwrap();
    assert_eq!(request.uri(), "/chat?a=b");
    assert_eq!(request.headers()["sec-websocket-protocol"], "chat, soap");
    let upgrade = Upgrade::from_http(&request, &OriginPolicy::same()).unwrap().unwrap();
    let mut response = upgrade.accept_http(&Acceptance::new().with_subprotocol("soap")).unwrap();
    let negotiated = client.verify_http(nonce, &response).unwrap().unwrap();
    assert_eq!(negotiated.subprotocol(), Some("soap"));
    response.headers_mut().append("upgrade", HeaderValue::from_static("h2c"));
    let error = client.verify_http(nonce, &response).unwrap_err();
    assert_eq!(error, HandshakeError::InvalidUpgrade);
    *response.status_mut() = StatusCode::NOT_FOUND;
    assert_eq!(client.verify_http(nonce, &response), Ok(None));

    let crlf = [Field::new("X", "a\r\nb")];
    let host = [Field::new("host", "a")];
    for (fields, error) in [(crlf, InvalidHead::FieldValue), (host, InvalidHead::ReservedField)] {
        assert_eq!(client.with_fields(&fields).to_http(nonce).unwrap_err(), error);
    }
}

#[test]
fn extended_connect_passes_through_another_stack() {
    let fields = [Field::new("origin", "https://example.com")];
    let uri = Uri::parse("wss://example.com/chat?a=b").unwrap();
    let client = ClientRequest::new(&uri).with_subprotocols(&["chat", "soap"]).with_fields(&fields);
    let mut request = client.extended_connect_http().unwrap();
    assert_eq!(request.method(), "CONNECT");
    assert_eq!(request.uri(), "https://example.com/chat?a=b");
    assert_eq!(request.headers()["sec-websocket-protocol"], "chat, soap");

    fn parse<'a>(
        request: &'a Request<()>,
        protocol: Option<&'a str>,
    ) -> Result<Option<ExtendedConnect<'a>>, HandshakeError> {
        ExtendedConnect::from_http(request, protocol, &OriginPolicy::same())
    }
    let connect = parse(&request, Some("websocket")).unwrap().unwrap();
    assert_eq!((connect.path(), connect.query()), ("/chat", Some("a=b")));
    assert_eq!(connect.authority(), "example.com");
    let response = connect.accept_http(&Acceptance::new().with_subprotocol("chat")).unwrap();
    assert_eq!(response.status(), StatusCode::OK);
    let negotiated = client.verify_extended_connect_http(&response).unwrap().unwrap();
    assert_eq!(negotiated.subprotocol(), Some("chat"));

    assert!(parse(&request, None).unwrap().is_none());
    let error = parse(&request, Some("connect-udp")).unwrap_err();
    assert_eq!(error, HandshakeError::UnsupportedProtocol);
    assert_eq!(ExtendedConnect::reject_http(error).status(), StatusCode::NOT_IMPLEMENTED);
    for (name, value, error) in [
        ("host", "other.com", HandshakeError::MalformedFields),
        ("connection", "upgrade", HandshakeError::MalformedFields),
        ("x", " a", HandshakeError::MalformedFields),
        ("origin", "https://evil.com", HandshakeError::ForbiddenOrigin),
        ("sec-websocket-version", "8", HandshakeError::UnsupportedVersion),
    ] {
        let before = request.headers().clone();
        request.headers_mut().insert(name, HeaderValue::from_static(value));
        assert_eq!(parse(&request, Some("websocket")).unwrap_err(), error, "{name}");
        *request.headers_mut() = before;
    }
    let response = ExtendedConnect::reject_http(HandshakeError::UnsupportedVersion);
    assert_eq!(response.status(), StatusCode::BAD_REQUEST);
    assert_eq!(response.headers()["sec-websocket-version"], "13");
    assert_eq!(client.verify_extended_connect_http(&response), Ok(None));
}

#[test]
fn server_answers_with_an_http_response() {
    let received = || {
        let mut handshake = ServerHandshake::new(&CONFIG);
        let event = receive(&mut handshake, REQUEST).0;
        assert_eq!(event, Some(ServerEvent::Upgrade));
        handshake
    };
    let response = Response::builder()
        .status(101)
        .header("sec-websocket-protocol", "chat")
        .header("connection", "close")
        .header("set-cookie", "a=b")
        .body(())
        .unwrap();
    let mut connection = received().accept_response(&response).unwrap();
    let sent = written(connection.output());
    assert!(sent.contains("\r\nSec-WebSocket-Protocol: chat\r\n"), "{sent}");
    assert!(sent.contains("\r\nConnection: Upgrade\r\n"), "{sent}");
    assert!(sent.ends_with("\r\nset-cookie: a=b\r\n\r\n"), "{sent}");

    let response =
        Response::builder().status(401).header("www-authenticate", "Basic").body("no").unwrap();
    let unaccepted = received().accept_response(&response).unwrap_err();
    assert_eq!(unaccepted.error, AcceptError::Response(InvalidHead::Status));
    assert!(unaccepted.handshake.request().is_some());
    let mut handshake = received();
    handshake.respond_with(&response).unwrap();
    assert_eq!(
        written(handshake.output()),
        "HTTP/1.1 401 Unauthorized\r\nwww-authenticate: Basic\r\nConnection: close\r\n\
        Content-Length: 2\r\n\r\nno"
    );

    let mut handshake = received();
    handshake.respond_with(&Rejection::UpgradeRequired.to_http().map(|()| "page")).unwrap();
    assert_eq!(
        written(handshake.output()),
        "HTTP/1.1 426 Upgrade Required\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\n\
        Connection: close, Upgrade\r\nContent-Length: 4\r\n\r\npage"
    );

    let response = Response::builder()
        .status(101)
        .header("sec-websocket-protocol", "chat")
        .header("sec-websocket-protocol", "soap")
        .body(())
        .unwrap();
    let unaccepted = received().accept_response(&response).unwrap_err();
    assert_eq!(unaccepted.error, AcceptError::Response(InvalidHead::Subprotocol));
}

#[test]
fn client_sends_an_http_request() {
    let mut request = Request::get("ws://example.com/chat?a=b")
        .header("host", "ignored")
        .header("sec-websocket-key", "ignored")
        .header("sec-websocket-protocol", "chat, soap")
        .header("sec-websocket-extensions", "foo")
        .header("origin", "http://example.com")
        .body(())
        .unwrap();
    request.headers_mut().insert("x", HeaderValue::from_bytes(b"\xff").unwrap());
    let mut handshake = ClientHandshake::from_http(client_config(), &request).unwrap();
    let output = handshake.output();
    let sent = bytes::Buf::copy_to_bytes(output, bytes::Buf::remaining(output));
    // The extension of the request is not offered.
    assert_eq!(
        sent.escape_ascii().to_string(),
        b"GET /chat?a=b HTTP/1.1\r\nHost: example.com\r\nUpgrade: websocket\r\n\
        Connection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
        Sec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: chat, soap\r\n\
        origin: http://example.com\r\nx: \xff\r\n\r\n"
            .escape_ascii()
            .to_string()
    );
    let rejection = b"HTTP/1.1 302 Found\r\nLocation: /other\r\nContent-Length: 0\r\n\r\n";
    let event = receive(&mut handshake, rejection).0;
    assert_eq!(event, Some(ClientEvent::Rejected { status: 302 }));
    let response = handshake.response().unwrap().to_http().unwrap();
    assert_eq!(response.headers()["location"], "/other");

    for uri in ["/chat", "ws://u@example.com/"] {
        let request = Request::get(uri).body(()).unwrap();
        let rejected = ClientHandshake::from_http(client_config(), &request).unwrap_err();
        assert_eq!(rejected, InvalidHead::Target, "{uri}");
    }
    let request = Request::get("ws://a/").header("sec-websocket-protocol", "a b").body(()).unwrap();
    let rejected = ClientHandshake::from_http(client_config(), &request).unwrap_err();
    assert_eq!(rejected, InvalidHead::Subprotocol);
}
