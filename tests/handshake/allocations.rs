//! Allocations of the handshake: none in tier 1, a bounded number in tier 2.

use std::sync::Arc;

use bytes::Buf;
use websocket_proto::handshake::{
    Acceptance, ClientEvent, ClientHandshake, ClientRequest, ExtendedConnect, Field, Handshake,
    HandshakeError, HeadLimits, OriginPolicy, Rejection, RequestParser, ResponseParser,
    ServerEvent, ServerHandshake, Uri, write_connect, write_response,
};

use websocket_proto::Input;

use crate::driving::receive;
use crate::memory::measure;
use crate::support::{CONFIG, NONCE, client_config};

const REQUEST: &[u8] = b"GET /chat HTTP/1.1\r\nHost: example.com\r\nUpgrade: websocket\r\n\
    Connection: keep-alive, Upgrade\r\nSec-WebSocket-Version: 13\r\n\
    Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nOrigin: http://example.com\r\n\
    Sec-WebSocket-Protocol: chat, superchat\r\n\
    Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n\r\n";

/// Performs the opening handshake in both roles, in buffers of the caller. Parses byte by byte if `cut`
/// is set.
fn tier_1(cut: bool) {
    let uri = Uri::parse("ws://example.com/chat").unwrap();
    let request = ClientRequest::new(&uri).with_subprotocols(&["chat", "superchat"]);
    let nonce = NONCE;
    let mut sent = [0; 512];
    let length = request.write(nonce, &mut sent).unwrap();
    let sent = &sent[..length];

    let mut parser = RequestParser::new(HeadLimits::DEFAULT);
    if cut {
        (0..length).for_each(|length| assert!(parser.parse(&sent[..length]).unwrap().is_none()));
    }
    let head = parser.parse(sent).unwrap().unwrap();
    let upgrade = head.upgrade(&OriginPolicy::same()).unwrap().unwrap();
    let mut answer = [0; 512];
    let length =
        upgrade.accept(&Acceptance::new().with_subprotocol("superchat"), &mut answer).unwrap();
    let answer = &answer[..length];

    let mut parser = ResponseParser::new(HeadLimits::DEFAULT);
    if cut {
        (0..length).for_each(|length| assert!(parser.parse(&answer[..length]).unwrap().is_none()));
    }
    let response = parser.parse(answer).unwrap().unwrap();
    let negotiated = request.verify(nonce, &response).unwrap().unwrap();
    assert_eq!(negotiated.subprotocol(), Some("superchat"));
}

#[test]
fn heads_are_parsed_checked_and_written_without_allocations() {
    let (allocations, ..) = measure(|| {
        tier_1(false);
        tier_1(true);
        let mut buffer = [0; 512];
        let request =
            RequestParser::new(HeadLimits::DEFAULT).parse(b"GET / HTTP/1.1\r\n\r\n").unwrap();
        assert_eq!(
            request.unwrap().upgrade(&OriginPolicy::same()).unwrap_err(),
            HandshakeError::MissingHost
        );
        Rejection::UpgradeRequired.write(&mut buffer, "").unwrap();
        write_response(&mut buffer, "GET", 404, &[], b"no").unwrap();
        write_connect(&Uri::parse("ws://a").unwrap(), &[], &mut buffer).unwrap();
        let request = ClientRequest::to("a", "/");
        let mut fields = request.extended_connect(&mut buffer).unwrap();
        let fields: [_; 6] = std::array::from_fn(|_| fields.next().unwrap());
        let connect = ExtendedConnect::parse(&fields, &OriginPolicy::same()).unwrap().unwrap();
        assert_eq!(connect.accept(&Acceptance::new()).unwrap().count(), 1);
    });
    assert_eq!(allocations, 0);
}

#[test]
fn server_handshake_allocates_for_the_request_and_with_a_warm_pool_for_nothing_else() {
    let accept = || {
        let mut bytes = REQUEST.to_vec();
        measure(|| {
            let mut handshake = ServerHandshake::new(&CONFIG);
            let mut input = Input::with_bytes(&mut bytes);
            assert_eq!(handshake.receive(&mut input), Some(ServerEvent::Upgrade));
            let mut connection = handshake.accept(&Acceptance::new()).unwrap();
            let output = connection.output();
            output.advance(output.remaining());
        })
    };
    // The request, and the output queue with its buffer, which the pool of the thread then keeps.
    let (allocations, _, held) = accept();
    assert_eq!(allocations, 3);
    assert!(held < 1536, "{held}");
    let (allocations, ..) = accept();
    assert_eq!(allocations, 1);
}

const RESPONSE: &[u8] = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\
    Connection: Upgrade\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";

#[test]
fn client_handshake_allocates_for_the_request_and_the_response() {
    let config = Arc::new(client_config());
    let interim = b"HTTP/1.1 103 Early Hints\r\nLink: </style.css>\r\n\r\n".repeat(20);
    let mut responses = [&interim, RESPONSE].concat();
    for read in [1, 20, 200, responses.len()] {
        let (allocations, _, held) = measure(|| {
            let request = ClientRequest::to("example.com", "/chat");
            let mut handshake = ClientHandshake::new(&config, &request).unwrap();
            let output = handshake.output();
            output.advance(output.remaining());
            assert_eq!(handshake.receive(&mut Input::with_bytes(&mut [])), None);
            let event = responses
                .chunks_mut(read)
                .find_map(|read| handshake.receive(&mut Input::with_bytes(read)));
            assert_eq!(event, Some(ClientEvent::Accepted));
        });
        // The request and its output queue, an interim response, and the final response.
        assert!(allocations <= 4, "{allocations}, reads of {read}");
        assert!(held < 1536, "{held}");
    }
}

/// More connections than the thread's pool has buffers.
const MANY: usize = 70;

#[test]
fn written_requests_hold_no_more_than_the_pool_of_the_thread() {
    let cookie = "x".repeat(10_000);
    let fields = [Field::new("Cookie", &cookie)];
    let config = Arc::new(client_config());
    let mut handshakes = Vec::with_capacity(2 * MANY);
    let mut write_requests = || {
        for _ in 0..MANY {
            let request = ClientRequest::to("example.com", "/").with_fields(&fields);
            let mut handshake = ClientHandshake::new(&config, &request).unwrap();
            let output = handshake.output();
            output.advance(output.remaining());
            handshakes.push(handshake);
        }
    };
    let (_, pooled, _) = measure(&mut write_requests);
    assert!(pooled < 3 << 19, "{pooled}");
    let (_, held, _) = measure(&mut write_requests);
    assert!(held < 1024, "{held}");
}

#[test]
fn requests_written_after_the_response_hold_no_more_than_the_pool_of_the_thread() {
    let request = ClientRequest::to("example.com", "/");
    let mut connections = Vec::new();
    for _ in 0..2 * MANY {
        let mut handshake = ClientHandshake::new(client_config(), &request).unwrap();
        assert_eq!(receive(&mut handshake, RESPONSE).0, Some(ClientEvent::Accepted));
        connections.push(handshake.establish().unwrap());
    }
    let write_all = |connections: &mut [websocket_proto::Connection]| {
        for connection in connections {
            let output = connection.output();
            output.advance(output.remaining());
        }
    };
    let (first, second) = connections.split_at_mut(MANY);
    write_all(first);
    let (_, held, _) = measure(|| write_all(second));
    // Each connection frees its request.
    assert!(held < MANY as isize * -512, "{held}");
}

#[test]
fn endless_head_needs_bounded_memory() {
    for step in [1, 7, 1000, 1 << 20] {
        for filler in [&b"X: y\r\n"[..], b"x", b"Cookie: aaaaaaaaaaaaaaaaaaaaaaaa\r\n"] {
            let start = b"GET / HTTP/1.1\r\nHost: a\r\n";
            let mut stream = [&start[..], &filler.repeat((1 << 20) / filler.len())].concat();
            let (_, _, held) = measure(|| {
                let mut handshake = ServerHandshake::new(&CONFIG);
                let mut failed = false;
                for chunk in stream.chunks_mut(step) {
                    if let Some(event) = handshake.receive(&mut Input::with_bytes(chunk)) {
                        let ServerEvent::Failed(error) = event else { panic!("{event:?}") };
                        assert_eq!(error.status(), Some(431));
                        failed = true;
                    }
                }
                assert!(failed);
            });
            // While the buffer grows, both the old and the new one are allocated.
            assert!(held <= 3 * (32 << 10) + 4096, "{held} in steps of {step}");

            let mut stream = [&b"HTTP/1.1 101 x\r\n"[..], &filler.repeat(1 << 16)].concat();
            let config = std::sync::Arc::new(client_config());
            let (_, _, held) = measure(|| {
                let request = ClientRequest::to("a", "/");
                let mut handshake = ClientHandshake::new(&config, &request).unwrap();
                let events = stream
                    .chunks_mut(step)
                    .filter_map(|chunk| handshake.receive(&mut Input::with_bytes(chunk)));
                assert_eq!(events.count(), 1);
            });
            assert!(held <= 3 * (32 << 10) + 4096, "{held} in steps of {step}");
        }
    }
}

#[test]
fn endless_body_needs_bounded_memory() {
    for (fields, filler) in [
        ("", &b"x"[..]),
        ("Content-Length: 1000000000\r\n", b"x"),
        ("Transfer-Encoding: chunked\r\n", b"1\r\nx\r\n"),
        ("Transfer-Encoding: chunked\r\n", b"fffffff\r\n"),
        ("Transfer-Encoding: chunked\r\n", b"1;aaaaaaaaaaaaaaaaaaaaaaaa\r\nx\r\n"),
    ] {
        let head = format!("HTTP/1.1 403 Forbidden\r\n{fields}\r\n");
        let mut stream = filler.repeat((1 << 20) / filler.len());
        let config = Arc::new(client_config());
        let mut handshake = ClientHandshake::new(&config, &ClientRequest::to("a", "/")).unwrap();
        let rejected = ClientEvent::Rejected { status: 403 };
        assert_eq!(receive(&mut handshake, head.as_bytes()), (Some(rejected), 0));
        let (_, _, held) = measure(|| {
            for chunk in stream.chunks_mut(1000) {
                handshake.receive(&mut Input::with_bytes(chunk));
            }
        });
        assert!(handshake.body().len() <= HeadLimits::DEFAULT.max_body);
        assert!(held <= 3 * HeadLimits::DEFAULT.max_body as isize + 4096, "{held} {fields}");
    }
}
