//! The types of the crate `http`.

use http::{HeaderValue, Request, Response, StatusCode, Version};
use websocket_proto::handshake::{
    Acceptance, ClientEvent, ClientHandshake, HeadError, HeadLimits, RequestParser, ResponseParser,
    ServerEvent, ServerHandshake, write_http_request, write_http_response,
};
use websocket_proto::{Connection, Negotiated};

use crate::support::{CONFIG, client_config, taken};

const REQUEST: &[u8] = b"GET /chat?a=b HTTP/1.1\r\nHost: example.com\r\nUpgrade: websocket\r\n\
    Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n\
    Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Protocol: chat\r\n\
    Cookie: a\r\nCookie: b\r\nX-Bytes: \xfc\xff\r\n\r\n";

#[test]
fn a_request_in_and_out() {
    let head = RequestParser::new(HeadLimits::DEFAULT).parse(REQUEST).unwrap().unwrap();
    let request = head.to_http().unwrap();
    assert_eq!(request.method(), "GET");
    assert_eq!(request.uri(), "/chat?a=b");
    assert_eq!(request.version(), Version::HTTP_11);
    assert_eq!(request.headers().get_all("cookie").iter().count(), 2);
    assert_eq!(request.headers()["x-bytes"], &b"\xfc\xff"[..]);
    let mut written = Vec::new();
    write_http_request(&request, &mut written).unwrap();
    let again = RequestParser::new(HeadLimits::DEFAULT).parse(&written).unwrap().unwrap();
    assert_eq!(again.target(), "/chat?a=b");
    assert_eq!(again.fields().count(), head.fields().count());
    assert_eq!(again.field("x-bytes"), Some(&b"\xfc\xff"[..]));

    // What another stack upgrades: the request is checked, its answer handed over, the connection
    // adopted.
    let acceptance = Acceptance::new().subprotocol("chat");
    let mut answer = Vec::new();
    again.upgrade().unwrap().unwrap().accept(&acceptance, &mut answer).unwrap();
    let answer = ResponseParser::new(HeadLimits::DEFAULT).parse(&answer).unwrap().unwrap();
    let response = answer.to_http().unwrap();
    assert_eq!(response.status(), StatusCode::SWITCHING_PROTOCOLS);
    assert_eq!(response.headers()["sec-websocket-accept"], "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
    let mut connection = Connection::server(&CONFIG, &Negotiated::from(&acceptance));
    assert!(connection.receive(&mut &mut b"\x81\x80\0\0\0\0".to_vec()[..]).is_some());
}

#[test]
fn a_server_answers_with_a_response() {
    let received = || {
        let mut handshake = ServerHandshake::new(&CONFIG);
        let event = handshake.receive(&mut &mut REQUEST.to_vec()[..]);
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
    let mut established = received().accept_http(&response).unwrap();
    assert_eq!(established.negotiated.subprotocol(), Some("chat"));
    let sent = taken(established.connection.output());
    assert!(sent.contains("\r\nConnection: Upgrade\r\n"), "{sent}");
    assert!(sent.ends_with("\r\nset-cookie: a=b\r\n\r\n"), "{sent}");

    let response =
        Response::builder().status(401).header("www-authenticate", "Basic").body("no").unwrap();
    assert_eq!(received().accept_http(&response).unwrap_err(), HeadError::Status);
    let mut handshake = received();
    handshake.respond_http(&response).unwrap();
    assert_eq!(
        taken(handshake.output()),
        "HTTP/1.1 401 Unauthorized\r\nwww-authenticate: Basic\r\nConnection: close\r\n\
        Content-Length: 2\r\n\r\nno"
    );
    let mut written = Vec::new();
    write_http_response(&response, &mut written).unwrap();
    assert_eq!(written, b"HTTP/1.1 401 Unauthorized\r\nwww-authenticate: Basic\r\n\r\n");
}

#[test]
fn a_client_sends_a_request() {
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
    assert_eq!(
        sent.escape_ascii().to_string(),
        b"GET /chat?a=b HTTP/1.1\r\nHost: example.com\r\nUpgrade: websocket\r\n\
        Connection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
        Sec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: chat, soap\r\n\
        Sec-WebSocket-Extensions: foo\r\norigin: http://example.com\r\nx: \xff\r\n\r\n"
            .escape_ascii()
            .to_string()
    );
    let mut refusal = *b"HTTP/1.1 302 Found\r\nLocation: /other\r\nContent-Length: 0\r\n\r\n";
    let event = handshake.receive(&mut &mut refusal[..]);
    assert_eq!(event, Some(ClientEvent::Refused { status: 302 }));
    let response = handshake.response().unwrap().to_http().unwrap();
    assert_eq!(response.headers()["location"], "/other");

    for uri in ["http://example.com/", "/chat", "ws://u@example.com/"] {
        let request = Request::get(uri).body(()).unwrap();
        let refused = ClientHandshake::from_http(client_config(), &request).unwrap_err();
        assert_eq!(refused, HeadError::Target, "{uri}");
    }
    let request = Request::get("ws://a/").header("sec-websocket-protocol", "a b").body(()).unwrap();
    let refused = ClientHandshake::from_http(client_config(), &request).unwrap_err();
    assert_eq!(refused, HeadError::Subprotocol);
}
