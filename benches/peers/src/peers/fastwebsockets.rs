//! fastwebsockets with its `FragmentCollector`: complete except for some checks. A server accepts unmasked
//! frames, non-minimal lengths, and Pongs and Closes of any length. Messages are `BytesMut` split off its
//! own read buffer of 8 KiB, whose size is fixed. It has no opening handshake of its own; it uses hyper's.

use std::any::Any;

use fastwebsockets::{FragmentCollector, Frame, OpCode, Payload, Role, WebSocket};

use super::is_server;
use crate::Job;
use crate::scene::{Pipe, Scene, run};

pub struct Peer;

impl super::Peer for Peer {
    fn name(&self) -> &'static str {
        "fastwebsockets"
    }

    fn receive(&self, scene: &Scene) -> Option<Job> {
        let (mut socket, scene) = (open(scene), scene.clone());
        Some(Box::new(move |messages| {
            run(async {
                for _ in 0..messages {
                    scene.message(&next(&mut socket).await.payload);
                }
            });
            messages
        }))
    }

    fn send(&self, scene: &Scene) -> Option<Job> {
        // It does not accept `Bytes`.
        if scene.case.shared {
            return None;
        }
        let (mut socket, mut payloads) = (open(scene), scene.payloads());
        Some(Box::new(move |messages| {
            run(async {
                for _ in 0..messages {
                    let payload = Payload::Borrowed(payloads.next());
                    socket.write_frame(Frame::binary(payload)).await.expect("open");
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

    fn idle(&self, scene: &Scene) -> Option<Box<dyn Any>> {
        let mut socket = open(scene);
        run(echo(&mut socket, scene));
        Some(Box::new(socket))
    }
}

fn open(scene: &Scene) -> FragmentCollector<Pipe> {
    let role = if is_server(scene) { Role::Server } else { Role::Client };
    FragmentCollector::new(WebSocket::after_handshake(scene.pipe(), role))
}

#[inline]
async fn next(socket: &mut FragmentCollector<Pipe>) -> Frame<'static> {
    loop {
        let frame = socket.read_frame().await.expect("a message");
        if let OpCode::Text | OpCode::Binary = frame.opcode {
            return frame;
        }
    }
}

#[inline]
async fn echo(socket: &mut FragmentCollector<Pipe>, scene: &Scene) {
    let frame = next(socket).await;
    scene.message(&frame.payload);
    socket.write_frame(Frame::binary(frame.payload)).await.expect("open");
}
