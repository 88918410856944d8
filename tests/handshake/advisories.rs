//! Known vulnerabilities in the handshakes of other implementations. Each has a test that fails if this
//! crate has the same vulnerability.
//!
//! If the vulnerability is quadratic run time, the head has about 1 MiB: linear code takes
//! milliseconds, quadratic code takes many minutes.

use websocket_proto::handshake::HandshakeError::*;
use websocket_proto::handshake::{
    ClientEvent, ClientHandshake, ClientRequest, Handshake, HandshakeError, HeadLimits, Rejection,
    RequestParser, ServerEvent, ServerHandshake,
};
use websocket_proto::{Config, Input, Transport};

use crate::driving::{Peer, drive, receive};
use crate::support::{CONFIG, client_config, written};

/// Returns a valid upgrade request with further field lines.
fn upgrade(lines: &str) -> Vec<u8> {
    format!(
        "GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
        Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n{lines}\r\n"
    )
    .into_bytes()
}

const LIMITS: HeadLimits = HeadLimits::DEFAULT.with_max_head(3 << 20).with_max_field_line(3 << 20);

/// Returns the event of a server whose limits are 3 MiB.
fn serve(head: Vec<u8>) -> Option<ServerEvent> {
    let mut handshake = ServerHandshake::new(Config::new().with_head_limits(LIMITS));
    receive(&mut handshake, &head).0
}

#[test]
fn rustsec_2023_0065_tungstenite_parses_a_growing_head_repeatedly() {
    let head = upgrade(&format!("X: {}\r\n", "x".repeat(1 << 20)));
    let mut parser = RequestParser::new(LIMITS);
    for length in 0..head.len() {
        assert!(parser.parse(&head[..length]).unwrap().is_none());
    }
    assert!(parser.parse(&head).unwrap().is_some());
}

#[test]
fn cve_2024_37890_ws_crashes_on_too_many_fields() {
    let head = upgrade(&"X: y\r\n".repeat(129));
    assert_eq!(serve(head), Some(ServerEvent::Failed(TooManyFields)));
    assert_eq!(TooManyFields.status(), Some(431));
    let head = upgrade(&"X: y\r\n".repeat(123));
    assert_eq!(serve(head), Some(ServerEvent::Upgrade));
}

#[test]
fn cve_2021_32640_ws_takes_quadratic_time_to_split_subprotocols() {
    for (list, event) in [
        (format!("b{}x", " ".repeat(1 << 20)), ServerEvent::Failed(InvalidSubprotocols)),
        (format!("b{},x", " ".repeat(1 << 20)), ServerEvent::Upgrade),
        (format!("b{}x", ",".repeat(1 << 20)), ServerEvent::Upgrade),
        ("b,".repeat(1 << 19), ServerEvent::Upgrade),
    ] {
        let head = upgrade(&format!("Sec-WebSocket-Protocol: {list}\r\n"));
        assert_eq!(serve(head), Some(event));
    }
}

#[test]
fn ghsa_5v72_xg48_5rpm_ws_crashes_on_extensions_named_like_properties() {
    let head = upgrade("Sec-WebSocket-Extensions: constructor; __proto__=1, toString; valueOf\r\n");
    assert_eq!(serve(head), Some(ServerEvent::Upgrade));
}

#[test]
fn websocket_extensions_takes_quadratic_time_on_an_unclosed_quoted_string() {
    for list in [
        format!("a; b=\"{}", r"\c".repeat(1 << 19)),
        format!("a; b=\"{}", "c".repeat(1 << 20)),
        format!("a{}", "; b".repeat(1 << 18) + ";"),
    ] {
        let head = upgrade(&format!("Sec-WebSocket-Extensions: {list}\r\n"));
        assert_eq!(serve(head), Some(ServerEvent::Failed(InvalidExtensions)));
    }
    // A client receives a long list.
    let request = ClientRequest::to("a", "/");
    for list in ["foo,".repeat(1 << 18), "a;".repeat(1 << 19)] {
        let response = format!(
            "HTTP/1.1 101 x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
            Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\
            Sec-WebSocket-Extensions: {list}\r\n\r\n"
        )
        .into_bytes();
        let config = client_config().with_head_limits(LIMITS);
        let mut handshake = ClientHandshake::new(config, &request).unwrap();
        let event = receive(&mut handshake, &response).0;
        assert_eq!(event, Some(ClientEvent::Failed(UnrequestedExtension)));
    }
}

#[test]
fn cve_2026_45541_esp_idf_crashes_on_a_list_without_elements() {
    for list in ["", ",", " , ,", "\t", ",,,,,,,,"] {
        let head = upgrade(&format!("Sec-WebSocket-Protocol: {list}\r\n"));
        assert_eq!(serve(head), Some(ServerEvent::Failed(InvalidSubprotocols)), "{list:?}");
    }
}

#[test]
fn cve_2026_2833_pingora_forwards_frames_before_the_upgrade_is_accepted() {
    let mut stream = [upgrade(""), b"\x81\x80\0\0\0\0".to_vec()].concat();
    let mut input = Input::with_bytes(&mut stream);
    let mut handshake = ServerHandshake::new(&CONFIG);
    assert_eq!(handshake.receive(&mut input), Some(ServerEvent::Upgrade));
    assert_eq!(handshake.receive(&mut input), None);
    assert_eq!(input.unread().len(), 6);
    // After a rejection, the frames are dropped.
    handshake.reject(Rejection::NotFound).unwrap();
    assert_eq!(handshake.receive(&mut input), None);
    assert!(!input.has_unread());
    // Before the server accepts, a client has no connection to send frames.
    let mut handshake =
        ClientHandshake::new(client_config(), &ClientRequest::to("a", "/")).unwrap();
    assert!(written(handshake.output()).ends_with("\r\n\r\n"));
    assert!(handshake.establish().is_err());
}

#[test]
fn kemal_keeps_the_connection_of_a_rejected_upgrade_open() {
    for (head, rejection) in [
        (upgrade(""), Some(Rejection::Forbidden)),
        (b"GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\n\r\n".to_vec(), None),
    ] {
        let stream = [head, upgrade("")].concat();
        let mut peer = Peer::new([&stream[..]], true);
        let mut storage = [0; 1024];
        let mut input = Input::new(&mut storage);
        let mut handshake = ServerHandshake::new(&CONFIG);
        assert!(drive(&mut handshake, &mut peer, &mut input).unwrap().is_some());
        if let Some(rejection) = rejection {
            handshake.reject(rejection).unwrap();
        }
        assert_eq!(drive(&mut handshake, &mut peer, &mut input).unwrap(), None);
        let answer = String::from_utf8(peer.received).unwrap();
        assert!(answer.contains("\r\nConnection: close\r\n"));
        assert_eq!(answer.matches("HTTP/1.1").count(), 1);
        assert!(peer.saw_end && !input.has_unread());
        assert_eq!(handshake.transport(), Transport::Close);
    }
}

/// A stack that writes the rejection closes the connection, since it obeys `Connection: close`.
#[cfg(feature = "http")]
#[test]
fn kemal_keeps_the_connection_of_an_upgrade_open_that_another_stack_rejects() {
    use websocket_proto::handshake::{HeadLimits, OriginPolicy, Upgrade};

    for (lines, status) in [
        ("Origin: http://evil.org\r\n", 403),
        ("Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n", 400),
        ("Sec-WebSocket-Version: 8\r\n", 400),
        ("Content-Length: 1\r\n", 400),
    ] {
        let head = upgrade(lines);
        let request = RequestParser::new(HeadLimits::DEFAULT).parse(&head).unwrap().unwrap();
        let request = request.to_http().unwrap();
        let error = Upgrade::from_http(&request, &OriginPolicy::same()).unwrap_err();
        let response = error.rejection().unwrap().to_http();
        assert_eq!(response.status(), status, "{lines}");
        assert_eq!(response.headers()["connection"], "close", "{lines}");
    }
    let plain_http = Rejection::UpgradeRequired.to_http();
    assert_eq!(plain_http.headers()["connection"], "close, Upgrade");
}

#[test]
fn malformed_accept_fails_the_handshake() {
    for accept in ["=".repeat(10_000), "%".repeat(28), "\u{fc}".repeat(14), String::from("s3pP")] {
        let response = format!(
            "HTTP/1.1 101 x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
            Sec-WebSocket-Accept: {accept}\r\n\r\n"
        )
        .into_bytes();
        let request = ClientRequest::to("a", "/");
        let mut handshake = ClientHandshake::new(client_config(), &request).unwrap();
        let event = receive(&mut handshake, &response).0;
        assert_eq!(event, Some(ClientEvent::Failed(HandshakeError::WrongAccept)));
        assert_eq!(handshake.transport(), Transport::Close);
    }
}

#[test]
fn asterisk_overflows_its_stack_on_an_upgrade_with_many_tokens() {
    for (count, event) in
        [(1 << 20, ServerEvent::Failed(HeadTooLong)), (1 << 19, ServerEvent::Upgrade)]
    {
        let many = "a,".repeat(count);
        let head = upgrade(&format!("Upgrade: {many}\r\nConnection: {many}\r\n"));
        assert_eq!(serve(head), Some(event));
    }
}

#[test]
fn websocket_driver_accepts_drafts_whose_lengths_overflow() {
    for version in ["", "Sec-WebSocket-Version: 0\r\n", "Sec-WebSocket-Version: 8\r\n"] {
        let head = format!(
            "GET / HTTP/1.1\r\nHost: a\r\nUpgrade: WebSocket\r\nConnection: Upgrade\r\n\
            Sec-WebSocket-Key1: 1 2\r\n{version}\r\n"
        )
        .into_bytes();
        let mut handshake = ServerHandshake::new(&CONFIG);
        let event = receive(&mut handshake, &head).0;
        assert_eq!(event, Some(ServerEvent::Failed(UnsupportedVersion)));
        let answer = written(handshake.output());
        assert!(answer.starts_with("HTTP/1.1 426 Upgrade Required\r\n"));
        assert!(answer.contains("\r\nSec-WebSocket-Version: 13\r\n"));
    }
}
