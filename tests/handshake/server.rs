//! Tests of `ServerHandshake`.

use bytes::Buf;
use websocket_proto::handshake::{
    AcceptError, Acceptance, Field, Handshake, HandshakeError, InvalidHead, OriginPolicy,
    Rejection, ServerEvent, ServerHandshake,
};
use websocket_proto::{Config, ConnectionError, Delivery, Event, Input, Limit, Limits, Transport};

use crate::driving::{
    Peer, assert_over, connection_events, drive, events_to_the_end, receive, receive_all,
    receive_eof,
};
use crate::support::{CONFIG, written};

const REQUEST: &str = "GET /chat?room=1 HTTP/1.1\r\nHost: server.example.com\r\n\
    Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
    Origin: http://example.com\r\nSec-WebSocket-Protocol: chat, superchat\r\n\
    Sec-WebSocket-Protocol: soap\r\nSec-WebSocket-Extensions: foo, bar; baz=2\r\n\
    Sec-WebSocket-Version: 13\r\nCookie: id=42\r\n\r\n";

/// Returns a handshake that has received `head` and reported `event`.
#[track_caller]
fn received(head: &str, event: ServerEvent) -> ServerHandshake {
    let mut handshake = ServerHandshake::new(&CONFIG);
    assert_eq!(receive(&mut handshake, head.as_bytes()), (Some(event), 0));
    handshake
}

#[test]
fn request_returns_the_whole_head_before_the_decision() {
    let mut handshake = received(REQUEST, ServerEvent::Upgrade);
    assert_eq!(handshake.transport(), Transport::Open);
    assert!(!handshake.output().has_remaining());
    // The handshake reads nothing more until the application answers.
    assert_eq!(receive(&mut handshake, b"\x81\x80\0\0\0\0"), (None, 6));

    let request = handshake.request().unwrap();
    assert_eq!(request.as_bytes(), REQUEST.as_bytes());
    assert_eq!((request.method(), request.minor_version()), ("GET", 1));
    assert_eq!(request.target(), "/chat?room=1");
    assert_eq!((request.path(), request.query()), ("/chat", Some("room=1")));
    assert_eq!(request.authority(), Some("server.example.com"));
    assert_eq!(request.fields().value("origin"), Some(&b"http://example.com"[..]));
    assert_eq!(request.fields().value("COOKIE"), Some(&b"id=42"[..]));
    assert_eq!(request.fields().value("Authorization"), None);
    assert_eq!(request.subprotocols().collect::<Vec<_>>(), ["chat", "superchat", "soap"]);
    assert_eq!(request.fields().count(), 10);
}

#[test]
fn output_of_an_accepted_connection_begins_with_the_response() {
    let handshake = received(REQUEST, ServerEvent::Upgrade);
    let fields = [Field::new("Set-Cookie", "a=b"), Field::new("X-CASE", "kept")];
    let acceptance = Acceptance::new().with_subprotocol("superchat").with_fields(&fields);
    let mut connection = handshake.accept(&acceptance).unwrap();
    assert_eq!(connection.transport(), Transport::Open);
    connection.send("Hi").unwrap();
    let mut output = [0; 1024];
    let len = connection.output().remaining();
    connection.output().copy_to_slice(&mut output[..len]);
    assert_eq!(
        output[..len].escape_ascii().to_string(),
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
        Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\
        Sec-WebSocket-Protocol: superchat\r\n\
        Set-Cookie: a=b\r\nX-CASE: kept\r\n\r\n\x81\x02Hi"
            .escape_ascii()
            .to_string()
    );
}

#[test]
fn configuration_set_before_accept_is_that_of_the_connection() {
    static STRICT: Config =
        Config::new().with_limits(Limits::DEFAULT.with_max_message(4)).with_statistics();
    let mut handshake = received(REQUEST, ServerEvent::Upgrade);
    // The origin policy of `CONFIG` has allowed the request, which that of `STRICT` would reject.
    assert_eq!(
        handshake.request().unwrap().upgrade(STRICT.origin_policy()).err(),
        Some(HandshakeError::ForbiddenOrigin)
    );
    handshake.set_config(&STRICT);
    let mut connection = handshake.accept(&Acceptance::new()).unwrap();
    assert!(connection.statistics().is_some());
    let mut bytes = *b"\x81\x84\0\0\0\0Hell\x81\x85\0\0\0\0Hello";
    let mut input = Input::with_bytes(&mut bytes);
    assert!(matches!(connection.receive(&mut input), Some(Event::Message(_))));
    let failed = connection.receive(&mut input).map(Event::into_owned);
    assert_eq!(failed, Some(Event::Failed(Limit::Message.into())));
}

#[test]
fn configuration_set_before_the_request_is_complete_has_its_origin_policy() {
    static STRICT: Config = Config::new();
    let (first, second) = REQUEST.split_at(100);
    let mut handshake = ServerHandshake::new(&CONFIG);
    assert_eq!(receive(&mut handshake, first.as_bytes()), (None, 0));
    handshake.set_config(&STRICT);
    let failed = ServerEvent::Failed(HandshakeError::ForbiddenOrigin);
    assert_eq!(receive(&mut handshake, second.as_bytes()).0, Some(failed));
}

#[test]
fn last_configuration_set_before_accept_applies() {
    static WHOLE: Config = Config::new();
    static CHUNKS: Config = Config::new().with_delivery(Delivery::Chunks);
    for (configs, delivery) in
        [([&WHOLE, &CHUNKS], Delivery::Chunks), ([&CHUNKS, &WHOLE], Delivery::Messages)]
    {
        let mut handshake = received(REQUEST, ServerEvent::Upgrade);
        for config in configs {
            handshake.set_config(config);
        }
        let connection = handshake.accept(&Acceptance::new()).unwrap();
        assert_eq!(connection.config().delivery(), delivery);
    }
}

#[test]
fn statistics_do_not_count_the_opening_handshake() {
    static CONFIG: Config = Config::new().with_origin_policy(OriginPolicy::any()).with_statistics();
    let mut handshake = ServerHandshake::new(&CONFIG);
    let mut bytes = [REQUEST.as_bytes(), b"\x81\x82\0\0\0\0Hi"].concat();
    let mut input = Input::with_bytes(&mut bytes);
    assert_eq!(handshake.receive(&mut input), Some(ServerEvent::Upgrade));
    let mut connection = handshake.accept(&Acceptance::new()).unwrap();
    let response_len = connection.output().len();
    assert!(connection.receive(&mut input).is_some());
    connection.send("Hello").unwrap();
    // A part of the response is written, the response, a part of the frame, and the frame.
    for (written, counted) in [(5, 0), (response_len - 5, 0), (3, 3), (4, 7)] {
        connection.output().advance(written);
        let statistics = connection.statistics().unwrap();
        assert_eq!(statistics.sent.wire_bytes, counted);
        assert_eq!(statistics.received.wire_bytes, 8);
    }
}

#[test]
fn frames_after_the_request_reach_the_connection() {
    let bytes = [REQUEST.as_bytes(), b"\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58"].concat();
    for cut in [1, 100, REQUEST.len() - 1, REQUEST.len(), REQUEST.len() + 3, bytes.len()] {
        let mut handshake = ServerHandshake::new(&CONFIG);
        let (first, second) = bytes.split_at(cut);
        let mut peer = Peer::new([first, second].into_iter().filter(|b| !b.is_empty()), false);
        let mut storage = [0; 1024];
        let mut input = Input::new(&mut storage);
        let event = drive(&mut handshake, &mut peer, &mut input).unwrap();
        assert_eq!(event, Some(ServerEvent::Upgrade), "{cut}");
        let mut connection = handshake.accept(&Acceptance::new()).unwrap();
        let events = events_to_the_end(&mut connection, &mut input, peer.pieces);
        assert_eq!(events.len(), 1);
        assert!(events[0].contains("Message") && events[0].contains("Hello"), "{events:?}");
    }
}

/// The client sends the request, a message, a Close and the end of the stream in one read.
#[test]
fn frames_and_eof_in_the_read_of_the_request_reach_the_connection() {
    let frames = b"\x81\x82\0\0\0\0Hi\x88\x82\0\0\0\0\x03\xe8";
    let mut bytes = [REQUEST.as_bytes(), frames].concat();
    let mut input = Input::with_bytes(&mut bytes);
    input.finish();
    let mut handshake = ServerHandshake::new(&CONFIG);
    assert_eq!(handshake.receive(&mut input), Some(ServerEvent::Upgrade));
    assert_eq!(handshake.receive(&mut input), None);
    assert_eq!(handshake.transport(), Transport::Open);
    let mut connection = handshake.accept(&Acceptance::new()).unwrap();
    let events = connection_events(&mut connection, &mut input);
    assert!(events[0].contains("Message") && events[0].contains("Hi"), "{events:?}");
    assert!(events[1].contains("Close") && events[1].contains("1000"), "{events:?}");
    assert_eq!(events.len(), 2);
    let len = connection.output().remaining();
    let output = connection.output().copy_to_bytes(len);
    assert!(output.ends_with(b"\x88\x02\x03\xe8"));
    assert!(connection.outcome().unwrap().clean);
}

#[test]
fn connection_fails_if_the_input_with_unread_bytes_is_replaced() {
    let mut bytes = [REQUEST.as_bytes(), b"\x81\x82\0\0\0\0Hi"].concat();
    let mut input = Input::with_bytes(&mut bytes);
    let mut handshake = ServerHandshake::new(&CONFIG);
    assert_eq!(handshake.receive(&mut input), Some(ServerEvent::Upgrade));
    let mut connection = handshake.accept(&Acceptance::new()).unwrap();
    let mut next = *b"\x81\x82\0\0\0\0Ho";
    let event = connection.receive(&mut Input::with_bytes(&mut next)).map(|e| e.into_owned());
    assert_eq!(event, Some(Event::Failed(ConnectionError::UnreadInput)));
}

#[test]
fn accept_returns_the_handshake_if_the_acceptance_is_invalid() {
    let mut handshake = received(REQUEST, ServerEvent::Upgrade);
    let crlf = [Field::new("X", "a\r\nSet-Cookie: b")];
    let name = [Field::new("X y", "a")];
    let reserved = [Field::new("sec-websocket-ACCEPT", "a")];
    for (acceptance, error) in [
        (Acceptance::new().with_subprotocol("other"), InvalidHead::Subprotocol),
        (Acceptance::new().with_subprotocol("Chat"), InvalidHead::Subprotocol),
        (Acceptance::new().with_subprotocol(""), InvalidHead::Subprotocol),
        (Acceptance::new().with_fields(&crlf), InvalidHead::FieldValue),
        (Acceptance::new().with_fields(&name), InvalidHead::FieldName),
        (Acceptance::new().with_fields(&reserved), InvalidHead::ReservedField),
    ] {
        let unaccepted = handshake.accept(&acceptance).unwrap_err();
        assert_eq!(unaccepted.error, AcceptError::Response(error), "{acceptance:?}");
        assert_eq!(unaccepted.to_string(), error.to_string());
        handshake = unaccepted.handshake;
        assert!(!handshake.output().has_remaining());
        assert_eq!(handshake.request().unwrap().as_bytes(), REQUEST.as_bytes());
        assert_eq!(handshake.transport(), Transport::Open);
    }
    assert!(handshake.accept(&Acceptance::new()).is_ok());
}

#[test]
fn respond_with_an_invalid_response_leaves_the_decision_open() {
    let mut handshake = received(REQUEST, ServerEvent::Upgrade);
    let crlf = [Field::new("X", "a\r\nSet-Cookie: b")];
    for (status, fields, body, error) in [
        (101, &[][..], &b""[..], InvalidHead::Status),
        (1000, &[], b"", InvalidHead::Status),
        (204, &[], b"x", InvalidHead::Body),
        (400, &crlf, b"", InvalidHead::FieldValue),
    ] {
        let responded = handshake.respond(status, fields, body);
        assert_eq!(responded, Err(AcceptError::Response(error)));
        assert!(!handshake.output().has_remaining());
        assert_eq!(handshake.transport(), Transport::Open);
    }
    assert!(handshake.accept(&Acceptance::new()).is_ok());
}

#[test]
fn accept_returns_the_handshake_without_an_upgrade() {
    let reading = ServerHandshake::new(&CONFIG);
    let http = received("GET / HTTP/1.1\r\nHost: a\r\n\r\n", ServerEvent::Http);
    let mut rejected = received(REQUEST, ServerEvent::Upgrade);
    rejected.reject(Rejection::NotFound).unwrap();
    for (handshake, has_request) in [(reading, false), (http, true), (rejected, false)] {
        let unaccepted = handshake.accept(&Acceptance::new()).unwrap_err();
        assert_eq!(unaccepted.error, AcceptError::NotReady);
        assert_eq!(unaccepted.handshake.transport(), Transport::Open);
        let request = unaccepted.handshake.into_request();
        assert_eq!(request.is_ok(), has_request);
        if let Err(unaccepted) = request {
            assert_eq!(unaccepted.error, AcceptError::NotReady);
        }
    }
}

#[test]
fn writes_prepared_responses() {
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
            written(handshake.output()),
            format!(
                "HTTP/1.1 {lines}\r\nContent-Type: text/plain; charset=utf-8\r\n\
                Content-Length: {}\r\n\r\n{reason}",
                reason.len()
            )
        );
        // Tier 1: into a buffer of the caller.
        let mut buffer = [0; 512];
        let length = rejection.write(&mut buffer, "").unwrap();
        assert!(buffer[..length].starts_with(format!("HTTP/1.1 {lines}\r\n").as_bytes()));
    }
}

#[test]
fn rejection_is_written_then_the_socket_is_drained_and_closed() {
    let smuggled = REQUEST.as_bytes();
    let mut handshake = ServerHandshake::new(&CONFIG);
    let mut storage = [0; 1024];
    let mut input = Input::new(&mut storage);
    let mut peer = Peer::new([smuggled, smuggled, smuggled], true);
    let event = drive(&mut handshake, &mut peer, &mut input).unwrap();
    assert_eq!(event, Some(ServerEvent::Upgrade));
    handshake.reject(Rejection::Forbidden).unwrap();
    assert_eq!(handshake.transport(), Transport::Open);
    assert!(handshake.output().has_remaining());
    assert_eq!(handshake.reject(Rejection::Forbidden), Err(AcceptError::NotReady));
    assert!(!peer.saw_end);
    // Bytes after the request are not answered as another request.
    assert_eq!(drive(&mut handshake, &mut peer, &mut input).unwrap(), None);
    assert!(peer.received.starts_with(b"HTTP/1.1 403 Forbidden\r\n"));
    assert!(peer.saw_end && peer.pieces.is_empty() && input.is_finished());
    assert_over(&mut handshake, Transport::Close);
}

#[test]
fn transport_is_drain_until_the_end_of_the_stream_after_a_rejection() {
    let mut handshake = received(REQUEST, ServerEvent::Upgrade);
    handshake.reject(Rejection::NotFound).unwrap();
    written(handshake.output());
    assert_eq!(handshake.transport(), Transport::Drain);
    assert_eq!(receive(&mut handshake, REQUEST.as_bytes()), (None, 0));
    assert_eq!(handshake.transport(), Transport::Drain);
    assert_eq!(receive_eof(&mut handshake), []);
    assert_over(&mut handshake, Transport::Close);
}

#[test]
fn answers_a_malformed_request_at_its_first_invalid_byte() {
    let event = ServerEvent::Failed(HandshakeError::SpaceBeforeColon);
    let mut handshake = received("GET / HTTP/1.1\r\nHost : a", event);
    assert_eq!(handshake.transport(), Transport::Open);
    let answer = written(handshake.output());
    assert!(answer.starts_with("HTTP/1.1 400 Bad Request\r\nConnection: close\r\n"), "{answer}");
    let body = HandshakeError::SpaceBeforeColon.to_string();
    assert!(answer.ends_with(&format!("\r\n\r\n{body}")), "{answer}");
    assert_eq!(handshake.transport(), Transport::Drain);
    assert!(handshake.request().is_none());
    assert_eq!(receive(&mut handshake, b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"), (None, 0));
    assert_eq!(receive_eof(&mut handshake), []);
    assert_over(&mut handshake, Transport::Close);
}

#[test]
fn answers_head_without_the_body_but_with_its_length() {
    let head = REQUEST.replace("GET", "HEAD");
    let event = ServerEvent::Failed(HandshakeError::MethodNotGet);
    let answer = written(received(&head, event).output());
    assert!(answer.starts_with("HTTP/1.1 405 "), "{answer}");
    let len = HandshakeError::MethodNotGet.to_string().len();
    assert!(answer.ends_with(&format!("\r\nContent-Length: {len}\r\n\r\n")), "{answer}");

    let get = "GET /page HTTP/1.1\r\nHost: a\r\n\r\n";
    let rejected = |request: &str| {
        let mut handshake = received(request, ServerEvent::Http);
        handshake.reject(Rejection::NotFound).unwrap();
        written(handshake.output())
    };
    let of_head = rejected(&get.replace("GET", "HEAD"));
    assert!(of_head.ends_with("\r\nContent-Length: 9\r\n\r\n"), "{of_head}");
    assert_eq!(rejected(get), format!("{of_head}Not Found"));
}

#[test]
fn answers_a_malformed_request_at_the_end_of_the_stream() {
    let mut bytes = *b"GET / HTTP/1.1\r\nHost : a";
    let mut input = Input::with_bytes(&mut bytes);
    input.finish();
    let mut handshake = ServerHandshake::new(&CONFIG);
    let event = ServerEvent::Failed(HandshakeError::SpaceBeforeColon);
    assert_eq!(handshake.receive(&mut input), Some(event));
    assert_eq!(handshake.transport(), Transport::Open);
    assert!(written(handshake.output()).starts_with("HTTP/1.1 400 "));
    assert_over(&mut handshake, Transport::Close);
}

#[test]
fn answers_plain_http_on_the_same_port() {
    let get = "GET /page HTTP/1.1\r\nHost: a\r\n\r\n";
    let mut handshake = received(get, ServerEvent::Http);
    assert_eq!(handshake.request().unwrap().path(), "/page");
    let html = [Field::new("Content-Type", "text/html")];
    assert!(!handshake.has_output());
    handshake.respond(200, &html, b"<p>").unwrap();
    assert!(handshake.has_output());
    assert_eq!(
        written(handshake.output()),
        "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nConnection: close\r\n\
        Content-Length: 3\r\n\r\n<p>"
    );
    assert_eq!(handshake.transport(), Transport::Drain);

    let mut handshake = received(&get.replace("GET", "HEAD"), ServerEvent::Http);
    handshake.respond(200, &[], b"<p>").unwrap();
    assert_eq!(
        written(handshake.output()),
        "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 3\r\n\r\n"
    );

    let mut handshake = received(get, ServerEvent::Http);
    handshake.respond(304, &[Field::new("ETag", "\"1\"")], b"").unwrap();
    assert_eq!(
        written(handshake.output()),
        "HTTP/1.1 304 Not Modified\r\nETag: \"1\"\r\nConnection: close\r\n\r\n"
    );
}

#[test]
fn into_request_returns_all_bytes_of_plain_http() {
    let head = "POST /api HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\n";
    for cut in [0, 10, head.len()] {
        let stream = format!("{head}{{}}").into_bytes();
        let mut handshake = ServerHandshake::new(&CONFIG);
        let (first, second) = stream.split_at(cut);
        let pieces = [first, second].into_iter().filter(|piece| !piece.is_empty());
        let mut peer = Peer::new(pieces, true);
        let mut storage = [0; 1024];
        let mut input = Input::new(&mut storage);
        let event = drive(&mut handshake, &mut peer, &mut input).unwrap();
        assert_eq!(event, Some(ServerEvent::Http));
        assert_eq!(handshake.into_request().unwrap(), head.as_bytes());
        let mut rest = input.into_unread().bytes;
        rest.extend(peer.pieces.into_iter().flatten());
        assert_eq!(rest, b"{}");
    }
}

#[test]
fn reports_an_early_end_of_the_stream_once() {
    for start in ["", "GET / HTTP/1.1\r\nHost: a\r\n"] {
        let mut handshake = ServerHandshake::new(&CONFIG);
        assert_eq!(receive_all(&mut handshake, start.as_bytes()), []);
        let event = ServerEvent::Failed(HandshakeError::UnexpectedEof);
        assert_eq!(receive_eof(&mut handshake), [event]);
        assert_over(&mut handshake, Transport::Close);
        handshake.abort();
        assert_over(&mut handshake, Transport::Abort);
    }
}

#[test]
fn reports_a_broken_transport_once() {
    let deciding = received(REQUEST, ServerEvent::Upgrade);
    let reading = ServerHandshake::new(&CONFIG);
    for mut handshake in [deciding, reading] {
        handshake.abort();
        assert_eq!(handshake.transport(), Transport::Abort);
        let event = ServerEvent::Failed(HandshakeError::Aborted);
        assert_eq!(receive(&mut handshake, b""), (Some(event), 0));
        assert_over(&mut handshake, Transport::Abort);
        assert!(handshake.request().is_none());
        assert!(handshake.accept(&Acceptance::new()).is_err());
    }
    // After a rejection, a broken transport is not reported.
    let mut rejected = received(REQUEST, ServerEvent::Upgrade);
    rejected.reject(Rejection::NotFound).unwrap();
    rejected.abort();
    assert_over(&mut rejected, Transport::Abort);
}

#[test]
fn eof_during_the_decision_stays_in_the_input() {
    let mut bytes = REQUEST.as_bytes().to_vec();
    let mut input = Input::with_bytes(&mut bytes);
    let mut handshake = ServerHandshake::new(&CONFIG);
    assert_eq!(handshake.receive(&mut input), Some(ServerEvent::Upgrade));
    input.finish();
    assert_eq!(handshake.receive(&mut input), None);
    assert_eq!(handshake.transport(), Transport::Open);
    let mut connection = handshake.accept(&Acceptance::new()).unwrap();
    let events = connection_events(&mut connection, &mut input);
    assert_eq!(events.len(), 1, "{events:?}");
    assert!(events[0].contains("UnexpectedEof"), "{events:?}");

    let mut handshake = received(REQUEST, ServerEvent::Upgrade);
    handshake.reject(Rejection::NotFound).unwrap();
    assert_eq!(receive_eof(&mut handshake), []);
    assert_eq!(handshake.transport(), Transport::Open, "the answer is not written yet");
    written(handshake.output());
    assert_over(&mut handshake, Transport::Close);
}
