//! Property tests of heads.

use proptest::collection::vec;
use proptest::prelude::*;
use websocket_proto::handshake::{
    Acceptance, ClientRequest, Field, HeadLimits, OriginPolicy, RequestParser, ResponseParser, Uri,
    write_response,
};

/// Strings that contain malicious characters more often than random ones.
fn any_text() -> impl Strategy<Value = String> {
    prop_oneof![
        any::<String>(),
        "[ -~]{0,30}",
        "[a-z/:.]{0,10}[\r\n\0 \t]{0,3}[a-zA-Z: ]{0,10}",
        "[a-z]{1,10}",
        "/[a-z]{0,10}",
    ]
}

fn token() -> impl Strategy<Value = String> {
    "[!#$%&'*+.^_`|~0-9A-Za-z-]{1,20}"
}

/// A field value, possibly with non-ASCII bytes.
fn value() -> impl Strategy<Value = Vec<u8>> {
    let byte = prop_oneof![9 => 0x20..=0x7eu8, 1 => Just(b'\t'), 1 => 0x80..=0xffu8];
    vec(byte, 0..60).prop_map(|bytes| bytes.trim_ascii().to_vec())
}

fn fields() -> impl Strategy<Value = Vec<(String, Vec<u8>)>> {
    vec((token(), value()), 0..20)
}

/// Encodes a head, its field values padded in various ways.
fn head_of(start_line: &str, fields: &[(String, Vec<u8>)]) -> Vec<u8> {
    let mut head = format!("{start_line}\r\n").into_bytes();
    for (index, (name, value)) in fields.iter().enumerate() {
        let (before, after) = [("", ""), (" ", ""), ("\t ", "  ")][index % 3];
        head.extend_from_slice(format!("{name}:{before}").as_bytes());
        head.extend_from_slice(value);
        head.extend_from_slice(format!("{after}\r\n").as_bytes());
    }
    head.extend_from_slice(b"\r\n");
    head
}

proptest! {
    #[test]
    fn request_parses_back_to_its_parts(
        method in token(),
        target in "/[!-\"$-~]{0,40}",
        fields in fields(),
        cuts in vec(0..2000usize, 0..4),
    ) {
        let mut head = head_of(&format!("{method} {target} HTTP/1.1"), &fields);
        let length = head.len();
        head.extend_from_slice(b"bytes after the head");

        let mut parser = RequestParser::new(HeadLimits::DEFAULT);
        let mut cuts = cuts;
        cuts.sort_unstable();
        for cut in cuts {
            let cut = cut.min(length - 1);
            prop_assert!(parser.parse(&head[..cut]).unwrap().is_none());
        }
        let request = parser.parse(&head).unwrap().unwrap();
        prop_assert_eq!(parser.parse(&head).unwrap().unwrap().as_bytes(), request.as_bytes());
        prop_assert_eq!(request.as_bytes(), &head[..length]);
        prop_assert_eq!(request.method(), method);
        prop_assert_eq!(request.target(), target);
        let parsed: Vec<(String, Vec<u8>)> =
            request.fields().map(|f| (f.name().to_owned(), f.value().to_vec())).collect();
        prop_assert_eq!(parsed, fields);
    }

    #[test]
    fn response_parses_back_to_its_parts(
        status in 100..=999u16,
        reason in "[ -~]{0,30}",
        fields in fields(),
    ) {
        let head = head_of(&format!("HTTP/1.1 {status} {reason}"), &fields);
        let mut parser = ResponseParser::new(HeadLimits::DEFAULT);
        let response = parser.parse(&head).unwrap().unwrap();
        prop_assert_eq!(response.status(), status);
        prop_assert_eq!(response.reason(), reason.as_bytes());
        let parsed: Vec<(String, Vec<u8>)> =
            response.fields().map(|f| (f.name().to_owned(), f.value().to_vec())).collect();
        prop_assert_eq!(parsed, fields);
    }

    #[test]
    fn written_request_has_the_intended_number_of_lines(
        authority in any_text(),
        target in any_text(),
        subprotocols in vec(any_text(), 0..3),
        fields in vec((any_text(), any_text()), 0..4),
        nonce in any::<[u8; 16]>(),
    ) {
        let subprotocols: Vec<&str> = subprotocols.iter().map(String::as_str).collect();
        let list: Vec<Field<'_>> = fields.iter().map(|(n, v)| Field::new(n, v)).collect();
        let request =
            ClientRequest::to(&authority, &target).with_subprotocols(&subprotocols).with_fields(&list);
        let mut buffer = [0; 4096];
        if let Ok(length) = request.write(&nonce, &mut buffer) {
            let head = &buffer[..length];
            let lines = 6
                + usize::from(!subprotocols.is_empty())
                + fields.len()
                + 1;
            prop_assert_eq!(head.split(|byte| *byte == b'\n').count(), lines + 1);
            prop_assert_eq!(head.iter().filter(|byte| **byte == b'\r').count(), lines);
            prop_assert!(!head.contains(&0) && head.ends_with(b"\r\n\r\n"));
            let mut parser = RequestParser::new(HeadLimits::DEFAULT);
            let parsed = parser.parse(head).unwrap().unwrap();
            prop_assert!(parsed.upgrade(&OriginPolicy::any()).unwrap().is_some());
            prop_assert_eq!(parsed.subprotocols().collect::<Vec<_>>(), subprotocols);
        }
    }

    #[test]
    fn uri_and_its_parts_create_the_same_request(
        authority in prop_oneof![any_text(), "[a-z0-9.:\\[\\]]{0,12}"],
        target in prop_oneof![any_text(), "[/?a-z]{0,8}"],
    ) {
        let text = format!("ws://{authority}{target}");
        if let Ok(uri) = Uri::parse(&text) {
            let query = uri.query().map_or(String::new(), |query| format!("?{query}"));
            let target = format!("{}{query}", uri.path());
            let (mut head, mut of_parts) = ([0; 1024], [0; 1024]);
            let written = ClientRequest::new(&uri).write(&[7; 16], &mut head);
            prop_assert!(written.is_ok());
            let request = ClientRequest::to(uri.authority(), &target);
            prop_assert_eq!(request.write(&[7; 16], &mut of_parts), written);
            prop_assert_eq!(head, of_parts);
        }
    }

    #[test]
    fn written_response_has_the_intended_number_of_lines(
        status in any::<u16>(),
        subprotocol in proptest::option::of(any_text()),
        fields in vec((any_text(), any_text()), 0..4),
    ) {
        let list: Vec<Field<'_>> = fields.iter().map(|(n, v)| Field::new(n, v)).collect();
        let line_ends = |head: &[u8]| head.iter().filter(|byte| b"\r\n".contains(byte)).count();
        let mut buffer = [0; 4096];
        if let Ok(length) = write_response(&mut buffer, "GET", status, &list, b"") {
            let own = if matches!(status, 204 | 304) { 1 } else { 2 };
            prop_assert_eq!(line_ends(&buffer[..length]), 2 * (2 + own + fields.len()));
        }
        let request = b"GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\n\
            Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n\
            Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Protocol: chat\r\n\r\n";
        let request = RequestParser::new(HeadLimits::DEFAULT).parse(request).unwrap().unwrap();
        let upgrade = request.upgrade(&OriginPolicy::same()).unwrap().unwrap();
        let acceptance =
            Acceptance::new().with_subprotocol(subprotocol.as_deref()).with_fields(&list);
        if let Ok(length) = upgrade.accept(&acceptance, &mut buffer) {
            let lines = 4 + usize::from(subprotocol.is_some()) + fields.len() + 1;
            prop_assert_eq!(line_ends(&buffer[..length]), 2 * lines);
        }
    }

    #[test]
    fn arbitrary_bytes_have_the_same_outcome_at_every_cut(bytes in vec(any::<u8>(), 0..300), cut in 0..300usize) {
        let mut whole = RequestParser::new(HeadLimits::DEFAULT);
        let expected = whole.parse(&bytes).map(|head| head.map(|head| head.as_bytes().len()));
        let mut pieces = RequestParser::new(HeadLimits::DEFAULT);
        let cut = cut.min(bytes.len());
        let first = pieces.parse(&bytes[..cut]).map(|head| head.map(|head| head.as_bytes().len()));
        let last = pieces.parse(&bytes).map(|head| head.map(|head| head.as_bytes().len()));
        prop_assert_eq!(&last, &expected);
        if first.is_err() {
            prop_assert_eq!(first, last);
        }
        let _ = ResponseParser::new(HeadLimits::DEFAULT).parse(&bytes);
    }
}

#[test]
fn largest_head_is_parsed_byte_by_byte() {
    let mut head = b"GET / HTTP/1.1\r\nHost: h\r\n".to_vec();
    while head.len() < (32 << 10) - 600 {
        head.extend_from_slice(format!("X-Filler: {}\r\n", "x".repeat(400)).as_bytes());
    }
    head.extend_from_slice(b"\r\n");
    let mut parser = RequestParser::new(HeadLimits::DEFAULT);
    for length in 0..head.len() {
        assert!(parser.parse(&head[..length]).unwrap().is_none());
    }
    assert_eq!(parser.parse(&head).unwrap().unwrap().fields().count(), 80);
    // Parsing a complete head again returns it again.
    assert_eq!(parser.parse(&head).unwrap().unwrap().as_bytes(), head);
}
