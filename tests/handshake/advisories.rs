//! Known vulnerabilities of other implementations' handshakes, each with the test that would have
//! caught it.

use std::time::{Duration, Instant};

use websocket_proto::handshake::HandshakeError::*;
use websocket_proto::handshake::{
    Acceptance, ClientEvent, ClientHandshake, ClientRequest, HandshakeError, HeadLimits, Rejection,
    RequestParser, ServerEvent, ServerHandshake,
};
use websocket_proto::{Config, Transport};

use crate::support::{CONFIG, client_config, taken};

/// An upgrade with these field lines besides.
fn upgrade(lines: &str) -> Vec<u8> {
    format!(
        "GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
        Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n{lines}\r\n"
    )
    .into_bytes()
}

/// What a server with limits of 128 KiB says of `head`, and how long it takes.
fn serve(mut head: Vec<u8>) -> (Option<ServerEvent>, Duration) {
    let limits = HeadLimits { max_head: 1 << 17, max_field_line: 1 << 17, ..HeadLimits::DEFAULT };
    let mut handshake = ServerHandshake::new(Config::new().head_limits(limits));
    let start = Instant::now();
    (handshake.receive(&mut &mut head[..]), start.elapsed())
}

/// More than any linear pass over 64 KiB takes, less than any quadratic one.
const LINEAR: Duration = Duration::from_millis(250);

#[test]
fn rustsec_2023_0065_tungstenite_parses_a_growing_head_again_and_again() {
    let head = upgrade(&format!("X: {}\r\n", "x".repeat(1 << 16)));
    let limits = HeadLimits { max_head: 1 << 17, max_field_line: 1 << 17, ..HeadLimits::DEFAULT };
    let mut parser = RequestParser::new(limits);
    for length in 0..=head.len() {
        parser.parse(&head[..length]).unwrap();
    }
    assert!(parser.parse(&head).unwrap().is_some());
    assert_eq!(parser.scanned(), head.len());
}

#[test]
fn cve_2024_37890_ws_crashes_on_too_many_fields() {
    let head = upgrade(&"X: y\r\n".repeat(129));
    assert_eq!(serve(head).0, Some(ServerEvent::Failed(TooManyFields)));
    assert_eq!(TooManyFields.status(), Some(431));
    let head = upgrade(&"X: y\r\n".repeat(123));
    assert_eq!(serve(head).0, Some(ServerEvent::Upgrade));
}

#[test]
fn cve_2021_32640_ws_takes_quadratic_time_to_split_subprotocols() {
    for (list, event) in [
        (format!("b{}x", " ".repeat(1 << 16)), ServerEvent::Failed(InvalidSubprotocols)),
        (format!("b{},x", " ".repeat(1 << 16)), ServerEvent::Upgrade),
        (format!("b{}x", ",".repeat(1 << 16)), ServerEvent::Upgrade),
        ("b,".repeat(1 << 15), ServerEvent::Upgrade),
    ] {
        let (told, time) = serve(upgrade(&format!("Sec-WebSocket-Protocol: {list}\r\n")));
        assert_eq!(told, Some(event));
        assert!(time < LINEAR, "{time:?}");
    }
}

#[test]
fn ghsa_5v72_xg48_5rpm_ws_crashes_on_extensions_named_like_properties() {
    let head = upgrade("Sec-WebSocket-Extensions: constructor; __proto__=1, toString; valueOf\r\n");
    assert_eq!(serve(head).0, Some(ServerEvent::Upgrade));
}

#[test]
fn websocket_extensions_takes_quadratic_time_on_an_unclosed_quoted_string() {
    for list in [
        format!("a; b=\"{}", r"\c".repeat(1 << 15)),
        format!("a; b=\"{}", "c".repeat(1 << 16)),
        format!("a{}", "; b".repeat(1 << 14) + ";"),
    ] {
        let (told, time) = serve(upgrade(&format!("Sec-WebSocket-Extensions: {list}\r\n")));
        assert_eq!(told, Some(ServerEvent::Failed(InvalidExtensions)));
        assert!(time < LINEAR, "{time:?}");
    }
    // And a server that answers with a long list.
    let request = ClientRequest::to("a", "/").extensions("foo");
    for list in ["foo,".repeat(4000), "bar,".repeat(4000)] {
        let mut response = format!(
            "HTTP/1.1 101 x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
            Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\
            Sec-WebSocket-Extensions: {list}\r\n\r\n"
        )
        .into_bytes();
        let mut handshake = ClientHandshake::new(client_config(), &request).unwrap();
        let start = Instant::now();
        let told = handshake.receive(&mut &mut response[..]);
        assert_eq!(told, Some(ClientEvent::Failed(UnrequestedExtension)));
        assert!(start.elapsed() < LINEAR);
    }
}

#[test]
fn cve_2026_45541_esp_idf_crashes_on_a_list_of_nothing() {
    for list in ["", ",", " , ,", "\t", ",,,,,,,,"] {
        let head = upgrade(&format!("Sec-WebSocket-Protocol: {list}\r\n"));
        assert_eq!(serve(head).0, Some(ServerEvent::Failed(InvalidSubprotocols)), "{list:?}");
    }
}

#[test]
fn cve_2026_2833_pingora_forwards_frames_before_it_has_accepted() {
    let mut stream = [upgrade(""), b"\x81\x80\0\0\0\0".to_vec()].concat();
    let mut input = &mut stream[..];
    let mut handshake = ServerHandshake::new(&CONFIG);
    assert_eq!(handshake.receive(&mut input), Some(ServerEvent::Upgrade));
    assert_eq!(handshake.receive(&mut input), None);
    assert_eq!(input.len(), 6);
    // After a rejection they are dropped.
    handshake.reject(Rejection::NotFound).unwrap();
    assert_eq!(handshake.receive(&mut input), None);
    assert!(input.is_empty());
    // A client has no connection, and so no frame, before the server has accepted.
    let mut handshake =
        ClientHandshake::new(client_config(), &ClientRequest::to("a", "/")).unwrap();
    assert!(handshake.establish().is_none());
    assert!(taken(handshake.output()).ends_with("\r\n\r\n"));
}

#[test]
fn kemal_keeps_the_connection_of_a_rejected_upgrade_open() {
    for (head, rejection) in [
        (upgrade(""), Some(Rejection::Forbidden)),
        (b"GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\n\r\n".to_vec(), None),
    ] {
        let mut stream = [head, upgrade("")].concat();
        let mut input = &mut stream[..];
        let mut handshake = ServerHandshake::new(&CONFIG);
        handshake.receive(&mut input).unwrap();
        if let Some(rejection) = rejection {
            handshake.reject(rejection).unwrap();
        }
        assert!(taken(handshake.output()).contains("\r\nConnection: close\r\n"));
        assert_eq!(handshake.receive(&mut input), None);
        assert!(input.is_empty() && !handshake.wants_write());
        assert_eq!(handshake.transport(), Transport::Drain);
        assert!(handshake.accept(&Acceptance::new()).is_err());
    }
}

#[test]
fn a_malformed_accept_crashes_a_client() {
    for accept in ["=".repeat(10_000), "%".repeat(28), "\u{fc}".repeat(14), String::from("s3pP")] {
        let mut response = format!(
            "HTTP/1.1 101 x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
            Sec-WebSocket-Accept: {accept}\r\n\r\n"
        )
        .into_bytes();
        let request = ClientRequest::to("a", "/");
        let mut handshake = ClientHandshake::new(client_config(), &request).unwrap();
        let told = handshake.receive(&mut &mut response[..]);
        assert_eq!(told, Some(ClientEvent::Failed(HandshakeError::WrongAccept)));
        assert_eq!(handshake.transport(), Transport::Close);
    }
}

#[test]
fn asterisk_overflows_its_stack_on_an_upgrade_of_many_tokens() {
    let many = "a,".repeat(1 << 15);
    let head = upgrade(&format!("Upgrade: {many}\r\nConnection: {many}\r\n"));
    let (told, time) = serve(head);
    assert_eq!(told, Some(ServerEvent::Failed(HeadTooLong)));
    assert!(time < LINEAR);
    let many = "a,".repeat(1 << 14);
    let (told, time) = serve(upgrade(&format!("Upgrade: {many}\r\nConnection: {many}\r\n")));
    assert_eq!(told, Some(ServerEvent::Upgrade));
    assert!(time < LINEAR);
}

#[test]
fn websocket_driver_speaks_drafts_with_lengths_that_overflow() {
    for version in ["", "Sec-WebSocket-Version: 0\r\n", "Sec-WebSocket-Version: 8\r\n"] {
        let mut head = format!(
            "GET / HTTP/1.1\r\nHost: a\r\nUpgrade: WebSocket\r\nConnection: Upgrade\r\n\
            Sec-WebSocket-Key1: 1 2\r\n{version}\r\n"
        )
        .into_bytes();
        let mut handshake = ServerHandshake::new(&CONFIG);
        let told = handshake.receive(&mut &mut head[..]);
        assert_eq!(told, Some(ServerEvent::Failed(UnsupportedVersion)));
        let answer = taken(handshake.output());
        assert!(answer.starts_with("HTTP/1.1 426 Upgrade Required\r\n"));
        assert!(answer.contains("\r\nSec-WebSocket-Version: 13\r\n"));
    }
}
