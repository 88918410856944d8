//! Opening handshakes, from a new state machine to a connection.

use std::hint::black_box;

use websocket_proto::Input;
use websocket_proto::handshake::{
    Acceptance, ClientEvent, ClientHandshake, ClientRequest, Handshake, ServerEvent,
    ServerHandshake, Uri, accept_key, key_from_nonce,
};

use super::{CONFIG, write};

const REQUEST: &[u8] = b"GET /chat?room=1 HTTP/1.1\r\nHost: example.com\r\nConnection: Upgrade\r\n\
    Pragma: no-cache\r\nCache-Control: no-cache\r\nUser-Agent: Mozilla/5.0 (X11; Linux x86_64) \
    AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36\r\n\
    Upgrade: websocket\r\nOrigin: https://example.com\r\nSec-WebSocket-Version: 13\r\n\
    Accept-Encoding: gzip, deflate, br, zstd\r\nAccept-Language: en-US,en;q=0.9\r\n\
    Cookie: id=abcdefghijklmnopqrstuvwxyz01\r\n\
    Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
    Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n\r\n";

/// Accepts `count` requests.
pub(crate) fn server(count: usize) {
    let mut storage = [0; 4096];
    for _ in 0..count {
        let mut input = Input::new(&mut storage);
        input.read_from(&mut &REQUEST[..]).expect("a slice");
        let mut handshake = ServerHandshake::new(&*CONFIG);
        assert_eq!(handshake.receive(&mut input), Some(ServerEvent::Upgrade));
        let mut accepted = handshake.accept(&Acceptance::new()).expect("an upgrade");
        write(accepted.connection.output());
    }
}

/// Writes `count` requests and verifies their responses.
pub(crate) fn client(count: usize) {
    let key = accept_key(&key_from_nonce(&[7; 16]));
    let response = [
        b"HTTP/1.1 101 Switching Protocols\r\nServer: nginx\r\n\
        Date: Thu, 01 Jan 2026 00:00:00 GMT\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\
        Sec-WebSocket-Accept: ",
        &key[..],
        b"\r\n\r\n",
    ]
    .concat();
    let mut storage = [0; 4096];
    for _ in 0..count {
        let uri = Uri::parse("ws://example.com/chat?room=1").expect("a URI");
        let request = ClientRequest::new(&uri);
        let mut handshake = ClientHandshake::new(&*CONFIG, &request).expect("a request");
        write(handshake.output());
        let mut input = Input::new(&mut storage);
        input.read_from(&mut &response[..]).expect("a slice");
        assert_eq!(handshake.receive(&mut input), Some(ClientEvent::Accepted));
        black_box(handshake.establish().expect("accepted").connection);
    }
}
