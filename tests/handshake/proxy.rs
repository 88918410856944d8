//! Tests of tunnels through a proxy.

use websocket_proto::handshake::{
    BodyEnd, ClientEvent, ClientHandshake, Field, Handshake, HandshakeError, InvalidHead, Uri,
    basic_credentials,
};
use websocket_proto::{Config, Transport};

use crate::driving::{assert_over, receive, receive_all, receive_eof};
use crate::support::written;

fn tunnel(uri: &str, fields: &[Field<'_>]) -> ClientHandshake {
    ClientHandshake::tunnel(Config::new(), &Uri::parse(uri).unwrap(), fields).unwrap()
}

#[test]
fn writes_the_request_of_rfc_6455_section_4_1() {
    let credentials = basic_credentials("ednamode", "nocapes!").unwrap();
    let fields = [Field::new("Proxy-authorization", &credentials)];
    let mut proxy = tunnel("ws://example.com/chat", &fields);
    assert_eq!(
        written(proxy.output()),
        "CONNECT example.com:80 HTTP/1.1\r\nHost: example.com:80\r\n\
        Proxy-authorization: Basic ZWRuYW1vZGU6bm9jYXBlcyE=\r\n\r\n"
    );
}

#[test]
fn always_writes_the_port() {
    for (uri, target) in [
        ("wss://example.com", "example.com:443"),
        ("https://example.com", "example.com:443"),
        ("wss://example.com:8443", "example.com:8443"),
        ("ws://[::1]/", "[::1]:80"),
        ("ws://127.0.0.1:65535", "127.0.0.1:65535"),
    ] {
        assert_eq!(
            written(tunnel(uri, &[]).output()),
            format!("CONNECT {target} HTTP/1.1\r\nHost: {target}\r\n\r\n")
        );
    }
}

#[test]
fn rejects_invalid_fields() {
    let uri = Uri::parse("ws://a").unwrap();
    for (field, error) in [
        (Field::new("Proxy-Authorization", "a\r\nb"), InvalidHead::FieldValue),
        (Field::new("Proxy Authorization", "a"), InvalidHead::FieldName),
        (Field::new("host", "a"), InvalidHead::ReservedField),
    ] {
        assert_eq!(ClientHandshake::tunnel(Config::new(), &uri, &[field]).unwrap_err(), error);
    }
}

#[test]
fn leaves_bytes_after_the_response_unread() {
    // RFC 9110, section 9.3.6: a client must ignore Content-Length in a 2xx response to CONNECT.
    let response = b"HTTP/1.1 200 Connection established\r\nContent-Length: 5\r\n\r\nserver's";
    let mut whole = tunnel("ws://a/", &[]);
    assert_eq!(receive(&mut whole, response), (Some(ClientEvent::Accepted), 8));
    assert_eq!(whole.response().unwrap().status(), 200);
    assert_eq!(whole.transport(), Transport::Open);
    assert_eq!(receive(&mut whole, b"more"), (None, 4));
    let mut cut = tunnel("ws://a/", &[]);
    let unread: usize = response.chunks(1).map(|byte| receive(&mut cut, byte).1).sum();
    assert_eq!(unread, 8);
}

#[test]
fn reports_a_rejection_with_its_body() {
    let mut proxy = tunnel("ws://a/", &[]);
    written(proxy.output());
    let response = b"HTTP/1.1 407 Proxy Authentication Required\r\n\
        Proxy-Authenticate: Basic realm=\"x\"\r\nContent-Length: 2\r\n\r\nno";
    let events = receive_all(&mut proxy, response);
    let ended = ClientEvent::BodyEnded(BodyEnd::Complete);
    assert_eq!(events, [ClientEvent::Rejected { status: 407 }, ended]);
    let wanted = proxy.response().unwrap().fields().value("proxy-authenticate");
    assert_eq!(wanted, Some(&b"Basic realm=\"x\""[..]));
    assert_eq!(proxy.body(), b"no");
    assert_over(&mut proxy, Transport::Close);
}

#[test]
fn fails_on_a_malformed_response() {
    for (response, error) in [
        ("HTTP/1.1 101 Switching Protocols\r\n\r\n", HandshakeError::UnexpectedSwitch),
        ("HTTP/2 200\r\n\r\n", HandshakeError::UnsupportedHttpVersion),
        ("SSH-2.0", HandshakeError::InvalidHttpVersion),
    ] {
        let mut proxy = tunnel("ws://a/", &[]);
        let event = receive(&mut proxy, response.as_bytes()).0;
        assert_eq!(event, Some(ClientEvent::Failed(error)), "{response}");
        assert_over(&mut proxy, Transport::Close);
    }
}

#[test]
fn fails_at_the_end_of_the_stream_and_on_a_broken_transport() {
    let mut proxy = tunnel("ws://a/", &[]);
    assert_eq!(receive_eof(&mut proxy), [ClientEvent::Failed(HandshakeError::UnexpectedEof)]);
    assert_over(&mut proxy, Transport::Close);
    let mut proxy = tunnel("ws://a/", &[]);
    proxy.abort();
    assert_eq!(receive(&mut proxy, b"").0, Some(ClientEvent::Failed(HandshakeError::Aborted)));
    assert_over(&mut proxy, Transport::Abort);
}
