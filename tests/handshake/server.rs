//! `ServerHandshake`.

use bytes::Buf;
use websocket_proto::handshake::{
    Acceptance, Field, HandshakeError, HeadError, Rejection, ServerEvent, ServerHandshake,
};
use websocket_proto::{Event, Message, ProtocolError, Transport};

use crate::support::{CONFIG, taken};

const REQUEST: &str = "GET /chat?room=1 HTTP/1.1\r\nHost: server.example.com\r\n\
    Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
    Origin: http://example.com\r\nSec-WebSocket-Protocol: chat, superchat\r\n\
    Sec-WebSocket-Protocol: soap\r\nSec-WebSocket-Extensions: foo, bar; baz=2\r\n\
    Sec-WebSocket-Version: 13\r\nCookie: id=42\r\n\r\n";

/// A handshake that has received `head`.
#[track_caller]
fn received(head: &str, event: ServerEvent) -> ServerHandshake {
    let mut handshake = ServerHandshake::new(&CONFIG);
    let mut bytes = head.as_bytes().to_vec();
    let mut input = &mut bytes[..];
    assert_eq!(handshake.receive(&mut input), Some(event));
    assert!(input.is_empty());
    handshake
}

#[test]
fn the_whole_request_is_seen_before_the_decision() {
    let mut handshake = received(REQUEST, ServerEvent::Upgrade);
    assert_eq!(handshake.transport(), Transport::Open);
    assert!(!handshake.wants_read() && !handshake.wants_write());
    // Meanwhile nothing is taken.
    let mut frames = *b"\x81\x80\0\0\0\0";
    let mut input = &mut frames[..];
    assert_eq!(handshake.receive(&mut input), None);
    assert_eq!(input.len(), 6);

    let request = handshake.request().unwrap();
    assert_eq!(request.as_bytes(), REQUEST.as_bytes());
    assert_eq!((request.method(), request.minor_version()), ("GET", 1));
    assert_eq!(request.target(), "/chat?room=1");
    assert_eq!((request.path(), request.query()), ("/chat", Some("room=1")));
    assert_eq!(request.authority(), "server.example.com");
    assert_eq!(request.field("origin"), Some(&b"http://example.com"[..]));
    assert_eq!(request.field("COOKIE"), Some(&b"id=42"[..]));
    assert_eq!(request.field("Authorization"), None);
    assert_eq!(request.subprotocols().collect::<Vec<_>>(), ["chat", "superchat", "soap"]);
    assert_eq!(request.extensions().map(|e| e.name()).collect::<Vec<_>>(), ["foo", "bar"]);
    assert_eq!(request.fields().count(), 10);
}

#[test]
fn accepting_gives_a_connection_whose_output_begins_with_the_response() {
    let mut handshake = received(REQUEST, ServerEvent::Upgrade);
    let fields = [Field::new("Set-Cookie", "a=b"), Field::new("X-CASE", "kept")];
    let acceptance =
        Acceptance::new().subprotocol("superchat").extensions("bar; baz=1").fields(&fields);
    let mut established = handshake.accept(&acceptance).unwrap();
    assert_eq!(established.negotiated.subprotocol(), Some("superchat"));
    let extension = established.negotiated.extensions().next().unwrap();
    assert_eq!(extension.name(), "bar");
    let connection = &mut established.connection;
    connection.send("Hi").unwrap();
    let mut output = [0; 1024];
    let length = connection.output().remaining();
    connection.output().copy_to_slice(&mut output[..length]);
    assert_eq!(
        output[..length].escape_ascii().to_string(),
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
        Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\
        Sec-WebSocket-Protocol: superchat\r\nSec-WebSocket-Extensions: bar; baz=1\r\n\
        Set-Cookie: a=b\r\nX-CASE: kept\r\n\r\n\x81\x02Hi"
            .escape_ascii()
            .to_string()
    );
    // The handshake is over.
    assert_eq!(handshake.accept(&acceptance).unwrap_err(), HeadError::NoRequest);
    assert!(handshake.request().is_none() && !handshake.wants_read());
    assert_eq!(handshake.receive(&mut &mut [][..]), None);
}

#[test]
fn frames_behind_the_request_are_left_for_the_connection() {
    let mut bytes = REQUEST.as_bytes().to_vec();
    bytes.extend_from_slice(b"\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58");
    for cut in [0, 1, 100, REQUEST.len() - 1, REQUEST.len()] {
        let mut bytes = bytes.clone();
        let (first, second) = bytes.split_at_mut(cut);
        let mut handshake = ServerHandshake::new(&CONFIG);
        let (mut first, mut second) = (first, second);
        let event = handshake.receive(&mut first).or_else(|| handshake.receive(&mut second));
        assert_eq!(event, Some(ServerEvent::Upgrade), "{cut}");
        let mut connection = handshake.accept(&Acceptance::new()).unwrap().connection;
        match connection.receive(&mut second) {
            Some(Event::Message(message)) => assert_eq!(message, Message::from("Hello")),
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn what_cannot_be_said_leaves_the_request_waiting() {
    let mut handshake = received(REQUEST, ServerEvent::Upgrade);
    let crlf = [Field::new("X", "a\r\nSet-Cookie: b")];
    let name = [Field::new("X y", "a")];
    let reserved = [Field::new("sec-websocket-ACCEPT", "a")];
    for (acceptance, error) in [
        (Acceptance::new().subprotocol("other"), HeadError::Subprotocol),
        (Acceptance::new().subprotocol("Chat"), HeadError::Subprotocol),
        (Acceptance::new().subprotocol(""), HeadError::Subprotocol),
        (Acceptance::new().extensions("mux"), HeadError::Extensions),
        (Acceptance::new().extensions("foo, foo"), HeadError::Extensions),
        (Acceptance::new().extensions("foo;"), HeadError::Extensions),
        (Acceptance::new().extensions("foo\r\nA: b"), HeadError::Extensions),
        (Acceptance::new().fields(&crlf), HeadError::FieldValue),
        (Acceptance::new().fields(&name), HeadError::FieldName),
        (Acceptance::new().fields(&reserved), HeadError::ReservedField),
    ] {
        assert_eq!(handshake.accept(&acceptance).unwrap_err(), error, "{acceptance:?}");
        assert!(!handshake.wants_write());
    }
    assert_eq!(handshake.respond(101, &[], b""), Err(HeadError::Status));
    assert_eq!(handshake.respond(1000, &[], b""), Err(HeadError::Status));
    assert_eq!(handshake.respond(204, &[], b"x"), Err(HeadError::Body));
    assert_eq!(handshake.respond(400, &crlf, b""), Err(HeadError::FieldValue));
    assert!(handshake.accept(&Acceptance::new()).is_ok());
}

#[test]
fn ready_answers() {
    for (rejection, lines) in [
        (Rejection::BadRequest, "400 Bad Request\r\nConnection: close"),
        (Rejection::Forbidden, "403 Forbidden\r\nConnection: close"),
        (Rejection::NotFound, "404 Not Found\r\nConnection: close"),
        (Rejection::MethodNotAllowed, "405 Method Not Allowed\r\nAllow: GET\r\nConnection: close"),
        (Rejection::RequestTimeout, "408 Request Timeout\r\nConnection: close"),
        (Rejection::UriTooLong, "414 URI Too Long\r\nConnection: close"),
        (
            Rejection::UpgradeRequired,
            "426 Upgrade Required\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
            Connection: close, Upgrade",
        ),
        (Rejection::FieldsTooLarge, "431 Request Header Fields Too Large\r\nConnection: close"),
        (Rejection::NotImplemented, "501 Not Implemented\r\nConnection: close"),
        (
            Rejection::Unavailable { retry_after: 120 },
            "503 Service Unavailable\r\nConnection: close\r\nRetry-After: 120",
        ),
        (Rejection::HttpVersionNotSupported, "505 HTTP Version Not Supported\r\nConnection: close"),
    ] {
        let mut handshake = received(REQUEST, ServerEvent::Upgrade);
        handshake.reject(rejection).unwrap();
        let reason = rejection.reason();
        assert!(lines.starts_with(&format!("{} {reason}\r\n", rejection.status())));
        assert_eq!(
            taken(handshake.output()),
            format!(
                "HTTP/1.1 {lines}\r\nContent-Type: text/plain; charset=utf-8\r\n\
                Content-Length: {}\r\n\r\n{reason}",
                reason.len()
            )
        );
        // And by a machine without memory.
        let mut buffer = [0; 512];
        let length = rejection.write(&mut buffer, "").unwrap();
        assert!(buffer[..length].starts_with(format!("HTTP/1.1 {lines}\r\n").as_bytes()));
    }
}

#[test]
fn a_rejection_is_written_then_drained_then_closed() {
    let mut handshake = received(REQUEST, ServerEvent::Upgrade);
    handshake.reject(Rejection::Forbidden).unwrap();
    assert_eq!(handshake.transport(), Transport::Open);
    assert!(handshake.wants_write());
    assert_eq!(handshake.reject(Rejection::Forbidden), Err(HeadError::NoRequest));
    taken(handshake.output());
    assert_eq!(handshake.transport(), Transport::Drain);
    // What a client sent behind its request is no other request.
    let mut smuggled = REQUEST.as_bytes().to_vec();
    let mut input = &mut smuggled[..];
    assert_eq!(handshake.receive(&mut input), None);
    assert!(input.is_empty() && !handshake.wants_write());
    handshake.receive_eof();
    assert_eq!(handshake.transport(), Transport::Close);
    assert!(!handshake.wants_read());
}

#[test]
fn a_bad_request_is_answered_at_once() {
    let mut handshake = received(
        "GET / HTTP/1.1\r\nHost : a",
        ServerEvent::Failed(HandshakeError::SpaceBeforeColon),
    );
    assert_eq!(handshake.transport(), Transport::Open);
    let answer = taken(handshake.output());
    assert!(answer.starts_with("HTTP/1.1 400 Bad Request\r\nConnection: close\r\n"), "{answer}");
    assert!(answer.ends_with("\r\n\r\nwhite space stands before a colon"), "{answer}");
    assert_eq!(handshake.transport(), Transport::Drain);
    assert!(handshake.request().is_none());
    let mut more = *b"GET / HTTP/1.1\r\nHost: a\r\n\r\n";
    assert_eq!(handshake.receive(&mut &mut more[..]), None);
    handshake.receive_eof();
    assert_eq!(handshake.receive(&mut &mut [][..]), None);
    assert_eq!(handshake.transport(), Transport::Close);
}

#[test]
fn plain_http_is_answered_on_the_same_port() {
    let get = "GET /page HTTP/1.1\r\nHost: a\r\n\r\n";
    let mut handshake = received(get, ServerEvent::Http);
    assert_eq!(handshake.request().unwrap().path(), "/page");
    assert_eq!(handshake.accept(&Acceptance::new()).unwrap_err(), HeadError::NoRequest);
    let html = [Field::new("Content-Type", "text/html")];
    handshake.respond(200, &html, b"<p>").unwrap();
    assert_eq!(
        taken(handshake.output()),
        "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nConnection: close\r\n\
        Content-Length: 3\r\n\r\n<p>"
    );

    let mut handshake = received(&get.replace("GET", "HEAD"), ServerEvent::Http);
    handshake.respond(200, &[], b"<p>").unwrap();
    assert_eq!(
        taken(handshake.output()),
        "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 3\r\n\r\n"
    );

    let mut handshake = received(get, ServerEvent::Http);
    handshake.respond(304, &[Field::new("ETag", "\"1\"")], b"").unwrap();
    assert_eq!(
        taken(handshake.output()),
        "HTTP/1.1 304 Not Modified\r\nETag: \"1\"\r\nConnection: close\r\n\r\n"
    );
}

#[test]
fn plain_http_is_handed_on_with_its_bytes() {
    let head = "POST /api HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\n";
    let mut bytes = format!("{head}{{}}").into_bytes();
    let mut input = &mut bytes[..];
    let mut handshake = ServerHandshake::new(&CONFIG);
    assert_eq!(handshake.receive(&mut input), Some(ServerEvent::Http));
    assert_eq!(handshake.take_request().as_deref(), Some(head.as_bytes()));
    assert_eq!(input, b"{}");
    assert_eq!(handshake.take_request(), None);
}

#[test]
fn a_stream_that_ends_early_is_told_once() {
    for start in ["", "GET / HTTP/1.1\r\nHost: a\r\n"] {
        let mut handshake = ServerHandshake::new(&CONFIG);
        let mut bytes = start.as_bytes().to_vec();
        assert_eq!(handshake.receive(&mut &mut bytes[..]), None);
        handshake.receive_eof();
        assert_eq!(handshake.transport(), Transport::Close);
        let event = handshake.receive(&mut &mut [][..]);
        assert_eq!(event, Some(ServerEvent::Failed(HandshakeError::UnexpectedEof)));
        assert_eq!(handshake.receive(&mut &mut [][..]), None);
        handshake.abort();
        assert_eq!(handshake.receive(&mut &mut [][..]), None);
        assert_eq!(handshake.transport(), Transport::Abort);
    }
}

#[test]
fn a_transport_that_breaks_is_told_once() {
    let mut deciding = received(REQUEST, ServerEvent::Upgrade);
    deciding.abort();
    for mut handshake in [deciding, {
        let mut reading = ServerHandshake::new(&CONFIG);
        reading.abort();
        reading
    }] {
        assert_eq!(handshake.transport(), Transport::Abort);
        let event = handshake.receive(&mut &mut [][..]);
        assert_eq!(event, Some(ServerEvent::Failed(HandshakeError::Aborted)));
        assert_eq!(handshake.receive(&mut &mut [][..]), None);
        assert_eq!(handshake.accept(&Acceptance::new()).unwrap_err(), HeadError::NoRequest);
    }
}

#[test]
fn an_end_of_the_stream_during_the_decision_is_passed_on() {
    let mut handshake = received(REQUEST, ServerEvent::Upgrade);
    handshake.receive_eof();
    assert_eq!(handshake.transport(), Transport::Open);
    let mut connection = handshake.accept(&Acceptance::new()).unwrap().connection;
    match connection.receive(&mut &mut [][..]) {
        Some(Event::Failed(error)) => assert_eq!(error, ProtocolError::UnexpectedEof),
        other => panic!("{other:?}"),
    }

    let mut handshake = received(REQUEST, ServerEvent::Upgrade);
    handshake.receive_eof();
    handshake.reject(Rejection::NotFound).unwrap();
    assert_eq!(handshake.transport(), Transport::Open);
    taken(handshake.output());
    assert_eq!(handshake.transport(), Transport::Close);
}
