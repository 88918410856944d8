//! Tunnels through proxies.

use websocket_proto::handshake::{
    CREDENTIAL_FIELDS, ClientEvent, Field, HandshakeError, HeadError, ProxyHandshake, Uri,
    basic_credentials, write_connect,
};
use websocket_proto::{Config, Transport};

use crate::support::taken;

fn tunnel(uri: &str, fields: &[Field<'_>]) -> ProxyHandshake {
    ProxyHandshake::new(Config::new(), &Uri::parse(uri).unwrap(), fields).unwrap()
}

fn receive(proxy: &mut ProxyHandshake, bytes: &[u8]) -> (Option<ClientEvent>, usize) {
    let mut bytes = bytes.to_vec();
    let mut input = &mut bytes[..];
    (proxy.receive(&mut input), input.len())
}

#[test]
fn requests() {
    // The example of RFC 6455, section 4.1.
    let credentials = basic_credentials("ednamode", "nocapes!").unwrap();
    let fields = [Field::new("Proxy-authorization", &credentials)];
    let mut proxy = tunnel("ws://example.com/chat", &fields);
    assert_eq!(
        taken(proxy.output()),
        "CONNECT example.com:80 HTTP/1.1\r\nHost: example.com:80\r\n\
        Proxy-authorization: Basic ZWRuYW1vZGU6bm9jYXBlcyE=\r\n\r\n"
    );
    for (uri, target) in [
        ("wss://example.com", "example.com:443"),
        ("wss://example.com:8443", "example.com:8443"),
        ("ws://[::1]/", "[::1]:80"),
        ("ws://127.0.0.1:65535", "127.0.0.1:65535"),
    ] {
        let mut head = [0; 256];
        let length = write_connect(&Uri::parse(uri).unwrap(), &[], &mut head).unwrap();
        assert_eq!(
            str::from_utf8(&head[..length]).unwrap(),
            format!("CONNECT {target} HTTP/1.1\r\nHost: {target}\r\n\r\n")
        );
    }
    let uri = Uri::parse("ws://a").unwrap();
    for (field, error) in [
        (Field::new("Proxy-Authorization", "a\r\nb"), HeadError::FieldValue),
        (Field::new("Proxy Authorization", "a"), HeadError::FieldName),
        (Field::new("host", "a"), HeadError::ReservedField),
    ] {
        assert_eq!(write_connect(&uri, &[field], &mut [0; 256]), Err(error));
    }
}

#[test]
fn what_follows_a_tunnel_is_left() {
    // A Content-Length means nothing here.
    let response = b"HTTP/1.1 200 Connection established\r\nContent-Length: 5\r\n\r\nserver's";
    let mut whole = tunnel("ws://a/", &[]);
    assert!(whole.wants_write() && whole.wants_read());
    assert_eq!(receive(&mut whole, response), (Some(ClientEvent::Accepted), 8));
    assert!(whole.response().unwrap().is_tunnel());
    assert_eq!(whole.transport(), Transport::Open);
    assert_eq!(receive(&mut whole, b"more"), (None, 4));
    let mut cut = tunnel("ws://a/", &[]);
    let left: usize = response.chunks(1).map(|byte| receive(&mut cut, byte).1).sum();
    assert_eq!(left, 8);
}

#[test]
fn refusals() {
    let mut proxy = tunnel("ws://a/", &[]);
    taken(proxy.output());
    let response = b"HTTP/1.1 407 Proxy Authentication Required\r\n\
        Proxy-Authenticate: Basic realm=\"x\"\r\nContent-Length: 2\r\n\r\nno";
    let event = receive(&mut proxy, response).0;
    assert_eq!(event, Some(ClientEvent::Refused { status: 407 }));
    let wanted = proxy.response().unwrap().field("proxy-authenticate");
    assert_eq!(wanted, Some(&b"Basic realm=\"x\""[..]));
    assert_eq!((proxy.body(), proxy.transport()), (&b"no"[..], Transport::Close));

    for (response, error) in [
        ("HTTP/1.1 101 Switching Protocols\r\n\r\n", HandshakeError::InvalidStatusLine),
        ("HTTP/2 200\r\n\r\n", HandshakeError::UnsupportedHttpVersion),
        ("SSH-2.0", HandshakeError::InvalidHttpVersion),
    ] {
        let mut proxy = tunnel("ws://a/", &[]);
        let event = receive(&mut proxy, response.as_bytes()).0;
        assert_eq!(event, Some(ClientEvent::Failed(error)), "{response}");
        assert_eq!(proxy.transport(), Transport::Close);
    }
    let mut proxy = tunnel("ws://a/", &[]);
    proxy.receive_eof();
    let event = ClientEvent::Failed(HandshakeError::UnexpectedEof);
    assert_eq!(receive(&mut proxy, b""), (Some(event), 0));
    let mut proxy = tunnel("ws://a/", &[]);
    proxy.abort();
    assert_eq!(proxy.transport(), Transport::Abort);
}

#[test]
fn credentials_do_not_cross_origins() {
    let from = Uri::parse("wss://example.com/a").unwrap();
    let to = Uri::parse("wss://evil.example/").unwrap();
    let fields = [
        Field::new("Cookie", "a"),
        Field::new("AUTHORIZATION", "b"),
        Field::new("proxy-authorization", "c"),
        Field::new("Origin", "d"),
        Field::new("X-Trace", "e"),
    ];
    assert!(!from.is_same_origin(&to));
    let kept: Vec<&str> =
        fields.iter().filter(|field| !field.is_credential()).map(|field| field.name()).collect();
    assert_eq!(kept, ["Origin", "X-Trace"]);
    assert!(CREDENTIAL_FIELDS.contains(&"cookie"));
}
