//! Deadlines of the opening handshake, on the caller's clock.

use std::time::Duration;

use bytes::Buf;
use websocket_proto::handshake::{
    Acceptance, ClientEvent, ClientHandshake, ClientRequest, HandshakeError, ProxyHandshake,
    ServerEvent, ServerHandshake, Uri,
};
use websocket_proto::{Config, EntropyError, Timeouts, Transport};

const REQUEST: &[u8] =
    b"GET / HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
    Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn config() -> Config {
    let timeouts =
        Timeouts { opening: Some(seconds(10)), closing: Some(seconds(5)), ..Timeouts::NONE };
    Config::new().timeouts(timeouts).entropy(|out: &mut [u8]| {
        out.fill(1);
        Ok::<_, EntropyError>(())
    })
}

fn server_receives(server: &mut ServerHandshake, bytes: &[u8]) -> Option<ServerEvent> {
    server.receive(&mut &mut bytes.to_vec()[..])
}

#[test]
fn a_request_that_takes_too_long_is_answered_with_408_and_drained_for_a_while() {
    let mut server = ServerHandshake::new(config());
    assert_eq!(server.poll_timeout(), Some(Duration::ZERO));
    server.handle_timeout(seconds(100));
    assert_eq!(server.poll_timeout(), Some(seconds(110)));
    assert_eq!(server_receives(&mut server, &REQUEST[..20]), None);
    server.handle_timeout(seconds(109));
    assert_eq!(server.transport(), Transport::Open);
    assert_eq!(server_receives(&mut server, &REQUEST[20..40]), None);
    server.handle_timeout(seconds(110));
    let failed = ServerEvent::Failed(HandshakeError::Timeout);
    assert_eq!(server_receives(&mut server, b""), Some(failed));
    assert_eq!(server_receives(&mut server, b""), None);
    assert!(server.output().chunk().starts_with(b"HTTP/1.1 408 Request Timeout\r\n"));
    // The answer can be written for so long, and the end of the stream awaited.
    assert_eq!(server.poll_timeout(), Some(seconds(115)));
    let length = server.output().remaining();
    server.output().advance(length);
    assert_eq!(server.transport(), Transport::Drain);
    server.handle_timeout(seconds(115));
    assert_eq!(server.transport(), Transport::Close);
    assert_eq!(server.poll_timeout(), None);
}

#[test]
fn an_answer_that_can_not_be_written_is_given_up() {
    let mut server = ServerHandshake::new(config());
    server.handle_timeout(seconds(0));
    server_receives(&mut server, b"bad\r\n\r\n");
    assert_eq!(server.transport(), Transport::Open);
    server.handle_timeout(seconds(5));
    assert_eq!(server.transport(), Transport::Abort);
    assert_eq!(server.poll_timeout(), None);
}

#[test]
fn a_decision_may_take_its_time() {
    let mut server = ServerHandshake::new(config());
    server.handle_timeout(seconds(0));
    assert_eq!(server_receives(&mut server, REQUEST), Some(ServerEvent::Upgrade));
    assert_eq!(server.poll_timeout(), None);
    server.handle_timeout(seconds(1000));
    assert!(server.accept(&Acceptance::new()).is_ok());
}

#[test]
fn without_timeouts_no_clock_is_needed() {
    let mut server = ServerHandshake::new(Config::new());
    assert_eq!(server.poll_timeout(), None);
    server.handle_timeout(seconds(1_000_000));
    assert_eq!(server.transport(), Transport::Open);
}

#[test]
fn a_response_that_takes_too_long_fails_the_client_and_the_tunnel() {
    let request = ClientRequest::new(&Uri::parse("ws://h/").unwrap());
    let mut client = ClientHandshake::new(config(), &request).unwrap();
    assert_eq!(client.poll_timeout(), Some(Duration::ZERO));
    client.handle_timeout(seconds(1));
    assert_eq!(client.poll_timeout(), Some(seconds(11)));
    assert_eq!(client.receive(&mut &mut b"HTTP/1.1 101".to_vec()[..]), None);
    client.handle_timeout(seconds(11));
    let failed = ClientEvent::Failed(HandshakeError::Timeout);
    assert_eq!(client.receive(&mut &mut [][..]), Some(failed));
    assert_eq!(client.transport(), Transport::Abort);
    assert_eq!(client.poll_timeout(), None);

    let uri = Uri::parse("ws://h/").unwrap();
    let mut proxy = ProxyHandshake::new(config(), &uri, &[]).unwrap();
    proxy.handle_timeout(seconds(1));
    assert_eq!(proxy.poll_timeout(), Some(seconds(11)));
    proxy.handle_timeout(seconds(12));
    assert_eq!(proxy.receive(&mut &mut [][..]), Some(failed));
}

#[test]
fn the_body_of_a_refusal_is_not_awaited_for_ever() {
    let request = ClientRequest::new(&Uri::parse("ws://h/").unwrap());
    let mut client = ClientHandshake::new(config(), &request).unwrap();
    client.handle_timeout(seconds(0));
    let mut response = *b"HTTP/1.1 403 Forbidden\r\nContent-Length: 100\r\n\r\nbegun";
    assert_eq!(client.receive(&mut &mut response[..]), None);
    client.handle_timeout(seconds(10));
    let refused = ClientEvent::Refused { status: 403 };
    assert_eq!(client.receive(&mut &mut [][..]), Some(refused));
    assert_eq!(client.body(), b"begun");
    assert_eq!(client.transport(), Transport::Close);
}
