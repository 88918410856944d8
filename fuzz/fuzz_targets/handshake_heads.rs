//! Heads of requests and responses: the same result at any cut, and no byte looked at twice.
#![no_main]

use libfuzzer_sys::fuzz_target;
use websocket_proto::handshake::{
    ClientEvent, ClientHandshake, ClientRequest, HeadLimits, OriginPolicy, RequestParser,
    ResponseParser, ServerEvent, ServerHandshake,
};
use websocket_proto::{Config, EntropyError};

static SERVER: Config = Config::new().origin_policy(OriginPolicy::any());

/// What `step` tells of a stream that comes in pieces, and how much of it is left.
fn told<E>(pieces: &[&[u8]], mut step: impl FnMut(&mut &mut [u8]) -> Option<E>) -> (Vec<E>, usize) {
    let mut events = Vec::new();
    let mut left = 0;
    for piece in pieces {
        let mut piece = piece.to_vec();
        let mut input = &mut piece[..];
        events.extend(step(&mut input));
        left += input.len();
    }
    (events, left)
}

fn server(pieces: &[&[u8]]) -> (Vec<ServerEvent>, usize) {
    let mut handshake = ServerHandshake::new(&SERVER);
    told(pieces, |input| handshake.receive(input))
}

fn client(pieces: &[&[u8]]) -> (Vec<ClientEvent>, usize) {
    let nonce = |out: &mut [u8]| {
        out.iter_mut().zip(b"the sample nonce".iter().cycle()).for_each(|(o, b)| *o = *b);
        Ok::<_, EntropyError>(())
    };
    let request = ClientRequest::to("a", "/").subprotocols(&["chat"]).extensions("foo, bar");
    let mut handshake = ClientHandshake::new(Config::new().entropy(nonce), &request).unwrap();
    told(pieces, |input| handshake.receive(input))
}

fuzz_target!(|input: (u16, &[u8])| {
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
        assert_eq!(parser.head(bytes).map(|head| head.as_bytes()), Some(request.as_bytes()));
        let _ = (request.method(), request.path(), request.query(), request.authority());
        let _ = (request.subprotocols().count(), request.upgrade());
        for extension in request.extensions() {
            assert!(extension.parameters().all(|parameter| !parameter.name().is_empty()));
        }
    }
    assert!(parser.scanned() <= bytes.len());
    let mut parser = ResponseParser::new(HeadLimits::DEFAULT);
    let _ = parser.parse(first);
    let _ = parser.parse(bytes);
    assert!(parser.scanned() <= bytes.len());
});
