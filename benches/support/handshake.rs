//! Opening handshakes, from a new state machine to a connection.

use std::hint::black_box;
use std::sync::Arc;

use websocket_proto::handshake::{
    Acceptance, ClientEvent, ClientHandshake, ClientRequest, Handshake, ServerEvent,
    ServerHandshake, Uri,
};
use websocket_proto::{Config, Input};

use super::connection::write;

/// A browser's request.
pub(crate) const REQUEST: &[u8] = b"GET /chat?room=1 HTTP/1.1\r\nHost: example.com\r\n\
    Connection: Upgrade\r\nPragma: no-cache\r\nCache-Control: no-cache\r\n\
    User-Agent: Mozilla/5.0 (X11; Linux x86_64) \
    AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36\r\n\
    Upgrade: websocket\r\nOrigin: https://example.com\r\nSec-WebSocket-Version: 13\r\n\
    Accept-Encoding: gzip, deflate, br, zstd\r\nAccept-Language: en-US,en;q=0.9\r\n\
    Cookie: id=abcdefghijklmnopqrstuvwxyz01\r\n\
    Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
    Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n\r\n";

/// The response to the key that a client draws from [`ENTROPY`](super::ENTROPY).
pub(crate) const RESPONSE: &[u8] = b"HTTP/1.1 101 Switching Protocols\r\nServer: nginx\r\n\
    Date: Thu, 01 Jan 2026 00:00:00 GMT\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\
    Sec-WebSocket-Accept: CdXSYUsvsaMthlEXWDNURGWA/1o=\r\n\r\n";

/// Receives [`REQUEST`] and accepts it.
pub(crate) fn server(config: &Arc<Config>, storage: &mut [u8]) {
    let mut input = Input::new(storage);
    input.read_from(&mut &REQUEST[..]).expect("a slice");
    let mut handshake = ServerHandshake::new(config);
    assert_eq!(handshake.receive(&mut input), Some(ServerEvent::Upgrade));
    let mut connection = handshake.accept(&Acceptance::new()).expect("an upgrade");
    write(connection.output());
}

/// Writes a request and verifies [`RESPONSE`].
pub(crate) fn client(config: &Arc<Config>, storage: &mut [u8]) {
    let uri = Uri::parse("ws://example.com/chat?room=1").expect("a URI");
    let mut handshake = ClientHandshake::new(config, &ClientRequest::new(&uri)).expect("a request");
    write(handshake.output());
    let mut input = Input::new(storage);
    input.read_from(&mut &RESPONSE[..]).expect("a slice");
    assert_eq!(handshake.receive(&mut input), Some(ClientEvent::Accepted));
    black_box(handshake.establish().expect("accepted"));
}
