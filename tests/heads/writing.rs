//! Writing of heads: rejected and written ones.

use websocket_proto::handshake::{
    Acceptance, ClientRequest, Field, HeadLimits, InvalidHead, OriginPolicy, RequestParser,
    choose_subprotocol, write_response,
};

use crate::support::malformed_requests;

const UPGRADE: &[u8] = b"GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
    Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
    Sec-WebSocket-Protocol: chat, superchat\r\nSec-WebSocket-Extensions: permessage-deflate\r\n\r\n";

#[test]
fn rejects_fields_that_do_not_survive_a_round_trip() {
    let request = RequestParser::new(HeadLimits::DEFAULT).parse(UPGRADE).unwrap().unwrap();
    let upgrade = request.upgrade(&OriginPolicy::same()).unwrap().unwrap();
    for (name, value, error) in [
        ("X", "a\r\nHost: b", InvalidHead::FieldValue),
        ("X", "a\nb", InvalidHead::FieldValue),
        ("X", "a\rb", InvalidHead::FieldValue),
        ("X", "a\0b", InvalidHead::FieldValue),
        ("X", "a\x7f", InvalidHead::FieldValue),
        ("X", " a", InvalidHead::FieldValue),
        ("X", "a\t", InvalidHead::FieldValue),
        ("", "a", InvalidHead::FieldName),
        ("X Y", "a", InvalidHead::FieldName),
        ("X:", "a", InvalidHead::FieldName),
        ("X\r\n", "a", InvalidHead::FieldName),
        ("\u{fc}", "a", InvalidHead::FieldName),
        ("Host", "a", InvalidHead::ReservedField),
        ("HOST", "a", InvalidHead::ReservedField),
        ("connection", "a", InvalidHead::ReservedField),
        ("Upgrade", "a", InvalidHead::ReservedField),
        ("Content-Length", "1", InvalidHead::ReservedField),
        ("CONTENT-length", "1", InvalidHead::ReservedField),
        ("Transfer-Encoding", "chunked", InvalidHead::ReservedField),
        ("Sec-WebSocket-Key", "a", InvalidHead::ReservedField),
        ("Sec-WebSocket-Extensions", "permessage-deflate", InvalidHead::ReservedField),
        ("sec-websocket-unknown", "a", InvalidHead::ReservedField),
        ("SEC-WEBSOCKET-x", "a", InvalidHead::ReservedField),
    ] {
        let fields = [Field::new(name, value)];
        let mut buffer = [0; 512];
        let request = ClientRequest::to("a", "/").with_fields(&fields);
        assert_eq!(request.write(&[0; 16], &mut buffer), Err(error), "{name}");
        let acceptance = Acceptance::new().with_fields(&fields);
        assert_eq!(upgrade.accept(&acceptance, &mut buffer), Err(error), "{name}");
        if error != InvalidHead::ReservedField {
            let response = write_response(&mut buffer, "GET", 404, &fields, b"");
            assert_eq!(response, Err(error), "{name}");
        }
    }
}

#[test]
fn response_that_does_not_accept_reserves_connection_and_the_length_of_the_body() {
    let mut buffer = [0; 512];
    for name in ["Connection", "CONTENT-length", "Transfer-Encoding"] {
        let fields = [Field::new(name, "1")];
        let response = write_response(&mut buffer, "GET", 404, &fields, b"");
        assert_eq!(response, Err(InvalidHead::ReservedField), "{name}");
    }
    let fields = [Field::new("Upgrade", "websocket"), Field::new("Sec-WebSocket-Version", "13")];
    let len = write_response(&mut buffer, "GET", 426, &fields, b"page").unwrap();
    assert_eq!(
        str::from_utf8(&buffer[..len]).unwrap(),
        "HTTP/1.1 426 Upgrade Required\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
        Connection: close, Upgrade\r\nContent-Length: 4\r\n\r\npage"
    );
}

#[test]
fn rejects_requests_that_would_be_malformed() {
    let plain = ClientRequest::to("example.com", "/");
    for (request, error) in malformed_requests() {
        assert_eq!(request.write(&[0; 16], &mut [0; 512]), Err(error), "{request:?}");
    }
    let mut buffer = [0; 512];
    let len = plain.write(&[0; 16], &mut buffer).unwrap();
    assert_eq!(plain.write(&[0; 16], &mut buffer[..len]), Ok(len));
    assert_eq!(plain.write(&[0; 16], &mut buffer[..len - 1]), Err(InvalidHead::BufferTooSmall));
}

#[test]
fn accepts_only_offered_subprotocols() {
    let request = RequestParser::new(HeadLimits::DEFAULT).parse(UPGRADE).unwrap().unwrap();
    let upgrade = request.upgrade(&OriginPolicy::same()).unwrap().unwrap();
    assert_eq!(upgrade.subprotocols().collect::<Vec<_>>(), ["chat", "superchat"]);
    assert_eq!(upgrade.key(), b"dGhlIHNhbXBsZSBub25jZQ==");
    let mut response = [0; 256];
    for subprotocol in ["soap", "Chat", "", "chat, superchat"] {
        let acceptance = Acceptance::new().with_subprotocol(subprotocol);
        assert_eq!(upgrade.accept(&acceptance, &mut response), Err(InvalidHead::Subprotocol));
    }
    let chosen = choose_subprotocol(upgrade.subprotocols(), &["wamp", "superchat", "chat"]);
    assert_eq!(chosen, Some("superchat"));
    let acceptance = Acceptance::new().with_subprotocol("superchat");
    let len = upgrade.accept(&acceptance, &mut response).unwrap();
    // The offered extension is not accepted.
    assert_eq!(
        &response[..len],
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
        Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\
        Sec-WebSocket-Protocol: superchat\r\n\r\n"
    );
    assert_eq!(
        upgrade.accept(&acceptance, &mut response[..len - 1]),
        Err(InvalidHead::BufferTooSmall)
    );
}

#[test]
fn origin_policy_applies_to_a_parsed_head() {
    use websocket_proto::handshake::HandshakeError::{ForbiddenOrigin, RepeatedOrigin};
    let outcome = |lines: &str, policy: OriginPolicy<'_>| {
        let head = UPGRADE.strip_suffix(b"\r\n").unwrap();
        let head = [head, lines.as_bytes(), b"\r\n"].concat();
        let request = RequestParser::new(HeadLimits::DEFAULT).parse(&head).unwrap().unwrap();
        request.upgrade(&policy).map(|upgrade| upgrade.is_some())
    };
    let same = OriginPolicy::same;
    assert_eq!(outcome("", OriginPolicy::none()), Ok(true));
    assert_eq!(outcome("Origin: http://a\r\n", same()), Ok(true));
    assert_eq!(outcome("Origin: http://b\r\n", same()), Err(ForbiddenOrigin));
    assert_eq!(outcome("Origin: null\r\n", same()), Err(ForbiddenOrigin));
    assert_eq!(outcome("Origin: http://b\r\n", OriginPolicy::any()), Ok(true));
    assert_eq!(outcome("Origin: a\r\nOrigin: a\r\n", OriginPolicy::any()), Err(RepeatedOrigin));
}

#[test]
fn absolute_form_target_determines_the_expected_origin() {
    let outcome = |origin: &str| {
        let head = UPGRADE.strip_prefix(b"GET /").unwrap().strip_suffix(b"\r\n").unwrap();
        let head =
            [b"GET ws://b:81/", head, format!("Origin: {origin}\r\n\r\n").as_bytes()].concat();
        let request = RequestParser::new(HeadLimits::DEFAULT).parse(&head).unwrap().unwrap();
        assert_eq!(request.authority(), Some("b:81"));
        request.upgrade(&OriginPolicy::same()).is_ok()
    };
    assert!(outcome("http://b:81"));
    assert!(!outcome("http://a"));
}
