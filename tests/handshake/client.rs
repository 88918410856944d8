//! Tests of `ClientHandshake`.

use bytes::Buf;
use websocket_proto::handshake::{
    AcceptError, BodyEnd, ClientEvent, ClientHandshake, ClientRequest, Field, Handshake,
    HandshakeError, HeadLimits, InvalidHead, Uri, accept_key,
};
use websocket_proto::{
    CloseCode, Config, Connection, ConnectionError, EntropyError, Event, Input, Transport,
};

use crate::driving::{
    Peer, assert_over, connection_events, drive, events_to_the_end, receive, receive_all,
    receive_eof,
};
use crate::support::{client_config, malformed_requests, sample_nonce, written};

fn handshake(request: &ClientRequest<'_>) -> ClientHandshake {
    ClientHandshake::new(client_config(), request).unwrap()
}

fn plain_handshake() -> ClientHandshake {
    handshake(&ClientRequest::to("example.com", "/"))
}

#[test]
fn accept_key_agrees_with_known_answers() {
    for (key, accept) in [
        ("dGhlIHNhbXBsZSBub25jZQ==", "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="),
        ("x3JJHMbDL1EzLkh9GBhXDw==", "HSmrc0sMlYUkAGmm5OPpG2HaGWk="),
        ("sN9cRrP/n9NdMgdcy2VJFQ==", "fFBooB7FAkLlXgRSz0BT3v4hq5s="),
    ] {
        assert_eq!(accept_key(key.as_bytes()), accept.as_bytes());
    }
}

#[test]
fn accepts_the_response_of_an_old_draft() {
    let nonce = |out: &mut [u8]| {
        let nonce = [
            0xb0, 0xdf, 0x5c, 0x46, 0xb3, 0xff, 0x9f, 0xd3, 0x5d, 0x32, 0x07, 0x5c, 0xcb, 0x65,
            0x49, 0x15,
        ];
        out.iter_mut().zip(nonce.iter().cycle()).for_each(|(out, byte)| *out = *byte);
        Ok::<_, EntropyError>(())
    };
    let request = ClientRequest::to("localhost:8888", "/").with_subprotocols(&["sample"]);
    let mut handshake = ClientHandshake::new(Config::new().with_entropy(nonce), &request).unwrap();
    let sent = written(handshake.output());
    assert!(sent.contains("\r\nSec-WebSocket-Key: sN9cRrP/n9NdMgdcy2VJFQ==\r\n"), "{sent}");
    let response = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\
        Connection: Upgrade\r\nSec-WebSocket-Accept: fFBooB7FAkLlXgRSz0BT3v4hq5s=\r\n\
        Sec-WebSocket-Origin: null\r\nSec-WebSocket-Protocol: sample\r\n\
        Sec-WebSocket-Location: ws://localhost:8888/\r\n\r\n";
    assert_eq!(receive(&mut handshake, response), (Some(ClientEvent::Accepted), 0));
    assert_eq!(handshake.negotiated().unwrap().subprotocol(), Some("sample"));
    assert!(handshake.establish().is_ok());
}

const ACCEPTED: &[u8] = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\
    Connection: Upgrade\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";

#[test]
fn request_keeps_order_and_case_of_fields() {
    let uri = Uri::parse("ws://[::1]:9001?room=1").unwrap();
    let fields = [
        Field::new("origin", "http://example.com"),
        Field::new("COOKIE", "a=b"),
        Field::new("X-Bytes", &b"\xff\x80"[..]),
        Field::new("X-Empty", ""),
    ];
    let request =
        ClientRequest::new(&uri).with_subprotocols(&["v2.chat", "chat"]).with_fields(&fields);
    let mut handshake = handshake(&request);
    let output = handshake.output();
    let sent = output.copy_to_bytes(output.remaining());
    assert_eq!(
        sent.escape_ascii().to_string(),
        b"GET /?room=1 HTTP/1.1\r\nHost: [::1]:9001\r\nUpgrade: websocket\r\n\
        Connection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
        Sec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: v2.chat, chat\r\n\
        origin: http://example.com\r\nCOOKIE: a=b\r\nX-Bytes: \xff\x80\r\nX-Empty: \r\n\r\n"
            .escape_ascii()
            .to_string()
    );
}

#[test]
fn rejects_invalid_requests() {
    let plain = ClientRequest::to("example.com", "/");
    let crlf = [Field::new("Origin", "a\r\nb")];
    let nul = [Field::new("Origin", "a\0")];
    let blank = [Field::new("Origin", " a")];
    let name = [Field::new("Ori:gin", "a")];
    let invalid_fields = [
        (plain.with_fields(&crlf), InvalidHead::FieldValue),
        (plain.with_fields(&nul), InvalidHead::FieldValue),
        (plain.with_fields(&blank), InvalidHead::FieldValue),
        (plain.with_fields(&name), InvalidHead::FieldName),
    ];
    for (request, error) in malformed_requests().into_iter().chain(invalid_fields) {
        let rejected = ClientHandshake::new(client_config(), &request).unwrap_err();
        assert_eq!(rejected, error, "{request:?}");
    }
}

#[test]
fn frames_after_the_response_reach_the_connection() {
    let bytes = [ACCEPTED, b"\x81\x02Hi"].concat();
    for cut in [0, 1, 60, ACCEPTED.len() - 1, ACCEPTED.len(), ACCEPTED.len() + 1] {
        let mut handshake = plain_handshake();
        let (first, second) = bytes.split_at(cut);
        let (mut first, mut second) = (first.to_vec(), second.to_vec());
        let mut input = Input::with_bytes(&mut first);
        let event = handshake.receive(&mut input);
        let mut next = Input::with_bytes(&mut second);
        let event = event.or_else(|| {
            assert!(!input.has_unread());
            handshake.receive(&mut next)
        });
        assert_eq!(event, Some(ClientEvent::Accepted));
        assert_eq!(handshake.response().unwrap().as_bytes(), ACCEPTED);
        let mut connection = handshake.establish().unwrap();
        // The request is not written yet. It precedes all frames in the output.
        connection.send("x").unwrap();
        assert!(connection.output().chunk().starts_with(b"GET / HTTP/1.1\r\n"));
        let mut events = Vec::new();
        if input.has_unread() {
            events.extend(connection_events(&mut connection, &mut input));
        }
        events.extend(connection_events(&mut connection, &mut next));
        assert_eq!(events.len(), 1);
        assert!(events[0].contains("Message") && events[0].contains("Hi"), "{events:?}");
    }
}

/// The peer sends 101, a message, a Close and the end of the stream, in one read or several.
#[test]
fn frames_and_eof_in_the_read_of_the_response_reach_the_connection() {
    let bytes = [ACCEPTED, b"\x81\x02Hi\x88\x02\x03\xe8"].concat();
    let all = [bytes.len(), 1, ACCEPTED.len(), ACCEPTED.len() + 5];
    for (piece, eof_is_first) in all.iter().flat_map(|&piece| [(piece, true), (piece, false)]) {
        let mut handshake = plain_handshake();
        let mut storage = [0; 1024];
        let mut input = Input::new(&mut storage);
        let mut peer = Peer::new(bytes.chunks(piece), true);
        let event = drive(&mut handshake, &mut peer, &mut input).unwrap();
        assert_eq!(event, Some(ClientEvent::Accepted));
        // The driver reports the end of the stream before or after the remaining frames are received.
        if eof_is_first && peer.pieces.is_empty() {
            input.finish();
            assert_eq!(handshake.receive(&mut input), None);
            assert_eq!(handshake.transport(), Transport::Open);
        }
        handshake.handle_timeout(std::time::Duration::from_secs(1000));
        let mut connection = handshake.establish().unwrap();
        let mut events = events_to_the_end(&mut connection, &mut input, peer.pieces);
        input.finish();
        events.extend(connection_events(&mut connection, &mut input));
        assert!(events[0].contains("Message") && events[0].contains("Hi"), "{events:?}");
        assert!(events[1].contains("Close") && events[1].contains("1000"), "{events:?}");
        assert_eq!(events.len(), 2, "{events:?}");
        let len = connection.output().remaining();
        connection.output().advance(len);
        let outcome = connection.outcome().unwrap();
        assert!(outcome.clean, "{piece}");
        assert_eq!(outcome.code, CloseCode::NORMAL);
    }
}

#[test]
fn statistics_do_not_count_the_opening_handshake() {
    // The driver has written the request before the response arrives, or writes a part of it later.
    for later in [0, 5] {
        let config = client_config().with_statistics();
        let request = ClientRequest::to("example.com", "/");
        let mut handshake = ClientHandshake::new(config, &request).unwrap();
        let request_len = handshake.output().len();
        handshake.output().advance(request_len - later);
        let mut bytes = [ACCEPTED, b"\x81\x02Hi"].concat();
        let mut input = Input::with_bytes(&mut bytes);
        assert_eq!(handshake.receive(&mut input), Some(ClientEvent::Accepted));
        let mut connection = handshake.establish().unwrap();
        let wire_bytes = |connection: &Connection| {
            let statistics = connection.statistics().unwrap();
            (statistics.sent.wire_bytes, statistics.received.wire_bytes)
        };
        assert_eq!(wire_bytes(&connection), (0, 0));
        assert!(connection.receive(&mut input).is_some());
        connection.send("Hello").unwrap();
        connection.output().advance(later);
        assert_eq!(wire_bytes(&connection), (0, 4));
        connection.output().advance(11);
        assert_eq!(wire_bytes(&connection), (11, 4));
    }
}

#[test]
fn connection_fails_if_the_input_with_unread_bytes_is_replaced() {
    let mut bytes = [ACCEPTED, b"\x81\x02Hi"].concat();
    let mut handshake = plain_handshake();
    let event = handshake.receive(&mut Input::with_bytes(&mut bytes));
    assert_eq!(event, Some(ClientEvent::Accepted));
    let mut connection = handshake.establish().unwrap();
    let mut next = *b"\x81\x02Ho";
    let event = connection.receive(&mut Input::with_bytes(&mut next)).map(|e| e.into_owned());
    assert_eq!(event, Some(Event::Failed(ConnectionError::UnreadInput)));
}

#[test]
fn establish_returns_the_handshake_before_the_server_accepts() {
    let mut handshake = plain_handshake();
    for bytes in [&b""[..], &ACCEPTED[..40]] {
        assert_eq!(receive(&mut handshake, bytes), (None, 0));
        let unaccepted = handshake.establish().unwrap_err();
        assert_eq!(unaccepted.error, AcceptError::NotReady);
        assert_eq!(unaccepted.to_string(), "the handshake does not wait for this decision");
        handshake = unaccepted.handshake;
    }
    assert_eq!(receive(&mut handshake, &ACCEPTED[40..]), (Some(ClientEvent::Accepted), 0));
    assert!(handshake.establish().is_ok());

    for response in ["HTTP/1.1 200 OK\r\n\r\n", "HTTP/1.1 101 x\r\n\r\n", "x"] {
        let mut handshake = plain_handshake();
        assert!(receive(&mut handshake, response.as_bytes()).0.is_some());
        assert_eq!(handshake.establish().unwrap_err().error, AcceptError::NotReady, "{response}");
    }
}

const UNAUTHORIZED: &str = "HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: Basic realm=\"x\"\r\n";

#[test]
fn reports_a_rejection_when_its_head_is_complete() {
    for fields in ["", "Content-Length: 5\r\n", "Transfer-Encoding: chunked\r\n"] {
        let mut handshake = plain_handshake();
        written(handshake.output());
        let rejected = ClientEvent::Rejected { status: 401 };
        let head = format!("{UNAUTHORIZED}{fields}\r\n");
        assert_eq!(receive_all(&mut handshake, head.as_bytes()), [rejected], "{fields}");
        let response = handshake.response().unwrap();
        assert_eq!(response.fields().value("www-authenticate"), Some(&b"Basic realm=\"x\""[..]));
        assert_eq!(handshake.body(), b"");
        assert!(matches!(handshake.transport(), Transport::Open | Transport::Drain));
    }
}

#[test]
fn reads_the_body_of_a_rejection() {
    use BodyEnd::{Complete, Truncated};
    for (fields, body, at_eof, kept, end, transport) in [
        ("Content-Length: 4\r\n", "none", false, "none", Complete, Transport::Open),
        ("Content-Length: 4\r\n", "none and more", false, "none", Complete, Transport::Open),
        ("Content-Length: 9\r\n", "none", true, "none", Truncated, Transport::Open),
        ("Content-Length: 0\r\n", "none", false, "", Complete, Transport::Close),
        ("Content-Length: x\r\n", "none", true, "none", Complete, Transport::Drain),
        ("Content-Length: +4\r\n", "none", true, "none", Complete, Transport::Drain),
        ("Content-Length: \r\n", "none", true, "none", Complete, Transport::Drain),
        (
            "Content-Length: 2\r\nContent-Length: 4\r\n",
            "none",
            true,
            "none",
            Complete,
            Transport::Drain,
        ),
        (
            "Content-Length: 99999999999999999999\r\n",
            "none",
            true,
            "none",
            Complete,
            Transport::Drain,
        ),
        ("", "none", true, "none", Complete, Transport::Drain),
        ("", "", true, "", Complete, Transport::Drain),
        (
            "Transfer-Encoding: chunked\r\n",
            "4\r\nnone\r\n0\r\n\r\n",
            false,
            "none",
            Complete,
            Transport::Open,
        ),
        (
            "Content-Length: 1\r\ntransfer-encoding: gzip, Chunked\r\n",
            "1;x\r\na\r\n0\r\nA: b\r\n\r\n",
            false,
            "a",
            Complete,
            Transport::Open,
        ),
        // Empty elements of a list are ignored.
        (
            "Transfer-Encoding: chunked\r\nTransfer-Encoding: , chunked ,,\r\n",
            "1\r\na\r\n0\r\n\r\n",
            false,
            "a",
            Complete,
            Transport::Open,
        ),
        (
            "Transfer-Encoding: chunked\r\nTransfer-Encoding: ,\r\n",
            "1\r\na\r\n",
            true,
            "a",
            Truncated,
            Transport::Open,
        ),
        ("Transfer-Encoding: chunked\r\n", "1\r\na\r\n", true, "a", Truncated, Transport::Open),
        ("Transfer-Encoding: chunked\r\n", "1\r\nab", false, "a", Truncated, Transport::Open),
        ("Transfer-Encoding: gzip\r\n", "1\r\na", true, "1\r\na", Complete, Transport::Drain),
    ] {
        let bytes = format!("{UNAUTHORIZED}{fields}\r\n{body}").into_bytes();
        for cut in 0..=bytes.len() {
            let mut handshake = plain_handshake();
            written(handshake.output());
            let mut events = receive_all(&mut handshake, &bytes[..cut]);
            events.extend(receive_all(&mut handshake, &bytes[cut..]));
            let mut expected = vec![ClientEvent::Rejected { status: 401 }];
            if at_eof {
                assert_eq!(events, expected, "{fields}{body}");
                assert_eq!(handshake.transport(), transport, "{fields}{body}");
                events.extend(receive_eof(&mut handshake));
            }
            expected.push(ClientEvent::BodyEnded(end));
            assert_eq!(events, expected, "{fields}{body}");
            assert_eq!(handshake.body(), kept.as_bytes());
            let response = handshake.response().unwrap();
            assert_eq!(
                response.fields().value("www-authenticate"),
                Some(&b"Basic realm=\"x\""[..])
            );
            assert_over(&mut handshake, Transport::Close);
            assert!(handshake.establish().is_err());
        }
    }
}

/// The server keeps the connection open after a 403 with chunks, or after a 401 without a length.
#[test]
fn keeps_the_received_body_if_the_server_does_not_close() {
    for (response, body, ends) in [
        (
            &b"HTTP/1.1 403 Forbidden\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nno!\r\n"[..],
            "no!",
            false,
        ),
        (
            b"HTTP/1.1 403 Forbidden\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nno!\r\n0\r\n\r\n",
            "no!",
            true,
        ),
        (b"HTTP/1.1 401 Unauthorized\r\n\r\nno!", "no!", false),
    ] {
        let mut handshake = plain_handshake();
        let mut storage = [0; 1024];
        let mut input = Input::new(&mut storage);
        let mut peer = Peer::new(response.chunks(7), false);
        let event = drive(&mut handshake, &mut peer, &mut input).unwrap();
        assert!(matches!(event, Some(ClientEvent::Rejected { status: 401 | 403 })), "{event:?}");
        match drive(&mut handshake, &mut peer, &mut input) {
            Ok(event) => {
                assert_eq!(event, Some(ClientEvent::BodyEnded(BodyEnd::Complete)));
                assert!(ends);
                assert_eq!(drive(&mut handshake, &mut peer, &mut input).unwrap(), None);
            }
            Err(silence) => {
                assert_eq!(silence.kind(), std::io::ErrorKind::WouldBlock);
                assert!(!ends);
                // If only the end of the stream ends the body, the client ends its own direction first.
                assert_eq!(peer.saw_end, handshake.response().unwrap().status() == 401);
            }
        }
        assert_eq!(handshake.body(), body.as_bytes());
        handshake.abort();
        assert_eq!(handshake.body(), body.as_bytes());
        let event = (!ends).then_some(ClientEvent::BodyEnded(BodyEnd::Truncated));
        assert_eq!(receive(&mut handshake, b"").0, event);
        assert_over(&mut handshake, Transport::Abort);
    }
}

#[test]
fn keeps_a_body_up_to_the_limit() {
    let limits = HeadLimits::DEFAULT.with_max_body(10);
    for (length, body, end) in [
        ("", "b".repeat(50), BodyEnd::Truncated),
        ("Content-Length: 1000000\r\n", "b".repeat(50), BodyEnd::Truncated),
        ("Content-Length: 10\r\n", "b".repeat(50), BodyEnd::Complete),
        (
            "Transfer-Encoding: chunked\r\n",
            format!("8\r\n{0}\r\n8\r\n{0}\r\n", "b".repeat(8)),
            BodyEnd::Truncated,
        ),
    ] {
        let config = client_config().with_head_limits(limits);
        let request = ClientRequest::to("example.com", "/");
        let mut handshake = ClientHandshake::new(config, &request).unwrap();
        let response = format!("HTTP/1.1 500 x\r\n{length}\r\n{body}");
        let events = receive_all(&mut handshake, response.as_bytes());
        let expected = [ClientEvent::Rejected { status: 500 }, ClientEvent::BodyEnded(end)];
        assert_eq!(events, expected, "{length}");
        assert_eq!(handshake.body(), b"bbbbbbbbbb");
    }
}

#[test]
fn expects_no_body_after_204_and_304() {
    for status in [204, 304] {
        let mut handshake = plain_handshake();
        let response = format!("HTTP/1.1 {status} x\r\nContent-Length: 9\r\n\r\n");
        let ended = ClientEvent::BodyEnded(BodyEnd::Complete);
        let events = receive_all(&mut handshake, response.as_bytes());
        assert_eq!(events, [ClientEvent::Rejected { status }, ended]);
    }
}

#[test]
fn skips_interim_responses() {
    let bytes = [
        b"HTTP/1.1 100 Continue\r\n\r\n",
        &b"HTTP/1.1 102\r\n\r\n"[..],
        b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n",
        b"HTTP/1.1 199 x\r\n\r\n",
        ACCEPTED,
        b"\x81",
    ]
    .concat();
    let mut whole = plain_handshake();
    assert_eq!(receive(&mut whole, &bytes), (Some(ClientEvent::Accepted), 1));
    let mut cut = plain_handshake();
    let events: Vec<_> = bytes.chunks(1).filter_map(|byte| receive(&mut cut, byte).0).collect();
    assert_eq!(events, [ClientEvent::Accepted]);
}

#[test]
fn limits_interim_responses_as_one_head() {
    let interim = b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n";
    let mut endless = plain_handshake();
    let mut skipped = 0;
    let error = loop {
        match receive(&mut endless, interim).0 {
            None => skipped += interim.len(),
            Some(event) => break event,
        }
    };
    assert_eq!(error, ClientEvent::Failed(HandshakeError::HeadTooLong));
    assert!(skipped < HeadLimits::DEFAULT.max_head);
    // In one read.
    let mut endless = plain_handshake();
    let event = receive(&mut endless, &interim.repeat(1000));
    assert_eq!(event, (Some(error), 0));
}

#[test]
fn reports_an_early_end_of_the_stream_once() {
    for start in [0, 50, ACCEPTED.len() - 1] {
        let mut handshake = plain_handshake();
        assert_eq!(receive(&mut handshake, &ACCEPTED[..start]), (None, 0));
        let event = ClientEvent::Failed(HandshakeError::UnexpectedEof);
        assert_eq!(receive_eof(&mut handshake), [event]);
        assert_over(&mut handshake, Transport::Close);
    }
    // The last bytes and the end of the stream arrive together.
    let mut handshake = plain_handshake();
    let mut bytes = ACCEPTED[..50].to_vec();
    let mut input = Input::with_bytes(&mut bytes);
    input.finish();
    let event = ClientEvent::Failed(HandshakeError::UnexpectedEof);
    assert_eq!(handshake.receive(&mut input), Some(event));
}

#[test]
fn reports_a_broken_transport_once() {
    let event = ClientEvent::Failed(HandshakeError::Aborted);
    let mut handshake = plain_handshake();
    handshake.abort();
    assert_eq!(handshake.transport(), Transport::Abort);
    assert_eq!(receive(&mut handshake, ACCEPTED).0, Some(event));
    assert_over(&mut handshake, Transport::Abort);

    let mut handshake = plain_handshake();
    assert_eq!(receive(&mut handshake, ACCEPTED).0, Some(ClientEvent::Accepted));
    handshake.abort();
    assert_eq!(receive(&mut handshake, b"").0, Some(event));
    assert_over(&mut handshake, Transport::Abort);
    assert!(handshake.establish().is_err());
}

/// The source of entropy returns the nonce, and fails for the masking keys.
#[test]
fn establish_fails_the_handshake_without_masking_keys() {
    let config = Config::new().with_entropy(|out: &mut [u8]| {
        sample_nonce(out).and(if out.len() == 16 { Ok(()) } else { Err(EntropyError) })
    });
    let mut handshake =
        ClientHandshake::new(config, &ClientRequest::to("example.com", "/")).unwrap();
    assert_eq!(receive(&mut handshake, ACCEPTED).0, Some(ClientEvent::Accepted));
    let unaccepted = handshake.establish().unwrap_err();
    assert_eq!(unaccepted.error, AcceptError::Entropy);
    let mut handshake = unaccepted.handshake;
    let event = ClientEvent::Failed(HandshakeError::Entropy);
    assert_eq!(receive(&mut handshake, b"").0, Some(event));
    assert_over(&mut handshake, Transport::Abort);
}

#[test]
fn sends_nothing_without_entropy() {
    let config = Config::new().with_entropy(|_: &mut [u8]| Err(EntropyError));
    let mut handshake =
        ClientHandshake::new(config, &ClientRequest::to("example.com", "/")).unwrap();
    assert_eq!(handshake.transport(), Transport::Abort);
    assert!(!handshake.output().has_remaining());
    let event = ClientEvent::Failed(HandshakeError::Entropy);
    assert_eq!(receive(&mut handshake, b"").0, Some(event));
    assert_over(&mut handshake, Transport::Abort);
}
