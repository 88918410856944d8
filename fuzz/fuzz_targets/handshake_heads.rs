//! Heads of requests and responses, built from lines. At any cut the parsers return the same, and the
//! handshake state machines report the same events, output, head, body and unread bytes. These are the
//! outcome of the parser, and of the checks of its head.
#![no_main]

#[path = "../../tests/support/nonce.rs"]
mod nonce;

use std::sync::Arc;

use libfuzzer_sys::{Corpus, fuzz_target};
use nonce::{NONCE, sample_nonce};
use websocket_proto::handshake::{
    Acceptance, ClientEvent, ClientHandshake, ClientRequest, Handshake, HandshakeError, HeadLimits,
    OriginPolicy, RequestParser, ResponseParser, ServerEvent, ServerHandshake,
};
use websocket_proto::{Config, Input, Output, Transport};

const SMALL: HeadLimits = HeadLimits::DEFAULT
    .with_max_head(400)
    .with_max_field_line(60)
    .with_max_fields(8)
    .with_max_target(16)
    .with_max_body(20);

/// The words of the alphabet in which a request is written: see [`stream`].
const REQUEST_WORDS: &[&[u8]] = &[
    b"GET / HTTP/1.1\r\n",
    b"\r\n",
    b"Host: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n\
        Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n",
    b"Host: a\r\n",
    b"Upgrade: websocket\r\n",
    b"Connection: keep-alive, Upgrade\r\n",
    b"Sec-WebSocket-Version: 13\r\n",
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n",
    b"Sec-WebSocket-Protocol: chat, ",
    b"Sec-WebSocket-Extensions: permessage-deflate\r\n",
    b"Origin: http://a\r\n",
    b"Origin: null\r\n",
    b"Content-Length: 5\r\n",
    b"Transfer-Encoding: chunked\r\n",
    b"GET /chat?x=1 HTTP/1.1\r\n",
    b"GET wss://a:443/ HTTP/1.1\r\n",
    b"CONNECT a:443 HTTP/1.1\r\n",
    b"POST / HTTP/1.0\r\n",
    b" HTTP/1.1\r\n",
    b"\x81\x80\0\0\0\0",
    b": ",
    b"\r",
    b"\n",
    b"\t",
    b"\0",
];

/// The words of the alphabet in which a response is written: see [`stream`].
const RESPONSE_WORDS: &[&[u8]] = &[
    b"HTTP/1.1 101 Switching Protocols\r\n",
    b"\r\n",
    b"Upgrade: websocket\r\nConnection: Upgrade\r\n\
        Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n",
    b"Upgrade: websocket\r\n",
    b"Connection: Upgrade\r\n",
    b"Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n",
    b"Sec-WebSocket-Protocol: chat\r\n",
    b"Sec-WebSocket-Extensions: permessage-deflate\r\n",
    b"HTTP/1.1 103 Early Hints\r\n",
    b"HTTP/1.1 403 Forbidden\r\n",
    b"HTTP/1.0 200\r\n",
    b"HTTP/1.1 204 \r\n",
    b"HTTP/1.1 1",
    b"Content-Length: 7\r\n",
    b"Transfer-Encoding: chunked\r\n",
    b"5\r\nhello\r\n",
    b"0\r\n\r\n",
    b"a body of thirty bytes at least",
    b"\x81\x02hi",
    b": ",
    b"\r",
    b"\n",
    b"\t",
    b"\0",
];

/// Writes `letters` in an alphabet: the letters below the number of `words`, and those from 0xa0, stand for
/// a word, any other for itself.
fn stream(letters: &[u8], words: &[&[u8]]) -> Vec<u8> {
    let mut stream = Vec::new();
    for letter in letters.iter().take(60) {
        let index = usize::from(*letter);
        match words.get(index) {
            Some(word) => stream.extend_from_slice(word),
            None if index >= 0xa0 => stream.extend_from_slice(words[index % words.len()]),
            None => stream.push(*letter),
        }
    }
    stream
}

/// The ways to receive a stream: the offsets at which it is cut, and whether EOF follows alone.
fn ways(len: usize, cuts: [u16; 3]) -> [(Vec<usize>, bool); 4] {
    let mut cuts = cuts.map(|cut| usize::from(cut) % (len + 1)).to_vec();
    cuts.sort_unstable();
    [(vec![], false), (cuts.clone(), false), (cuts, true), ((1..len).collect(), true)]
}

/// The events and the state of a handshake at the end of its input.
#[derive(Clone, Debug, PartialEq)]
struct Received<E> {
    events: Vec<E>,
    transport: Transport,
    unread: Vec<u8>,
}

/// Receives `stream` in pieces, then EOF: with the last piece, or after it.
fn receive<H: Handshake>(
    handshake: &mut H,
    stream: &[u8],
    cuts: &[usize],
    eof_follows: bool,
) -> Received<H::Event> {
    let mut ends = cuts.to_vec();
    ends.push(stream.len());
    if eof_follows {
        ends.push(stream.len());
    }
    let (mut events, mut unread, mut start) = (Vec::new(), Vec::new(), 0);
    for (index, &end) in ends.iter().enumerate() {
        unread.extend_from_slice(&stream[start..end]);
        start = end;
        let mut input = Input::with_bytes(&mut unread);
        if index + 1 == ends.len() {
            input.finish();
        }
        events.extend(std::iter::from_fn(|| handshake.receive(&mut input)));
        unread = input.into_unread().bytes;
    }
    assert!(events.len() <= 2);
    Received { events, transport: handshake.transport(), unread }
}

fn take(output: &mut Output) -> Vec<u8> {
    let mut bytes = Vec::new();
    while !output.is_empty() {
        bytes.extend_from_slice(output.chunk());
        output.advance(output.chunk().len());
    }
    bytes
}

/// Parses the prefixes of `stream` that end at `cuts`, then all of it. Returns the first outcome.
fn in_pieces(
    stream: &[u8],
    cuts: &[usize],
    mut parse: impl FnMut(&[u8]) -> Result<Option<Vec<u8>>, HandshakeError>,
) -> Result<Option<Vec<u8>>, HandshakeError> {
    let parsed = cuts.iter().map(|&cut| parse(&stream[..cut])).find(|parsed| *parsed != Ok(None));
    parsed.unwrap_or_else(|| parse(stream))
}

/// Returns whether a head is complete.
fn check_server(stream: &[u8], cuts: [u16; 3], limits: HeadLimits) -> bool {
    let parsed = RequestParser::new(limits).parse(stream);
    let policy = OriginPolicy::same();
    let checked = parsed.and_then(|head| head.map(|head| head.upgrade(&policy)).transpose());
    let event = match checked {
        Ok(Some(Some(_))) => ServerEvent::Upgrade,
        Ok(Some(None)) => ServerEvent::Http,
        Ok(None) => ServerEvent::Failed(HandshakeError::UnexpectedEof),
        Err(error) => ServerEvent::Failed(error),
    };
    let head = parsed.ok().flatten().map(|head| head.as_bytes());
    let valid_head = head.filter(|_| checked.is_ok());
    let unread = valid_head.map_or(&b""[..], |head| &stream[head.len()..]);
    // A request whose origin is not allowed is kept, for the server's log.
    let is_forbidden = event == ServerEvent::Failed(HandshakeError::ForbiddenOrigin);
    let request = if is_forbidden { head } else { valid_head };
    let has_response = matches!(event, ServerEvent::Failed(error) if error.status().is_some());

    let config = Arc::new(Config::new().with_head_limits(limits));
    let mut output = None;
    for (cuts, eof) in ways(stream.len(), cuts) {
        let mut parser = RequestParser::new(limits);
        let in_pieces = in_pieces(stream, &cuts, |received| {
            parser.parse(received).map(|head| head.map(|head| head.as_bytes().to_vec()))
        });
        assert_eq!(in_pieces, parsed.map(|head| head.map(|head| head.as_bytes().to_vec())));

        let mut handshake = ServerHandshake::new(&config);
        let received = receive(&mut handshake, stream, &cuts, eof);
        assert_eq!(received.events, [event]);
        assert_eq!(received.unread, unread);
        assert_eq!(handshake.request().map(|request| request.as_bytes()), request);
        let written = take(handshake.output());
        assert_eq!(!written.is_empty(), has_response);
        assert_eq!(output.get_or_insert_with(|| written.clone()), &written);

        if let Ok(Some(Some(upgrade))) = &checked {
            let subprotocol = upgrade.subprotocols().next();
            let acceptance = Acceptance::new().with_subprotocol(subprotocol);
            let mut response = Vec::new();
            upgrade.accept(&acceptance, &mut response).unwrap();
            let mut connection = handshake.accept(&acceptance).unwrap();
            assert_eq!(take(connection.output()), response);
        }
    }
    head.is_some()
}

/// Returns whether a head is complete.
fn check_client(stream: &[u8], cuts: [u16; 3], limits: HeadLimits) -> bool {
    // Interim responses and the final head together have at most `max_head` bytes.
    let (mut start, mut remaining) = (0, limits);
    let parsed = loop {
        match ResponseParser::new(remaining).parse(&stream[start..]) {
            Ok(Some(head)) if matches!(head.status(), 100 | 102..=199) => {
                start += head.as_bytes().len();
                remaining.max_head -= head.as_bytes().len();
            }
            parsed => break parsed,
        }
    };
    let request = ClientRequest::to("a", "/").with_subprotocols(&["chat"]);
    let verified =
        parsed.and_then(|head| head.map(|head| request.verify(NONCE, &head)).transpose());
    let head = parsed.ok().flatten();
    let event = match (verified, head) {
        (Ok(Some(Some(_))), _) => ClientEvent::Accepted,
        (Ok(Some(None)), Some(head)) => ClientEvent::Rejected { status: head.status() },
        (Ok(_), _) => ClientEvent::Failed(HandshakeError::UnexpectedEof),
        (Err(error), _) => ClientEvent::Failed(error),
    };
    let head = head.map(|head| head.as_bytes());
    let is_accepted = event == ClientEvent::Accepted;
    let unread =
        head.filter(|_| is_accepted).map_or(&b""[..], |head| &stream[start + head.len()..]);

    let config = Arc::new(Config::new().with_head_limits(limits).with_entropy(sample_nonce));
    let mut ending = None;
    for (cuts, eof) in ways(stream.len(), cuts) {
        let mut parser = ResponseParser::new(remaining);
        let cuts_of_head: Vec<usize> =
            cuts.iter().filter_map(|cut| cut.checked_sub(start)).collect();
        let in_pieces = in_pieces(&stream[start..], &cuts_of_head, |received| {
            parser.parse(received).map(|head| head.map(|head| head.as_bytes().to_vec()))
        });
        assert_eq!(in_pieces, parsed.map(|head| head.map(|head| head.as_bytes().to_vec())));

        let mut handshake = ClientHandshake::new(&config, &request).unwrap();
        let received = receive(&mut handshake, stream, &cuts, eof);
        assert_eq!(received.events[0], event);
        assert_eq!(received.unread, unread);
        assert_eq!(handshake.response().map(|response| response.as_bytes()), head);
        let negotiated = verified.ok().flatten().flatten();
        assert_eq!(
            handshake.negotiated().map(|negotiated| negotiated.subprotocol().map(str::to_owned)),
            negotiated.map(|negotiated| negotiated.subprotocol().map(str::to_owned)),
        );
        assert!(handshake.body().len() <= limits.max_body);
        let body = handshake.body().to_vec();
        let written = take(handshake.output());
        let end = (received, body, written);
        assert_eq!(ending.get_or_insert_with(|| end.clone()), &end);
    }
    start > 0 || head.is_some()
}

fuzz_target!(|input: (u8, [u16; 3], &[u8])| -> Corpus {
    let (choices, cuts, letters) = input;
    let limits = if choices & 1 == 0 { HeadLimits::DEFAULT } else { SMALL };
    // The stream begins with nothing, with a start line, or with that and all the fields of a handshake.
    let first: &[u8] = [&[][..], &[0], &[0, 2]][usize::from(choices >> 2) % 3];
    let letters = [first, letters].concat();
    let is_complete = if choices & 2 == 0 {
        check_server(&stream(&letters, REQUEST_WORDS), cuts, limits)
    } else {
        check_client(&stream(&letters, RESPONSE_WORDS), cuts, limits)
    };
    if is_complete { Corpus::Keep } else { Corpus::Reject }
});
