//! ratchet: never validates the text of a compressed message before it is inflated, and reads each frame as a
//! whole. Selected by the feature `ratchet`, because its flate2 is C zlib, in the other users of flate2 too.

use bytes::BytesMut;
use ratchet_deflate::{Compression, Deflate, DeflateConfig, DeflateExtProvider};
use ratchet_rs::{
    ExtensionProvider, HeaderMap, HeaderValue, Message, PayloadType, Role, WebSocket,
    WebSocketConfig,
};

use super::is_server;
use crate::Job;
use crate::codec::Context;
use crate::scene::{Pipe, Scene, run};

pub struct Peer;

impl super::Peer for Peer {
    fn name(&self) -> &'static str {
        "ratchet"
    }

    fn receive(&self, scene: &Scene) -> Option<Job> {
        let (mut socket, scene) = (open(scene)?, scene.clone());
        let mut buffer = BytesMut::new();
        Some(Box::new(move |messages| {
            run(async {
                for _ in 0..messages {
                    buffer.clear();
                    let message = socket.read(&mut buffer).await.expect("a message");
                    assert!(matches!(message, Message::Binary));
                    scene.message(&buffer);
                }
            });
            messages
        }))
    }

    fn send(&self, scene: &Scene) -> Option<Job> {
        let (mut socket, mut payloads) = (open(scene)?, scene.payloads());
        Some(Box::new(move |messages| {
            run(async {
                for _ in 0..messages {
                    socket.write(payloads.next(), PayloadType::Binary).await.expect("open");
                }
            });
            messages
        }))
    }

    fn deflates(&self) -> bool {
        true
    }
}

/// Opens a server with compression.
fn open(scene: &Scene) -> Option<WebSocket<Pipe, Deflate>> {
    let context = scene.case.deflate.filter(|_| is_server(scene))?;
    let no_takeover = context == Context::None;
    let provider = DeflateExtProvider::with_config(DeflateConfig {
        request_server_no_context_takeover: no_takeover,
        request_client_no_context_takeover: no_takeover,
        accept_no_context_takeover: true,
        compression_level: Compression::new(6),
        ..DeflateConfig::default()
    });
    let offer = match context {
        Context::None => {
            "permessage-deflate; server_no_context_takeover; client_no_context_takeover"
        }
        Context::Kept => "permessage-deflate",
    };
    let mut headers = HeaderMap::new();
    headers.insert("sec-websocket-extensions", HeaderValue::from_static(offer));
    let (deflate, _) = provider.negotiate_server(&headers).expect("an offer").expect("accepted");
    let config = WebSocketConfig { max_message_size: 64 << 20 };
    Some(WebSocket::from_upgraded(
        config,
        scene.pipe(),
        Some(deflate),
        BytesMut::new(),
        Role::Server,
    ))
}
