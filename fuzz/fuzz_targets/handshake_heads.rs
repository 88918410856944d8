//! Heads of requests and responses, in the parsers and in the handshake state machines: the same events,
//! body and unread bytes at any cut.
#![no_main]

use libfuzzer_sys::{Corpus, fuzz_target};
use websocket_proto::handshake::{
    ClientEvent, ClientHandshake, ClientRequest, Handshake, HeadLimits, OriginPolicy,
    RequestParser, ResponseParser, ServerEvent, ServerHandshake,
};
use websocket_proto::{Config, EntropyError, Input};

static SERVER: Config = Config::new().with_origin_policy(OriginPolicy::any());

/// Receives a stream in pieces, then EOF. Returns the events and the number of unread bytes.
fn receive<H: Handshake>(handshake: &mut H, pieces: &[&[u8]]) -> (Vec<H::Event>, usize) {
    let mut events = Vec::new();
    let mut unread = Vec::new();
    for piece in pieces {
        let mut bytes = [&unread[..], piece].concat();
        let given = bytes.len();
        let mut input = Input::with_bytes(&mut bytes);
        while let Some(event) = handshake.receive(&mut input) {
            events.push(event);
        }
        unread = input.unread().to_vec();
        assert!(unread.len() <= given);
    }
    let mut bytes = unread;
    let mut input = Input::with_bytes(&mut bytes);
    input.finish();
    while let Some(event) = handshake.receive(&mut input) {
        events.push(event);
    }
    assert!(events.len() <= 3);
    (events, input.unread().len())
}

fn server(pieces: &[&[u8]]) -> (Vec<ServerEvent>, usize) {
    let mut handshake = ServerHandshake::new(&SERVER);
    receive(&mut handshake, pieces)
}

fn client(pieces: &[&[u8]]) -> (Vec<ClientEvent>, usize, Vec<u8>) {
    let nonce = |out: &mut [u8]| {
        out.iter_mut().zip(b"the sample nonce".iter().cycle()).for_each(|(o, b)| *o = *b);
        Ok::<_, EntropyError>(())
    };
    let request = ClientRequest::to("a", "/").with_subprotocols(&["chat"]);
    let config = Config::new().with_entropy(nonce);
    let mut handshake = ClientHandshake::new(config, &request).unwrap();
    let (events, unread) = receive(&mut handshake, pieces);
    assert!(handshake.body().len() <= HeadLimits::DEFAULT.max_body);
    (events, unread, handshake.body().to_vec())
}

/// Returns whether `bytes` begin with a start line, so that fields are read.
fn has_start_line(bytes: &[u8]) -> bool {
    let bytes = bytes.strip_prefix(b"\r\n").unwrap_or(bytes);
    let line = bytes.split(|&byte| byte == b'\r').next().unwrap_or(bytes);
    line.starts_with(b"HTTP/1.") || line.ends_with(b" HTTP/1.1") || line.ends_with(b" HTTP/1.0")
}

fuzz_target!(|input: (u16, &[u8])| -> Corpus {
    let (cut, bytes) = input;
    let (first, second) = bytes.split_at(usize::from(cut).min(bytes.len()));
    let single: Vec<&[u8]> = bytes.chunks(1).collect();

    let whole = server(&[bytes]);
    assert_eq!(server(&[first, second]), whole);
    assert_eq!(server(&single), whole);
    let whole = client(&[bytes]);
    assert_eq!(client(&[first, second]), whole);
    assert_eq!(client(&single), whole);

    let mut parser = RequestParser::new(HeadLimits::DEFAULT);
    let _ = parser.parse(first);
    if let Ok(Some(request)) = parser.parse(bytes) {
        let again = parser.parse(bytes).unwrap().unwrap();
        assert_eq!(again.as_bytes(), request.as_bytes());
        let _ = (request.method(), request.path(), request.query(), request.authority());
        let _ = (request.subprotocols().count(), request.upgrade(&OriginPolicy::same()));
    }
    let mut parser = ResponseParser::new(HeadLimits::DEFAULT);
    let _ = parser.parse(first);
    let _ = parser.parse(bytes);
    if has_start_line(bytes) { Corpus::Keep } else { Corpus::Reject }
});
