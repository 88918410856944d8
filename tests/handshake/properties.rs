//! Properties of the handshakes, on generated input.

use proptest::collection::vec;
use proptest::prelude::*;
use websocket_proto::handshake::{
    ClientHandshake, ClientRequest, Handshake, HeadLimits, ServerHandshake,
};
use websocket_proto::{Input, Transport};

use crate::support::{client_config, written};

const REQUEST: &[u8] = b"GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\n\
    Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n\
    Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Protocol: chat\r\n\r\n";

const ACCEPTED: &[u8] = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\
    Connection: Upgrade\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";

/// Streams that resemble a peer's: parts in random order, and random bytes.
fn stream(parts: &'static [&'static [u8]]) -> impl Strategy<Value = Vec<u8>> {
    let part = prop_oneof![
        8 => proptest::sample::select(parts).prop_map(<[u8]>::to_vec),
        1 => vec(any::<u8>(), 0..8),
    ];
    vec(part, 0..6).prop_map(|parts| parts.concat())
}

/// Receives `stream`, split at `cuts`, and its end. Returns the events, the final `transport()` and the
/// unread bytes.
fn run<H: Handshake>(
    handshake: &mut H,
    stream: &[u8],
    cuts: &[usize],
) -> (Vec<H::Event>, Transport, Vec<u8>) {
    let mut events = Vec::new();
    let mut unread = Vec::new();
    let mut start = 0;
    for &cut in cuts.iter().chain([&stream.len()]) {
        let cut = cut.clamp(start, stream.len());
        unread.extend_from_slice(&stream[start..cut]);
        start = cut;
        let mut input = Input::with_bytes(&mut unread);
        if cut == stream.len() {
            input.finish();
        }
        events.extend(std::iter::from_fn(|| handshake.receive(&mut input)));
        unread = input.into_unread().bytes;
    }
    (events, handshake.transport(), unread)
}

proptest! {
    #[test]
    fn server_events_do_not_depend_on_the_split(
        stream in stream(&[
            REQUEST,
            b"GET / HTTP/1.1\r\n",
            b"Host: a\r\n",
            b"Upgrade: websocket\r\n",
            b"Origin: http://b\r\n",
            b"\r\n",
            b"\x81\x80\0\0\0\0",
        ]),
        mut cuts in vec(0..400usize, 0..8),
    ) {
        cuts.sort_unstable();
        let config = std::sync::Arc::new(websocket_proto::Config::new());
        let mut whole = ServerHandshake::new(&config);
        let mut cut = ServerHandshake::new(&config);
        prop_assert_eq!(run(&mut cut, &stream, &cuts), run(&mut whole, &stream, &[]));
        prop_assert_eq!(written(cut.output()), written(whole.output()));
        prop_assert_eq!(cut.transport(), whole.transport());
        let request = |handshake: &ServerHandshake| {
            handshake.request().map(|request| request.as_bytes().to_vec())
        };
        prop_assert_eq!(request(&cut), request(&whole));
    }

    #[test]
    fn client_events_do_not_depend_on_the_split(
        stream in stream(&[
            ACCEPTED,
            b"HTTP/1.1 103 Early Hints\r\n\r\n",
            b"HTTP/1.1 403 Forbidden\r\n",
            b"HTTP/1.1 401\r\n",
            b"Content-Length: 7\r\n",
            b"Transfer-Encoding: chunked\r\n",
            b"\r\n",
            b"5\r\nhello\r\n",
            b"0\r\n\r\n",
            b"a body of thirty bytes at least",
        ]),
        mut cuts in vec(0..400usize, 0..8),
    ) {
        cuts.sort_unstable();
        let limits = HeadLimits::DEFAULT.with_max_body(20);
        let config = std::sync::Arc::new(client_config().with_head_limits(limits));
        let handshake =
            || ClientHandshake::new(&config, &ClientRequest::to("a", "/")).unwrap();
        let (mut whole, mut cut) = (handshake(), handshake());
        prop_assert_eq!(run(&mut cut, &stream, &cuts), run(&mut whole, &stream, &[]));
        prop_assert_eq!(cut.body(), whole.body());
        prop_assert!(cut.body().len() <= 20);
        let response = |handshake: &ClientHandshake| {
            handshake.response().map(|response| response.as_bytes().to_vec())
        };
        prop_assert_eq!(response(&cut), response(&whole));
    }
}
