//! tokio-websockets: complete; text is validated as it arrives. Masking selects SIMD at run time, masking
//! keys come from `fastrand` and are predictable, SHA-1 is ring's. Accepts messages only as `Bytes` or
//! `BytesMut`: a borrowed payload is copied.

use std::any::Any;

use bytes::BytesMut;
use futures_util::{SinkExt, StreamExt};
use tokio_websockets::{ClientBuilder, Message, Payload, ServerBuilder, WebSocketStream};

use super::{handshakes, is_server};
use crate::Job;
use crate::scene::{Pipe, Scene, run};

pub struct Peer;

impl super::Peer for Peer {
    fn name(&self) -> &'static str {
        "tokio-websockets"
    }

    fn receive(&self, scene: &Scene) -> Option<Job> {
        let (mut socket, scene) = (open(scene), scene.clone());
        Some(Box::new(move |messages| {
            run(async {
                for _ in 0..messages {
                    scene.message(next(&mut socket).await.as_payload());
                }
            });
            messages
        }))
    }

    fn send(&self, scene: &Scene) -> Option<Job> {
        let (mut socket, mut payloads) = (open(scene), scene.payloads());
        let shared = scene.case.shared;
        Some(Box::new(move |messages| {
            run(async {
                for _ in 0..messages {
                    let payload = if shared {
                        Payload::from(payloads.next().clone())
                    } else {
                        // `BytesMut`, which it masks in place.
                        Payload::from(BytesMut::from(&**payloads.next()))
                    };
                    socket.send(Message::binary(payload)).await.expect("open");
                }
            });
            messages
        }))
    }

    fn echo(&self, scene: &Scene) -> Option<Job> {
        let (mut socket, scene) = (open(scene), scene.clone());
        Some(Box::new(move |messages| {
            run(async {
                for _ in 0..messages {
                    echo(&mut socket, &scene).await;
                }
            });
            messages
        }))
    }

    fn accept(&self, scene: &Scene) -> Option<Job> {
        let (scene, builder) = (scene.clone(), ServerBuilder::new());
        Some(Box::new(move |handshakes| {
            run(async {
                for _ in 0..handshakes {
                    builder.accept(scene.pipe()).await.expect("a request");
                }
            });
            handshakes
        }))
    }

    fn connect(&self, scene: &Scene) -> Option<Job> {
        Some(handshakes(scene, async |pipe| {
            let builder = ClientBuilder::new().uri("ws://example.com/chat?room=1");
            let builder = builder.expect("a URI");
            builder.connect_on(pipe).await.expect("an answer");
        }))
    }

    fn idle(&self, scene: &Scene) -> Option<Box<dyn Any>> {
        let mut socket = open(scene);
        run(echo(&mut socket, scene));
        Some(Box::new(socket))
    }
}

fn open(scene: &Scene) -> WebSocketStream<Pipe> {
    if is_server(scene) {
        ServerBuilder::new().serve(scene.pipe())
    } else {
        ClientBuilder::new().take_over(scene.pipe())
    }
}

#[inline]
async fn next(socket: &mut WebSocketStream<Pipe>) -> Message {
    loop {
        let message = socket.next().await.expect("a message").expect("a message");
        if message.is_text() || message.is_binary() {
            return message;
        }
    }
}

#[inline]
async fn echo(socket: &mut WebSocketStream<Pipe>, scene: &Scene) {
    let message = next(socket).await;
    scene.message(message.as_payload());
    socket.send(message).await.expect("open");
}
