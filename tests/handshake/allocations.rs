//! Memory, counted: tier 1 takes none, the machines no more than they should.

use std::sync::Arc;

use bytes::Buf;
use websocket_proto::handshake::{
    Acceptance, ClientEvent, ClientHandshake, ClientRequest, ConnectProtocol, ExtendedConnect,
    Field, HandshakeError, HeadLimits, Rejection, RequestParser, ResponseParser, ServerEvent,
    ServerHandshake, Uri, key_from_nonce, write_connect, write_response,
};

use crate::memory::measure;
use crate::support::{CONFIG, client_config};

const REQUEST: &[u8] = b"GET /chat HTTP/1.1\r\nHost: example.com\r\nUpgrade: websocket\r\n\
    Connection: keep-alive, Upgrade\r\nSec-WebSocket-Version: 13\r\n\
    Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nOrigin: http://example.com\r\n\
    Sec-WebSocket-Protocol: chat, superchat\r\n\
    Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n\r\n";

/// The whole opening handshake in both roles, without memory. Byte by byte if `cut`.
fn tier_1(cut: bool) {
    let uri = Uri::parse("ws://example.com/chat").unwrap();
    let request = ClientRequest::new(&uri).subprotocols(&["chat", "superchat"]);
    let key = key_from_nonce(b"the sample nonce");
    let mut sent = [0; 512];
    let length = request.write(key, &mut sent).unwrap();
    let sent = &sent[..length];

    let mut parser = RequestParser::new(HeadLimits::DEFAULT);
    if cut {
        (0..length).for_each(|length| assert!(parser.parse(&sent[..length]).unwrap().is_none()));
    }
    let head = parser.parse(sent).unwrap().unwrap();
    let upgrade = head.upgrade().unwrap().unwrap();
    let mut answer = [0; 512];
    let length = upgrade.accept(&Acceptance::new().subprotocol("superchat"), &mut answer).unwrap();
    let answer = &answer[..length];

    let mut parser = ResponseParser::new(HeadLimits::DEFAULT);
    if cut {
        (0..length).for_each(|length| assert!(parser.parse(&answer[..length]).unwrap().is_none()));
    }
    let response = parser.parse(answer).unwrap().unwrap();
    assert_eq!(request.is_accepted(&key, &response), Ok(true));
}

#[test]
fn tier_1_allocates_nothing() {
    let (allocations, ..) = measure(|| {
        for _ in 0..100_000 {
            tier_1(false);
        }
        for _ in 0..10 {
            tier_1(true);
        }
        let mut buffer = [0; 512];
        let request =
            RequestParser::new(HeadLimits::DEFAULT).parse(b"GET / HTTP/1.1\r\n\r\n").unwrap();
        assert_eq!(request.unwrap().upgrade().unwrap_err(), HandshakeError::MissingHost);
        Rejection::UpgradeRequired.write(&mut buffer, "").unwrap();
        write_response(&mut buffer, "GET", 404, &[], b"no").unwrap();
        write_connect(&Uri::parse("ws://a").unwrap(), &[], &mut buffer).unwrap();
        let mut settings = ConnectProtocol::default();
        settings.receive(1).unwrap();
        let request = ClientRequest::to("a", "/");
        let mut fields = request.extended_connect(settings, &mut buffer).unwrap();
        let fields: [_; 6] = std::array::from_fn(|_| fields.next().unwrap());
        let connect = ExtendedConnect::parse(&fields).unwrap().unwrap();
        assert_eq!(connect.accept(&Acceptance::new()).unwrap().count(), 1);
    });
    assert_eq!(allocations, 0);
}

#[test]
fn a_server_handshake_allocates_once() {
    let mut bytes = REQUEST.to_vec();
    let (allocations, _, held) = measure(|| {
        let mut handshake = ServerHandshake::new(&CONFIG);
        assert_eq!(handshake.receive(&mut &mut bytes[..]), Some(ServerEvent::Upgrade));
        drop(handshake.accept(&Acceptance::new()).unwrap());
    });
    // The request, with room for the response, which is written from there.
    assert_eq!(allocations, 1);
    assert!(held < 1024, "{held}");
}

const RESPONSE: &[u8] = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\
    Connection: Upgrade\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";

#[test]
fn a_client_handshake_allocates_once() {
    let config = Arc::new(client_config());
    let interim = b"HTTP/1.1 103 Early Hints\r\nLink: </style.css>\r\n\r\n".repeat(20);
    let mut responses = [&interim, RESPONSE].concat();
    for read in [1, 20, 200, responses.len()] {
        let (allocations, _, held) = measure(|| {
            let request = ClientRequest::to("example.com", "/chat");
            let mut handshake = ClientHandshake::new(&config, &request).unwrap();
            let output = handshake.output();
            output.advance(output.remaining());
            assert_eq!(handshake.receive(&mut &mut [][..]), None);
            let told = responses.chunks_mut(read).find_map(|mut read| handshake.receive(&mut read));
            assert_eq!(told, Some(ClientEvent::Accepted));
        });
        // The request, and the responses in its place.
        assert_eq!(allocations, 1, "reads of {read}");
        assert!(held < 1024, "{held}");
    }
}

#[test]
fn a_long_request_that_was_written_holds_no_memory() {
    let cookie = "x".repeat(10_000);
    let fields = [Field::new("Cookie", &cookie)];
    let mut handshake = None;
    let (_, held, _) = measure(|| {
        let request = ClientRequest::to("example.com", "/").fields(&fields);
        let handshake = handshake.insert(ClientHandshake::new(client_config(), &request).unwrap());
        let output = handshake.output();
        output.advance(output.remaining());
    });
    assert!(held < 1024, "{held}");
}

#[test]
fn a_request_that_is_written_after_the_response_leaves_no_memory() {
    let request = ClientRequest::to("example.com", "/");
    let mut handshake = ClientHandshake::new(client_config(), &request).unwrap();
    let told = handshake.receive(&mut &mut RESPONSE.to_vec()[..]);
    assert_eq!(told, Some(ClientEvent::Accepted));
    let mut connection = handshake.establish().unwrap().connection;
    let (_, held, _) = measure(|| {
        let output = connection.output();
        output.advance(output.remaining());
    });
    assert!(held < 0, "{held}");
}

#[test]
fn a_head_that_never_ends_takes_bounded_memory() {
    for step in [1, 7, 1000, 1 << 20] {
        for filler in [&b"X: y\r\n"[..], b"x", b"Cookie: aaaaaaaaaaaaaaaaaaaaaaaa\r\n"] {
            let start = b"GET / HTTP/1.1\r\nHost: a\r\n";
            let mut stream = [&start[..], &filler.repeat((1 << 20) / filler.len())].concat();
            let (_, _, held) = measure(|| {
                let mut handshake = ServerHandshake::new(&CONFIG);
                let mut failed = false;
                for chunk in stream.chunks_mut(step) {
                    if let Some(event) = handshake.receive(&mut &mut chunk[..]) {
                        let ServerEvent::Failed(error) = event else { panic!("{event:?}") };
                        assert_eq!(error.status(), Some(431));
                        failed = true;
                    }
                }
                assert!(failed);
            });
            // The head doubles as it grows: the old and the new one are held for a moment.
            assert!(held <= 3 * (32 << 10) + 4096, "{held} in steps of {step}");

            let mut stream = [&b"HTTP/1.1 101 x\r\n"[..], &filler.repeat(1 << 16)].concat();
            let config = std::sync::Arc::new(client_config());
            let (_, _, held) = measure(|| {
                let request = ClientRequest::to("a", "/");
                let mut handshake = ClientHandshake::new(&config, &request).unwrap();
                let events =
                    stream.chunks_mut(step).filter_map(|c| handshake.receive(&mut &mut c[..]));
                assert_eq!(events.count(), 1);
            });
            assert!(held <= 3 * (32 << 10) + 4096, "{held} in steps of {step}");
        }
    }
}
