//! What holds for all heads.

use proptest::collection::vec;
use proptest::prelude::*;
use websocket_proto::handshake::{
    Acceptance, ClientRequest, Field, HeadLimits, HeadWriter, RequestParser, ResponseParser,
    ServerHandshake, Uri, key_from_nonce,
};

use crate::support::{CONFIG, taken};

fn token() -> impl Strategy<Value = String> {
    "[!#$%&'*+.^_`|~0-9A-Za-z-]{1,20}"
}

/// A value, which may have bytes beyond ASCII.
fn value() -> impl Strategy<Value = Vec<u8>> {
    let byte = prop_oneof![9 => 0x20..=0x7eu8, 1 => Just(b'\t'), 1 => 0x80..=0xffu8];
    vec(byte, 0..60).prop_map(|bytes| bytes.trim_ascii().to_vec())
}

fn fields() -> impl Strategy<Value = Vec<(String, Vec<u8>)>> {
    vec((token(), value()), 0..20)
}

/// Strings that mean harm more often than chance would have it.
fn any_text() -> impl Strategy<Value = String> {
    prop_oneof![
        any::<String>(),
        "[ -~]{0,30}",
        "[a-z/:.]{0,10}[\r\n\0 \t]{0,3}[a-zA-Z: ]{0,10}",
        "[a-z]{1,10}",
        "/[a-z]{0,10}",
    ]
}

proptest! {
    #[test]
    fn a_request_parses_back_to_its_parts(
        method in token(),
        target in "/[!-\"$-~]{0,40}",
        fields in fields(),
        cuts in vec(0..2000usize, 0..4),
    ) {
        let mut head = Vec::new();
        let mut writer = HeadWriter::request(&mut head, &method, &target).unwrap();
        for (name, value) in &fields {
            writer.field(Field::new(name, value)).unwrap();
        }
        let length = writer.finish().unwrap();
        prop_assert_eq!(length, head.len());
        head.extend_from_slice(b"behind");

        let mut parser = RequestParser::new(HeadLimits::DEFAULT);
        let mut cuts = cuts;
        cuts.sort_unstable();
        for cut in cuts {
            let cut = cut.min(length - 1);
            prop_assert!(parser.parse(&head[..cut]).unwrap().is_none());
        }
        prop_assert!(parser.head(&head).is_none());
        let request = parser.parse(&head).unwrap().unwrap();
        prop_assert_eq!(parser.head(&head).unwrap().as_bytes(), request.as_bytes());
        prop_assert_eq!(parser.scanned(), length);
        prop_assert_eq!(request.as_bytes(), &head[..length]);
        prop_assert_eq!(request.method(), method);
        prop_assert_eq!(request.target(), target);
        let parsed: Vec<(String, Vec<u8>)> =
            request.fields().map(|f| (f.name().to_owned(), f.value().to_vec())).collect();
        prop_assert_eq!(parsed, fields);
    }

    #[test]
    fn a_response_parses_back_to_its_parts(
        status in 100..=999u16,
        reason in "[ -~]{0,30}",
        fields in fields(),
    ) {
        let mut head = Vec::new();
        let mut writer = HeadWriter::response(&mut head, status, &reason).unwrap();
        for (name, value) in &fields {
            writer.field(Field::new(name, value)).unwrap();
        }
        writer.finish().unwrap();
        let mut parser = ResponseParser::new(HeadLimits::DEFAULT);
        let response = parser.parse(&head).unwrap().unwrap();
        prop_assert_eq!(response.status(), status);
        prop_assert_eq!(response.reason(), reason.as_bytes());
        let parsed: Vec<(String, Vec<u8>)> =
            response.fields().map(|f| (f.name().to_owned(), f.value().to_vec())).collect();
        prop_assert_eq!(parsed, fields);
    }

    #[test]
    fn whatever_is_asked_for_has_the_intended_number_of_lines(
        authority in any_text(),
        target in any_text(),
        subprotocols in vec(any_text(), 0..3),
        extensions in proptest::option::of(any_text()),
        fields in vec((any_text(), any_text()), 0..4),
    ) {
        let subprotocols: Vec<&str> = subprotocols.iter().map(String::as_str).collect();
        let list: Vec<Field<'_>> = fields.iter().map(|(n, v)| Field::new(n, v)).collect();
        let mut request =
            ClientRequest::to(&authority, &target).subprotocols(&subprotocols).fields(&list);
        if let Some(extensions) = &extensions {
            request = request.extensions(extensions);
        }
        let mut head = Vec::new();
        if request.write(key_from_nonce(&[7; 16]), &mut head).is_ok() {
            let lines = 6
                + usize::from(!subprotocols.is_empty())
                + usize::from(extensions.is_some())
                + fields.len()
                + 1;
            prop_assert_eq!(head.split(|byte| *byte == b'\n').count(), lines + 1);
            prop_assert_eq!(head.iter().filter(|byte| **byte == b'\r').count(), lines);
            prop_assert!(!head.contains(&0) && head.ends_with(b"\r\n\r\n"));
            let mut parser = RequestParser::new(HeadLimits::DEFAULT);
            let parsed = parser.parse(&head).unwrap().unwrap();
            prop_assert!(parsed.upgrade().unwrap().is_some());
            prop_assert_eq!(parsed.subprotocols().collect::<Vec<_>>(), subprotocols);
        }
    }

    /// What a URI was checked for is what a request is.
    #[test]
    fn the_request_for_a_uri_is_the_one_for_its_parts(
        authority in prop_oneof![any_text(), "[a-z0-9.:\\[\\]]{0,12}"],
        target in prop_oneof![any_text(), "[/?a-z]{0,8}"],
    ) {
        let text = format!("ws://{authority}{target}");
        if let Ok(uri) = Uri::parse(&text) {
            let query = uri.query().map_or(String::new(), |query| format!("?{query}"));
            let target = format!("{}{query}", uri.path());
            let (mut head, mut of_parts) = (Vec::new(), Vec::new());
            let key = key_from_nonce(&[7; 16]);
            prop_assert!(ClientRequest::new(&uri).write(key, &mut head).is_ok());
            let request = ClientRequest::to(uri.authority(), &target);
            prop_assert_eq!(request.write(key, &mut of_parts), Ok(head.len()));
            prop_assert_eq!(head, of_parts);
        }
    }

    #[test]
    fn whatever_is_answered_has_the_intended_number_of_lines(
        status in any::<u16>(),
        subprotocol in proptest::option::of(any_text()),
        fields in vec((any_text(), any_text()), 0..4),
    ) {
        let list: Vec<Field<'_>> = fields.iter().map(|(n, v)| Field::new(n, v)).collect();
        let request = b"GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\n\
            Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n\
            Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Protocol: chat\r\n\r\n";
        let received = || {
            let mut handshake = ServerHandshake::new(&CONFIG);
            handshake.receive(&mut &mut request.to_vec()[..]).unwrap();
            handshake
        };
        let mut handshake = received();
        if handshake.respond(status, &list, b"").is_ok() {
            let answer = taken(handshake.output());
            let own = if matches!(status, 204 | 304) { 1 } else { 2 };
            prop_assert_eq!(answer.matches("\r\n").count(), 1 + own + fields.len() + 1);
            prop_assert_eq!(answer.matches(['\r', '\n']).count(), 2 * (2 + own + fields.len()));
        } else {
            prop_assert!(!handshake.wants_write());
        }
        let mut acceptance = Acceptance::new().fields(&list);
        if let Some(subprotocol) = &subprotocol {
            acceptance = acceptance.subprotocol(subprotocol);
        }
        let mut handshake = received();
        if let Ok(mut established) = handshake.accept(&acceptance) {
            let answer = taken(established.connection.output());
            let lines = 4 + usize::from(subprotocol.is_some()) + fields.len() + 1;
            prop_assert_eq!(answer.matches(['\r', '\n']).count(), 2 * lines);
        }
    }

    /// Anything at all: no panic, the same error at every cut, never more looked at than given.
    #[test]
    fn any_bytes(bytes in vec(any::<u8>(), 0..300), cut in 0..300usize) {
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
        prop_assert!(pieces.scanned() <= bytes.len());
        let _ = ResponseParser::new(HeadLimits::DEFAULT).parse(&bytes);
    }
}
