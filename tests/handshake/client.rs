//! `ClientHandshake`.

use bytes::Buf;
use websocket_proto::handshake::{
    ClientEvent, ClientHandshake, ClientRequest, Field, HandshakeError, HeadError, HeadLimits, Uri,
    accept_key, key_from_nonce,
};
use websocket_proto::{Config, EntropyError, Event, Message, Transport};

use crate::support::{client_config, taken};

fn handshake(request: &ClientRequest<'_>) -> ClientHandshake {
    ClientHandshake::new(client_config(), request).unwrap()
}

/// What is told of `bytes`, and how much of them is left.
fn receive(handshake: &mut ClientHandshake, bytes: &[u8]) -> (Option<ClientEvent>, usize) {
    let mut bytes = bytes.to_vec();
    let mut input = &mut bytes[..];
    (handshake.receive(&mut input), input.len())
}

#[test]
fn known_keys() {
    for (key, accept) in [
        ("dGhlIHNhbXBsZSBub25jZQ==", "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="),
        ("x3JJHMbDL1EzLkh9GBhXDw==", "HSmrc0sMlYUkAGmm5OPpG2HaGWk="),
        ("sN9cRrP/n9NdMgdcy2VJFQ==", "fFBooB7FAkLlXgRSz0BT3v4hq5s="),
    ] {
        assert_eq!(accept_key(key.as_bytes()), accept.as_bytes());
    }
    assert_eq!(&key_from_nonce(b"the sample nonce"), b"dGhlIHNhbXBsZSBub25jZQ==");
}

#[test]
fn a_server_of_an_old_draft_is_accepted() {
    let nonce = |out: &mut [u8]| {
        out.copy_from_slice(&[
            0xb0, 0xdf, 0x5c, 0x46, 0xb3, 0xff, 0x9f, 0xd3, 0x5d, 0x32, 0x07, 0x5c, 0xcb, 0x65,
            0x49, 0x15,
        ]);
        Ok::<_, EntropyError>(())
    };
    let request = ClientRequest::to("localhost:8888", "/").subprotocols(&["sample"]);
    let mut handshake = ClientHandshake::new(Config::new().entropy(nonce), &request).unwrap();
    let sent = taken(handshake.output());
    assert!(sent.contains("\r\nSec-WebSocket-Key: sN9cRrP/n9NdMgdcy2VJFQ==\r\n"), "{sent}");
    let response = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\
        Connection: Upgrade\r\nSec-WebSocket-Accept: fFBooB7FAkLlXgRSz0BT3v4hq5s=\r\n\
        Sec-WebSocket-Origin: null\r\nSec-WebSocket-Protocol: sample\r\n\
        Sec-WebSocket-Location: ws://localhost:8888/\r\n\r\n";
    assert_eq!(receive(&mut handshake, response), (Some(ClientEvent::Accepted), 0));
    let established = handshake.establish().unwrap();
    assert_eq!(established.negotiated.subprotocol(), Some("sample"));
}

const ACCEPTED: &[u8] = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\
    Connection: Upgrade\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";

#[test]
fn the_request_keeps_order_and_case() {
    let uri = Uri::parse("ws://[::1]:9001?room=1").unwrap();
    let fields = [
        Field::new("origin", "http://example.com"),
        Field::new("COOKIE", "a=b"),
        Field::new("X-Bytes", &b"\xff\x80"[..]),
        Field::new("X-Empty", ""),
    ];
    let request = ClientRequest::new(&uri)
        .subprotocols(&["v2.chat", "chat"])
        .extensions("permessage-deflate; client_max_window_bits")
        .fields(&fields);
    let mut handshake = handshake(&request);
    assert!(handshake.wants_write() && handshake.wants_read());
    let output = handshake.output();
    let sent = output.copy_to_bytes(output.remaining());
    assert_eq!(
        sent.escape_ascii().to_string(),
        b"GET /?room=1 HTTP/1.1\r\nHost: [::1]:9001\r\nUpgrade: websocket\r\n\
        Connection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
        Sec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: v2.chat, chat\r\n\
        Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n\
        origin: http://example.com\r\nCOOKIE: a=b\r\nX-Bytes: \xff\x80\r\nX-Empty: \r\n\r\n"
            .escape_ascii()
            .to_string()
    );
}

#[test]
fn a_request_that_cannot_be_sent() {
    let plain = ClientRequest::to("example.com", "/");
    let crlf = [Field::new("Origin", "a\r\nb")];
    let nul = [Field::new("Origin", "a\0")];
    let blank = [Field::new("Origin", " a")];
    let name = [Field::new("Ori:gin", "a")];
    for (request, error) in [
        (ClientRequest::to("example.com", "chat"), HeadError::Target),
        (ClientRequest::to("example.com", ""), HeadError::Target),
        (ClientRequest::to("example.com", "/a b"), HeadError::Target),
        (ClientRequest::to("example.com", "/\r\nA: b"), HeadError::Target),
        (ClientRequest::to("example.com", "/#a"), HeadError::Target),
        (ClientRequest::to("", "/"), HeadError::Host),
        (ClientRequest::to("a\r\nb", "/"), HeadError::Host),
        (ClientRequest::to("u@a", "/"), HeadError::Host),
        (ClientRequest::to("a:b", "/"), HeadError::Host),
        (plain.subprotocols(&["a", "b", "a"]), HeadError::Subprotocol),
        (plain.subprotocols(&["a, b"]), HeadError::Subprotocol),
        (plain.subprotocols(&[""]), HeadError::Subprotocol),
        (plain.subprotocols(&["a\r\n"]), HeadError::Subprotocol),
        (plain.extensions(""), HeadError::Extensions),
        (plain.extensions("a\r\nb"), HeadError::Extensions),
        (plain.fields(&crlf), HeadError::FieldValue),
        (plain.fields(&nul), HeadError::FieldValue),
        (plain.fields(&blank), HeadError::FieldValue),
        (plain.fields(&name), HeadError::FieldName),
    ] {
        let refused = ClientHandshake::new(client_config(), &request).unwrap_err();
        assert_eq!(refused, error, "{request:?}");
    }
    for name in [
        "HOST",
        "Connection",
        "upgrade",
        "CONTENT-length",
        "Transfer-Encoding",
        "Sec-WebSocket-Key",
        "SEC-WEBSOCKET-x",
    ] {
        let field = [Field::new(name, "a")];
        let refused = plain.fields(&field).write(key_from_nonce(&[0; 16]), &mut Vec::new());
        assert_eq!(refused, Err(HeadError::ReservedField), "{name}");
    }
    assert_eq!(plain.write(key_from_nonce(&[0; 16]), &mut [0; 20]), Err(HeadError::BufferFull));
}

#[test]
fn frames_behind_the_response_are_left_for_the_connection() {
    let mut bytes = [ACCEPTED, b"\x81\x02Hi"].concat();
    for cut in [0, 1, 60, ACCEPTED.len() - 1, ACCEPTED.len()] {
        let mut handshake = handshake(&ClientRequest::to("example.com", "/"));
        let (mut first, mut second) = bytes.split_at_mut(cut);
        let event = handshake.receive(&mut first).or_else(|| handshake.receive(&mut second));
        assert_eq!(event, Some(ClientEvent::Accepted));
        let mut connection = handshake.establish().unwrap().connection;
        assert!(handshake.establish().is_none());
        assert_eq!(handshake.response().unwrap().as_bytes(), ACCEPTED);
        // The request, which the driver has not written yet, comes before all frames.
        connection.send("x").unwrap();
        assert!(connection.output().chunk().starts_with(b"GET / HTTP/1.1\r\n"));
        match connection.receive(&mut second) {
            Some(Event::Message(message)) => assert_eq!(message, Message::from("Hi")),
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn a_refusal_is_delivered_with_its_fields_and_body() {
    let head = "HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: Basic realm=\"x\"\r\n";
    for (fields, body, ended, kept, transport) in [
        ("Content-Length: 4\r\n", "none", false, "none", Transport::Open),
        ("Content-Length: 4\r\n", "none and more", false, "none", Transport::Open),
        ("Content-Length: 9\r\n", "none", true, "none", Transport::Open),
        ("Content-Length: 0\r\n", "none", false, "", Transport::Open),
        ("Content-Length: x\r\n", "none", true, "none", Transport::Drain),
        ("Content-Length: +4\r\n", "none", true, "none", Transport::Drain),
        ("Content-Length: 2\r\nContent-Length: 4\r\n", "none", true, "none", Transport::Drain),
        ("Content-Length: 99999999999999999999\r\n", "none", true, "none", Transport::Drain),
        ("", "none", true, "none", Transport::Drain),
        ("Transfer-Encoding: chunked\r\n", "1\r\na\r\n", true, "1\r\na\r\n", Transport::Drain),
    ] {
        let bytes = format!("{head}{fields}\r\n{body}").into_bytes();
        for cut in 0..=bytes.len() {
            let mut handshake = handshake(&ClientRequest::to("example.com", "/"));
            taken(handshake.output());
            let mut events = Vec::new();
            for part in [&bytes[..cut], &bytes[cut..]] {
                let (event, left) = receive(&mut handshake, part);
                assert_eq!(left, 0);
                events.extend(event);
            }
            if ended {
                assert_eq!(events, [], "{fields}{body}");
                assert_eq!(handshake.transport(), transport, "{fields}{body}");
                handshake.receive_eof();
                events.extend(receive(&mut handshake, b"").0);
            }
            assert_eq!(events, [ClientEvent::Refused { status: 401 }], "{fields}{body}");
            assert_eq!(handshake.transport(), Transport::Close);
            assert_eq!(handshake.body(), kept.as_bytes());
            let response = handshake.response().unwrap();
            assert_eq!(response.field("www-authenticate"), Some(&b"Basic realm=\"x\""[..]));
            assert!(handshake.establish().is_none());
            assert_eq!(receive(&mut handshake, b"more"), (None, 0));
        }
    }
}

#[test]
fn a_body_is_kept_up_to_the_limit() {
    let limits = HeadLimits { max_body: 10, ..HeadLimits::DEFAULT };
    for length in ["", "Content-Length: 1000000\r\n"] {
        let config = client_config().head_limits(limits);
        let request = ClientRequest::to("example.com", "/");
        let mut handshake = ClientHandshake::new(config, &request).unwrap();
        let response = format!("HTTP/1.1 500 x\r\n{length}\r\n{}", "b".repeat(50));
        let event = receive(&mut handshake, response.as_bytes()).0;
        assert_eq!(event, Some(ClientEvent::Refused { status: 500 }));
        assert_eq!(handshake.body(), b"bbbbbbbbbb");
    }
    let mut handshake = handshake(&ClientRequest::to("example.com", "/"));
    let event = receive(&mut handshake, b"HTTP/1.1 304 x\r\nContent-Length: 9\r\n\r\n").0;
    assert_eq!(event, Some(ClientEvent::Refused { status: 304 }));
}

#[test]
fn interim_responses_are_skipped_but_not_for_ever() {
    let interim = b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n";
    let bytes = [b"HTTP/1.1 100 Continue\r\n\r\n", &interim[..], ACCEPTED, b"\x81"].concat();
    let mut whole = handshake(&ClientRequest::to("example.com", "/"));
    assert_eq!(receive(&mut whole, &bytes), (Some(ClientEvent::Accepted), 1));
    let mut cut = handshake(&ClientRequest::to("example.com", "/"));
    let events: Vec<_> = bytes.chunks(1).filter_map(|byte| receive(&mut cut, byte).0).collect();
    assert_eq!(events, [ClientEvent::Accepted]);

    let mut endless = handshake(&ClientRequest::to("example.com", "/"));
    let mut taken = 0;
    let error = loop {
        match receive(&mut endless, interim).0 {
            None => taken += interim.len(),
            Some(event) => break event,
        }
    };
    assert_eq!(error, ClientEvent::Failed(HandshakeError::HeadTooLong));
    assert!(taken < HeadLimits::DEFAULT.max_head);
}

#[test]
fn a_stream_that_ends_early_is_told_once() {
    let mut handshake = handshake(&ClientRequest::to("example.com", "/"));
    assert_eq!(receive(&mut handshake, &ACCEPTED[..50]), (None, 0));
    handshake.receive_eof();
    assert_eq!(handshake.transport(), Transport::Close);
    assert!(!handshake.wants_write() && !handshake.wants_read());
    let event = ClientEvent::Failed(HandshakeError::UnexpectedEof);
    assert_eq!(receive(&mut handshake, b""), (Some(event), 0));
    assert_eq!(receive(&mut handshake, b""), (None, 0));
}

#[test]
fn a_transport_that_breaks_is_told_once() {
    let mut handshake = handshake(&ClientRequest::to("example.com", "/"));
    handshake.abort();
    assert_eq!(handshake.transport(), Transport::Abort);
    let event = ClientEvent::Failed(HandshakeError::Aborted);
    assert_eq!(receive(&mut handshake, ACCEPTED), (Some(event), 0));
    assert_eq!(receive(&mut handshake, b""), (None, 0));
}

#[test]
fn without_entropy_nothing_is_sent() {
    let config = Config::new().entropy(|_: &mut [u8]| Err(EntropyError));
    let mut handshake =
        ClientHandshake::new(config, &ClientRequest::to("example.com", "/")).unwrap();
    assert!(!handshake.wants_write());
    assert_eq!(handshake.transport(), Transport::Abort);
    let event = ClientEvent::Failed(HandshakeError::Entropy);
    assert_eq!(receive(&mut handshake, b""), (Some(event), 0));
    assert_eq!(receive(&mut handshake, b""), (None, 0));
}
